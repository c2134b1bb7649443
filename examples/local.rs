//! Everything on this machine: the ONNX model that `make setup` makes, and Qdrant's engine in this process.
//!
//! We will:
//! - open the model and a folder for the embedded engine,
//! - index a few passages, which are safe on disk when `upsert` returns,
//! - ask a question whose words none of them has.
//!
//! Run it with `make setup` and then `cargo run --release --example local`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use asktwice::{
    Embedder, Passage, Retriever, VectorStoreWriter,
    embed::{OnnxEmbedder, Role},
    search::EdgeStore,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let embedder = OnnxEmbedder::open(".asktwice/models/all-MiniLM-L6-v2")?;
    let store = EdgeStore::open(".asktwice/example")?;

    let passages = [
        Passage::new("sourdough", "A dense crumb usually means that the dough fermented too briefly."),
        Passage::new("knives", "Sharpen a knife at an angle of fifteen degrees."),
        Passage::new("rice", "Rinse rice until the water runs clear."),
    ];
    let texts = passages.iter().map(Passage::embedded_text).collect();
    let vectors = embedder.embed(Role::Passage, texts).await?;
    store.prepare(embedder.identity()).await?;
    store.upsert(passages.into_iter().zip(vectors).map(|(passage, e)| (passage, e.vector.into())).collect()).await?;

    let retrieval = Retriever::new(embedder, store).retrieve("why is my bread so flat and heavy?").await?;
    for hit in &retrieval.hits {
        println!("{:<10} cosine {:.3}: {}", hit.passage.id, hit.found_by[0].score, hit.passage.text);
    }
    println!("{:?} in {:.1} ms", retrieval.outcome, retrieval.took.as_secs_f64() * 1e3);
    Ok(())
}
