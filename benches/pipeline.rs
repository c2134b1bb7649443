//! What one call costs: embedding, searching, fusing, and the whole of it with a rewriter that takes 0, 50 and 500 ms.
//! Nothing is cached and every question is new, unless a row's name says warm. Needs `make setup`.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark may fail, and criterion's macros document nothing"
)]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use asktwice::{
    Embedder, Fuse, Fusion, Passage, Ranking, RetrieveOptions, Retriever, Rewrite, RewriteKind, RewriteRequest,
    Rewriter, Rewrites, VectorStore, VectorStoreWriter,
    embed::{Identity, OnnxEmbedder, OnnxOptions, Precision, Role},
    fuse::Weighted,
    ranking::{PointId, Scored},
    search::{EdgeStore, Search},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const MODEL: &str = ".asktwice/models/all-MiniLM-L6-v2";
const LIMIT: usize = 10;
const DEPTH: usize = 100;
const DIMENSION: usize = 384;

/// Questions that were never asked before: about 12 tokens each.
#[derive(Default)]
struct Fresh(AtomicUsize);

impl Fresh {
    fn question(&self) -> String {
        const THINGS: [&str; 8] = ["pizza", "refund", "courier", "voucher", "account", "receipt", "allergy", "basket"];
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        format!("why is the {} of order {n} still not here today?", THINGS[n % THINGS.len()])
    }
}

/// Answers with a rewrite of any question after a given time.
#[derive(Debug)]
struct Slow(Duration);

#[async_trait::async_trait]
impl Rewriter for Slow {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, asktwice::RewriteError> {
        tokio::time::sleep(self.0).await;
        let rewrite = format!("What can I do: {}", request.question.text());
        Ok(vec![Rewrite::new(RewriteKind::Paraphrase, rewrite)].into())
    }
}

fn embedder(precision: Precision) -> OnnxEmbedder {
    let mut options = OnnxOptions::default();
    options.precision = precision;
    OnnxEmbedder::open_with(MODEL, &options).expect("run `make setup` first")
}

fn embed(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("embed one question");
    for precision in [Precision::Int8, Precision::Fp32] {
        let (embedder, fresh) = (embedder(precision), Fresh::default());
        group.bench_function(precision.to_string(), |bencher| {
            bencher.iter(|| runtime.block_on(embedder.embed(Role::Query, vec![fresh.question()])).unwrap());
        });
    }
}

/// A pseudo-random vector; a different one for each number.
fn vector(seed: usize) -> Vec<f32> {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..DIMENSION).map(|_| next()).collect()
}

fn search(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(folder.path().join("search")).unwrap();
    let passages = (0..10_000).map(|n| (Passage::new(n.to_string(), "text"), vector(n).into()));
    runtime.block_on(async {
        store.prepare(&Identity::new("random", "1", DIMENSION)).await.unwrap();
        store.upsert(passages.collect()).await.unwrap();
    });
    let seeds = AtomicUsize::new(1_000_000);
    criterion.bench_function("search 10,000 passages exactly, depth 100", |bencher| {
        bencher.iter(|| {
            let search = Search::dense(vector(seeds.fetch_add(1, Ordering::Relaxed)), DEPTH);
            runtime.block_on(store.search(search)).unwrap()
        });
    });
}

fn fuse(criterion: &mut Criterion) {
    let ranking = |offset: u64| {
        let scored = |n: u64| Scored { id: PointId::Number((n * 7 + offset) % 150), score: 1.0 / (n + 1) as f32 };
        Ranking::new((0..DEPTH as u64).map(scored).collect())
    };
    let rankings = [ranking(0), ranking(40)];
    let legs: Vec<_> = rankings.iter().zip(0..).map(|(ranking, variant)| Weighted::new(ranking, variant)).collect();
    let mut group = criterion.benchmark_group("fuse 2 x 100");
    for fusion in [Fusion::rrf(), Fusion::intersection()] {
        group.bench_function(fusion.to_string(), |bencher| {
            bencher.iter(|| fusion.fuse(black_box(&legs), LIMIT));
        });
    }
}

fn whole_call(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let embedder = embedder(Precision::Int8);
    let store = Arc::new(EdgeStore::open(folder.path().join("whole")).unwrap());
    runtime.block_on(fill(&embedder, &store));
    let mut group = criterion.benchmark_group("whole call");
    group.sample_size(20);
    let options = RetrieveOptions::default();
    let retriever = |latency| {
        Retriever::new(embedder.clone(), Arc::clone(&store) as Arc<dyn VectorStore>)
            .with_rewriter(Slow(latency))
            .with_rewrite_deadline(Duration::from_secs(5))
    };
    let plain = Retriever::new(embedder.clone(), Arc::clone(&store) as Arc<dyn VectorStore>);
    let fresh = Fresh::default();
    group.bench_function("no rewriter", |bencher| {
        bencher.iter(|| runtime.block_on(plain.retrieve_with(&fresh.question(), &options)).unwrap());
    });
    for milliseconds in [0, 50, 500] {
        let retriever = retriever(Duration::from_millis(milliseconds));
        group.bench_function(BenchmarkId::new("rewriter ms", milliseconds), |bencher| {
            bencher.iter(|| runtime.block_on(retriever.retrieve_with(&fresh.question(), &options)).unwrap());
        });
    }
    let retriever = retriever(Duration::ZERO);
    group.bench_function("warm: the same question again, rewriter 0 ms", |bencher| {
        bencher.iter(|| runtime.block_on(retriever.retrieve_with("where is my pizza?", &options)).unwrap());
    });
}

/// Puts the help centre's articles into a store.
async fn fill(embedder: &OnnxEmbedder, store: &EdgeStore) {
    let corpus = include_str!("../examples/help-centre/corpus.jsonl");
    let passage = |line: &str| {
        let article: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| article[name].as_str().unwrap().to_owned();
        Passage::new(field("_id"), field("text")).with_title(field("title"))
    };
    let passages: Vec<Passage> = corpus.lines().map(passage).collect();
    let texts = passages.iter().map(Passage::embedded_text).collect();
    let vectors = embedder.embed(Role::Passage, texts).await.unwrap();
    store.prepare(embedder.identity()).await.unwrap();
    store.upsert(passages.into_iter().zip(vectors).map(|(p, e)| (p, e.vector.into())).collect()).await.unwrap();
}

criterion_group!(benches, embed, search, fuse, whole_call);
criterion_main!(benches);
