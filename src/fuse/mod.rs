//! Step 4, fuse: several rankings become one. Pure and synchronous; the same rankings always give the same result.
//!
//! Reciprocal rank fusion and intersection are one family, not two tools. For two equally weighted rankings of depth
//! at most k + 1, a passage that both found at rank D stands above one that a single ranking found first exactly when
//! D < k + 2. So at k = 60 and a depth of 61 or less, reciprocal rank fusion *is* the intersection, filled with the
//! rest; a small k is nearer to taking the best rank. A strict intersection leaves the filling out.

mod agreement;
mod intersection;
mod rrf;
mod weight;
pub use agreement::agreement;
pub use weight::{Signals, Weighting};

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::ranking::{FoundBy, PointId, Ranking};

/// One ranking to fuse: what a leg found, and how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct Weighted<'a> {
    /// What the leg found.
    pub ranking: &'a Ranking,
    /// How much it counts; 1 is the weight of the question as asked.
    pub weight: f64,
    /// Which variant the leg searched with. An intersection asks how many *variants* found a passage.
    pub variant: usize,
}

/// One fused point.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The point.
    pub id: PointId,
    /// The fused score; higher is better. Its scale depends on the fusion.
    pub score: f64,
    /// Which rankings found it, by their index, ascending.
    pub found_by: Vec<FoundBy>,
}

/// How rankings become one. Implement it for a fusion of your own.
pub trait Fuse: Debug + Send + Sync {
    /// Fuses rankings into at most `limit` points, best first. An empty ranking changes nothing.
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused>;
}

/// The fusions that come with asktwice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fusion {
    /// Reciprocal rank fusion.
    Rrf {
        /// The smoothing constant: the larger, the less the first ranks stand out.
        #[serde(default = "rrf::default_k")]
        k: f64,
    },
    /// What at least `quorum` variants found comes first.
    Intersection {
        /// How many variants have to have found a passage; 0 stands for all of them.
        #[serde(default)]
        quorum: usize,
        /// Leave out what fewer found, rather than filling up with it.
        #[serde(default)]
        strict: bool,
    },
}

impl Default for Fusion {
    fn default() -> Self {
        Self::Rrf { k: rrf::DEFAULT_K }
    }
}

/// Why a name is not a fusion's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name:?} is not a fusion; use rrf, rrf:K (K a number of at least 0), intersection or intersection:strict")]
pub struct UnknownFusion {
    name: String,
}

impl std::str::FromStr for Fusion {
    type Err = UnknownFusion;

    /// Reads `rrf`, `rrf:K`, `intersection` or `intersection:strict`.
    fn from_str(name: &str) -> Result<Self, UnknownFusion> {
        let unknown = || UnknownFusion { name: name.to_owned() };
        match name.split_once(':') {
            None if name == "rrf" => Ok(Self::default()),
            None if name == "intersection" => Ok(Self::Intersection { quorum: 0, strict: false }),
            Some(("intersection", "strict")) => Ok(Self::Intersection { quorum: 0, strict: true }),
            Some(("rrf", k)) => {
                let k: f64 = k.parse().map_err(|_| unknown())?;
                if k.is_finite() && k >= 0.0 { Ok(Self::Rrf { k }) } else { Err(unknown()) }
            }
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for Fusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rrf { k } => write!(f, "reciprocal rank fusion, k = {k}"),
            Self::Intersection { strict: true, .. } => f.write_str("strict intersection"),
            Self::Intersection { strict: false, .. } => f.write_str("intersection, filled"),
        }
    }
}

impl Fuse for Fusion {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        match *self {
            Self::Rrf { k } => rrf::fuse(rankings, k, limit),
            Self::Intersection { quorum, strict } => intersection::fuse(rankings, quorum, strict, limit),
        }
    }
}

impl<F: Fuse + ?Sized> Fuse for Arc<F> {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        (**self).fuse(rankings, limit)
    }
}

/// Gathers what each ranking says of each point, with `contribution(ranking index, rank)` as its part of the score.
/// A point's contributions are added in ascending order of size, so that the order of the rankings cannot change the
/// sum by a rounding error.
fn gather(rankings: &[Weighted<'_>], contribution: impl Fn(usize, usize) -> f64) -> Vec<Fused> {
    let mut found: HashMap<PointId, Vec<FoundBy>> = HashMap::new();
    for (leg, weighted) in rankings.iter().enumerate() {
        for (index, scored) in weighted.ranking.entries().iter().enumerate() {
            let rank = index + 1;
            let by = FoundBy { leg, rank, score: scored.score, contribution: contribution(leg, rank) };
            found.entry(scored.id).or_default().push(by);
        }
    }
    let fused = |(id, found_by): (PointId, Vec<FoundBy>)| {
        let mut parts: Vec<f64> = found_by.iter().map(|by| by.contribution).collect();
        parts.sort_by(f64::total_cmp);
        Fused { id, score: parts.iter().sum(), found_by }
    };
    found.into_iter().map(fused).collect()
}

/// Sorts by a score, best first; equal scores by the best rank, then by id; and cuts at `limit`.
fn best_first(mut fused: Vec<Fused>, limit: usize) -> Vec<Fused> {
    let best_rank = |fused: &Fused| fused.found_by.iter().map(|by| by.rank).min();
    fused.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| best_rank(a).cmp(&best_rank(b))).then_with(|| a.id.cmp(&b.id))
    });
    fused.truncate(limit);
    fused
}

/// How many different variants found a point.
fn variants_of(fused: &Fused, rankings: &[Weighted<'_>]) -> usize {
    let variants: BTreeSet<usize> = fused.found_by.iter().map(|by| rankings[by.leg].variant).collect();
    variants.len()
}
