//! Scores below which nothing is returned: native ones before fusion, the normalised one after it.

use crate::{fuse::Fused, ranking::Ranking, search::Channel};

/// The scores that a passage has to reach. Each is its own decision: a passage that one leg drops may still come in by
/// another.
///
/// Native scores are comparable within one model and one collection only. What is good enough differs from model to
/// model, and for BM25 from question to question: look at the scores of questions of your own first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Threshold {
    /// The least cosine similarity that a dense leg counts, from -1 to 1.
    pub dense: Option<f32>,
    /// The least BM25 score that a lexical leg counts; from 0, without an upper end.
    pub bm25: Option<f32>,
    /// The least fused score, brought to 0..=1, that is returned.
    pub normalised: Option<f64>,
}

impl Threshold {
    /// Sets the least cosine similarity that a dense leg counts.
    #[must_use]
    pub fn with_dense(mut self, least: f32) -> Self {
        self.dense = Some(least);
        self
    }

    /// Sets the least BM25 score that a lexical leg counts.
    #[must_use]
    pub fn with_bm25(mut self, least: f32) -> Self {
        self.bm25 = Some(least);
        self
    }

    /// Sets the least fused score, from 0 to 1, that is returned.
    #[must_use]
    pub fn with_normalised(mut self, least: f64) -> Self {
        self.normalised = Some(least);
        self
    }

    /// The least native score of a channel.
    #[must_use]
    pub fn of(&self, channel: Channel) -> Option<f32> {
        match channel {
            Channel::Dense => self.dense,
            Channel::Bm25 => self.bm25,
        }
    }

    /// What a leg found, without what is below its channel's threshold.
    #[must_use]
    pub fn leg(&self, channel: Channel, ranking: Ranking) -> Ranking {
        let Some(least) = self.of(channel) else { return ranking };
        let kept = ranking.entries().partition_point(|scored| scored.score >= least);
        ranking.top(kept)
    }

    /// What was fused, without what is below the threshold. A fusion's normalised scores fall with its order.
    pub fn fused(&self, fused: &mut Vec<Fused>) {
        if let Some(least) = self.normalised {
            fused.retain(|fused| fused.normalised >= least);
        }
    }

    /// Says which threshold is none, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let bounds = [
            ("threshold.dense", self.dense.map(f64::from), -1.0..=1.0, "a cosine similarity from -1 to 1"),
            ("threshold.bm25", self.bm25.map(f64::from), 0.0..=f64::MAX, "a BM25 score of 0 or more"),
            ("threshold.normalised", self.normalised, 0.0..=1.0, "a normalised score from 0 to 1"),
        ];
        let outside =
            bounds.into_iter().find(|(_, given, range, _)| given.is_some_and(|given| !range.contains(&given)));
        outside.map(|(name, given, _, wanted)| (name, format!("{} is not {wanted}", given.unwrap_or_default())))
    }
}
