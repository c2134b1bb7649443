//! All integration tests in one binary: each binary of its own would link the engines again.

mod support;

mod concurrency;
#[cfg(feature = "llm")]
mod rewrite;
