//! The whole pipeline in memory, with nothing installed: no model, no engine, no language model.
//!
//! We will:
//! - write a toy embedder of our own, to see what the trait asks for,
//! - put a few passages into the in-memory store,
//! - ask a question together with a rewrite of it, and read why each hit is where it is.
//!
//! Run it with `cargo run --release --example quickstart`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use asktwice::{
    EmbedError, Embedder, Passage, Retriever, VectorStoreWriter,
    embed::{Embedding, Identity, Role},
    rewrite::RecordedRewriter,
    search::MemoryStore,
};
use async_trait::async_trait;

/// Counts words: each word adds one to the place that its letters hash to. A real embedder knows that "grub" is food.
#[derive(Debug)]
struct BagOfWords(Identity);

#[async_trait]
impl Embedder for BagOfWords {
    async fn embed(&self, _role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let embed = |text: String| {
            let mut vector = vec![0.0; self.0.dimension];
            let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
            for word in &words {
                let hash =
                    word.to_lowercase().bytes().fold(7usize, |hash, byte| hash.wrapping_mul(31) + usize::from(byte));
                vector[hash % self.0.dimension] += 1.0;
            }
            Embedding::new(vector, words.len())
        };
        Ok(texts.into_iter().map(embed).collect())
    }

    fn identity(&self) -> &Identity {
        &self.0
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let embedder = BagOfWords(Identity::new("bag of words", "1", 512));
    let store = MemoryStore::new();
    let texts = [
        ("missing-items", "What to do when items are missing from your order: report them and get a refund"),
        ("late-order", "Your order is late: how to follow the courier on the map"),
        ("allergies", "How to tell the kitchen about an allergy"),
    ];
    let vectors = embedder.embed(Role::Passage, texts.map(|(_, text)| text.to_owned()).into()).await?;
    let passages =
        texts.iter().zip(vectors).map(|((id, text), e)| (Passage::new(*id, *text), e.vector.into())).collect();
    store.prepare(embedder.identity()).await?;
    store.upsert(passages).await?;

    let question = "half of my grub never came, now what";
    let rewrite = "How do I get a refund when items are missing from my order?";
    let rewriter = RecordedRewriter::from_pairs([(question.to_owned(), vec![rewrite.to_owned()])]);
    let retrieval = Retriever::new(embedder, store).with_rewriter(rewriter).retrieve(question).await?;

    for variant in &retrieval.variants {
        println!("searched with: {}", variant.text());
    }
    for hit in &retrieval.hits {
        let legs: Vec<_> = hit.found_by.iter().map(|by| format!("leg {} at rank {}", by.leg, by.rank)).collect();
        println!("{:.4}  {:<14} found by {}", hit.score, hit.passage.id, legs.join(" and "));
    }
    Ok(())
}
