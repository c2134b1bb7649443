//! Intersection and quorum: what enough variants agree on comes first, in the order of reciprocal rank fusion; the rest
//! fills up behind it, or is left out when strict. Larsen, Ingwersen and Lund, "Data fusion according to the principle
//! of polyrepresentation", JASIST 60, 2009, call the strict form restricted fusion; Lee, SIGIR 1997, says why it works:
//! searches agree on what is relevant more than on what is not.
//!
//! It is variants that have to agree, not legs: a variant has found what any of its channels found, so its legs are
//! fused by reciprocal rank fusion first. A variant counts with the weight of its heaviest leg.

use std::borrow::Cow;

use super::{
    Fused, Weighted,
    gathered::{Found, Gathered, best_rank},
    rrf,
};
use crate::ranking::{PointId, Ranking};

/// Put behind every passage that enough variants found, where scores are equal.
const BEHIND: u64 = 1 << 32;

/// Fuses. A quorum of 0 asks for every variant that found anything: a leg that failed or found nothing is a no-op.
pub(super) fn fuse(rankings: &[Weighted<'_>], quorum: usize, strict: bool, limit: usize) -> Vec<Fused> {
    let variants = variants(rankings);
    let weighted: Vec<Weighted<'_>> = variants.iter().map(Variant::weighted).collect();
    let quorum = if quorum == 0 { weighted.len() } else { quorum };
    let ballot = rrf::ballot(&weighted, rrf::DEFAULT_K);
    // What enough variants found is lifted by the most that can be had without, so that the score tells the order.
    let lift = ballot.most();
    let mut votes = Vec::with_capacity(weighted.len());
    Gathered::of(&weighted).select(limit, 0.0..=2.0 * lift, |found| {
        let score = ballot.score(found, &mut votes);
        match found.len() >= quorum {
            true => Some((score + lift, best_rank(found))),
            false if strict => None,
            false => Some((score, best_rank(found) + BEHIND)),
        }
    })
}

/// What each leg adds to each passage: its variant's vote, shared among the variant's legs as they shared in the
/// variant's own ranking. The lift of what a quorum found is nobody's.
pub(super) fn contributions(rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<f64>> {
    let variants = variants(rankings);
    let weighted: Vec<Weighted<'_>> = variants.iter().map(Variant::weighted).collect();
    let (outer, inner) = (rrf::ballot(&weighted, rrf::DEFAULT_K), rrf::ballot(rankings, rrf::DEFAULT_K));
    let (by_variant, by_leg) = (Gathered::of(&weighted), Gathered::of(rankings));
    let of = |id: &PointId| {
        let mut contributions = vec![0.0; rankings.len()];
        let legs = by_leg.of_passage(*id);
        for variant in by_variant.of_passage(*id) {
            let own = |found: &&Found| rankings[found.leg].variant == weighted[variant.leg].variant;
            let whole: f64 = legs.iter().filter(own).map(|found| inner.vote(found)).sum();
            for found in legs.iter().filter(own).filter(|_| whole > 0.0) {
                contributions[found.leg] = outer.vote(&variant) * inner.vote(found) / whole;
            }
        }
        contributions
    };
    ids.iter().map(of).collect()
}

/// A variant that found something.
struct Variant<'a> {
    number: usize,
    weight: f64,
    ranking: Cow<'a, Ranking>,
    channel: crate::search::Channel,
}

impl Variant<'_> {
    fn weighted(&self) -> Weighted<'_> {
        Weighted { ranking: &self.ranking, weight: self.weight, variant: self.number, channel: self.channel }
    }
}

/// The variants that found something, each with one ranking.
fn variants<'a>(rankings: &[Weighted<'a>]) -> Vec<Variant<'a>> {
    let mut legs: Vec<Weighted<'a>> = rankings.iter().filter(|leg| !leg.ranking.is_empty()).copied().collect();
    legs.sort_by_key(|leg| leg.variant);
    let variant = |legs: &[Weighted<'a>]| Variant {
        number: legs[0].variant,
        weight: legs.iter().map(Weighted::counted_weight).fold(0.0, f64::max),
        ranking: match legs {
            [only] => Cow::Borrowed(only.ranking),
            several => Cow::Owned(fused(several)),
        },
        channel: legs[0].channel,
    };
    legs.chunk_by(|a, b| a.variant == b.variant).map(variant).collect()
}

/// A variant's legs as one ranking.
fn fused(legs: &[Weighted<'_>]) -> Ranking {
    let fused = rrf::ballot(legs, rrf::DEFAULT_K).fuse(&Gathered::of(legs), usize::MAX);
    Ranking::in_order(fused.into_iter().map(|fused| fused.id))
}
