//! What a request may choose about what happens after the fusion.

use serde::Deserialize;
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, Schema, schema::Type},
};

use crate::{
    options::{RerankChoice, RetrieveOptions},
    refine::{Group, Mmr, Selection, Threshold},
};

/// Scores that a passage has to reach.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct ThresholdWish {
    /// The least cosine similarity that a dense leg counts.
    #[schema(minimum = -1, maximum = 1)]
    dense: Option<f32>,
    /// The least BM25 score that a lexical leg counts.
    #[schema(minimum = 0)]
    bm25: Option<f32>,
    /// The least fused score that is returned, from 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    normalised: Option<f64>,
}

/// Whether to rerank, where the sidecar has a reranker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected true, false, or how many of the best are reranked")]
pub(in crate::server) enum RerankWish {
    /// As the sidecar is set up, or not at all.
    Any(bool),
    /// So many of the best.
    Depth(usize),
}

/// What derives cannot say: that nobody reranks 0 of the best.
pub(super) fn rerank_schema() -> Schema {
    let of = |kind: Type| ObjectBuilder::new().schema_type(kind);
    let some = of(Type::Integer).minimum(Some(1)).description(Some("So many of the best."));
    let any = of(Type::Boolean).description(Some("As the sidecar is set up, or not at all."));
    OneOfBuilder::new().item(of(Type::Null)).item(any).item(some).into()
}

/// Spreads the hits over what there is to say (maximal marginal relevance).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct MmrWish {
    /// From 0 (as fused) to 1 (nothing twice).
    #[schema(minimum = 0, maximum = 1)]
    diversity: f64,
    /// How many of the best are chosen from; 100 if it does not say.
    candidates: Option<usize>,
}

/// Which of their own fields the passages come back with; one of the two, or neither for all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(in crate::server) enum PayloadWish {
    /// Those with these names; an empty list is none.
    Include(Vec<String>),
    /// All but those with these names.
    Exclude(Vec<String>),
}

/// All of it.
#[derive(Debug, Default)]
pub(in crate::server) struct Refine {
    pub(in crate::server) threshold: Option<ThresholdWish>,
    pub(in crate::server) rerank: Option<RerankWish>,
    pub(in crate::server) mmr: Option<MmrWish>,
    pub(in crate::server) group: Option<usize>,
    pub(in crate::server) neighbours: Option<u32>,
    pub(in crate::server) payload: Option<PayloadWish>,
}

impl Refine {
    /// Only a least fused score.
    pub(in crate::server) fn at_least(normalised: f64) -> Self {
        let threshold = ThresholdWish { dense: None, bm25: None, normalised: Some(normalised) };
        Self { threshold: Some(threshold).filter(|_| normalised > 0.0), ..Self::default() }
    }

    /// Puts what was chosen into the options of a call, which check it.
    pub(in crate::server) fn apply(self, options: &mut RetrieveOptions) {
        if let Some(ThresholdWish { dense, bm25, normalised }) = self.threshold {
            let mut threshold = Threshold::default();
            (threshold.dense, threshold.bm25, threshold.normalised) = (dense, bm25, normalised);
            options.threshold = threshold;
        }
        match self.rerank {
            None | Some(RerankWish::Any(true)) => {}
            Some(RerankWish::Any(false)) => options.rerank = RerankChoice::None,
            Some(RerankWish::Depth(depth)) => options.rerank = RerankChoice::Depth(depth),
        }
        if let Some(MmrWish { diversity, candidates }) = self.mmr {
            let mmr = Mmr::new(diversity);
            options.mmr = Some(candidates.map_or(mmr, |candidates| mmr.with_candidates(candidates)));
        }
        options.group = self.group.map(|passages| Group { passages }).or(options.group);
        options.neighbours = self.neighbours.unwrap_or(options.neighbours);
        match self.payload {
            None => {}
            Some(PayloadWish::Include(names)) if names.is_empty() => options.payload = Selection::None,
            Some(PayloadWish::Include(names)) => options.payload = Selection::Include(names),
            Some(PayloadWish::Exclude(names)) => options.payload = Selection::Exclude(names),
        }
    }
}
