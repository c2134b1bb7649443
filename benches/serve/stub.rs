//! A sidecar with nothing behind it: an embedder, a store and a rewriter that answer at once. What is left of a request's
//! time is what the sidecar takes: HTTP, its layers, the pipeline with four legs of a hundred points each, the reply.

use std::sync::Arc;

use asktwice::{
    Embedder, Passage, Ranking, Retriever, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites,
    VectorStore, VectorStoreWriter,
    embed::{EmbedError, Embedding, Identity, Role, SparseEncoder},
    ranking::{PointId, Scored},
    search::{
        CollectionInfo, Filter, PayloadKind, ScrollPage, ScrollRequest, Search, SearchVector, SparseVector, StoreError,
        Vectors,
    },
    server::{BUCKETS, Budgeted, Server, ServerSettings, Sidecar},
};
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

const DIMENSION: usize = 384;
/// How many points each search finds: the default depth.
const FOUND: usize = 100;
/// How many passages there are: legs have some in common.
const PASSAGES: usize = 300;
/// How long a passage is: about what an abstract has.
const CHARACTERS: usize = 1_500;

#[derive(Debug)]
struct Stub {
    identity: Identity,
    passages: Vec<(PointId, Passage)>,
}

impl Stub {
    fn new() -> Self {
        let passage = |number: usize| Passage::new(number.to_string(), "word ".repeat(CHARACTERS / 5));
        let passages = (0..PASSAGES).map(passage).map(|passage| (passage.point_id(), passage)).collect();
        Self { identity: Identity::new("stub", "stub", DIMENSION), passages }
    }

    /// The points of every second or third passage, as far as they are wanted: by the kind of vector.
    fn found(&self, search: &Search) -> Ranking {
        let every = if matches!(search.vector, SearchVector::Dense(_)) { 2 } else { 3 };
        let ids = self.passages.iter().map(|(id, _)| *id).step_by(every).take(search.depth.min(FOUND));
        Ranking::new(ids.enumerate().map(|(rank, id)| Scored { id, score: 1.0 / (rank + 1) as f32 }).collect())
    }
}

#[async_trait]
impl Embedder for Stub {
    async fn embed(&self, _: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let vector = || vec![(DIMENSION as f32).sqrt().recip(); DIMENSION];
        Ok(texts.iter().map(|_| Embedding::new(vector(), 12)).collect())
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl SparseEncoder for Stub {
    fn encode(&self, _: Role, _: &str) -> SparseVector {
        SparseVector { indices: (0..8).collect(), values: vec![1.0; 8] }
    }

    fn identity(&self) -> &'static str {
        "stub"
    }
}

#[async_trait]
impl Rewriter for Stub {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        Ok(vec![Rewrite::new(RewriteKind::Paraphrase, format!("in other words: {}", request.question.text()))].into())
    }
}

#[async_trait]
impl VectorStore for Stub {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        Ok(self.found(&search))
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        let passage = |wanted: &PointId| self.passages.iter().find(|(id, _)| id == wanted).cloned();
        Ok(ids.iter().filter_map(passage).collect())
    }

    async fn vectors(&self, _: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        Ok(vec![])
    }

    async fn scroll(&self, _: ScrollRequest) -> Result<ScrollPage, StoreError> {
        Ok(ScrollPage::default())
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        let identity = self.identity.clone().with_bm25("stub");
        Ok(Some(CollectionInfo::new("stub", PASSAGES as u64, DIMENSION, Some(identity))))
    }
}

#[async_trait]
impl VectorStoreWriter for Stub {
    async fn prepare(&self, _: &Identity) -> Result<(), StoreError> {
        Ok(())
    }

    async fn upsert(&self, _: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete(&self, _: &[PointId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete_matching(&self, _: &Filter) -> Result<(), StoreError> {
        Ok(())
    }

    async fn index_payload(&self, _: &str, _: PayloadKind) -> Result<(), StoreError> {
        Ok(())
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// As `asktwice serve` does it: with its metrics and its log, which goes nowhere.
pub(super) async fn serve() {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap().build_recorder();
    metrics::set_global_recorder(recorder).unwrap();
    tracing_subscriber::fmt().with_env_filter("warn,asktwice=info").with_writer(std::io::sink).init();
    let settings: ServerSettings = serde_json::from_value(json!({"listen": "127.0.0.1:0"})).unwrap();
    let stub = Arc::new(Stub::new());
    let retriever = Retriever::new(stub.clone(), stub.clone())
        .with_sparse_encoder(stub.clone())
        .with_rewriter(Budgeted::new(Stub::new(), &settings));
    let sidecar = Sidecar::new(settings, stub.clone()).unwrap().with_collection("stub", retriever, stub);
    let server = Server::bind(sidecar).await.unwrap();
    println!("http://{}", server.address());
    server.run().await;
}
