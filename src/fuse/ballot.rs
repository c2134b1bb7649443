//! Most fusions are an election: each leg gives each passage that it found a number, its vote, and a passage's votes
//! become its score. What differs is in two places: the votes, which each method's own file makes, and how they are
//! counted, which is here.

use super::{
    Fused, Weighted,
    gathered::{Found, Gathered, best_rank},
    number,
    scores::Combination,
};
use crate::ranking::PointId;

/// The votes of all legs, and how they are counted.
#[derive(Debug)]
pub(super) struct Ballot {
    /// By leg, then by rank: the vote for what stands first is at index 0.
    pub(super) votes: Vec<Vec<f64>>,
    /// By leg, what it gives each passage that it did not find. Empty: nothing.
    pub(super) absent: Vec<f64>,
    pub(super) count: Count,
    pub(super) ties: Ties,
}

/// How a passage's votes become its score.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    /// As one of the combinations says. Their sums add the smallest vote first, so that the order of the legs cannot
    /// change a sum by a rounding error.
    Combined(Combination),
    /// The sum, times the natural logarithm of the number of votes.
    LogTimes,
    /// The sum in the order of the legs, divided at the end: what another library does, rounding included.
    InOrder { divisor: f64 },
    /// The sum in the order of the legs, in single precision.
    SinglePrecision,
}

/// What decides between equal scores.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ties {
    /// The best rank that any leg gave; then the id.
    BestRank,
    /// Which was met first when the legs are read one after the other: what a stable sort leaves.
    FirstMet,
    /// The id.
    Id,
}

impl Ballot {
    /// Votes that are combined, with ties that go by the best rank.
    pub(super) fn new(votes: Vec<Vec<f64>>, combination: Combination) -> Self {
        Self { votes, absent: vec![], count: Count::Combined(combination), ties: Ties::BestRank }
    }

    /// Counts, and returns the best `limit`.
    pub(super) fn fuse(&self, gathered: &Gathered<'_>, limit: usize) -> Vec<Fused> {
        let mut votes = Vec::with_capacity(self.votes.len());
        gathered.select(limit, 0.0..=self.most(), |found| Some((self.score(found, &mut votes), self.ties.key(found))))
    }

    /// The score of a passage; `votes` is where they are collected.
    pub(super) fn score(&self, found: &[Found], votes: &mut Vec<f64>) -> f64 {
        votes.clear();
        votes.extend(found.iter().map(|found| self.vote(found)));
        let absent = self.absent.iter().enumerate().filter(|(leg, _)| !found.iter().any(|found| found.leg == *leg));
        votes.extend(absent.map(|(_, vote)| vote));
        self.count.score(votes)
    }

    /// What each leg adds to the score of each passage.
    pub(super) fn contributions(&self, gathered: &Gathered<'_>, ids: &[PointId]) -> Vec<Vec<f64>> {
        let of = |id: &PointId| {
            let found = gathered.of_passage(*id);
            let mut contributions =
                if self.absent.is_empty() { vec![0.0; self.votes.len()] } else { self.absent.clone() };
            let votes: Vec<f64> = found.iter().map(|found| self.vote(found)).collect();
            for (found, share) in found.iter().zip(self.count.shares(&votes)) {
                contributions[found.leg] = share;
            }
            contributions
        };
        ids.iter().map(of).collect()
    }

    /// What a leg gives a passage that it found.
    pub(super) fn vote(&self, found: &Found) -> f64 {
        self.votes[found.leg][found.rank - 1]
    }

    /// The score of a passage that every leg liked best. It makes a normalised score mean something: 1 is first
    /// everywhere.
    pub(super) fn most(&self) -> f64 {
        let best = |votes: &Vec<f64>| votes.iter().copied().reduce(f64::max);
        let mut best: Vec<f64> = self.votes.iter().filter_map(best).collect();
        match self.count {
            Count::Combined(Combination::Anz | Combination::Max | Combination::Min | Combination::Med) => {
                best.into_iter().fold(0.0, f64::max)
            }
            sum => sum.score(&mut best),
        }
    }
}

impl Count {
    /// The score of a passage with these votes, of which there is at least one; they may be reordered.
    fn score(self, votes: &mut [f64]) -> f64 {
        match self {
            Self::Combined(combination) => combination.of(votes),
            Self::LogTimes => number(votes.len()).ln() * Combination::Sum.of(votes),
            Self::InOrder { divisor } => votes.iter().sum::<f64>() / divisor,
            Self::SinglePrecision => f64::from(votes.iter().fold(0.0, |sum, vote| sum + single(*vote))),
        }
    }

    /// What each of these votes is of the score; together they make it.
    fn shares(self, votes: &[f64]) -> Vec<f64> {
        let all = |factor: f64| votes.iter().map(|vote| vote * factor).collect();
        match self {
            Self::Combined(combination) => combination.shares(votes),
            Self::LogTimes => all(number(votes.len()).ln()),
            Self::InOrder { divisor } => all(1.0 / divisor),
            Self::SinglePrecision => votes.to_vec(),
        }
    }
}

impl Ties {
    fn key(self, found: &[Found]) -> u64 {
        match self {
            Self::BestRank => best_rank(found),
            Self::FirstMet => found.first().map_or(u64::MAX, |first| ((first.leg as u64) << 32) | first.rank as u64),
            Self::Id => 0,
        }
    }
}

/// A number that is a single-precision one already.
#[expect(clippy::cast_possible_truncation, reason = "it was one before")]
fn single(vote: f64) -> f32 {
    vote as f32
}

impl Weighted<'_> {
    /// A vote for each entry, made from its rank.
    pub(super) fn by_rank(&self, vote: impl Fn(f64) -> f64) -> Vec<f64> {
        (1..=self.ranking.len()).map(|rank| vote(number(rank))).collect()
    }

    /// A vote for each entry, made from its native score.
    pub(super) fn by_score(&self, vote: impl Fn(f64) -> f64) -> Vec<f64> {
        self.scores().map(vote).collect()
    }

    /// The native scores, best first. An infinite one becomes the largest there is, so that sums stay numbers.
    pub(super) fn scores(&self) -> impl ExactSizeIterator<Item = f64> {
        self.ranking.entries().iter().map(|scored| f64::from(scored.score.clamp(f32::MIN, f32::MAX)))
    }
}
