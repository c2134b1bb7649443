//! The other fusions by rank that are sums: Borda's count, the inverse square rank and its logarithmic form, and
//! rank-biased centroids.

use super::{
    Weighted,
    ballot::{Ballot, Count},
    number,
    scores::Combination,
};

/// How persistent the reader of rank-biased centroids is when nothing is said.
pub(super) const DEFAULT_PERSISTENCE: f64 = 0.9;

/// Borda's count: Aslam and Montague, "Models for metasearch", SIGIR 2001. Of N passages that were found at all, a leg
/// gives N points to its first, N − 1 to its second and so on, and shares the points that are left evenly among those
/// that it did not find. Each leg's points are multiplied by its weight.
pub(super) fn borda(rankings: &[Weighted<'_>], passages: usize) -> Ballot {
    let all = number(passages);
    let votes = |leg: &Weighted<'_>| leg.by_rank(|rank| leg.counted_weight() * (all - rank + 1.0));
    let absent = |leg: &Weighted<'_>| match leg.ranking.len() {
        0 => 0.0,
        found => leg.counted_weight() * (all - number(found) + 1.0) / 2.0,
    };
    let ballot = Ballot::new(rankings.iter().map(votes).collect(), Combination::Sum);
    Ballot { absent: rankings.iter().map(absent).collect(), ..ballot }
}

/// Inverse square rank: Mourão, Martins and Magalhães, "Multimodal medical information retrieval with unsupervised rank
/// fusion", Computerized Medical Imaging and Graphics 39, 2015. Σ weight / rank², times the number of legs that found
/// the passage.
pub(super) fn isr(rankings: &[Weighted<'_>]) -> Ballot {
    Ballot::new(inverse_squares(rankings), Combination::Mnz)
}

/// Its logarithmic form, of the same paper: times the logarithm of that number. What a single leg found scores 0, so
/// that this is an intersection, filled by the best rank.
pub(super) fn log_isr(rankings: &[Weighted<'_>]) -> Ballot {
    Ballot { count: Count::LogTimes, ..isr(rankings) }
}

fn inverse_squares(rankings: &[Weighted<'_>]) -> Vec<Vec<f64>> {
    rankings.iter().map(|leg| leg.by_rank(|rank| leg.counted_weight() / (rank * rank))).collect()
}

/// Rank-biased centroids: Bailey, Moffat, Scholer and Thomas, "Retrieval consistency in the presence of query
/// variations", SIGIR 2017. Σ weight · (1 − p) · p^(rank − 1): how likely a reader who goes on with probability p after
/// each hit gets to see the passage. A `p` outside 0..1 becomes the nearest number inside.
pub(super) fn rbc(rankings: &[Weighted<'_>], p: f64) -> Ballot {
    let p = if p.is_nan() { DEFAULT_PERSISTENCE } else { p.clamp(f64::EPSILON, 1.0 - f64::EPSILON) };
    let votes = |leg: &Weighted<'_>| leg.by_rank(|rank| leg.counted_weight() * (1.0 - p) * p.powf(rank - 1.0));
    Ballot::new(rankings.iter().map(votes).collect(), Combination::Sum)
}
