//! Query-ensembling retrieval: search with the user's question **and** a rewritten version of it, at the same time,
//! and fuse what both find.
pub mod question;
pub use question::Question;

pub mod rewrite;
pub use rewrite::{RewriteError, Rewriter};

pub mod embed;
pub use embed::{EmbedError, Embedder};

pub mod search;
pub use search::{StoreError, VectorStore, VectorStoreWriter};

pub mod ranking;
pub use ranking::{Hit, Passage, Ranking};

pub mod fuse;
pub use fuse::{Fuse, Fusion};

pub mod retrieval;
pub use retrieval::{Degradation, Outcome, Retrieval, Variant};

pub mod retriever;
pub use retriever::{RetrieveOptions, Retriever};

#[cfg(feature = "index")]
pub mod index;

pub mod evaluate;

pub mod error;
pub use error::{Error, ErrorKind};

#[cfg(feature = "cli")]
pub mod config;

#[cfg(feature = "cli")]
pub mod cli;
