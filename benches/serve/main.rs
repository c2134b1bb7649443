//! asktwice's side of `make bench-serve`, and what all sides need: `bench/serve.py` runs it and makes the tables.
//!
//! `serve TASK KEY=VALUE…`, with the tasks
//! - `load`: asks a sidecar, in a closed or an open loop, and prints what came of it as one line of JSON;
//! - `stub`: a sidecar before an embedder, a store and a rewriter that answer at once;
//! - `llm`: a language model's server that replays recorded rewrites; `front`: a Qdrant server, as far as the peers ask;
//! - `corpus`: a collection of the embedded engine with its vectors, as files that the peers read.
//!
//! The servers print their address and run until they are killed.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark may fail, and prints what it found"
)]

mod corpus;
#[path = "../../tests/support/front/mod.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic, reason = "a part of the tests, which use all of it")]
mod front;
mod llm;
mod load;
mod stub;

use std::collections::HashMap;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some((task, settings)) = arguments.split_first() else {
        println!("not a benchmark by itself: run `make bench-serve`");
        return;
    };
    let settings = Settings::parse(settings);
    if task == "load" {
        println!("{}", load::run(&settings));
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        match task.as_str() {
            "stub" => stub::serve().await,
            "llm" => llm::serve(&settings).await,
            "front" => {
                let front = front::Front::start().await;
                println!("{}", front.url);
                std::future::pending::<()>().await;
            }
            "corpus" => corpus::write(&settings).await,
            _ => panic!("no such task: {task}"),
        }
    });
}

/// What was given as `KEY=VALUE`.
struct Settings(HashMap<String, String>);

impl Settings {
    fn parse(given: &[String]) -> Self {
        let pair = |argument: &String| {
            let (key, value) = argument.split_once('=').expect("KEY=VALUE");
            (key.to_owned(), value.to_owned())
        };
        Self(given.iter().map(pair).collect())
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("{key}=… is missing"))
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.0.get(key).map(|value| value.parse().expect(key))
    }

    /// A file with a list of texts.
    fn texts(&self, key: &str) -> Vec<String> {
        let file = std::fs::read_to_string(self.text(key)).expect(key);
        serde_json::from_str(&file).expect(key)
    }
}
