//! The same pipeline over a Qdrant server or cluster; only the line that opens the store differs.
//!
//! Start a server, index something into it (`asktwice --store http://localhost:6334 index examples/help-centre`), then
//! run `cargo run --release --example qdrant_server -- http://localhost:6334 "wheres my food"`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use asktwice::{
    RetrieveOptions, Retriever,
    embed::OnnxEmbedder,
    search::{Filter, QdrantStore},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("name the server: http://HOST:6334")?;
    let question = arguments.next().unwrap_or_else(|| "wheres my food".to_owned());

    let embedder = OnnxEmbedder::open(".asktwice/models/all-MiniLM-L6-v2")?;
    let store = QdrantStore::connect(&url, "passages")?;

    let customers = Filter::equals("metadata.audience", "customer");
    let options = RetrieveOptions::default().with_limit(5).with_filter(customers);
    let retrieval = Retriever::new(embedder, store).retrieve_with(&question, &options).await?;
    for hit in &retrieval.hits {
        println!("{:.4}  {}", hit.score, hit.passage.title);
    }
    Ok(())
}
