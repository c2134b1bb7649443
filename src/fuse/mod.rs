//! Step 4, fuse: several rankings become one. Pure and synchronous; the same rankings always give the same result.
//!
//! [`Fusion`] is the choice, [`Fuse`] what all fusions have in common, [`explain()`] says why the hits are where they are,
//! [`agreement()`] how much the legs agree, and [`Weighting`] how much a rewrite counts. `docs/fusion.md` compares them.
//!
//! Reciprocal rank fusion and intersection are one family, not two tools. For two equally weighted rankings of depth
//! at most k + 1, a passage that both found at rank D stands above one that a single ranking found first exactly when
//! D < k + 2. So at k = 60 and a depth of 61 or less, reciprocal rank fusion *is* the intersection, filled with the
//! rest; a small k is nearer to taking the best rank. A strict intersection leaves the filling out.

mod agreement;
mod ballot;
mod condorcet;
mod explain;
mod gathered;
mod intersection;
mod normalise;
mod parity;
mod rrf;
mod scores;
mod text;
mod votes;
mod weight;

pub use agreement::{agreement, agreement_within, rank_biased_overlap};
pub(crate) use explain::found_by;
pub use explain::{Explanation, explain};
pub use gathered::{Found, Gathered};
pub use normalise::Normalisation;
pub use parity::Parity;
pub use scores::Combination;
pub use text::UnknownFusion;
pub use weight::{Claim, Signals, UnknownWeighting, Weighting};

use std::{fmt::Debug, sync::Arc};

use ballot::Ballot;

use crate::{
    ranking::{PointId, Ranking},
    search::Channel,
};

/// One ranking to fuse: what a leg found, and how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct Weighted<'a> {
    /// What the leg found.
    pub ranking: &'a Ranking,
    /// How much it counts; 1 is the weight of the question as asked. What is below 0, infinite or no number counts as 0,
    /// and what counts 0 is as if it had found nothing.
    pub weight: f64,
    /// Which variant the leg searched with. An intersection asks how many *variants* found a passage.
    pub variant: usize,
    /// Which channel the leg searched. A convex combination weighs channels, by the range of their scores.
    pub channel: Channel,
}

impl<'a> Weighted<'a> {
    /// What a variant's leg through the dense channel found, with weight 1.
    #[must_use]
    pub fn new(ranking: &'a Ranking, variant: usize) -> Self {
        Self { ranking, weight: 1.0, variant, channel: Channel::Dense }
    }

    /// Sets how much it counts.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets which channel was searched.
    #[must_use]
    pub fn with_channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// The weight as it is counted.
    fn counted_weight(&self) -> f64 {
        if self.weight.is_finite() { self.weight.max(0.0) } else { 0.0 }
    }
}

/// One fused point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fused {
    /// The point.
    pub id: PointId,
    /// The fused score; higher is better. Its scale depends on the fusion.
    pub score: f64,
    /// The fused score brought to 0..=1, in the same order; 1 is what a passage gets that is first in every leg.
    pub normalised: f64,
}

/// How rankings become one. Implement it for a fusion of your own: [`Gathered`] does all but the formula.
///
/// ```
/// use asktwice::fuse::{Fuse, Fused, Gathered, Weighted};
///
/// /// The best rank that any leg gave.
/// #[derive(Debug)]
/// struct BestRank;
///
/// impl Fuse for BestRank {
///     fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
///         let score = |rank: usize| 1.0 / rank as f64;
///         Gathered::of(rankings)
///             .fuse(limit, 0.0..=1.0, |found| found.iter().map(|by| score(by.rank)).fold(0.0, f64::max))
///     }
/// }
/// ```
pub trait Fuse: Debug + Send + Sync {
    /// Fuses rankings into at most `limit` points, best first. An empty ranking changes nothing.
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused>;

    /// What each ranking adds to the fused score of each of these points: for each point one number per ranking. If a
    /// fusion does not say otherwise, it is what the score would lose without the ranking, which costs one fusing per
    /// ranking.
    fn contributions(&self, rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<f64>> {
        explain::losses(self, rankings, ids)
    }
}

impl<F: Fuse + ?Sized> Fuse for Arc<F> {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        (**self).fuse(rankings, limit)
    }

    fn contributions(&self, rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<f64>> {
        (**self).contributions(rankings, ids)
    }
}

/// The fusions that come with asktwice. Each is one word in settings, with its constant behind a colon: `rrf`, `rrf:10`,
/// `quorum:2:strict`, `combmnz:z-score`. Reading a word that is none gives an error that lists them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// Reciprocal rank fusion: `rrf`, `rrf:K`.
    Rrf {
        /// The smoothing constant, at least 0: the larger, the less the first ranks stand out.
        k: f64,
    },
    /// What at least `quorum` variants found comes first: `intersection`, `quorum:M`, either with `:strict`.
    Intersection {
        /// How many variants have to have found a passage; 0 stands for all that found anything.
        quorum: usize,
        /// Leave out what fewer found, rather than filling up with it.
        strict: bool,
    },
    /// Normalised scores, combined: `min-max`, `dbsf`, or a combination's and a normalisation's name, as
    /// `combmnz:z-score`.
    Scores {
        /// How a passage's scores become one.
        combination: Combination,
        /// How a leg's scores become comparable.
        normalisation: Normalisation,
    },
    /// The convex combination of the dense and the lexical channel: `convex`, `convex:A`.
    Convex {
        /// How much the dense channel counts, from 0 to 1; the lexical one counts the rest.
        alpha: f64,
    },
    /// Borda's count: `borda`.
    Borda,
    /// Inverse square rank: `isr`.
    Isr,
    /// Its logarithmic form: `log-isr`.
    LogIsr,
    /// Rank-biased centroids: `rbc`, `rbc:P`.
    Rbc {
        /// How likely a reader goes on after each hit, between 0 and 1.
        p: f64,
    },
    /// Condorcet-fuse: `condorcet`.
    Condorcet,
    /// Another system's fusion: `parity:` and its name.
    Parity(Parity),
}

