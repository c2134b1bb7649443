//! What happens after fusion: the pure functions by their properties, the whole by a retriever over small collections.

mod cross_encoder;
mod neighbours;
mod properties;
mod remote;
mod rerank;
mod steps;

use std::sync::Mutex;

use asktwice::{
    Embedder as _, Passage, RerankError, Reranker, Retrieval, Retriever, VectorStore, VectorStoreWriter,
    embed::{Bm25, Role, SparseEncoder as _},
    search::{MemoryStore, Vectors},
};
use async_trait::async_trait;

use crate::support::embedder::{HashEmbedder, vector};

const QUESTION: &str = "late food";

/// Passages of these documents and texts, in their order in the document.
fn passages(of: &[(&str, &[&str])]) -> Vec<Passage> {
    let cut = |(document, texts): &(&str, &[&str])| {
        let document = (*document).to_owned();
        let passage = move |(text, at): (&&str, u32)| {
            Passage::new(format!("{document}#{at}"), *text).cut_from(document.clone(), at)
        };
        texts.iter().zip(0..).map(passage).collect::<Vec<_>>()
    };
    of.iter().flat_map(cut).collect()
}

fn bm25() -> Bm25 {
    Bm25::new("english").unwrap()
}

/// Fills a store with passages, in both channels.
async fn fill(store: &dyn VectorStoreWriter, passages: Vec<Passage>) {
    let encoder = bm25();
    let identity = HashEmbedder::new().identity().clone().with_bm25(encoder.identity());
    store.prepare(&identity).await.unwrap();
    let both = |text: &str| Vectors::from(vector(text)).with_bm25(encoder.encode(Role::Passage, text));
    let passages = passages.into_iter().map(|passage| (passage.clone(), both(&passage.embedded_text())));
    store.upsert(passages.collect()).await.unwrap();
}

fn over(store: impl VectorStore + 'static) -> Retriever {
    Retriever::new(HashEmbedder::new(), store).with_sparse_encoder(bm25())
}

async fn retriever(of: &[(&str, &[&str])]) -> Retriever {
    let store = MemoryStore::new();
    fill(&store, passages(of)).await;
    over(store)
}

fn ids(retrieval: &Retrieval) -> Vec<&str> {
    retrieval.hits.iter().map(|hit| hit.passage.id.as_str()).collect()
}

fn kinds(retrieval: &Retrieval) -> Vec<&str> {
    retrieval.degradations.iter().map(asktwice::Degradation::kind).collect()
}

/// Prefers short passages, and notes what it was asked.
#[derive(Debug, Default)]
struct Shortest(Mutex<Vec<(String, Vec<String>)>>);

impl Shortest {
    fn asked(&self) -> Vec<(String, Vec<String>)> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Reranker for Shortest {
    async fn rerank(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let texts = passages.iter().map(|passage| (*passage).to_owned()).collect();
        self.0.lock().unwrap().push((question.to_owned(), texts));
        Ok(passages.iter().map(|passage| -(passage.len() as f32)).collect())
    }
}
