//! The end of a call: weigh what the legs found, fuse it, fetch the passages of the hits, and give the account.

use std::{collections::HashMap, sync::PoisonError};

use super::{
    call::{Call, until},
    found::{Found, Searched},
};
use crate::{
    error::Error,
    event::{self, Event},
    fuse::{self, Explanation, Fuse as _, Fused, Weighted},
    ranking::{Hit, Passage, PointId},
    retrieval::{AskedOnly, Degradation, Outcome, Retrieval, Step},
};

impl Call<'_> {
    /// Fuses what was found, fetches the passages of the hits and says what was lost.
    pub(super) async fn finish(
        &self,
        mut found: Found,
        mut outcome: Outcome,
        own_hits: Vec<Hit>,
    ) -> Result<Retrieval, Error> {
        found.weigh(self);
        let weighted = found.weighted(self.parts.channel_weights);
        let agreement = fuse::agreement(&weighted);
        let fused = self.fuse(&weighted, self.options.explain).await;
        let mut degradations = std::mem::take(&mut found.degradations);
        let own_ids: Vec<String> = own_hits.iter().map(|hit| hit.passage.id.clone()).collect();
        let wanted = fused.len();
        let hits = match self.fetch(fused, &own_hits).await {
            Ok(hits) => {
                if hits.len() < wanted {
                    degradations.push(Degradation::Deleted { missing: wanted - hits.len() });
                }
                hits
            }
            Err(error) if own_hits.is_empty() => return Err(error),
            // The question's own hits were complete before: better than none.
            Err(error) => {
                degradations.push(Degradation::Fetch { error: Box::new(error) });
                outcome = Outcome::AskedOnly { reason: AskedOnly::Late };
                own_hits
            }
        };
        self.tell(|| Event::Fused { hits: hits.clone(), changes: event::changes(&own_ids, &hits) });
        note(&outcome, &degradations);
        let mut timings = std::mem::take(&mut *self.timings.lock().unwrap_or_else(PoisonError::into_inner));
        timings.sort_by_key(|timing| timing.start);
        let Found { variants, legs, .. } = found;
        let took = self.budget.start().elapsed();
        Ok(Retrieval { hits, variants, legs, agreement, outcome, degradations, timings, took })
    }

    /// What the question alone found, told to who listens; empty if it found nothing, or not in time.
    pub(super) async fn own_hits(&self, asked: &Searched) -> Vec<Hit> {
        let weighted = asked.weighted(self.parts.channel_weights);
        if weighted.is_empty() {
            return vec![];
        }
        let hits = self.fetch(self.fuse(&weighted, false).await, &[]).await.unwrap_or_default();
        self.tell(|| Event::Asked { hits: hits.clone() });
        hits
    }

    /// Fuses, and says of each fused point which legs found it; with `explain` also where it would stand without each
    /// variant.
    async fn fuse(&self, rankings: &[Weighted<'_>], explain: bool) -> Vec<(Fused, Explanation)> {
        let fusion = self.options.fusion.as_ref().unwrap_or(&self.parts.fusion);
        let wanted = self.options.offset + self.options.limit;
        let fuse = async {
            let mut fused = fusion.fuse(rankings, wanted);
            fused.drain(..self.options.offset.min(fused.len()));
            let explained = if explain {
                fuse::explain(fusion, rankings, &fused)
            } else {
                fuse::found_by(fusion, rankings, &fused)
            };
            Ok::<_, Error>(fused.into_iter().zip(explained).collect())
        };
        self.timed(Step::Fuse, None, fuse).await.unwrap_or_default()
    }

    /// Fetches the passages of the fused points, but for those that are at hand. A point that is gone is left out.
    async fn fetch(&self, fused: Vec<(Fused, Explanation)>, at_hand: &[Hit]) -> Result<Vec<Hit>, Error> {
        let mut passages: HashMap<PointId, Passage> =
            at_hand.iter().map(|hit| (hit.point, hit.passage.clone())).collect();
        let missing = fused.iter().map(|(fused, _)| fused.id).filter(|id| !passages.contains_key(id));
        let missing: Vec<PointId> = missing.collect();
        if !missing.is_empty() {
            let end = self.budget.end().or_else(|| tokio::time::Instant::now().checked_add(super::LEG_TIMEOUT));
            let fetch = self.timed(Step::Fetch, None, self.parts.store.fetch(&missing));
            passages.extend(until(end, fetch).await.ok_or_else(|| self.late())??);
        }
        let hit = |(Fused { id, score, normalised }, Explanation { found_by, without })| {
            Some(Hit { score, normalised, passage: passages.remove(&id)?, found_by, without, point: id })
        };
        Ok(fused.into_iter().filter_map(hit).collect())
    }
}

/// Counts the outcome and what was lost, and logs the latter.
fn note(outcome: &Outcome, degradations: &[Degradation]) {
    metrics::counter!("asktwice_retrievals_total", "outcome" => outcome.word()).increment(1);
    for degradation in degradations {
        metrics::counter!("asktwice_degraded_total", "kind" => degradation.kind()).increment(1);
        tracing::warn!(%degradation, "degraded");
    }
}
