//! Step 2, embed: text becomes vectors, on this machine's CPU with a local ONNX model, or at an endpoint.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;

mod pooling;
pub use pooling::Pooling;

mod head;
pub use head::{Head, HeadError, Sides};

mod adapted;
pub use adapted::AdaptedEmbedder;

mod similarity;
pub(crate) use similarity::cosine;

mod sparse;
pub use sparse::SparseEncoder;
#[cfg(feature = "edge")]
pub use sparse::{Bm25, UnknownLanguage};

#[cfg(feature = "onnx")]
mod agreement;
#[cfg(feature = "cache")]
mod cached;
#[cfg(feature = "cache")]
pub use cached::CachedEmbedder;
#[cfg(feature = "onnx")]
mod catalogue;
#[cfg(feature = "onnx")]
pub use catalogue::{CatalogueEntry, Int8Files, catalogue, catalogue_table, catalogued};
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
pub use download::{DEFAULT_HUB, Download, Hub, HubError, Pulled, Wanted, Watch};
#[cfg(feature = "onnx")]
mod import;
#[cfg(feature = "onnx")]
pub use import::import_bert;
#[cfg(feature = "onnx")]
pub mod library;
#[cfg(feature = "onnx")]
mod manifest;
#[cfg(feature = "onnx")]
pub use manifest::{FileState, Source, Traits, Verification, verify};
#[cfg(feature = "onnx")]
mod model;
#[cfg(feature = "onnx")]
pub use model::ModelFolder;
#[cfg(feature = "onnx")]
mod optimize;
#[cfg(feature = "onnx")]
pub use optimize::{OptimizeOptions, Optimized, optimize};
#[cfg(feature = "onnx")]
mod outside;
#[cfg(feature = "onnx")]
mod precision;
#[cfg(feature = "onnx")]
pub use precision::{Int8Kernel, Precision};
#[cfg(feature = "onnx")]
pub(crate) mod onnx;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "remote")]
pub use remote::RemoteEmbedder;
#[cfg(feature = "onnx")]
mod provider;
#[cfg(feature = "onnx")]
pub use provider::Provider;
#[cfg(feature = "onnx")]
mod queue;
#[cfg(feature = "onnx")]
pub(crate) mod scheduling;
#[cfg(feature = "onnx")]
mod shared;
#[cfg(feature = "onnx")]
mod worker;
#[cfg(feature = "onnx")]
pub use worker::{OnnxEmbedder, OnnxOptions};

/// Which side of a search a text stands on. Many models want a different prefix for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Something to search with.
    Query,
    /// Something to be found, or a hypothetical one.
    Passage,
}

/// One embedded text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Embedding {
    /// The vector, of the embedder's dimension, of length 1 where the model says so.
    pub vector: Vec<f32>,
    /// How many tokens the model read.
    pub tokens: usize,
    /// Whether the text was longer than the model's token limit, so that its end was not read.
    pub truncated: bool,
}

impl Embedding {
    /// An embedding of a text that was read whole.
    #[must_use]
    pub fn new(vector: Vec<f32>, tokens: usize) -> Self {
        Self { vector, tokens, truncated: false }
    }
}

/// Turns texts into vectors. Implementations queue and run in parallel as they see fit; dropping the returned future
/// gives up on the texts that have not started.
#[async_trait]
pub trait Embedder: Debug + Send + Sync {
    /// Embeds texts, each on its own: a text's vector does not depend on its neighbours. The results come in the
    /// order of the texts.
    ///
    /// # Errors
    /// [`EmbedError`]; then no result is returned for any of the texts.
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError>;

    /// What made the vectors, as a collection remembers it.
    fn identity(&self) -> &Identity;

    /// Whether texts leave this machine to be embedded.
    fn leaves_host(&self) -> bool {
        false
    }
}

#[async_trait]
impl<E: Embedder + ?Sized> Embedder for Arc<E> {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        (**self).embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        (**self).identity()
    }

    fn leaves_host(&self) -> bool {
        (**self).leaves_host()
    }
}

/// The identity of the passage side: two embedders with equal identities fill the same vector space with the same
/// vectors (up to precision), so that one may search what the other stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The model's name, for people.
    pub model: String,
    /// SHA-256 of the weights as published, in hexadecimal: the same for every precision made from them.
    pub weights: String,
    /// The dimension of the vectors.
    pub dimension: usize,
    /// How token vectors become one vector.
    pub pooling: String,
    /// What is put before each passage.
    pub passage_prefix: String,
    /// How many tokens of a passage are read.
    pub max_tokens: usize,
    /// SHA-256 of the [`Head`] that corrects the passages' vectors; `None` if none does. A head on questions alone is no
    /// part of the passage side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// What makes the passages' vectors for the channel `bm25`, as [`SparseEncoder::identity`] says; `None` if nothing
    /// does. An embedder knows nothing of it: whoever writes to a collection sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bm25: Option<String>,
}

