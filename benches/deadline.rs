//! The deadline as a promise: how long a call takes, and what it brings, for language models that answer after 0, 100,
//! 300 and 1,000 ms or never, and deadlines of 50, 100, 250 and 1,000 ms or none. Caches are off and every question is
//! new; the second table is warm and says so. The model is a server on a socket of this machine. Needs `make setup`.
//!
//! `make bench-deadline` prints it; `CALLS=N` sets how many calls a cell has.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark may fail, and prints what it measures"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use asktwice::{
    Question, RetrieveOptions, Retriever, RewriteRequest, Rewriter as _,
    embed::{Bm25, OnnxEmbedder, OnnxOptions},
    index::Indexer,
    rewrite::{CacheOptions, CachedRewriter, LlmRewriter},
    search::EdgeStore,
};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

const MODEL: &str = ".asktwice/models/all-MiniLM-L6-v2";
const CORPUS: &str = "examples/help-centre/corpus.jsonl";
const NEVER: u64 = 3_600_000;
const LATENCIES: [u64; 5] = [0, 100, 300, 1_000, NEVER];
const DEADLINES: [Option<u64>; 5] = [Some(50), Some(100), Some(250), Some(1_000), None];

/// A chat endpoint that answers after a while with the question in other words.
async fn serve(latency: u64) -> String {
    let answer = async move |Json(body): Json<Value>| {
        tokio::time::sleep(Duration::from_millis(latency)).await;
        let prompt = body["messages"][0]["content"].as_str().unwrap_or_default();
        let number = prompt.split_once("number ").map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default());
        let content = format!("What can be done about order {number} that has not arrived yet?");
        Json(json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}))
    };
    let router = Router::new().route("/v1/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/v1")
}

/// What the calls of one cell came to.
#[derive(Default)]
struct Cell {
    took: Vec<Duration>,
    outcomes: BTreeMap<String, usize>,
}

impl Cell {
    fn quantile(&self, share: f64) -> f64 {
        quantile(&self.took, share)
    }

    async fn call(&mut self, retriever: &Retriever, question: &str, deadline: Option<u64>) {
        let mut options = RetrieveOptions::default();
        options.deadline = deadline.map(Duration::from_millis);
        let start = Instant::now();
        let found = retriever.retrieve_with(question, &options).await;
        self.took.push(start.elapsed());
        let outcome = found.map_or_else(|error| format!("error: {error}"), |found| found.outcome.word().to_owned());
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    fn print(&self, latency: u64, deadline: Option<u64>) {
        let latency = if latency == NEVER { "never".to_owned() } else { latency.to_string() };
        let (bound, kept) = match deadline {
            Some(ms) => (ms.to_string(), if self.quantile(0.99) <= ms as f64 + 20.0 { "yes" } else { "NO" }),
            None => ("none".to_owned(), ""),
        };
        let outcomes: Vec<String> = self.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        println!(
            "| {latency} | {bound} | {:.1} | {:.1} | {kept} | {} |",
            self.quantile(0.5),
            self.quantile(0.99),
            outcomes.join(", ")
        );
    }
}

/// In milliseconds.
fn quantile(took: &[Duration], share: f64) -> f64 {
    let mut took = took.to_vec();
    took.sort_unstable();
    let at = ((took.len() as f64 * share).ceil() as usize).clamp(1, took.len()) - 1;
    took[at].as_secs_f64() * 1e3
}

/// A question that was never asked before.
fn question() -> String {
    static ASKED: AtomicUsize = AtomicUsize::new(100_000);
    format!("Where is my order number {} that should be here by now?", ASKED.fetch_add(1, Ordering::Relaxed))
}

async fn retriever(folder: &std::path::Path) -> Retriever {
    let embedder = OnnxEmbedder::open_with(MODEL, &OnnxOptions::default()).expect("run `make setup` first");
    let store = Arc::new(EdgeStore::open(folder).unwrap());
    let bm25 = Arc::new(Bm25::new("english").unwrap());
    let indexer = Indexer::new(Arc::new(embedder.clone()), store.clone()).with_sparse_encoder(bm25.clone());
    indexer.run(&[CORPUS.into()], |_| {}).await.unwrap();
    Retriever::new(embedder, store).with_sparse_encoder(bm25)
}

const HEAD: &str =
    "| LLM, ms | deadline, ms | p50, ms | p99, ms | p99 ≤ deadline + 20 | outcomes |\n|---|---|---|---|---|---|";

#[tokio::main]
async fn main() {
    // `cargo bench` and `cargo test` pass flags of their own.
    let calls: usize = std::env::var("CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(100);
    let folder = tempfile::tempdir().unwrap();
    let plain = retriever(folder.path()).await;
    println!("{calls} calls a cell, one after another; caches off, every question new\n\n{HEAD}");
    for latency in LATENCIES {
        let rewriter = Arc::new(LlmRewriter::new(&serve(latency).await, "bench").unwrap());
        // Without a deadline of the caller's the rewrite has one of its own: longer than any model here that answers.
        let retriever = plain.clone().with_rewriter(rewriter.clone()).with_rewrite_deadline(Duration::from_secs(2));
        for deadline in DEADLINES {
            // One that never answers costs two seconds a call without a deadline.
            let calls = if latency == NEVER && deadline.is_none() { calls.min(5) } else { calls };
            let (mut cell, mut without, mut llm) = (Cell::default(), Cell::default(), vec![]);
            for _ in 0..calls {
                cell.call(&retriever, &question(), deadline).await;
                if deadline.is_none() && latency != NEVER {
                    // What it is made of, each alone and in the same rhythm: a core that has just waited is slower than
                    // one that has just worked, and a timer is never exact.
                    let request = RewriteRequest::new(Question::new(&question()).unwrap());
                    let start = Instant::now();
                    rewriter.rewrite(&request).await.unwrap();
                    llm.push(start.elapsed());
                    without.call(&plain, &question(), None).await;
                }
            }
            cell.print(latency, deadline);
            if !without.took.is_empty() {
                let (llm, alone) = (quantile(&llm, 0.5), without.quantile(0.5));
                let (took, bound) = (cell.quantile(0.5), llm + 1.2 * alone);
                let kept = if took <= bound { "kept" } else { "MISSED" };
                println!("| | | {took:.1} ≤ {llm:.1} + 1.2 × {alone:.1} = {bound:.1}: {kept} | | | |");
            }
        }
    }
    println!("\nWarm: the rewrite is cached, its question asked before\n\n{HEAD}");
    for latency in [300, 1_000] {
        let rewriter =
            CachedRewriter::new(LlmRewriter::new(&serve(latency).await, "bench").unwrap(), CacheOptions::default());
        let retriever = plain.clone().with_rewriter(rewriter).with_rewrite_deadline(Duration::from_secs(2));
        let asked: Vec<String> = (0..calls.min(20)).map(|_| question()).collect();
        let mut warming = Cell::default();
        for question in &asked {
            warming.call(&retriever, question, None).await;
        }
        for deadline in DEADLINES {
            let mut cell = Cell::default();
            for question in &asked {
                cell.call(&retriever, question, deadline).await;
            }
            cell.print(latency, deadline);
        }
    }
}
