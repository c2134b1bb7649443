//! Condorcet-fuse: Montague and Aslam, "Condorcet fusion for improved retrieval", CIKM 2002. Of two passages the one
//! that the heavier half of the legs ranks higher comes first; a leg ranks what it did not find below what it found. The
//! passages are merge-sorted by these duels, and a draw leaves the better best rank, then the lower id in front. Where
//! the duels go round in a circle, as Condorcet saw that they can, any order of the circle is as good; it is always the
//! same one.

use super::{Fused, Weighted, gathered::Gathered, number};
use crate::ranking::PointId;

/// A passage's rank in a leg that did not find it: below all others.
const UNFOUND: u32 = u32::MAX;
/// What the heaviest leg weighs here. Whole numbers, so that no rounding makes the order of the legs matter.
const HEAVIEST: f64 = 4_294_967_296.0;

/// Fuses. The first of N passages scores N, the next N − 1 and so on.
pub(super) fn fuse(gathered: &Gathered<'_>, limit: usize) -> Vec<Fused> {
    let duels = Duels::of(gathered);
    let passages = duels.ids.len();
    let fused = |(place, passage): (usize, usize)| {
        let score = number(passages - place);
        Fused { id: duels.ids[passage], score, normalised: score / number(passages) }
    };
    duels.first(limit).into_iter().enumerate().map(fused).collect()
}

/// What each leg adds to each passage: its weight, times the share of the other passages that it ranks below. The score
/// is a place in an order, so these do not sum up to it.
pub(super) fn contributions(gathered: &Gathered<'_>, ids: &[PointId]) -> Vec<Vec<f64>> {
    let rankings = gathered.rankings();
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
    ids: Vec<PointId>,
    /// By passage, then by leg.
    ranks: Vec<u32>,
    /// By leg.
    weights: Vec<i64>,
}

impl Duels {
    fn of(gathered: &Gathered<'_>) -> Self {
        let rankings = gathered.rankings();
        let legs = rankings.len();
        let mut ids = Vec::with_capacity(gathered.passages());
        let mut ranks = vec![UNFOUND; gathered.passages() * legs];
        for (id, found) in gathered.each() {
            for found in found {
                ranks[ids.len() * legs + found.leg] = u32::try_from(found.rank).unwrap_or(UNFOUND - 1);
            }
            ids.push(id);
        }
        let answered = rankings.iter().filter(|leg| !leg.ranking.is_empty());
        let heaviest = answered.map(Weighted::counted_weight).fold(f64::MIN_POSITIVE, f64::max);
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^32")]
        let weight = |leg: &Weighted<'_>| (leg.counted_weight() / heaviest * HEAVIEST).round() as i64;
        Self { ids, ranks, weights: rankings.iter().map(weight).collect() }
    }

    fn ranks(&self, passage: usize) -> &[u32] {
        let legs = self.weights.len();
        &self.ranks[passage * legs..][..legs]
    }

    /// Whether the heavier half of the legs that tell them apart puts `one` before `other`.
    fn wins(&self, one: usize, other: usize) -> bool {
        // No branches here: there is nothing to predict.
        let duel = |((rank, other), weight): ((&u32, &u32), &i64)| {
            (i64::from(rank < other) - i64::from(rank > other)) * weight
        };
        self.ranks(one).iter().zip(self.ranks(other)).zip(&self.weights).map(duel).sum::<i64>() > 0
    }

    /// The first of the passages by their best rank, then by id, and from there merge-sorted by their duels. (The
    /// standard library's sorts may refuse an order with circles.) The first of two merged runs come from the first of
    /// each, so no run has to be longer than what is wanted in the end.
    fn first(&self, limit: usize) -> Vec<usize> {
        // The passages are numbered in the order of their ids. One number, because nothing sorts faster.
        let best = |passage| self.ranks(passage).iter().min().copied().unwrap_or(UNFOUND);
        let mut keys: Vec<_> = (0..self.ids.len()).map(|at| u64::from(best(at)) << 32 | at as u64).collect();
        keys.sort_unstable();
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the number of a passage")]
        let mut order: Vec<usize> = keys.into_iter().map(|key| key as u32 as usize).collect();
        let mut merged = Vec::with_capacity(order.len());
        let mut width = 1;
        while width < order.len() {
            merged.clear();
            for pair in order.chunks(2 * width) {
                let (mut left, mut right) = pair.split_at(width.min(pair.len()));
                for _ in 0..pair.len().min(limit) {
                    let (one, other) = (left.first(), right.first());
                    let is_right = one.is_none_or(|one| other.is_some_and(|other| self.wins(*other, *one)));
                    let taken = if is_right { &mut right } else { &mut left };
                    merged.extend(taken.split_off_first());
                }
            }
            std::mem::swap(&mut order, &mut merged);
            width = (2 * width).min(limit.max(1));
        }
        order.truncate(limit);
        order
    }
}
