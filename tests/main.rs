//! All integration tests in one binary: each more would link the engines again.

#[cfg(feature = "edge")]
mod edge;
