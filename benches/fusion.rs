//! What fusing costs: four legs (two variants through two channels) of 100 and of 1,000 hits with UUIDs, for every
//! fusion, and what explaining the first ten hits adds. The promise is 50 µs and 500 µs.

#![allow(missing_docs, reason = "criterion's macros document nothing")]

use std::hint::black_box;

use asktwice::{
    Fuse, Fusion, Ranking,
    fuse::{Parity, Weighted, explain},
    ranking::{PointId, Scored},
    search::Channel,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const LIMIT: usize = 10;
const LEGS: usize = 4;

/// Legs of a depth that share passages as legs do: each draws from the same 2 ½ times as many.
fn rankings(depth: usize) -> Vec<Ranking> {
    let pool: Vec<String> = (0..depth * 5 / 2).map(|n| n.to_string()).collect();
    let leg = |leg: usize| {
        // The hash of leg and passage is as good as a random number.
        let mut drawn: Vec<(PointId, &String)> =
            pool.iter().map(|id| (PointId::of(&format!("{leg}/{id}")), id)).collect();
        drawn.sort_unstable();
        let scored = |(rank, (_, id)): (u16, (PointId, &String))| Scored {
            id: PointId::of(id),
            score: 1.0 / (1.0 + f32::from(rank)),
        };
        Ranking::new((0..).zip(drawn).take(depth).map(scored).collect())
    };
    (0..LEGS).map(leg).collect()
}

fn legs(rankings: &[Ranking]) -> Vec<Weighted<'_>> {
    let leg = |(ranking, leg): (_, usize)| {
        let channel = if leg.is_multiple_of(2) { Channel::Dense } else { Channel::Bm25 };
        Weighted::new(ranking, leg / 2).with_channel(channel)
    };
    rankings.iter().zip(0..).map(leg).collect()
}

fn fusing(criterion: &mut Criterion) {
    for depth in [100, 1_000] {
        let rankings = rankings(depth);
        let legs = legs(&rankings);
        let mut group = criterion.benchmark_group(format!("fuse {LEGS} x {depth}"));
        let parities = [Parity::QdrantRrf { k: 2 }, Parity::QdrantDbsf].map(Fusion::Parity);
        for fusion in Fusion::all().into_iter().chain(parities) {
            group.bench_function(BenchmarkId::from_parameter(fusion), |bencher| {
                bencher.iter(|| fusion.fuse(black_box(&legs), LIMIT));
            });
        }
    }
}

fn explaining(criterion: &mut Criterion) {
    for depth in [100, 1_000] {
        let rankings = rankings(depth);
        let legs = legs(&rankings);
        let mut group = criterion.benchmark_group(format!("explain {LIMIT} hits of {LEGS} x {depth}"));
        for fusion in [Fusion::rrf(), Fusion::dbsf(), Fusion::intersection()] {
            let fused = fusion.fuse(&legs, LIMIT);
            group.bench_function(BenchmarkId::from_parameter(fusion), |bencher| {
                bencher.iter(|| explain(&fusion, black_box(&legs), black_box(&fused)));
            });
        }
    }
}

criterion_group!(benches, fusing, explaining);
criterion_main!(benches);
