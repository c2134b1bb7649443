//! Parity: the fusions of other systems as they really are, so that a move from one of them to asktwice keeps the order
//! of the hits. "Reciprocal rank fusion, k = 60" alone is at least five functions in the wild.
//!
//! Each does its arithmetic in its system's precision and order, and breaks ties as that system does, so that equal
//! rankings give the same order. `docs/fusion.md` says against which version each was proven, and how.

use super::{
    Combination, Weighted,
    ballot::{Ballot, Count, Ties},
    number,
};

/// A fusion of another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parity {
    /// Qdrant's `rrf`: Σ 1 / (rank / weight + k − 1), in single precision. The weight divides the rank; it is no factor.
    /// Qdrant leaves ties to chance, here they go by the best rank, then by id.
    QdrantRrf {
        /// Qdrant's own is 2; at least 1.
        k: u32,
    },
    /// Qdrant's `dbsf`: Σ (s − (μ − 3 σ)) / 6 σ, in single precision; ½ for a single entry and for equal scores. It knows
    /// no weights. Ties as above.
    QdrantDbsf,
    /// LangChain's `EnsembleRetriever`: Σ weight / (rank + c). Its own weights are 1 / n unless they are given.
    LangChain {
        /// Its own is 60.
        c: u32,
    },
    /// LlamaIndex's `QueryFusionRetriever`, mode `reciprocal_rerank`: Σ 1 / (rank + 59). It ignores weights.
    LlamaIndexRrf,
    /// Mode `relative_score`: the min-max sum, weights scaled to a sum of 1. Equal scores become 1, or 0 if they are not
    /// above 0.
    LlamaIndexRelative,
    /// Mode `dist_based_score`: the same between μ − 3 σ and μ + 3 σ, with the population's σ.
    LlamaIndexDistance,
    /// Mode `simple`, its default: the highest native score.
    LlamaIndexSimple,
    /// Haystack's `DocumentJoiner`, mode `reciprocal_rank_fusion`: reciprocal rank fusion with k = 60, scaled so that
    /// first in every leg is 1, weights scaled to a sum of 1.
    HaystackRrf,
    /// Mode `distribution_based_rank_fusion`: the highest of the scores between μ − 3 σ and μ + 3 σ, with the
    /// population's σ; equal scores stay as they are. It ignores weights.
    HaystackDbsf,
    /// Mode `merge`: the sum of the native scores, weights scaled to a sum of 1.
    HaystackMerge,
    /// Mode `concatenate`, its default: the highest native score.
    HaystackConcatenate,
    /// Elasticsearch's `rrf` retriever: Σ weight · (1 / (k + rank)), in single precision. Its ties go by the number of
    /// the document in the index, for which the id stands here.
    ElasticRrf {
        /// Its own `rank_constant` is 60.
        k: u32,
    },
    /// Elasticsearch's `linear` retriever without a normalizer, its default: Σ weight · s, in single precision. Ties as
    /// above.
    ElasticLinear,
    /// The same with the normalizer `minmax`; scores that are equal to within 10⁻⁶ stay as the lowest is.
    ElasticMinMax,
}

