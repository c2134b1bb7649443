//! Hand-written fakes.

pub mod embedder;
