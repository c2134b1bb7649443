//! Intersection: what enough variants agree on comes first, in the order of reciprocal rank fusion; the rest fills up
//! behind it, or is left out when strict.

use super::{Fused, Weighted, best_first, rrf, variants_of};

/// Fuses. A quorum of 0 asks for every variant that found anything: a leg that failed or found nothing is a no-op.
pub(super) fn fuse(rankings: &[Weighted<'_>], quorum: usize, strict: bool, limit: usize) -> Vec<Fused> {
    let mut answered: Vec<usize> =
        rankings.iter().filter(|weighted| !weighted.ranking.is_empty()).map(|weighted| weighted.variant).collect();
    answered.sort_unstable();
    answered.dedup();
    let quorum = if quorum == 0 { answered.len() } else { quorum };
    let ranked = rrf::fuse(rankings, rrf::DEFAULT_K, usize::MAX);
    let (mut agreed, rest): (Vec<_>, Vec<_>) =
        ranked.into_iter().partition(|fused| variants_of(fused, rankings) >= quorum);
    if strict {
        agreed.truncate(limit);
        return agreed;
    }
    // Lifted above everything that fewer found, so that the score tells the order.
    let lift = rest.iter().map(|fused| fused.score).fold(0.0, f64::max);
    for fused in &mut agreed {
        fused.score += lift;
    }
    agreed.extend(rest);
    best_first(agreed, limit)
}
