//! Fusions by score: the leg's weight times its normalised score is its vote, and votes are combined. The combinations
//! are those of Fox and Shaw, "Combination of multiple searches", TREC-2, 1993; the convex combination is that of
//! Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval", TOIS 2023.

use super::{Normalisation, Weighted, ballot::Ballot, number};
use crate::search::Channel;

/// How much the dense channel counts in a convex combination when nothing is said.
pub(super) const DEFAULT_ALPHA: f64 = 0.8;

/// How a passage's normalised scores, one per leg that found it, become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Combination {
    /// Their sum (`combsum`): a leg that did not find it gives 0.
    Sum,
    /// Their sum times their number (`combmnz`).
    Mnz,
    /// Their sum divided by their number (`combanz`), so the mean of those that found it.
    Anz,
    /// The highest (`combmax`).
    Max,
    /// The lowest (`combmin`).
    Min,
    /// The median (`combmed`); of an even number, the mean of the middle two.
    Med,
}

impl Combination {
    /// Each, with its name in settings.
    pub(super) const NAMED: [(Self, &'static str); 6] = [
        (Self::Sum, "combsum"),
        (Self::Mnz, "combmnz"),
        (Self::Anz, "combanz"),
        (Self::Max, "combmax"),
        (Self::Min, "combmin"),
        (Self::Med, "combmed"),
    ];

    /// Combines; the values, of which there is at least one, are sorted on the way.
    pub(super) fn of(self, values: &mut [f64]) -> f64 {
        values.sort_unstable_by(f64::total_cmp);
        let count = values.len();
        let sum = || values.iter().sum::<f64>();
        match self {
            Self::Sum => sum(),
            Self::Mnz => sum() * number(count),
            Self::Anz => sum() / number(count),
            Self::Max => values[count - 1],
            Self::Min => values[0],
            Self::Med => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
        }
    }

    /// What each value is of the combination; together they make it.
    pub(super) fn shares(self, values: &[f64]) -> Vec<f64> {
        let count = values.len();
        if count == 0 {
            return vec![];
        }
        let mut ascending: Vec<usize> = (0..count).collect();
        ascending.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut shares = vec![0.0; count];
        let mut give = |place: usize, factor: f64| shares[ascending[place]] += values[ascending[place]] * factor;
        match self {
            Self::Sum => (0..count).for_each(|place| give(place, 1.0)),
            Self::Mnz => (0..count).for_each(|place| give(place, number(count))),
            Self::Anz => (0..count).for_each(|place| give(place, 1.0 / number(count))),
            Self::Max => give(count - 1, 1.0),
            Self::Min => give(0, 1.0),
            Self::Med => [(count - 1) / 2, count / 2].into_iter().for_each(|place| give(place, 0.5)),
        }
        shares
    }
}

/// The election of a combination of normalised scores.
pub(super) fn ballot(rankings: &[Weighted<'_>], combination: Combination, normalisation: Normalisation) -> Ballot {
    Ballot::new(rankings.iter().map(|leg| normalisation.votes(leg)).collect(), combination)
}

/// The election of a convex combination: α · dense + (1 − α) · lexical, each normalised by its theoretical minimum, and
/// summed over the variants by their weights. An `alpha` outside 0..=1 becomes the nearest number inside.
pub(super) fn convex(rankings: &[Weighted<'_>], alpha: f64) -> Ballot {
    let alpha = if alpha.is_nan() { DEFAULT_ALPHA } else { alpha.clamp(0.0, 1.0) };
    let votes = |leg: &Weighted<'_>| {
        let share = match leg.channel {
            Channel::Dense => alpha,
            Channel::Bm25 => 1.0 - alpha,
        };
        Normalisation::Theoretical.votes(&Weighted { weight: share * leg.counted_weight(), ..*leg })
    };
    Ballot::new(rankings.iter().map(votes).collect(), Combination::Sum)
}
