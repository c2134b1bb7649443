//! The end of a call: weigh what the legs found, fuse it, make hits of the best, and give the account.

use std::sync::{Arc, PoisonError};

use super::{
    call::Call,
    found::{Found, Searched},
    refine::{Candidate, Refining},
};
use crate::{
    error::Error,
    event::{self, Event},
    fuse::{self, Explanation, Fuse, Fused, Weighted},
    ranking::Hit,
    retrieval::{AskedOnly, Degradation, Outcome, Retrieval, Step},
};

impl Call<'_> {
    /// Fuses what was found, makes hits of the best of it and says what was lost.
    pub(super) async fn finish(
        &self,
        mut found: Found,
        mut outcome: Outcome,
        own_hits: Vec<Hit>,
    ) -> Result<Retrieval, Error> {
        found.weigh(self);
        let mut degradations = std::mem::take(&mut found.degradations);
        let weighted = found.weighted(self.parts.channel_weights);
        let agreement = fuse::agreement(&weighted);
        let own_ids: Vec<String> = own_hits.iter().map(|hit| hit.passage.id.clone()).collect();
        let fused = self.fuse(&weighted).await;
        let mut probability = self.probability(&outcome, agreement, &fused);
        let mut refining = Refining::new(self, fused, &own_hits);
        let refined = refining.run().await;
        degradations.append(&mut refining.degradations);
        let mut hits = match refined {
            Ok(()) => self.hits(refining.candidates, &weighted, self.options.explain),
            Err(error) if own_hits.is_empty() => return Err(error),
            // The question's own hits were complete before: better than none.
            Err(error) => {
                degradations.push(Degradation::Fetch { error: Box::new(error) });
                outcome = Outcome::AskedOnly { reason: AskedOnly::Late };
                probability = None;
                own_hits
            }
        };
        degradations.extend(self.add_neighbours(&mut hits).await.err());
        self.tell(|| Event::Fused { hits: hits.clone(), changes: event::changes(&own_ids, &hits) });
        note(&outcome, &degradations);
        let mut timings = std::mem::take(&mut *self.timings.lock().unwrap_or_else(PoisonError::into_inner));
        timings.sort_by_key(|timing| timing.start);
        let Found { variants, legs, rankings, .. } = found;
        let took = self.budget.start().elapsed();
        Ok(Retrieval { hits, variants, legs, rankings, agreement, probability, outcome, degradations, timings, took })
    }

    /// What the question alone found, as it was fused, neither reranked nor spread; told to who listens. Empty if it
    /// found nothing, or not in time.
    pub(super) async fn own_hits(&self, asked: &Searched) -> Vec<Hit> {
        let weighted = asked.weighted(self.parts.channel_weights);
        if weighted.is_empty() {
            return vec![];
        }
        let mut refining = Refining::new(self, self.fuse(&weighted).await, &[]);
        let chosen = refining.choose().await;
        let hits = chosen.map(|()| self.hits(refining.candidates, &weighted, false)).unwrap_or_default();
        self.tell(|| Event::Asked { hits: hits.clone() });
        hits
    }

    /// Fuses, and leaves out what scores too low.
    async fn fuse(&self, rankings: &[Weighted<'_>]) -> Vec<Fused> {
        let fuse = async {
            let mut fused = self.fusion().fuse(rankings, self.wanted());
            self.options.threshold.fused(&mut fused);
            Ok::<_, Error>(fused)
        };
        self.timed(Step::Fuse, None, fuse).await.unwrap_or_default()
    }

    /// What a calibration makes of it, where the call is of the kind that it was made with.
    fn probability(&self, outcome: &Outcome, agreement: Option<f64>, fused: &[Fused]) -> Option<f64> {
        let calibration = self.parts.calibration.as_ref()?;
        let is_whole = matches!(outcome, Outcome::Full | Outcome::AskedOnly { .. });
        let is_usual = self.options.fusion.is_none() && self.options.legs.is_none_or(|legs| legs == self.parts.legs);
        let score = fused.first().map_or(0.0, |first| first.normalised);
        (is_whole && is_usual).then(|| calibration.probability(agreement.unwrap_or_default(), score))
    }

    fn fusion(&self) -> &Arc<dyn Fuse> {
        self.options.fusion.as_ref().unwrap_or(&self.parts.fusion)
    }

    /// How many fused points there have to be to choose the hits from.
    fn wanted(&self) -> usize {
        if self.options.group.is_some() {
            // Nobody knows how many of them are of one document.
            return usize::MAX;
        }
        let reranked = self.reranker().map_or(0, |(_, depth)| depth);
        let spread = self.options.mmr.map_or(0, |mmr| mmr.candidates);
        (self.options.offset + self.options.limit).max(reranked).max(spread)
    }

    /// The hits, each with which legs found it; with `explain` also where it would stand without each variant.
    fn hits(&self, candidates: Vec<Candidate>, rankings: &[Weighted<'_>], explain: bool) -> Vec<Hit> {
        let fused: Vec<Fused> = candidates.iter().map(|candidate| candidate.fused).collect();
        let explained = if explain { fuse::explain } else { fuse::found_by };
        let explained = explained(self.fusion(), rankings, &fused);
        let hit = |(candidate, Explanation { found_by, without }): (Candidate, Explanation)| {
            let Candidate { fused: Fused { id: point, score, normalised }, reranked, passage } = candidate;
            let mut passage = passage?;
            self.options.payload.apply(&mut passage);
            Some(Hit { score, normalised, reranked, passage, neighbours: vec![], found_by, without, point })
        };
        candidates.into_iter().zip(explained).filter_map(hit).collect()
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
