//! A chat app in one process: it searches with every question and with its rewritten version, understands "and by card?"
//! from what was said before, and has a language model answer from what was found.
//!
//! We will:
//! - open the model and a folder for the embedded engine, and index the help centre that comes with asktwice,
//! - search with each line of standard input, the earlier turns beside it,
//! - hand what was found to the language model, if there is one.
//!
//! Run it with `make setup` and then `cargo run --release --example chat -- http://localhost:11434/v1 qwen3:4b`; without a
//! language model it shows what it found.

#![allow(clippy::print_stdout, reason = "a chat app talks")]

use std::{error::Error, io::BufRead as _, sync::Arc};

use asktwice::{
    Question, Retrieval, RetrieveOptions, Retriever, Turn,
    embed::{Bm25, OnnxEmbedder},
    index::Indexer,
    question::Speaker,
    rewrite::{LlmRewriter, RewriteKind},
    search::EdgeStore,
};
use serde_json::{Value, json};

const INSTRUCTIONS: &str = "Answer from the passages alone, in two or three sentences. If they do not hold the answer, \
                            say so.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let llm: Vec<String> = std::env::args().skip(1).take(2).collect();
    let embedder = Arc::new(OnnxEmbedder::open(".asktwice/models/all-MiniLM-L6-v2")?);
    let store = Arc::new(EdgeStore::open(".asktwice/example-chat")?);
    let encoder = Arc::new(Bm25::new("english")?);
    let indexer = Indexer::new(embedder.clone(), store.clone()).with_sparse_encoder(encoder.clone());
    indexer.run(&["examples/help-centre/corpus.jsonl".into()], |_| {}).await?;
    let mut retriever = Retriever::new(embedder, store).with_sparse_encoder(encoder);
    if let [url, model] = llm.as_slice() {
        let kinds = [RewriteKind::Condense, RewriteKind::Paraphrase];
        retriever = retriever.with_rewriter(LlmRewriter::new(url, model)?.with_kinds(kinds));
    }

    let mut earlier: Vec<Turn> = vec![];
    println!("Ask away; an empty line ends.");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            break;
        }
        let question = Question::new(&line)?.with_history(earlier.clone());
        let retrieval = retriever.ask(question, &RetrieveOptions::default().with_limit(4)).await?;
        for (index, hit) in retrieval.hits.iter().enumerate() {
            println!("  [{}] {}", index + 1, hit.passage.title);
        }
        let said = match llm.as_slice() {
            [url, model] => Some(answer(url, model, &line, &retrieval, &earlier).await),
            _ => None,
        };
        earlier.push(Turn { role: Speaker::User, content: line });
        match said {
            Some(Ok(said)) => {
                println!("{said}");
                earlier.push(Turn { role: Speaker::Assistant, content: said });
            }
            Some(Err(error)) => println!("The language model did not answer: {error}"),
            None => {}
        }
    }
    Ok(())
}

/// Has the language model answer from what was found.
async fn answer(
    url: &str,
    model: &str,
    question: &str,
    retrieval: &Retrieval,
    earlier: &[Turn],
) -> Result<String, Box<dyn Error>> {
    let passages: Vec<_> = retrieval.hits.iter().map(|hit| &*hit.passage.text).collect();
    let mut messages = vec![json!({"role": "system", "content": INSTRUCTIONS})];
    messages.extend(earlier.iter().map(|turn| json!(turn)));
    messages.push(json!({"role": "user", "content": format!("{}\n\nQuestion: {question}", passages.join("\n\n"))}));
    // Fails only where a provider is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let asked = reqwest::Client::new().post(format!("{url}/chat/completions"));
    let reply: Value = asked.json(&json!({"model": model, "messages": messages})).send().await?.json().await?;
    Ok(reply["choices"][0]["message"]["content"].as_str().unwrap_or("It said nothing.").to_owned())
}
