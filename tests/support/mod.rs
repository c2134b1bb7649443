//! What the tests share: fakes, written by hand.

pub mod embedder;
#[cfg(feature = "llm")]
pub mod llm_server;