impl Default for Fusion {
    /// Distribution-based score fusion: the best of the ablation in `docs/evaluation.md` for the question alone and with
    /// every recorded set of rewrites.
    fn default() -> Self {
        Self::dbsf()
    }
}

impl Fusion {
    /// Reciprocal rank fusion with the constant of its paper, 60.
    #[must_use]
    pub fn rrf() -> Self {
        Self::Rrf { k: rrf::DEFAULT_K }
    }

    /// What every variant found, filled up with the rest.
    #[must_use]
    pub fn intersection() -> Self {
        Self::Intersection { quorum: 0, strict: false }
    }

    /// The sum of scores that were scaled to 0..=1 between each leg's last and best.
    #[must_use]
    pub fn min_max() -> Self {
        Self::Scores { combination: Combination::Sum, normalisation: Normalisation::MinMax }
    }

    /// Distribution-based score fusion: the sum of scores that were scaled between three standard deviations below and
    /// above each leg's mean.
    #[must_use]
    pub fn dbsf() -> Self {
        Self::Scores { combination: Combination::Sum, normalisation: Normalisation::Distribution }
    }

    /// Every fusion with its own constants: what an ablation runs through. Of the combinations those of the min-max and
    /// the distribution's scores; the parity modes are not among them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let scores = [Normalisation::MinMax, Normalisation::Distribution].into_iter().flat_map(|normalisation| {
            Combination::NAMED.map(|(combination, _)| Self::Scores { combination, normalisation })
        });
        let mut all = vec![Self::rrf(), Self::intersection(), Self::Convex { alpha: scores::DEFAULT_ALPHA }];
        all.extend(scores);
        all.extend([
            Self::Borda,
            Self::Isr,
            Self::LogIsr,
            Self::Rbc { p: votes::DEFAULT_PERSISTENCE },
            Self::Condorcet,
        ]);
        all
    }

    /// The rankings that count: beside others, a leg that weighs nothing is as one that found nothing, so that it makes no
    /// quorum and no average. Where none that found anything weighs, and in other systems' fusions, all are as they are.
    fn counted<'a>(self, rankings: &[Weighted<'a>]) -> Vec<Weighted<'a>> {
        static NOTHING: Ranking = Ranking::nothing();
        let counts = |leg: &Weighted<'_>| leg.counted_weight() > 0.0 && !leg.ranking.is_empty();
        let all = matches!(self, Self::Parity(_)) || !rankings.iter().any(counts);
        let counted =
            |leg: &Weighted<'a>| if all || counts(leg) { *leg } else { Weighted { ranking: &NOTHING, ..*leg } };
        rankings.iter().map(counted).collect()
    }

    /// The votes, for those fusions that are an election.
    fn ballot(&self, gathered: &Gathered<'_>) -> Option<Ballot> {
        let rankings = gathered.rankings();
        Some(match *self {
            Self::Rrf { k } => rrf::ballot(rankings, k),
            Self::Scores { combination, normalisation } => scores::ballot(rankings, combination, normalisation),
            Self::Convex { alpha } => scores::convex(rankings, alpha),
            Self::Borda => votes::borda(rankings, gathered.passages()),
            Self::Isr => votes::isr(rankings),
            Self::LogIsr => votes::log_isr(rankings),
            Self::Rbc { p } => votes::rbc(rankings, p),
            Self::Parity(parity) => parity.ballot(rankings),
            Self::Intersection { .. } | Self::Condorcet => return None,
        })
    }
}

impl Fuse for Fusion {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        let counted = self.counted(rankings);
        let gathered = Gathered::of(&counted);
        match (self.ballot(&gathered), *self) {
            (Some(ballot), _) => ballot.fuse(&gathered, limit),
            (None, Self::Intersection { quorum, strict }) => intersection::fuse(&gathered, quorum, strict, limit),
            (None, _) => condorcet::fuse(&gathered, limit),
        }
    }

    fn contributions(&self, rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<f64>> {
        let counted = self.counted(rankings);
        let gathered = Gathered::of(&counted);
        match (self.ballot(&gathered), *self) {
            (Some(ballot), _) => ballot.contributions(&gathered, ids),
            (None, Self::Intersection { .. }) => intersection::contributions(&gathered, ids),
            (None, _) => condorcet::contributions(&gathered, ids),
        }
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}
