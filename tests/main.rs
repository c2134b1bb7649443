//! The one test binary: each further one would link the engines again.

mod evaluate;
#[cfg(feature = "index")]
mod index;
mod support;
