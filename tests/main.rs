//! The one test binary: each further one would link the engines again.

mod contract;
mod qdrant_faults;
mod support;
