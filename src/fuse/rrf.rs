//! Reciprocal rank fusion: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual
//! rank learning methods", SIGIR 2009. A passage scores Σ weight / (k + rank) over the rankings that found it, ranks
//! counted from 1.

use super::{Weighted, ballot::Ballot, scores::Combination};

/// The constant of the paper.
pub(super) const DEFAULT_K: f64 = 60.0;

/// The election. A `k` below 0 or not a number counts as 0.
pub(super) fn ballot(rankings: &[Weighted<'_>], k: f64) -> Ballot {
    let k = k.max(0.0);
    let votes = |leg: &Weighted<'_>| leg.by_rank(|rank| leg.counted_weight() / (k + rank));
    Ballot::new(rankings.iter().map(votes).collect(), Combination::Sum)
}
