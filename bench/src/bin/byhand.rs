//! What somebody writes who needs it by Friday, for `make bench-serve`: the question and its rewrite embedded by
//! `fastembed` behind a mutex, searched with qdrant-client, at the same time by `tokio::join!`, payloads with every hit,
//! fused by reciprocal rank fusion. The question does not wait for the language model here either.
//!
//! `byhand MODEL PASSAGES VECTORS QUESTIONS QDRANT` fills the collection and says `{"ready": …}`; then it does what each
//! line of its input says, `{"callers": N, "seconds": S, "llm": URL}`, and prints what came of it as one line of JSON.

use std::{
    collections::HashMap,
    fs,
    io::BufRead as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fastembed::TextEmbedding;
use qdrant_client::{
    Qdrant,
    qdrant::{
        self, CreateCollectionBuilder, Distance, PointStruct, QueryPointsBuilder, ScoredPoint, UpsertPointsBuilder,
        VectorParamsBuilder, point_id::PointIdOptions,
    },
};
use serde_json::{Value, json};

const COLLECTION: &str = "asktwice-bench-byhand";
const DIMENSION: usize = 384;
/// How many hits each of the two searches returns, with their payloads, and how many are left of them.
const DEPTH: u64 = 50;
const LIMIT: usize = 10;

#[derive(Clone)]
struct Retriever {
    embedder: Arc<Mutex<TextEmbedding>>,
    qdrant: Qdrant,
    http: reqwest::Client,
    llm: String,
}

impl Retriever {
    async fn retrieve(&self, question: &str) -> Vec<ScoredPoint> {
        let rewritten = async { self.search(self.rewrite(question).await).await };
        let (asked, rewritten) = tokio::join!(self.search(question.to_owned()), rewritten);
        fuse([asked, rewritten])
    }

    async fn search(&self, text: String) -> Vec<ScoredPoint> {
        let embedder = self.embedder.clone();
        let embed = move || embedder.lock().unwrap().embed(vec![text], None).expect("fastembed embeds").remove(0);
        let vector = tokio::task::spawn_blocking(embed).await.unwrap();
        let query = QueryPointsBuilder::new(COLLECTION).query(vector).limit(DEPTH).with_payload(true);
        self.qdrant.query(query).await.expect("Qdrant answers").result
    }

    async fn rewrite(&self, question: &str) -> String {
        let prompt = format!("Rewrite this question for a search engine, on one line.\nQuery: {question}");
        let body = json!({"model": "recorded", "messages": [{"role": "user", "content": prompt}]});
        let reply =
            self.http.post(format!("{}/chat/completions", self.llm)).json(&body).send().await.expect("an answer");
        let reply: Value = reply.json().await.expect("JSON");
        reply["choices"][0]["message"]["content"].as_str().expect("a rewrite").to_owned()
    }
}

/// Reciprocal rank fusion (Cormack et al. 2009), k = 60.
fn fuse(rankings: [Vec<ScoredPoint>; 2]) -> Vec<ScoredPoint> {
    let mut fused: HashMap<u64, (f64, ScoredPoint)> = HashMap::new();
    for (rank, point) in rankings.into_iter().flat_map(|ranking| ranking.into_iter().enumerate()) {
        let Some(PointIdOptions::Num(id)) = point.id.as_ref().and_then(|id| id.point_id_options.clone()) else {
            continue;
        };
        fused.entry(id).or_insert((0.0, point)).0 += 1.0 / (61.0 + rank as f64);
    }
    let mut fused: Vec<_> = fused.into_values().collect();
    fused.sort_by(|a, b| b.0.total_cmp(&a.0));
    fused.into_iter().take(LIMIT).map(|(_, point)| point).collect()
}

async fn fill(qdrant: &Qdrant, passages: &str, vectors: &str) {
    let _ = qdrant.delete_collection(COLLECTION).await;
    let vector = VectorParamsBuilder::new(DIMENSION as u64, Distance::Cosine);
    qdrant.create_collection(CreateCollectionBuilder::new(COLLECTION).vectors_config(vector)).await.expect("Qdrant");
    let (passages, vectors) = (fs::read_to_string(passages).expect(passages), fs::read(vectors).expect(vectors));
    let numbers: Vec<f32> =
        vectors.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let point = |(id, (passage, vector)): (usize, (&str, &[f32]))| {
        let fields: HashMap<String, String> = serde_json::from_str(passage).unwrap();
        let payload: HashMap<String, qdrant::Value> =
            fields.into_iter().map(|(key, text)| (key, text.into())).collect();
        PointStruct::new(id as u64, vector.to_vec(), payload)
    };
    let points: Vec<_> = passages.lines().zip(numbers.chunks_exact(DIMENSION)).enumerate().map(point).collect();
    for some in points.chunks(256) {
        qdrant.upsert_points(UpsertPointsBuilder::new(COLLECTION, some.to_vec()).wait(true)).await.expect("Qdrant");
    }
}

/// So many callers, each with a question at a time, until all were asked or the time is over.
async fn run(retriever: &Retriever, questions: &Arc<Vec<String>>, callers: u64, span: Duration) -> Value {
    let (next, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let caller = |_| {
        let (retriever, questions, next) = (retriever.clone(), questions.clone(), next.clone());
        tokio::spawn(async move {
            let mut took_ms = vec![];
            while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed))
                && start.elapsed() < span
            {
                let asked = Instant::now();
                assert_eq!(retriever.retrieve(question).await.len(), LIMIT);
                took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            took_ms
        })
    };
    let callers: Vec<_> = (0..callers).map(caller).collect();
    let mut took_ms = vec![];
    for caller in callers {
        took_ms.extend(caller.await.unwrap());
    }
    let per_second = took_ms.len() as f64 / start.elapsed().as_secs_f64();
    json!({"took_ms": took_ms, "per_second": per_second})
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, passages, vectors, questions, qdrant] = &arguments[..] else {
        panic!("byhand MODEL PASSAGES VECTORS QUESTIONS QDRANT")
    };
    let questions = serde_json::from_str(&fs::read_to_string(questions).expect(questions)).expect(questions);
    let questions = Arc::new(questions);
    let qdrant = Qdrant::from_url(qdrant).skip_compatibility_check().build().expect("a URL");
    fill(&qdrant, passages, vectors).await;
    let embedder = Arc::new(Mutex::new(peers::open(model, "model.onnx", None)));
    let mut retriever = Retriever { embedder, qdrant, http: reqwest::Client::new(), llm: String::new() };
    println!("{}", json!({"ready": [peers::version(), "qdrant-client 1.20.0 (Rust)"]}));
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).expect("JSON");
        retriever.llm = asked["llm"].as_str().expect("llm").to_owned();
        let span = Duration::from_secs_f64(asked["seconds"].as_f64().expect("seconds"));
        println!("{}", run(&retriever, &questions, asked["callers"].as_u64().expect("callers"), span).await);
    }
}
