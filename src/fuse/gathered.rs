//! What the legs found, grouped by passage: one flat list that is sorted once, so that nothing is allocated per passage
//! and no choice of ids can make it slow.

use std::ops::RangeInclusive;

use super::{Fused, Weighted};
use crate::ranking::{PointId, Scored};

/// One leg's finding of a passage.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// The leg, by its index among the rankings.
    pub leg: usize,
    /// The rank in that leg, counted from 1.
    pub rank: usize,
    /// The leg's native score.
    pub score: f32,
}

/// Rankings, grouped by passage. What a fusion of one's own is made with: see [`Fuse`](super::Fuse).
#[derive(Debug)]
pub struct Gathered<'a> {
    rankings: &'a [Weighted<'a>],
    /// All entries of all rankings, by passage, then by leg.
    entries: Vec<Entry>,
    /// Where each passage's entries end.
    ends: Vec<usize>,
}

/// One entry of one ranking: 65 bits of what its id begins with, enough to tell most ids apart, then its leg, then its
/// place there. One number, because these are what is sorted, and nothing sorts faster; the rest is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

impl Entry {
    fn new(id: PointId, leg: u32, place: u32) -> Self {
        Self(prefix(id) << 63 | u128::from(leg) << 32 | u128::from(place))
    }

    fn prefix(self) -> u128 {
        self.0 >> 63
    }

    fn leg(self) -> usize {
        (self.0 >> 32) as usize & 0x7fff_ffff
    }

    #[expect(clippy::cast_possible_truncation, reason = "4 of 16 bytes")]
    fn place(self) -> usize {
        self.0 as u32 as usize
    }
}

/// A passage with its score, before the best are chosen.
struct Candidate {
    id: PointId,
    score: f64,
    /// What decides between equal scores: the lower comes first.
    tie: u64,
}

impl<'a> Gathered<'a> {
    /// Groups what the rankings found.
    #[must_use]
    pub fn of(rankings: &'a [Weighted<'a>]) -> Self {
        let mut entries = Vec::with_capacity(rankings.iter().map(|weighted| weighted.ranking.len()).sum());
        for (leg, weighted) in (0..).zip(rankings) {
            let entry = |(place, scored): (u32, &Scored)| Entry::new(scored.id, leg, place);
            entries.extend((0..).zip(weighted.ranking.entries()).map(entry));
        }
        entries.sort_unstable();
        let id = |entry: &Entry| scored(rankings, *entry).id;
        for alike in entries.chunk_by_mut(|a, b| a.prefix() == b.prefix()) {
            if alike.iter().any(|entry| id(entry) != id(&alike[0])) {
                alike.sort_by_key(id);
            }
        }
        let mut ends = Vec::with_capacity(entries.len());
        for group in entries.chunk_by(|a, b| a.prefix() == b.prefix() && id(a) == id(b)) {
            ends.push(ends.last().unwrap_or(&0) + group.len());
        }
        Self { rankings, entries, ends }
    }

    /// The rankings.
    #[must_use]
    pub fn rankings(&self) -> &'a [Weighted<'a>] {
        self.rankings
    }

    /// How many different passages were found.
    #[must_use]
    pub fn passages(&self) -> usize {
        self.ends.len()
    }

    /// Scores every passage by what the legs say of it (one [`Found`] per leg that found it, in the order of the legs)
    /// and returns the best `limit`. Equal scores are ordered by the best rank, then by id; a score that is not a
    /// number counts as the lowest. `possible` is the range of scores that [`Fused::normalised`] becomes 0 and 1 for;
    /// it is widened by what lies outside.
    pub fn fuse(
        &self,
        limit: usize,
        possible: RangeInclusive<f64>,
        mut score: impl FnMut(&[Found]) -> f64,
    ) -> Vec<Fused> {
        self.select(limit, possible, |found| Some((score(found), best_rank(found))))
    }

    /// As [`fuse`](Self::fuse), with what decides between equal scores said by the caller: the lower comes first. `None`
    /// leaves a passage out.
    pub(super) fn select(
        &self,
        limit: usize,
        possible: RangeInclusive<f64>,
        mut score: impl FnMut(&[Found]) -> Option<(f64, u64)>,
    ) -> Vec<Fused> {
        let mut found = Vec::with_capacity(self.rankings.len());
        let mut candidates = Vec::with_capacity(self.passages());
        for group in self.groups() {
            found.clear();
            found.extend(group.iter().map(|entry| self.found(*entry)));
            if let Some((score, tie)) = score(&found) {
                // Adding 0 makes -0 a 0, which it equals.
                let score = if score.is_nan() { f64::NEG_INFINITY } else { score + 0.0 };
                candidates.push(Candidate { id: self.scored(group[0]).id, score, tie });
            }
        }
        best_first(candidates, possible, limit)
    }

    /// What the legs say of each passage, in the order of their ids, in which [`select`](Self::select) asks for their
    /// scores, too.
    pub(super) fn each(&self) -> impl Iterator<Item = (PointId, impl Iterator<Item = Found>)> {
        self.groups().map(|group| (self.scored(group[0]).id, group.iter().map(|entry| self.found(*entry))))
    }

    /// What the legs say of one passage; nothing if none found it.
    pub(super) fn of_passage(&self, id: PointId) -> Vec<Found> {
        let of = |entry: &Entry| entry.prefix().cmp(&prefix(id)).then_with(|| self.scored(*entry).id.cmp(&id));
        let start = self.entries.partition_point(|entry| of(entry).is_lt());
        self.entries[start..].iter().take_while(|entry| of(entry).is_eq()).map(|e| self.found(*e)).collect()
    }

    fn groups(&self) -> impl Iterator<Item = &[Entry]> {
        let mut rest = &self.entries[..];
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let (group, others) = rest.split_at(end - start);
            (rest, start) = (others, *end);
            group
        })
    }

    fn scored(&self, entry: Entry) -> &'a Scored {
        scored(self.rankings, entry)
    }

    fn found(&self, entry: Entry) -> Found {
        Found { leg: entry.leg(), rank: entry.place() + 1, score: self.scored(entry).score }
    }
}

