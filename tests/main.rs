//! All integration tests, in one binary: each further binary would link the engines again.

mod support;

mod cli;
mod concurrency;
mod contract;
mod edge;
mod embed;
mod evaluate;
mod examples;
mod fuse;
mod index;
mod qdrant_faults;
mod rewrite;
