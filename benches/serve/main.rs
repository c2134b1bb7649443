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
#[path = "../settings.rs"]
#[allow(dead_code, reason = "the sides need different parts of it")]
mod settings;
mod stub;

use settings::Settings;

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
