//! Query-ensembling retrieval: search with the user's question **and** a rewritten version of it, at the same time,
//! and fuse what both find.
//!
//! ```text
//! question ─┬─ as asked ───────────────► embed ─► search ─┐
//!           └─ rewrite (LLM) ─ deadline ► embed ─► search ─┴─► fuse ─► retrieval
//! ```
//!
//! The question never waits for the language model, and whatever the language model does, the caller gets at least
//! what the plain question finds, and is told what was lost.
//!
//! ```
//! # use asktwice::{EmbedError, Embedder, embed::{Embedding, Identity, Role}};
//! use asktwice::{Passage, Retriever, VectorStoreWriter, rewrite::RecordedRewriter, search::MemoryStore};
//! #
//! # /// Counts letters; a real program opens `embed::OnnxEmbedder`.
//! # #[derive(Debug)]
//! # struct Letters(Identity);
//! # #[async_trait::async_trait]
//! # impl Embedder for Letters {
//! #     async fn embed(&self, _: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
//! #         let count = |text: &str| ('a'..='z').map(|c| text.matches(c).count() as f32).collect();
//! #         Ok(texts.iter().map(|text| Embedding::new(count(text), 1)).collect())
//! #     }
//! #     fn identity(&self) -> &Identity {
//! #         &self.0
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let embedder = Letters(Identity::new("letters", "1", 26));
//! let store = MemoryStore::new();
//! store.prepare(embedder.identity()).await?;
//! # let vectors = embedder.embed(Role::Passage, vec!["late orders".into(), "missing items".into()]).await?;
//! # let [late, missing] = [vectors[0].vector.clone().into(), vectors[1].vector.clone().into()];
//! store.upsert(vec![(Passage::new("late", "late orders"), late), (Passage::new("missing", "missing items"), missing)]).await?;
//!
//! let rewriter = RecordedRewriter::from_pairs([("half my grub is gone", ["Items are missing from my order"])]);
//! let retriever = Retriever::new(embedder, store).with_rewriter(rewriter);
//! let retrieval = retriever.retrieve("half my grub is gone").await?;
//!
//! assert_eq!(retrieval.variants.len(), 2);
//! assert_eq!(retrieval.hits[0].passage.id, "missing");
//! assert!(retrieval.degradations.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! The modules in the order in which a question passes through them: [`question`] in; the steps [`rewrite`],
//! [`embed`], [`search`] and [`fuse`], then [`refine`] and [`rerank`]; [`retrieval`] out, or [`event`] by event.
//! [`retriever`] is the only one that knows the order. [`index`] fills a store from files, [`backup`] makes one
//! file of a store and back, [`evaluate`] measures on judged questions, [`server`] puts it behind HTTP, [`config`]
//! and [`cli`] make the program of it.
//!
//! # Features
//! `onnx` (the local embedder), `edge` (Qdrant's engine in process), `qdrant` (a server or cluster), `llm` (any
//! OpenAI-compatible endpoint), `remote` (embedders behind one), `hub` (models from a hub), `cache` (rewrites and question
//! embeddings remembered), `index` (files into a store), `server` (the sidecar), `mcp` (its tools for language models) and
//! `cli` (the program, which brings them all) are on by default; `otlp` (spans for a collector) is not. Without any of them
//! the traits, the fusion, the pipeline
//! and the in-memory store remain.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::duration_suboptimal_units,
        clippy::float_cmp,
        clippy::format_collect,
        clippy::too_many_lines,
        clippy::type_complexity,
        reason = "a test compares exactly what is exact, and lists its cases"
    )
)]

#[cfg(all(doctest, feature = "cli"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod question;
pub use question::{Question, Turn};

pub mod rewrite;
pub use rewrite::{Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites};

pub mod embed;
pub use embed::{EmbedError, Embedder};

pub mod search;
pub use search::{StoreError, VectorStore, VectorStoreWriter};

pub mod ranking;
pub use ranking::{Hit, Passage, Ranking};

pub mod fuse;
pub use fuse::{Fuse, Fusion};

pub mod refine;

pub mod rerank;
pub use rerank::{RerankError, Reranker};

pub mod retrieval;
pub use retrieval::{Degradation, Outcome, Retrieval, Variant};

pub mod options;
pub use options::{Legs, RerankChoice, RetrieveOptions, RewriteChoice, Scope};

pub mod event;
pub use event::{Event, Events};

pub mod retriever;
pub use retriever::Retriever;

#[cfg(feature = "index")]
pub mod index;

#[cfg(feature = "index")]
pub mod backup;

pub mod evaluate;

#[cfg(feature = "server")]
pub mod server;

pub mod trace;

#[cfg(any(feature = "llm", feature = "remote", feature = "onnx", feature = "edge", feature = "qdrant"))]
mod spans;

#[cfg(feature = "http")]
mod http;

pub mod error;
pub use error::{Error, ErrorKind};

#[cfg(feature = "cli")]
pub mod config;

#[cfg(feature = "cli")]
pub mod cli;