impl Parity {
    /// Each, with its system's own constant, and its name in settings.
    pub(super) const NAMED: [(Self, &'static str); 14] = [
        (Self::QdrantRrf { k: 2 }, "qdrant-rrf"),
        (Self::QdrantDbsf, "qdrant-dbsf"),
        (Self::LangChain { c: 60 }, "langchain"),
        (Self::LlamaIndexRrf, "llamaindex-rrf"),
        (Self::LlamaIndexRelative, "llamaindex-relative"),
        (Self::LlamaIndexDistance, "llamaindex-dist"),
        (Self::LlamaIndexSimple, "llamaindex-simple"),
        (Self::HaystackRrf, "haystack-rrf"),
        (Self::HaystackDbsf, "haystack-dbsf"),
        (Self::HaystackMerge, "haystack-merge"),
        (Self::HaystackConcatenate, "haystack-concatenate"),
        (Self::ElasticRrf { k: 60 }, "elastic-rrf"),
        (Self::ElasticLinear, "elastic-linear"),
        (Self::ElasticMinMax, "elastic-minmax"),
    ];

    /// The constant that its name may be followed by.
    pub(super) fn constant(self) -> Option<u32> {
        match self {
            Self::QdrantRrf { k } | Self::ElasticRrf { k } => Some(k),
            Self::LangChain { c } => Some(c),
            _ => None,
        }
    }

    /// The same with another constant; itself if it has none.
    pub(super) fn with_constant(self, constant: u32) -> Self {
        match self {
            Self::QdrantRrf { .. } => Self::QdrantRrf { k: constant },
            Self::ElasticRrf { .. } => Self::ElasticRrf { k: constant },
            Self::LangChain { .. } => Self::LangChain { c: constant },
            other => other,
        }
    }

    /// The election.
    pub(super) fn ballot(self, rankings: &[Weighted<'_>]) -> Ballot {
        let each = |votes: &dyn Fn(&Weighted<'_>) -> Vec<f64>| rankings.iter().map(votes).collect::<Vec<_>>();
        let total: f64 = rankings.iter().map(Weighted::counted_weight).sum();
        let share = |leg: &Weighted<'_>| if total > 0.0 { leg.counted_weight() / total } else { 0.0 };
        let legs = number(rankings.len());
        let votes = match self {
            Self::QdrantRrf { k } => each(&|leg| qdrant_rrf(leg, k)),
            Self::QdrantDbsf => each(&qdrant_dbsf),
            Self::LangChain { c } => each(&|leg| leg.by_rank(|rank| leg.counted_weight() / (rank + f64::from(c)))),
            Self::LlamaIndexRrf => each(&|leg| leg.by_rank(|rank| 1.0 / (rank - 1.0 + 60.0))),
            Self::LlamaIndexRelative => each(&|leg| relative(leg, bounds(leg), share(leg))),
            Self::LlamaIndexDistance => each(&|leg| relative(leg, three_deviations(leg), share(leg))),
            Self::HaystackRrf => each(&|leg| leg.by_rank(|rank| share(leg) * legs / (61.0 + (rank - 1.0)))),
            Self::HaystackDbsf => each(&haystack_dbsf),
            Self::HaystackMerge => each(&|leg| leg.by_score(|score| score * share(leg))),
            Self::LlamaIndexSimple | Self::HaystackConcatenate => each(&|leg| leg.by_score(|score| score)),
            Self::ElasticRrf { k } => each(&|leg| elastic_rrf(leg, k)),
            Self::ElasticLinear => each(&|leg| elastic_linear(leg, |score| score)),
            Self::ElasticMinMax => each(&elastic_minmax),
        };
        Ballot { votes, absent: vec![], count: self.count(legs), ties: self.ties() }
    }

    fn count(self, legs: f64) -> Count {
        match self {
            Self::QdrantRrf { .. }
            | Self::QdrantDbsf
            | Self::ElasticRrf { .. }
            | Self::ElasticLinear
            | Self::ElasticMinMax => Count::SinglePrecision,
            Self::HaystackDbsf | Self::HaystackConcatenate | Self::LlamaIndexSimple => {
                Count::Combined(Combination::Max)
            }
            Self::HaystackRrf => Count::InOrder { divisor: legs / 61.0 },
            _ => Count::InOrder { divisor: 1.0 },
        }
    }

    fn ties(self) -> Ties {
        match self {
            Self::QdrantRrf { .. } | Self::QdrantDbsf => Ties::BestRank,
            Self::ElasticRrf { .. } | Self::ElasticLinear | Self::ElasticMinMax => Ties::Id,
            // Python's sort is stable.
            _ => Ties::FirstMet,
        }
    }
}

fn qdrant_rrf(leg: &Weighted<'_>, k: u32) -> Vec<f64> {
    let weight = single(leg.counted_weight());
    let vote = |rank: f64| if weight > 0.0 { 1.0 / (single(rank) / weight + single(f64::from(k)) - 1.0) } else { 0.0 };
    leg.by_rank(|rank| f64::from(vote(rank)))
}

/// Welford's mean and variance, as Qdrant computes them.
fn qdrant_dbsf(leg: &Weighted<'_>) -> Vec<f64> {
    let scores = leg.ranking.entries().iter().map(|scored| scored.score);
    let (mut mean, mut squares) = (0.0_f32, 0.0_f32);
    for (score, count) in scores.clone().zip(1..) {
        let before = score - mean;
        mean += before / single(number(count));
        squares += before * (score - mean);
    }
    let deviation = (squares / (single(number(leg.ranking.len())) - 1.0)).sqrt();
    let (low, high) = (mean - 3.0 * deviation, mean + 3.0 * deviation);
    let vote = |score: f32| if low < high { (score - low) / (high - low) } else { 0.5 };
    scores.map(|score| f64::from(vote(score))).collect()
}

/// LlamaIndex's scaling between two bounds.
fn relative(leg: &Weighted<'_>, (low, high): (f64, f64), share: f64) -> Vec<f64> {
    let equal = if high > 0.0 { 1.0 } else { 0.0 };
    leg.by_score(|score| share * if low < high { (score - low) / (high - low) } else { equal })
}

fn haystack_dbsf(leg: &Weighted<'_>) -> Vec<f64> {
    let ((lowest, highest), (low, high)) = (bounds(leg), three_deviations(leg));
    let vary = lowest < highest && low < high;
    leg.by_score(|score| if vary { (score - low) / (high - low) } else { score })
}

fn bounds(leg: &Weighted<'_>) -> (f64, f64) {
    leg.scores().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(score), high.max(score)))
}

/// Three of the population's standard deviations around the mean.
fn three_deviations(leg: &Weighted<'_>) -> (f64, f64) {
    let count = number(leg.ranking.len());
    let mean = leg.scores().sum::<f64>() / count;
    let variance = leg.scores().map(|score| (score - mean) * (score - mean)).sum::<f64>() / count;
    (mean - 3.0 * variance.sqrt(), mean + 3.0 * variance.sqrt())
}

fn elastic_rrf(leg: &Weighted<'_>, k: u32) -> Vec<f64> {
    let weight = single(leg.counted_weight());
    leg.by_rank(|rank| f64::from(weight * (1.0 / single(f64::from(k) + rank))))
}

fn elastic_linear(leg: &Weighted<'_>, normalised: impl Fn(f32) -> f32) -> Vec<f64> {
    let weight = single(leg.counted_weight());
    leg.by_score(|score| f64::from(weight * normalised(single(score))))
}

fn elastic_minmax(leg: &Weighted<'_>) -> Vec<f64> {
    let scores = || leg.scores().map(single);
    // Elasticsearch's scores are never below 0, and it starts from the smallest number above.
    let (low, high) = (scores().fold(f32::MAX, f32::min), scores().fold(f32::from_bits(1), f32::max));
    let equal = (low - high).abs() < 1e-6;
    elastic_linear(leg, |score| if equal { low } else { (score - low) / (high - low) })
}

/// Into single precision, as the other system has it.
#[expect(clippy::cast_possible_truncation, reason = "that is the point")]
fn single(value: f64) -> f32 {
    value as f32
}
