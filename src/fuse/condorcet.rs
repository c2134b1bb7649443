//! Condorcet-fuse: Montague and Aslam, "Condorcet fusion for improved retrieval", CIKM 2002. Of two passages the one
//! that the heavier half of the legs ranks higher comes first; a passage that a leg found beats one that it did not
//! find. The passages are merge-sorted by these duels. Where the duels go round in a circle, as Condorcet saw that they
//! can, any order of the circle is as good; the sort starts from the best ranks, so that it is always the same one.

use super::{
    Fused, Weighted,
    gathered::{Gathered, best_rank},
    number,
};
use crate::ranking::PointId;

/// A passage's rank in a leg that did not find it: below all others.
const UNFOUND: u32 = u32::MAX;

/// Fuses. The first of N passages scores N, the next N − 1 and so on.
pub(super) fn fuse(rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
    let gathered = Gathered::of(rankings);
    let duels = Duels::of(&gathered, rankings);
    let passages = gathered.passages();
    let mut scores = vec![0.0; passages];
    for (place, passage) in duels.sorted().into_iter().enumerate() {
        scores[passage] = number(passages - place);
    }
    let mut scores = scores.into_iter();
    gathered.select(limit, 0.0..=number(passages), |found| Some((scores.next()?, best_rank(found))))
}

/// What each leg adds to each passage: its weight, times the share of the other passages that it ranks below. The score
/// is a place in an order, so these do not sum up to it.
pub(super) fn contributions(rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<f64>> {
    let gathered = Gathered::of(rankings);
    let others = number(gathered.passages().saturating_sub(1)).max(1.0);
    let of = |id: &PointId| {
        let mut contributions = vec![0.0; rankings.len()];
        for found in gathered.of_passage(*id) {
            let beaten = number(gathered.passages() - found.rank);
            contributions[found.leg] = rankings[found.leg].counted_weight() * beaten / others;
        }
        contributions
    };
    ids.iter().map(of).collect()
}

/// Every passage's rank in every leg.
struct Duels {
    /// By passage, then by leg, the lightest leg first.
    ranks: Vec<u32>,
    /// The legs' weights, the lightest first: in this order their sums do not depend on the order of the legs.
    weights: Vec<f64>,
    /// The passages by their best rank, then by id.
    start: Vec<usize>,
}

impl Duels {
    fn of(gathered: &Gathered<'_>, rankings: &[Weighted<'_>]) -> Self {
        let mut legs: Vec<usize> = (0..rankings.len()).collect();
        legs.sort_by(|a, b| rankings[*a].counted_weight().total_cmp(&rankings[*b].counted_weight()));
        let mut column = vec![0; legs.len()];
        for (place, leg) in legs.iter().enumerate() {
            column[*leg] = place;
        }
        let mut ranks = vec![UNFOUND; gathered.passages() * legs.len()];
        let mut start = Vec::with_capacity(gathered.passages());
        for (passage, (id, found)) in gathered.each().enumerate() {
            let mut best = UNFOUND;
            for found in found {
                let rank = u32::try_from(found.rank).unwrap_or(UNFOUND - 1);
                ranks[passage * legs.len() + column[found.leg]] = rank;
                best = best.min(rank);
            }
            start.push((best, id, passage));
        }
        start.sort_unstable();
        let weights = legs.into_iter().map(|leg| rankings[leg].counted_weight()).collect();
        Self { ranks, weights, start: start.into_iter().map(|(_, _, passage)| passage).collect() }
    }

    /// Whether the heavier half of the legs that tell them apart puts `one` before `other`.
    fn wins(&self, one: usize, other: usize) -> bool {
        let legs = self.weights.len();
        let (one, other) = (&self.ranks[one * legs..][..legs], &self.ranks[other * legs..][..legs]);
        let (mut ahead, mut behind) = (0.0, 0.0);
        for ((one, other), weight) in one.iter().zip(other).zip(&self.weights) {
            ahead += if one < other { *weight } else { 0.0 };
            behind += if one > other { *weight } else { 0.0 };
        }
        ahead > behind
    }

    /// The passages, merge-sorted by their duels. (The standard library's sorts may refuse an order with circles.)
    fn sorted(&self) -> Vec<usize> {
        let mut order = self.start.clone();
        let mut merged = Vec::with_capacity(order.len());
        let mut width = 1;
        while width < order.len() {
            merged.clear();
            for pair in order.chunks(2 * width) {
                let (mut left, mut right) = pair.split_at(width.min(pair.len()));
                while let ([one, left_rest @ ..], [other, right_rest @ ..]) = (left, right) {
                    if self.wins(*other, *one) {
                        merged.push(*other);
                        right = right_rest;
                    } else {
                        merged.push(*one);
                        left = left_rest;
                    }
                }
                merged.extend_from_slice(left);
                merged.extend_from_slice(right);
            }
            std::mem::swap(&mut order, &mut merged);
            width *= 2;
        }
        order
    }
}
