//! The sidecar over real sockets, with an embedder that hashes words and a store in memory.

mod ask;
mod chat_apps;
mod drain;
mod limits;
mod mcp;
mod openai;
mod passages;
mod process;
mod rewrites;
mod security;
mod slow;
mod spans;
mod trace;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use asktwice::{
    Embedder, Passage, Retriever, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites,
    VectorStoreWriter,
    rewrite::{CacheOptions, CachedRewriter},
    search::MemoryStore,
    server::{Budgeted, Handle, Server, ServerSettings, Sidecar},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{
    embedder::{HashEmbedder, vector},
    http::Request,
};

/// What the help articles of these tests are called, and say.
const ARTICLES: [(&str, &str, &str); 3] = [
    ("late", "late order courier map", "delivery"),
    ("missing", "missing items refunded report", "refunds"),
    ("twice", "charged twice payment pending", "refunds"),
];

/// Rewrites every question into the same words, after a while.
#[derive(Debug, Clone)]
struct Says(&'static str, Duration);

#[async_trait]
impl Rewriter for Says {
    async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        tokio::time::sleep(self.1).await;
        Ok(vec![Rewrite::new(RewriteKind::Paraphrase, self.0)].into())
    }
}

/// A store with the articles.
async fn articles() -> Arc<MemoryStore> {
    filled(MemoryStore::new()).await
}

/// The articles in this store.
async fn filled<S: VectorStoreWriter>(store: S) -> Arc<S> {
    store.prepare(HashEmbedder::new().identity()).await.unwrap();
    let passage = |(id, text, topic): (&str, &str, &str)| {
        let payload = json!({"topic": topic, "words": text.split(' ').count(), "tags": ["a"]});
        let passage = Passage::new(id, text).with_payload(payload.as_object().unwrap().clone());
        (passage, vector(text).into())
    };
    store.upsert(ARTICLES.into_iter().map(passage).collect()).await.unwrap();
    Arc::new(store)
}

/// A sidecar to be started.
struct Setup {
    settings: Value,
    embedder: Arc<dyn Embedder>,
    stores: Vec<(&'static str, Arc<dyn VectorStoreWriter>)>,
    rewriter: Option<Arc<dyn Rewriter>>,
    cached: bool,
}

impl Setup {
    async fn new() -> Self {
        let embedder = Arc::new(HashEmbedder::new());
        Self { settings: json!({}), embedder, stores: vec![("help", articles().await)], rewriter: None, cached: false }
    }

    fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    fn rewriter(self, says: &'static str, after_ms: u64) -> Self {
        self.any_rewriter(Arc::new(Says(says, Duration::from_millis(after_ms))))
    }

    fn any_rewriter(mut self, rewriter: Arc<dyn Rewriter>) -> Self {
        self.rewriter = Some(rewriter);
        self
    }

    /// Remembers rewrites, as `asktwice serve` does.
    fn cached(mut self) -> Self {
        self.cached = true;
        self
    }

    fn embedder(mut self, embedder: impl Embedder + 'static) -> Self {
        self.embedder = Arc::new(embedder);
        self
    }

    fn store(mut self, name: &'static str, store: Arc<dyn VectorStoreWriter>) -> Self {
        self.stores.push((name, store));
        self
    }

    fn sidecar(&self) -> Sidecar {
        let mut settings: ServerSettings = serde_json::from_value(self.settings.clone()).unwrap();
        settings.listen = "127.0.0.1:0".parse().unwrap();
        settings.admin = Some(settings.listen);
        let mut sidecar = Sidecar::new(settings.clone(), self.embedder.clone()).unwrap().with_metrics(String::new);
        for (name, store) in &self.stores {
            let mut retriever = Retriever::new(self.embedder.clone(), store.clone());
            if let Some(rewriter) = &self.rewriter {
                // Longer than any test: what bounds it is what is tested.
                let patient = retriever.with_rewrite_deadline(Duration::from_secs(300));
                let budgeted = Budgeted::new(rewriter.clone(), &settings);
                retriever = if self.cached {
                    patient.with_rewriter(CachedRewriter::new(budgeted, CacheOptions::default()))
                } else {
                    patient.with_rewriter(budgeted)
                };
            }
            sidecar = sidecar.with_collection(*name, retriever, store.clone());
        }
        sidecar.with_shown_settings(json!({"search": {"limit": 10}}))
    }

    async fn start(self) -> Running {
        let server = Server::bind(self.sidecar()).await.unwrap();
        let (address, admin) = (server.address(), server.admin_address().unwrap());
        let handle = server.handle();
        Running { address, admin, handle, task: tokio::spawn(server.run()) }
    }
}

/// A sidecar that runs until this is dropped.
struct Running {
    address: SocketAddr,
    admin: SocketAddr,
    handle: Handle,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

/// The ids of the hits of an answer.
fn ids(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["passage"]["id"].as_str().unwrap()).collect()
}

/// Waits until `/readyz` says so.
async fn ready(address: SocketAddr) {
    for _ in 0..400 {
        if Request::get("/readyz").send(address).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not get ready");
}