fn scored<'a>(rankings: &[Weighted<'a>], entry: Entry) -> &'a Scored {
    &rankings[entry.leg()].ranking.entries()[entry.place()]
}

/// What an id begins with, as a number of 65 bits in the order of ids: numbers come before UUIDs.
fn prefix(id: PointId) -> u128 {
    match id {
        PointId::Number(number) => number.into(),
        PointId::Uuid(uuid) => 1 << 64 | u128::from(uuid.as_u64_pair().0),
    }
}

/// The best rank that any leg gave.
pub(super) fn best_rank(found: &[Found]) -> u64 {
    found.iter().map(|found| found.rank as u64).min().unwrap_or(u64::MAX)
}

/// The best `limit` candidates in their order, with their scores brought to 0..=1.
fn best_first(mut candidates: Vec<Candidate>, possible: RangeInclusive<f64>, limit: usize) -> Vec<Fused> {
    let finite = candidates.iter().map(|candidate| candidate.score).filter(|score| score.is_finite());
    let (low, high) = finite.fold(possible.into_inner(), |(low, high), score| (low.min(score), high.max(score)));
    let order = |a: &Candidate, b: &Candidate| {
        b.score.total_cmp(&a.score).then(a.tie.cmp(&b.tie)).then_with(|| a.id.cmp(&b.id))
    };
    if limit < candidates.len() {
        candidates.select_nth_unstable_by(limit, order);
        candidates.truncate(limit);
    }
    candidates.sort_unstable_by(order);
    let normalised = |score: f64| if high > low { ((score - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
    let fused = |Candidate { id, score, .. }| Fused { id, score, normalised: normalised(score) };
    candidates.into_iter().map(fused).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ranking::Ranking;

    #[test]
    fn ids_that_begin_alike_are_told_apart() {
        let ids = [
            PointId::Number(u64::MAX),
            PointId::Uuid(Uuid::from_u64_pair(7, 1)),
            PointId::Uuid(Uuid::from_u64_pair(7, 2)),
            PointId::Uuid(Uuid::from_u64_pair(u64::MAX, 1)),
        ];
        let ranking = |order: [usize; 4]| {
            let scored = |(rank, at): (u8, usize)| Scored { id: ids[at], score: 1.0 / (1.0 + f32::from(rank)) };
            Ranking::new((0..).zip(order).map(scored).collect())
        };
        let rankings = [ranking([3, 1, 0, 2]), ranking([2, 0, 1, 3])];
        let legs = rankings.each_ref().map(|ranking| Weighted::new(ranking, 0));
        let gathered = Gathered::of(&legs);
        assert_eq!(gathered.passages(), ids.len());
        assert!(gathered.each().map(|(id, _)| id).eq(ids));
        let ranks =
            ids.map(|id| gathered.of_passage(id).iter().map(|found| (found.leg, found.rank)).collect::<Vec<_>>());
        assert_eq!(ranks, [[(0, 3), (1, 2)], [(0, 2), (1, 3)], [(0, 4), (1, 1)], [(0, 1), (1, 4)]]);
    }
}
