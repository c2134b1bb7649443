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
    retrieval::{Degradation, Outcome, Retrieval, Step},
};

impl Call<'_> {
    /// Fuses what was found, fetches the passages of the hits and says what was lost.
    pub(super) async fn finish(
        &self,
        mut found: Found,
        outcome: Outcome,
        told: Option<Vec<String>>,
    ) -> Result<Retrieval, Error> {
        found.weigh(self);
        let weighted = found.weighted(self.parts.channel_weights);
        let agreement = fuse::agreement(&weighted);
        let fused = self.fuse(&weighted, self.options.explain).await;
        let wanted = fused.len();
        let hits = self.fetch(fused).await?;
        let mut degradations = std::mem::take(&mut found.degradations);
        if hits.len() < wanted {
            degradations.push(Degradation::Deleted { missing: wanted - hits.len() });
        }
        self.tell(|| {
            let changes = event::changes(told.as_deref().unwrap_or_default(), &hits);
            Event::Fused { hits: hits.clone(), changes }
        });
        note(&outcome, &degradations);
        let mut timings = std::mem::take(&mut *self.timings.lock().unwrap_or_else(PoisonError::into_inner));
        timings.sort_by_key(|timing| timing.start);
        let Found { variants, legs, .. } = found;
        let took = self.budget.start().elapsed();
        Ok(Retrieval { hits, variants, legs, agreement, outcome, degradations, timings, took })
    }

    /// Tells who listens what the question alone found; returns the ids of those hits, or `None` if it found nothing to
    /// tell, or not in time.
    pub(super) async fn tell_asked(&self, asked: &Searched) -> Option<Vec<String>> {
        let weighted = asked.weighted(self.parts.channel_weights);
        if weighted.is_empty() {
            return None;
        }
        let hits = self.fetch(self.fuse(&weighted, false).await).await.ok()?;
        let ids = hits.iter().map(|hit| hit.passage.id.clone()).collect();
        self.tell(|| Event::Asked { hits });
        Some(ids)
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

    /// Fetches the passages of the fused points, once. A point that is gone is left out.
    async fn fetch(&self, fused: Vec<(Fused, Explanation)>) -> Result<Vec<Hit>, Error> {
        if fused.is_empty() {
            return Ok(vec![]);
        }
        let ids: Vec<_> = fused.iter().map(|(fused, _)| fused.id).collect();
        let end = self.budget.end().or_else(|| tokio::time::Instant::now().checked_add(super::LEG_TIMEOUT));
        let fetch = self.timed(Step::Fetch, None, self.parts.store.fetch(&ids));
        let fetched = until(end, fetch).await.ok_or_else(|| self.late())??;
        let mut passages: HashMap<PointId, Passage> = fetched.into_iter().collect();
        let hit = |(Fused { id, score, normalised }, Explanation { found_by, without })| {
            Some(Hit { score, normalised, passage: passages.remove(&id)?, found_by, without })
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
