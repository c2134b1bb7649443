//! Why there is no rewrite, in a few typed causes with a stable word each.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use super::{Rejection, RewriteKind};

/// Why there is no rewrite. Cheap to clone: whoever waited for the same rewrite gets the same reason.
#[derive(Debug, Clone, thiserror::Error)]
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
        /// The broad class of what went wrong.
        failure: Failure,
        /// What it did instead, and what to do.
        problem: String,
        /// The client's own error.
        #[source]
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },
    /// Nothing that it said can be searched with.
    #[error("the rewriter's reply was rejected: {}", Rejection::gravest(reasons))]
    Rejected {
        /// Why, one reason for each part of the reply.
        reasons: Vec<Rejection>,
    },
    /// None of the wanted kinds has a use here, so nobody was asked.
    #[error("no rewrite of the wanted kinds has a use here: {} needs earlier turns of a chat", RewriteKind::Condense)]
    NotNeeded,
}

/// The broad classes of what goes wrong with a rewriter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The endpoint could not be reached: refused, not found, no TLS.
    Connect,
    /// The connection broke before the answer was whole.
    Broken,
    /// The endpoint did not answer within the rewriter's own time.
    Timeout,
    /// It answered with an error's status.
    Status,
    /// It does not accept the API key.
    Unauthorized,
    /// The account's quota is used up.
    Quota,
    /// It blocks the question with its content filter.
    Filtered,
    /// It asked to be left alone for a while, and still is.
    Paused,
    /// It failed too often lately, and is left alone for a while.
    CircuitOpen,
    /// As many calls as allowed are under way.
    Busy,
    /// Whoever asks has had as many rewrites as allowed for now.
    OverBudget,
    /// Its answer is not a chat completion.
    Parse,
    /// It panicked.
    Crashed,
    /// The call was given up, because the program ends or nobody waited for it any more.
    GivenUp,
    /// It is not set up.
    Setup,
    /// A rewriter of the user's own gave another reason.
    Other,
}

impl Failure {
    /// The word for it in metrics and degradations.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Unauthorized => "unauthorized",
            Self::Quota => "quota",
            Self::Filtered => "filtered",
            Self::Paused => "paused",
            Self::CircuitOpen => "circuit_open",
            Self::Busy => "busy",
            Self::OverBudget => "over_budget",
            Self::Parse => "parse",
            Self::Crashed => "crashed",
            Self::GivenUp => "given_up",
            Self::Setup => "setup",
            Self::Other => "failed",
        }
    }

    /// Whether it only says that nobody was asked just now: then the next question may well have more luck.
    #[must_use]
    pub fn is_of_the_moment(self) -> bool {
        matches!(self, Self::Paused | Self::CircuitOpen | Self::Busy | Self::OverBudget | Self::GivenUp)
    }
}

impl RewriteError {
    /// An error of a rewriter of one's own; `problem` completes the sentence "the rewriter …".
    pub fn failed(problem: impl Into<String>) -> Self {
        Self::because(Failure::Other, problem)
    }

    /// An error of a known class; `problem` completes the sentence "the rewriter …".
    pub fn because(failure: Failure, problem: impl Into<String>) -> Self {
        Self::Failed { failure, problem: problem.into(), source: None }
    }

    /// The reason in a word, for metrics and for programs: `deadline`, `rejected`, `not_needed`, or the
    /// [`Failure`]'s.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deadline { .. } => "deadline",
            Self::Failed { failure, .. } => failure.word(),
            Self::Rejected { .. } => "rejected",
            Self::NotNeeded => "not_needed",
        }
    }
}
