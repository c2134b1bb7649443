//! All integration tests, in one binary: each further binary would link the engines again.

mod support;

mod fuse;

#[cfg(feature = "onnx")]
mod embed;
