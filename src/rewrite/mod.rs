//! Step 1, rewrite: a language model puts the question into better words. What it says is a claim by a stranger:
//! cleaned, checked, and never waited for longer than agreed.

mod kind;
pub use kind::{LeastCosines, Profile, RewriteKind, UnknownKind};

mod task;
pub use task::{DEFAULT_COUNT, Task};

mod clean;
pub use clean::{Cleaned, Form, Limits, Rejection, clean};

mod error;
pub use error::{Failure, RewriteError};

pub(crate) mod counters;

mod feedback;
pub use feedback::{Feedback, UnknownFeedback};

mod recorded;
pub use recorded::{Recorded, RecordedError, RecordedRewriter};

#[cfg(feature = "llm")]
mod llm;
#[cfg(feature = "llm")]
mod prompt;
#[cfg(feature = "cli")]
pub(crate) use llm::is_local_url;
#[cfg(feature = "llm")]
pub use llm::{BreakerOptions, DEFAULT_CALLS, LlmEndpoint, LlmError, LlmRewriter, Structured, UnknownStructured};
#[cfg(feature = "llm")]
pub use prompt::{Prompt, PromptError, Prompts};

#[cfg(feature = "cache")]
mod cached;
#[cfg(feature = "cache")]
pub use cached::{CacheOptions, CachedRewriter};

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

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
    /// Until when somebody waits for it. A rewriter plans its retries by it; `None`: by its own bound alone.
    pub deadline: Option<Instant>,
}

impl RewriteRequest {
    /// Asks for a rewriter's usual kinds, on nobody's behalf.
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self { question, kinds: vec![], tenant: String::new(), deadline: None }
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

    /// Sets until when somebody waits for it.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
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
    /// What its text shows, beside the question's.
    pub signs: Signs,
}

/// What the text of a rewrite shows, beside the question's: it changes the weight and rejects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Signs {
    /// How many numbers, negations and names of the question it lacks. Signs, not proofs: real paraphrases say "zero
    /// dimensions" for "0-dimensional".
    pub strayed: usize,
    /// Whether it is the question with words left out: then it says the same in fewer words, or less.
    pub shortened: bool,
}

impl Signs {
    /// Sets how many numbers, negations and names are lacking.
    #[must_use]
    pub fn with_strayed(mut self, strayed: usize) -> Self {
        self.strayed = strayed;
        self
    }

    /// Sets whether it is the question with words left out.
    #[must_use]
    pub fn with_shortened(mut self, shortened: bool) -> Self {
        self.shortened = shortened;
        self
    }
}

impl Rewrite {
    /// A rewrite that shows no sign of having strayed.
    pub fn new(kind: RewriteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), signs: Signs::default() }
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
    /// Kinds that were asked for and of which nothing can be searched with.
    pub missing: Vec<RewriteKind>,
    /// Kinds that were wanted and not asked for, because they have no use for this question.
    pub skipped: Vec<RewriteKind>,
    /// Whether the next reply may well be better: this one was cut off, or is not from the endpoint that is preferred. It
    /// is as good to search with as any, but a cache remembers it only briefly.
    pub degraded: bool,
}

impl Rewrites {
    /// What can be searched with, as text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.rewrites.iter().map(|rewrite| rewrite.text.as_str())
    }
}

impl From<Vec<Rewrite>> for Rewrites {
    fn from(rewrites: Vec<Rewrite>) -> Self {
        Self { rewrites, ..Self::default() }
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

    /// The kinds that it answers with where a request names none; empty: it does not say. A retrieval asks for those of
    /// them that it can search with. A rewriter around another one hands its kinds on.
    fn usual_kinds(&self) -> &[RewriteKind] {
        &[]
    }

    /// What its rewrites depend on beside the request: model, prompts, parameters. A cache keeps what was said under
    /// one identity from who asks under another.
    fn identity(&self) -> String {
        String::new()
    }

    /// Waits, at most this long, for rewrites that still run in the background, and gives up the rest. Returns how
    /// many were given up. To be called once, before the program ends.
    async fn drain(&self, timeout: Duration) -> usize {
        let _ = timeout;
        0
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

    fn usual_kinds(&self) -> &[RewriteKind] {
        (**self).usual_kinds()
    }

    fn identity(&self) -> String {
        (**self).identity()
    }

    async fn drain(&self, timeout: Duration) -> usize {
        (**self).drain(timeout).await
    }
}
