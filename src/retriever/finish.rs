//! The end of a call: weigh what the legs found, fuse it, fetch the passages of the hits, and give the account.

use std::{collections::HashMap, sync::PoisonError};

use super::{
    call::{Call, until},
    found::{Found, Searched},
};
use crate::{
    error::Error,
    event::{self, Event},
    fuse::{self, Fuse, Fused, Weighted},
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
        let agreement = fuse::agreement(&found.rankings.iter().collect::<Vec<_>>());
        let fused = self.fuse(&found.weighted(self.parts.channel_weights)).await;
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
        let rankings = asked.legs.iter().filter_map(|(channel, leg)| Some((*channel, leg.as_ref().ok()?)));
        let weights = self.parts.channel_weights;
        let weighted = |(channel, ranking)| Weighted { ranking, weight: weights.of(channel), variant: 0 };
        let weighted: Vec<Weighted<'_>> = rankings.map(weighted).collect();
        if weighted.is_empty() {
            return None;
        }
        let hits = self.fetch(self.fuse(&weighted).await).await.ok()?;
        let ids = hits.iter().map(|hit| hit.passage.id.clone()).collect();
        self.tell(|| Event::Asked { hits });
        Some(ids)
    }

    async fn fuse(&self, rankings: &[Weighted<'_>]) -> Vec<Fused> {
        let fusion = self.options.fusion.as_ref().unwrap_or(&self.parts.fusion);
        let wanted = self.options.offset + self.options.limit;
        let fuse = async { Ok::<_, Error>(fusion.fuse(rankings, wanted)) };
        let mut fused = self.timed(Step::Fuse, None, fuse).await.unwrap_or_default();
        fused.drain(..self.options.offset.min(fused.len()));
        fused
    }

    /// Fetches the passages of the fused points, once. A point that is gone is left out.
    async fn fetch(&self, fused: Vec<Fused>) -> Result<Vec<Hit>, Error> {
        if fused.is_empty() {
            return Ok(vec![]);
        }
        let ids: Vec<_> = fused.iter().map(|fused| fused.id).collect();
        let end = self.budget.end().or_else(|| tokio::time::Instant::now().checked_add(super::LEG_TIMEOUT));
        let fetch = self.timed(Step::Fetch, None, self.parts.store.fetch(&ids));
        let fetched = until(end, fetch).await.ok_or_else(|| self.late())??;
        let mut passages: HashMap<PointId, Passage> = fetched.into_iter().collect();
        let hit = |fused: Fused| {
            let passage = passages.remove(&fused.id)?;
            Some(Hit { score: fused.score, passage, found_by: fused.found_by })
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
