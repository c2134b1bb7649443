//! Step 1, rewrite: a language model puts the question into better words. What it says is a claim by a stranger:
//! cleaned, checked, and never waited for longer than agreed.

mod clean;
pub use clean::{Cleaned, Limits, Rejection, clean};

mod recorded;
pub(crate) use recorded::Line as RecordedLine;
pub use recorded::{RecordedError, RecordedRewriter};

#[cfg(feature = "llm")]
mod llm;
#[cfg(feature = "llm")]
mod prompt;
#[cfg(feature = "llm")]
pub use llm::{LlmError, LlmRewriter};
#[cfg(feature = "llm")]
pub use prompt::{Prompt, PromptError};

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::question::Question;

/// Rewrites questions. Dropping the returned future gives up on the rewrite.
///
/// An implementation must not block the thread that polls it: a retrieval embeds and searches with the question in the
/// same task meanwhile, and its deadline is only noticed between polls. Work that blocks, or computes for more than a
/// few milliseconds, belongs on a thread of its own (`tokio::task::spawn_blocking`).
#[async_trait]
pub trait Rewriter: Debug + Send + Sync {
    /// Returns one or more rewrites, each fit to be searched with: cleaned by [`clean`], different from the question.
    ///
    /// # Errors
    /// [`RewriteError`] says why there is none. To the caller of a retrieval it is a degradation, never a failure.
    async fn rewrite(&self, question: &Question) -> Result<Vec<String>, RewriteError>;
}

#[async_trait]
impl<R: Rewriter + ?Sized> Rewriter for Arc<R> {
    async fn rewrite(&self, question: &Question) -> Result<Vec<String>, RewriteError> {
        (**self).rewrite(question).await
    }
}

/// Why there is no rewrite.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// It did not come in time.
    #[error("no rewrite within {} ms; allow it more time (rewrite.deadline_ms)", deadline.as_millis())]
    Deadline {
        /// How long was waited.
        deadline: Duration,
    },
    /// The rewriter could not be reached, or did not do its work.
    #[error("the rewriter {problem}")]
    Failed {
        /// What it did instead, and what to do.
        problem: String,
        /// The client's own error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Nothing that it said can be searched with.
    #[error("the rewriter's reply was rejected: {reason}")]
    Rejected {
        /// Why.
        reason: Rejection,
    },
}

impl RewriteError {
    /// An error of a rewriter of one's own; `problem` completes the sentence "the rewriter …".
    pub fn failed(problem: impl Into<String>) -> Self {
        Self::Failed { problem: problem.into(), source: None }
    }
}