impl Identity {
    /// An identity for an embedder of one's own; `weights` is anything that changes whenever its vectors do.
    pub fn new(model: impl Into<String>, weights: impl Into<String>, dimension: usize) -> Self {
        Self {
            model: model.into(),
            weights: weights.into(),
            dimension,
            pooling: String::new(),
            passage_prefix: String::new(),
            max_tokens: 0,
            head: None,
            bm25: None,
        }
    }

    /// The same passage side with a lexical side, made by a [`SparseEncoder`] of this identity.
    #[must_use]
    pub fn with_bm25(mut self, encoder: impl Into<String>) -> Self {
        self.bm25 = Some(encoder.into());
        self
    }

    /// Says what differs from another identity, in words; `None` if their embeddings lie in one vector space. Lexical
    /// sides are compared by [`Identity::bm25_difference`]: who only searches by embeddings need not care.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let head = |of: &Self| of.head.as_deref().map_or("none", short).to_owned();
        let pairs = [
            (
                "model weights",
                format!("{} ({})", self.model, short(&self.weights)),
                format!("{} ({})", other.model, short(&other.weights)),
                self.weights == other.weights,
            ),
            ("dimension", self.dimension.to_string(), other.dimension.to_string(), self.dimension == other.dimension),
            ("pooling", self.pooling.clone(), other.pooling.clone(), self.pooling == other.pooling),
            (
                "passage prefix",
                format!("{:?}", self.passage_prefix),
                format!("{:?}", other.passage_prefix),
                self.passage_prefix == other.passage_prefix,
            ),
            (
                "token limit",
                self.max_tokens.to_string(),
                other.max_tokens.to_string(),
                self.max_tokens == other.max_tokens,
            ),
            ("head", head(self), head(other), self.head == other.head),
        ];
        let (what, here, there, _) = pairs.into_iter().find(|(.., same)| !same)?;
        Some(format!("its {what} is {here}, this one's is {there}"))
    }

    /// Says how the lexical side differs from another's, in words; `None` if it does not.
    #[must_use]
    pub fn bm25_difference(&self, other: &Self) -> Option<String> {
        match (&self.bm25, &other.bm25) {
            (Some(here), Some(there)) if here != there => {
                Some(format!("its bm25 vectors are those of {here}, this one's of {there}"))
            }
            (Some(here), None) => Some(format!("it has the bm25 vectors of {here}, this one makes none")),
            (None, Some(there)) => Some(format!("it has no bm25 vectors, this one makes those of {there}")),
            _ => None,
        }
    }
}

/// The first digits of a hash, enough to tell two apart by eye.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Why a text could not be embedded, or an embedder not be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// ONNX Runtime's library is missing, too old, or not ONNX Runtime.
    #[error("ONNX Runtime could not be loaded: {problem}")]
    Library {
        /// What is wrong with which file, and what to do.
        problem: String,
    },
    /// The model's folder lacks a file, or a file is not what it should be.
    #[error("the model in {folder} cannot be used: {problem}")]
    Model {
        /// The folder.
        folder: String,
        /// What is wrong with which file, and what to do.
        problem: String,
    },
    /// The model failed on a text.
    #[error("the model failed: {problem}")]
    Inference {
        /// What ONNX Runtime or the tokenizer said.
        problem: String,
    },
    /// A remote embedder cannot be used as it is set up.
    #[error("{setting}: {problem}")]
    Setup {
        /// Which setting.
        setting: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A remote embedder did not answer, or not with vectors that can be used.
    #[error("the embedder at {place} {problem}")]
    Remote {
        /// Host and port.
        place: String,
        /// What happened, and what to do.
        problem: String,
        /// Whether the same call may work later.
        is_passing: bool,
    },
    /// More texts are waiting than the queue holds.
    #[error("the embedder is overloaded: {waiting} texts are waiting; try again later")]
    Overloaded {
        /// How many are waiting.
        waiting: usize,
    },
}

impl EmbedError {
    /// The model failed on a text, for this reason.
    pub(crate) fn inference(problem: impl Into<String>) -> Self {
        Self::Inference { problem: problem.into() }
    }

    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Library { .. } | Self::Model { .. } | Self::Setup { .. } | Self::Remote { is_passing: false, .. } => {
                ErrorKind::Setup
            }
            Self::Inference { .. } | Self::Remote { .. } | Self::Overloaded { .. } => ErrorKind::Unavailable,
        }
    }
}
