//! Reciprocal rank fusion: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual
//! rank learning methods", SIGIR 2009. A passage scores Σ weight / (k + rank) over the rankings that found it, ranks
//! counted from 1.

use super::{Fused, Weighted, best_first, gather};

/// The constant of the paper.
pub(super) const DEFAULT_K: f64 = 60.0;

pub(super) fn default_k() -> f64 {
    DEFAULT_K
}

pub(super) fn fuse(rankings: &[Weighted<'_>], k: f64, limit: usize) -> Vec<Fused> {
    #[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
    let contribution = |leg: usize, rank: usize| rankings[leg].weight / (k + rank as f64);
    best_first(gather(rankings, contribution), limit)
}
