//! Step 1, rewrite: a language model puts the question into better words. What it says is a claim by a stranger:
//! cleaned, checked, and never waited for longer than agreed.

mod kind;
pub use kind::{RewriteKind, UnknownKind};

mod clean;
pub use clean::{Cleaned, Limits, Rejection, clean};

mod feedback;
pub use feedback::{Feedback, UnknownFeedback};

mod recorded;
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

/// What a rewriter is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewriteRequest {
    /// The question, with the earlier turns of its chat.
    pub question: Question,
    /// Which kinds are wanted; empty: those that the rewriter is set up for.
    pub kinds: Vec<RewriteKind>,
    /// On whose behalf; what was rewritten for one tenant is never shown to another.
    pub tenant: String,
}

impl RewriteRequest {
    /// Asks for a rewriter's usual kinds, on nobody's behalf.
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self { question, kinds: vec![], tenant: String::new() }
    }

    /// Sets which kinds are wanted.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl Into<Vec<RewriteKind>>) -> Self {
        self.kinds = kinds.into();
        self
    }

    /// Sets on whose behalf it is asked.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }
}

/// One rewrite, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrite {
    /// What it does to the question.
    pub kind: RewriteKind,
    /// What it says.
    pub text: String,
    /// How many signs it shows of having strayed: a number, a negation or a name of the question that it lacks. Real
    /// paraphrases say "zero dimensions" for "0-dimensional", so that a sign lowers the weight and rejects nothing.
    pub strayed: usize,
}

impl Rewrite {
    /// A rewrite that shows no sign of having strayed.
    pub fn new(kind: RewriteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), strayed: 0 }
    }
}

/// What a rewriter said, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rewrites {
    /// What can be searched with, at least one.
    pub rewrites: Vec<Rewrite>,
    /// Why the rest cannot.
    pub rejected: Vec<Rejection>,
}

impl Rewrites {
    /// What can be searched with, as text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.rewrites.iter().map(|rewrite| rewrite.text.as_str())
    }
}

impl From<Vec<Rewrite>> for Rewrites {
    fn from(rewrites: Vec<Rewrite>) -> Self {
        Self { rewrites, rejected: vec![] }
    }
}

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
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError>;

    /// Whether questions leave this host; a scope that forbids it never asks such a rewriter.
    fn leaves_host(&self) -> bool {
        true
    }
}

#[async_trait]
impl<R: Rewriter + ?Sized> Rewriter for Arc<R> {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        (**self).rewrite(request).await
    }

    fn leaves_host(&self) -> bool {
        (**self).leaves_host()
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
