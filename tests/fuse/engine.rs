//! Parity with Qdrant's own code: the embedded engine fuses with the same two functions as the server, so its fused
//! queries are compared with ours over the rankings that it gives for the prefetches one by one.

use std::collections::HashMap;

use asktwice::{
    fuse::{Fuse, Fusion, Parity, Weighted},
    ranking::{PointId, Ranking, Scored},
};
use qdrant_edge::{
    Distance, EdgeConfig, EdgeConfigBuilder, EdgeShard, EdgeVectorParamsBuilder, Fusion as EngineFusion, NamedQuery,
    PointId as EngineId, PointInsertOperations, PointOperations, PointStructPersisted, Prefetch, QueryEnum,
    QueryRequest, ScoredPoint, ScoringQuery, UpdateOperation, VectorInternal, VectorPersisted, VectorStructPersisted,
    WithPayloadInterface, WithVector, external::ordered_float::OrderedFloat,
};

const POINTS: u64 = 60;
const DIMENSION: usize = 4;
const DEPTH: usize = 25;
const QUESTIONS: u64 = 100;
const LEGS: [&str; 3] = ["one", "two", "three"];

/// Numbers between −1 and 1 that are always the same.
fn vector(seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..DIMENSION).map(|_| next()).collect()
}

/// A shard with three vectors per point, so that a question has three different legs.
fn shard(folder: &std::path::Path) -> EdgeShard {
    let vectors = |config: EdgeConfigBuilder, name: &&str| {
        config.vector(*name, EdgeVectorParamsBuilder::new(DIMENSION, Distance::Cosine).build())
    };
    let shard = EdgeShard::new(folder, LEGS.iter().fold(EdgeConfig::builder(), vectors).build()).unwrap();
    let point = |id: u64| {
        let named = (0..).zip(LEGS).map(|(leg, name)| (name.to_owned(), VectorPersisted::Dense(vector(id * 7 + leg))));
        let vector = VectorStructPersisted::Named(named.collect::<HashMap<_, _>>());
        PointStructPersisted { id: EngineId::NumId(id), vector, payload: None }
    };
    let points = PointInsertOperations::PointsList((1..=POINTS).map(point).collect());
    shard.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(points))).unwrap();
    shard
}

fn nearest(name: &str, question: u64) -> ScoringQuery {
    let query = VectorInternal::Dense(vector(1_000 + question));
    ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery::new(query, name)))
}

fn query(shard: &EdgeShard, query: ScoringQuery, prefetches: Vec<Prefetch>, limit: usize) -> Vec<ScoredPoint> {
    let request = QueryRequest {
        prefetches,
        query: Some(query),
        filter: None,
        score_threshold: None,
        limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(false),
    };
    shard.query(request).unwrap()
}

fn number(point: &ScoredPoint) -> PointId {
    match point.id {
        EngineId::NumId(number) => PointId::Number(number),
        EngineId::Uuid(_) => panic!("only numbers are used here"),
    }
}

/// The engine's scores are ours, bit for bit, and so is its order wherever it says one.
fn same(shard: &EdgeShard, question: u64, engine: EngineFusion, ours: Fusion, weights: [f64; 3]) {
    let depth = |leg: usize| DEPTH - 8 * leg;
    let prefetch = |(leg, name): (usize, &&str)| Prefetch {
        prefetches: vec![],
        query: Some(nearest(name, question)),
        limit: depth(leg),
        params: None,
        filter: None,
        score_threshold: None,
    };
    let fusing = ScoringQuery::Fusion(engine);
    let theirs = query(shard, fusing, LEGS.iter().enumerate().map(prefetch).collect(), POINTS as usize);
    let found = |(leg, name): (usize, &&str)| {
        let found = query(shard, nearest(name, question), vec![], depth(leg));
        Ranking::new(found.iter().map(|point| Scored { id: number(point), score: point.score }).collect())
    };
    let rankings: Vec<Ranking> = LEGS.iter().enumerate().map(found).collect();
    let legs = rankings.iter().zip(weights).map(|(ranking, weight)| Weighted::new(ranking, 0).with_weight(weight));
    let fused = ours.fuse(&legs.collect::<Vec<_>>(), usize::MAX);
    assert!(fused.len() > DEPTH && theirs.len() == fused.len());
    // Among equal scores Qdrant's order is chance, so those are compared as a set.
    let sets = |scored: Vec<(f32, PointId)>| {
        let mut sets = scored.into_iter().map(|(score, id)| (score.to_bits(), id)).collect::<Vec<_>>();
        sets.chunk_by_mut(|a, b| a.0 == b.0).for_each(<[_]>::sort);
        sets
    };
    let ours = sets(fused.iter().map(|fused| (fused.score as f32, fused.id)).collect());
    assert_eq!(ours, sets(theirs.iter().map(|point| (point.score, number(point))).collect()), "question {question}");
}

#[test]
fn qdrants_own_code_fuses_as_the_parity_modes_do() {
    let folder = tempfile::tempdir().unwrap();
    let shard = shard(folder.path());
    let even = [1.0; 3];
    let rrf = |k, weights: Option<[f64; 3]>| EngineFusion::Rrf {
        k,
        weights: weights.map(|weights| weights.iter().map(|weight| OrderedFloat(*weight as f32)).collect()),
    };
    for question in 0..QUESTIONS {
        let weights = [1.0, 0.3 + question as f64 / 50.0, if question % 4 == 0 { 0.0 } else { 3.0 }];
        let k2 = Fusion::Parity(Parity::QdrantRrf { k: 2 });
        same(&shard, question, rrf(2, None), k2, even);
        same(&shard, question, rrf(2, Some(weights)), k2, weights);
        same(&shard, question, rrf(60, Some(weights)), Fusion::Parity(Parity::QdrantRrf { k: 60 }), weights);
        same(&shard, question, EngineFusion::Dbsf, Fusion::Parity(Parity::QdrantDbsf), even);
    }
}
