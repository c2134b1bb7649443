//! After fusion: a reranker reads the question together with each of the best passages and scores them anew. Slower
//! than a search by orders of magnitude, and often better; so it is asked once, for few passages, inside the deadline.
//! Late or failed, the fused order stands.

#[cfg(feature = "onnx")]
mod cross_encoder;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "onnx")]
pub use onnx::{OnnxReranker, OnnxRerankerOptions};
#[cfg(feature = "llm")]
mod remote;
#[cfg(feature = "llm")]
pub use remote::RemoteReranker;

use std::{error::Error as StdError, fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{embed::EmbedError, error::ErrorKind};

/// How many of the best fused passages are reranked when nothing else is said.
pub const DEFAULT_RERANK_DEPTH: usize = 50;
/// How long reranking may hold up the answer when nothing else is said.
pub const DEFAULT_RERANK_DEADLINE: Duration = Duration::from_secs(1);

/// Scores passages for a question. Dropping the returned future gives up on it.
///
/// An implementation must not block the thread that polls it: work that computes for more than a few milliseconds
/// belongs on a thread of its own.
///
/// ```
/// use asktwice::{RerankError, Reranker};
///
/// /// The shorter, the better.
/// #[derive(Debug)]
/// struct Shortest;
///
/// #[async_trait::async_trait]
/// impl Reranker for Shortest {
///     async fn rerank(&self, _question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
///         Ok(passages.iter().map(|passage| -(passage.len() as f32)).collect())
///     }
///
///     fn leaves_host(&self) -> bool {
///         false
///     }
/// }
/// ```
#[async_trait]
pub trait Reranker: Debug + Send + Sync {
    /// One score for each passage, in their order. Higher is better; the scale is the reranker's own. A passage is given
    /// as it was embedded: its title, a space, its text.
    ///
    /// # Errors
    /// [`RerankError`] says why there are no scores. To the caller of a retrieval it is a degradation, never a failure.
    async fn rerank(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError>;

    /// Whether questions and passages leave this host; a scope that forbids it never asks such a reranker.
    fn leaves_host(&self) -> bool {
        true
    }
}

#[async_trait]
impl<R: Reranker + ?Sized> Reranker for Arc<R> {
    async fn rerank(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        (**self).rerank(question, passages).await
    }

    fn leaves_host(&self) -> bool {
        (**self).leaves_host()
    }
}

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RerankError {
    /// They did not come in time.
    #[error("no scores within {} ms; allow it more time (rerank.deadline_ms), or rerank fewer (rerank.depth)", waited.as_millis())]
    Deadline {
        /// How long was waited.
        waited: Duration,
    },
    /// The reranker could not be reached, or did not do its work.
    #[error("the reranker {problem}")]
    Failed {
        /// What it did instead, and what to do.
        problem: String,
        /// The client's own error.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// It cannot be set up so.
    #[error("{setting}: {problem}")]
    Setup {
        /// Which setting.
        setting: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The local model cannot be used.
    #[error("the local reranker cannot be used")]
    Model(#[from] EmbedError),
}

impl RerankError {
    /// An error of a reranker of one's own; `problem` completes the sentence "the reranker …".
    pub fn failed(problem: impl Into<String>) -> Self {
        Self::Failed { problem: problem.into(), source: None }
    }

    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::Failed { .. } => ErrorKind::Unavailable,
            Self::Setup { .. } => ErrorKind::Invalid,
            Self::Model(error) => error.kind(),
        }
    }
}

/// Whatever a reranker returned, as one finite score for each of `passages`: anything else would put passages into an
/// order that means nothing.
pub(crate) fn checked(scores: Vec<f32>, passages: usize) -> Result<Vec<f32>, RerankError> {
    if scores.len() != passages {
        return Err(RerankError::failed(format!("returned {} scores for {passages} passages", scores.len())));
    }
    if scores.iter().any(|score| !score.is_finite()) {
        return Err(RerankError::failed("returned a score that is not a finite number"));
    }
    Ok(scores)
}
