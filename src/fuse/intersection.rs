//! Intersection and quorum: what enough variants agree on comes first, in the order of reciprocal rank fusion; the rest
//! fills up behind it, or is left out when strict. Larsen, Ingwersen and Lund, "Data fusion according to the principle
//! of polyrepresentation", JASIST 60, 2009, call the strict form restricted fusion; Lee, SIGIR 1997, says why it works:
//! searches agree on what is relevant more than on what is not.
//!
//! It is variants that have to agree, not legs: a variant has found what any of its channels found, so its legs are
//! fused by reciprocal rank fusion first. A variant counts with the weight of its heaviest leg.

use super::{
    Combination, Fused, Weighted,
    ballot::Ballot,
    gathered::{Found, Gathered, best_rank},
    rrf,
};
use crate::ranking::PointId;

/// Put behind every passage that enough variants found, where scores are equal.
const BEHIND: u64 = 1 << 32;

/// Fuses. A quorum of 0 asks for every variant that found anything: a leg that failed or found nothing is a no-op.
pub(super) fn fuse(gathered: &Gathered<'_>, quorum: usize, strict: bool, limit: usize) -> Vec<Fused> {
    let variants = Variants::of(gathered);
    let quorum = if quorum == 0 { variants.weights.len() } else { quorum };
    // What enough variants found is lifted by the most that can be had without, so that the score tells the order.
    let mut votes: Vec<f64> = (0..variants.weights.len()).map(|variant| variants.vote(variant, 1)).collect();
    let lift = Combination::Sum.of(&mut votes);
    // They are asked for in the order in which the variants' ranks were filled in.
    let mut passages = 0..gathered.passages();
    gathered.select(limit, 0.0..=2.0 * lift, |_| {
        let ranks = variants.ranks(passages.next()?);
        votes.clear();
        votes.extend(ranks.clone().map(|(variant, rank)| variants.vote(variant, rank)));
        let (found, best) = (votes.len(), ranks.map(|(_, rank)| u64::from(rank)).min()?);
        let score = Combination::Sum.of(&mut votes);
        match found >= quorum {
            true => Some((score + lift, best)),
            false if strict => None,
            false => Some((score, best + BEHIND)),
        }
    })
}

/// What each leg adds to each passage: its variant's vote, shared among the variant's legs as they shared in the
/// variant's own ranking. The lift of what a quorum found is nobody's.
pub(super) fn contributions(gathered: &Gathered<'_>, ids: &[PointId]) -> Vec<Vec<f64>> {
    let variants = Variants::of(gathered);
    let mut contributions = vec![vec![0.0; gathered.rankings().len()]; ids.len()];
    for (passage, (id, found)) in gathered.each().enumerate() {
        let Some(at) = ids.iter().position(|wanted| *wanted == id) else { continue };
        let found: Vec<Found> = found.collect();
        for (variant, rank) in variants.ranks(passage) {
            let own = |found: &&Found| variants.of_leg[found.leg] == Some(variant);
            let whole: f64 = found.iter().filter(own).map(|found| variants.legs.vote(found)).sum();
            for found in found.iter().filter(own).filter(|_| whole > 0.0) {
                contributions[at][found.leg] = variants.vote(variant, rank) * variants.legs.vote(found) / whole;
            }
        }
    }
    contributions
}

/// The variants that found something, each with one ranking.
struct Variants {
    /// The votes within the variants.
    legs: Ballot,
    /// By leg, its variant; `None` if it found nothing.
    of_leg: Vec<Option<usize>>,
    /// By variant.
    weights: Vec<f64>,
    /// By passage, then by variant; 0 where it was not found.
    ranks: Vec<u32>,
}

impl Variants {
    fn of(gathered: &Gathered<'_>) -> Self {
        let rankings = gathered.rankings();
        let answered = || rankings.iter().filter(|leg| !leg.ranking.is_empty());
        let mut numbers: Vec<usize> = answered().map(|leg| leg.variant).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let of_leg = |leg: &Weighted<'_>| numbers.binary_search(&leg.variant).ok().filter(|_| !leg.ranking.is_empty());
        let weight = |number: &usize| {
            let own = answered().filter(|leg| leg.variant == *number);
            own.map(Weighted::counted_weight).fold(0.0, f64::max)
        };
        let mut variants = Self {
            legs: rrf::ballot(rankings, rrf::DEFAULT_K),
            of_leg: rankings.iter().map(of_leg).collect(),
            weights: numbers.iter().map(weight).collect(),
            ranks: vec![0; gathered.passages() * numbers.len()],
        };
        for variant in 0..numbers.len() {
            variants.rank(variant, gathered);
        }
        variants
    }

    /// Fuses a variant's legs: the best score first, then the best rank, then the lowest id, in whose order passages are
    /// numbered.
    #[expect(clippy::cast_possible_truncation, reason = "what is taken out of a number was put into it")]
    fn rank(&mut self, variant: usize, gathered: &Gathered<'_>) {
        let (mut own, mut votes, mut ranking) = (vec![], vec![], vec![]);
        for (passage, (_, found)) in (0u32..).zip(gathered.each()) {
            own.clear();
            own.extend(found.filter(|found| self.of_leg[found.leg] == Some(variant)));
            if !own.is_empty() {
                // Of scores that are not below 0 the bits have the same order. One number, because nothing sorts faster.
                let score = !self.legs.score(&own, &mut votes).to_bits();
                let best = best_rank(&own) as u32;
                ranking.push(u128::from(score) << 64 | u128::from(best) << 32 | u128::from(passage));
            }
        }
        ranking.sort_unstable();
        for (rank, place) in (1..).zip(ranking) {
            self.ranks[place as u32 as usize * self.weights.len() + variant] = rank;
        }
    }

    /// The variants that found a passage, and at which rank.
    fn ranks(&self, passage: usize) -> impl Iterator<Item = (usize, u32)> + Clone {
        let ranks = &self.ranks[passage * self.weights.len()..][..self.weights.len()];
        ranks.iter().copied().enumerate().filter(|(_, rank)| *rank > 0)
    }

    fn vote(&self, variant: usize, rank: u32) -> f64 {
        self.weights[variant] / (rrf::DEFAULT_K + f64::from(rank))
    }
}
