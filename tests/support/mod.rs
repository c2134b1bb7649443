//! Hand-written fakes.

pub mod embedder;
#[cfg(feature = "index")]
pub mod failing;
