//! What can go wrong for a caller. Anything that leaves an answer possible is not here: it is a
//! [`Degradation`](crate::Degradation) inside the answer.

use std::time::Duration;

use crate::{embed::EmbedError, search::StoreError};

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The question cannot be searched.
    #[error("the question cannot be searched: {problem}")]
    Question {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The options or settings contradict themselves.
    #[error("{setting}: {problem}")]
    Settings {
        /// Which setting or option.
        setting: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The question could not be embedded.
    #[error("the question could not be embedded")]
    Embed(#[from] EmbedError),
    /// The question could not be searched.
    #[error("the search failed")]
    Search(#[from] StoreError),
    /// It was not done in time.
    #[error("it was not done within {} ms; allow it more time, or look at what is slow", deadline.as_millis())]
    Deadline {
        /// How long was allowed.
        deadline: Duration,
    },
}

/// The broad class of an error: all that exit codes and HTTP statuses look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that cannot be done.
    Invalid,
    /// The set-up is wrong: a model, a library, a collection, a key.
    Setup,
    /// A part is down, busy or out of space; the same call may work later.
    Unavailable,
    /// The deadline passed.
    Deadline,
}

impl ErrorKind {
    /// It in a word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Setup => "setup",
            Self::Unavailable => "unavailable",
            Self::Deadline => "deadline",
        }
    }
}

impl Error {
    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Question { .. } | Self::Settings { .. } => ErrorKind::Invalid,
            Self::Embed(error) => error.kind(),
            Self::Search(error) => error.kind(),
            Self::Deadline { .. } => ErrorKind::Deadline,
        }
    }
}
