//! How much rankings agree: rank-biased overlap, Webber, Moffat and Zobel, "A similarity measure for indefinite
//! rankings", ACM TOIS 28(4), 2010. Agreement of searches that know nothing of each other speaks for what they found.

use super::{Weighted, gathered::Gathered, number};
use crate::ranking::Ranking;

/// How far down agreement of legs is looked for, the p of the paper: with 0.9 the first 10 ranks are 86 % of it.
const PERSISTENCE: f64 = 0.9;

/// The rank-biased overlap of two rankings, from 0 (nothing in common) to 1 (the same): the share that they have in
/// common at each depth, averaged over a reader who goes one deeper with probability `p`, and extrapolated to endless
/// rankings (equation 32 of the paper). With a `p` of 0.9 the first 10 ranks are 86 % of it. Two empty rankings
/// are the same. A `p` outside 0..1 becomes the nearest number inside.
#[must_use]
pub fn rank_biased_overlap(one: &Ranking, other: &Ranking, p: f64) -> f64 {
    let (short, long) = (one.len().min(other.len()), one.len().max(other.len()));
    if short == 0 {
        return if long == 0 { 1.0 } else { 0.0 };
    }
    let p = if p.is_nan() { PERSISTENCE } else { p.clamp(f64::EPSILON, 1.0 - f64::EPSILON) };
    let new = common(one, other);
    let in_short = number(new[..short].iter().sum());
    let (mut overlap, mut sum, mut weight) = (0, 0.0, 1.0);
    for depth in 1..=long {
        weight *= p;
        overlap += new[depth - 1];
        let beyond = number(depth.saturating_sub(short));
        sum += weight * (number(overlap) + in_short * beyond / number(short)) / number(depth);
    }
    let tail = (number(overlap) - in_short) / number(long) + in_short / number(short);
    ((1.0 - p) / p * sum + tail * weight).clamp(0.0, 1.0)
}

/// By depth, how many passages are common to both rankings from there on.
fn common(one: &Ranking, other: &Ranking) -> Vec<usize> {
    let mut new = vec![0; one.len().max(other.len())];
    for (_, found) in Gathered::of(&[Weighted::new(one, 0), Weighted::new(other, 1)]).each() {
        let (by, deepest) = found.fold((0, 0), |(by, deepest), found| (by + 1, found.rank.max(deepest)));
        if by == 2 {
            new[deepest - 1] += 1;
        }
    }
    new
}

/// How much the legs of a retrieval agree: the mean rank-biased overlap of all pairs of legs that found something. `None`
/// if there is no pair.
#[must_use]
pub fn agreement(rankings: &[Weighted<'_>]) -> Option<f64> {
    let legs: Vec<&Ranking> = rankings.iter().map(|leg| leg.ranking).filter(|ranking| !ranking.is_empty()).collect();
    let with_later = |(at, one): (usize, &&Ranking)| -> Vec<f64> {
        legs[at + 1..].iter().map(|other| rank_biased_overlap(one, other, PERSISTENCE)).collect()
    };
    let overlaps: Vec<f64> = legs.iter().enumerate().flat_map(with_later).collect();
    (!overlaps.is_empty()).then(|| overlaps.iter().sum::<f64>() / number(overlaps.len()))
}

/// As [`agreement()`], of the legs of one variant: how much its channels agree.
#[must_use]
pub fn agreement_within(rankings: &[Weighted<'_>], variant: usize) -> Option<f64> {
    agreement(&rankings.iter().filter(|leg| leg.variant == variant).copied().collect::<Vec<_>>())
}
