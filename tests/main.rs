//! All integration tests, in one binary: each further binary would link the engines again.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::duration_suboptimal_units,
    clippy::float_cmp,
    clippy::format_collect,
    clippy::items_after_statements,
    clippy::large_futures,
    clippy::large_stack_arrays,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::similar_names,
    clippy::too_many_lines,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test may fail, compares exactly what is exact, and shares its helpers within one binary"
)]

mod support;

mod backup;
mod budget;
mod cached;
mod cli;
mod concurrency;
mod contract;
mod edge;
mod embed;
mod evaluate;
mod examples;
mod fuse;
mod hybrid;
mod index;
mod models;
mod optimize;
mod outcomes;
mod qdrant_batch;
mod qdrant_bm25;
mod qdrant_faults;
mod refine;
mod remote;
mod rewrite;
mod server;
mod stream;
