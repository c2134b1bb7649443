//! Score normalisation: how a leg's native scores are brought to a scale that they share with the other legs'. Each is
//! a straight line, so that the order within a leg stays as it is.

use super::{Weighted, number};
use crate::search::Channel;

/// How native scores become comparable. Of equal scores, and so of a single one, none is better than another; what they
/// become is said for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Normalisation {
    /// (s − min) / (max − min): the best becomes 1, the last 0 (Lee, "Analyses of multiple evidence combination", SIGIR
    /// 1997). Equal scores are all best: 1.
    MinMax,
    /// s / max (Lee, "Combining multiple evidence from different properties of weighting schemes", SIGIR 1995). Where
    /// the best is not above 0, scores are divided by the size of the lowest.
    Max,
    /// (s − min) / Σ (s − min): the shares of a whole (Montague and Aslam, "Relevance score normalization for
    /// metasearch", CIKM 2001). Equal scores get equal shares.
    Sum,
    /// (s − μ) / σ: mean 0, variance 1 (the same paper). What a leg did not find counts as its mean, 0, and so do equal
    /// scores.
    ZScore,
    /// 1 − (rank − 1) / n, of n found (Renda and Straccia, "Web metasearch: rank vs. score based rank aggregation
    /// methods", SAC 2003).
    Rank,
    /// (s − (μ − 3 σ)) / 6 σ, with the sample's σ (Mazzeschi, "Distribution-based score fusion", 2023, as Qdrant does
    /// it). Robust against one runaway score, which may exceed 1. Equal scores: ½.
    Distribution,
    /// (s − t) / (max − t), with the lowest score t that the channel can give: −1 for a cosine, 0 for BM25 (Bruch, Gai
    /// and Ingber, "An analysis of fusion functions for hybrid retrieval", TOIS 2023). A good last hit is not made 0.
    Theoretical,
    /// The native scores as they are: only for channels whose scores are comparable already.
    None,
}

impl Normalisation {
    /// Each, with its name in settings.
    pub(super) const NAMED: [(Self, &'static str); 8] = [
        (Self::MinMax, "min-max"),
        (Self::Max, "max"),
        (Self::Sum, "sum"),
        (Self::ZScore, "z-score"),
        (Self::Rank, "rank"),
        (Self::Distribution, "distribution"),
        (Self::Theoretical, "theoretical"),
        (Self::None, "none"),
    ];

    /// The normalised scores of a leg, best first, times its weight.
    pub(super) fn votes(self, leg: &Weighted<'_>) -> Vec<f64> {
        let (weight, count) = (leg.counted_weight(), number(leg.ranking.len()));
        if self == Self::Rank {
            return leg.by_rank(|rank| weight * (1.0 - (rank - 1.0) / count));
        }
        let line = self.line(leg);
        leg.by_score(|score| weight * line.at(score))
    }

    fn line(self, leg: &Weighted<'_>) -> Line {
        let count = number(leg.ranking.len());
        let max = leg.scores().fold(f64::NEG_INFINITY, f64::max);
        let min = leg.scores().fold(f64::INFINITY, f64::min);
        let equal = min >= max;
        match self {
            Self::MinMax => Line { shift: min, span: max - min, flat: 1.0 },
            Self::Max => Line { shift: 0.0, span: if max > 0.0 { max } else { min.abs() }, flat: 0.0 },
            Self::Sum => Line { shift: min, span: leg.scores().map(|s| s - min).sum(), flat: 1.0 / count },
            Self::ZScore if equal => Line::flat(0.0),
            Self::ZScore => {
                let (mean, squares) = spread(leg);
                Line { shift: mean, span: (squares / count).sqrt(), flat: 0.0 }
            }
            Self::Distribution if equal => Line::flat(0.5),
            Self::Distribution => {
                let (mean, squares) = spread(leg);
                let deviation = (squares / (count - 1.0)).sqrt();
                Line { shift: mean - 3.0 * deviation, span: 6.0 * deviation, flat: 0.5 }
            }
            Self::Theoretical => {
                let shift = theoretical_minimum(leg.channel).min(min);
                Line { shift, span: max - shift, flat: 1.0 }
            }
            Self::Rank | Self::None => Line { shift: 0.0, span: 1.0, flat: 0.0 },
        }
    }
}

/// (s − shift) / span, or the same for all where the span is 0.
struct Line {
    shift: f64,
    span: f64,
    flat: f64,
}

impl Line {
    fn flat(flat: f64) -> Self {
        Self { shift: 0.0, span: 0.0, flat }
    }

    fn at(&self, score: f64) -> f64 {
        if self.span > 0.0 { (score - self.shift) / self.span } else { self.flat }
    }
}

/// The mean, and the sum of the squared distances from it.
fn spread(leg: &Weighted<'_>) -> (f64, f64) {
    let mean = leg.scores().sum::<f64>() / number(leg.ranking.len());
    (mean, leg.scores().map(|score| (score - mean) * (score - mean)).sum())
}

/// The lowest score that a channel can give.
fn theoretical_minimum(channel: Channel) -> f64 {
    match channel {
        Channel::Dense => -1.0,
        Channel::Bm25 => 0.0,
    }
}
