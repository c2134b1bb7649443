//! What can be wrong with a language model behind HTTP, and what to do about each.

use std::{error::Error as StdError, time::Duration};

use crate::{
    http::{self, Said},
    rewrite::{PromptError, Rejection, RewriteError},
};

/// Why a language model cannot be asked, or did not answer.
///
/// No variant holds a key, a URL's path or query, or more than a short excerpt of what the server said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlmError {
    /// The base URL cannot be used.
    #[error("the language model's base URL cannot be used: {problem}")]
    Url {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No model was named.
    #[error("no language model is named; set rewrite.model")]
    Model,
    /// The API key cannot be used.
    #[error("the language model's API key cannot be used: {problem}")]
    Key {
        /// What is wrong with it, without saying it.
        problem: &'static str,
    },
    /// The HTTP client could not be made.
    #[error("the client for the language model could not be made; are certificates installed?")]
    Client {
        /// The library's reason.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The prompt cannot be used.
    #[error("the prompt cannot be used")]
    Prompt(#[from] PromptError),
    /// The server cannot be reached, or hung up.
    #[error("the language model at {place} {problem}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// What happened, and what to do.
        problem: &'static str,
        /// The client's own error, without the URL.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
        /// Whether the connection broke in the middle.
        broken: bool,
    },
    /// There was no whole answer in time.
    #[error("the language model at {place} {}", too_slow(*timeout))]
    Timeout {
        /// Host and port.
        place: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// It answered with an error.
    #[error("the language model at {place} {problem}")]
    Status {
        /// Host and port.
        place: String,
        /// The HTTP status.
        status: u16,
        /// What that means, and what to do.
        problem: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It asked to be left alone, and still is.
    #[error("the language model at {place} is left alone for {} s more, as it asked", left.as_secs() + 1)]
    Paused {
        /// Host and port.
        place: String,
        /// How long it is still left alone.
        left: Duration,
    },
    /// Its answer is not a chat completion.
    #[error("the language model at {place} {problem}")]
    Reply {
        /// Host and port.
        place: String,
        /// What it sent instead, and what to do.
        problem: String,
    },
    /// Nothing that it said can be searched with.
    #[error("the language model's reply was rejected: {0}")]
    Rejected(Rejection),
}

impl LlmError {
    /// Sorts a client's error.
    pub(super) fn transport(place: String, source: reqwest::Error) -> Self {
        let (problem, broken) = http::fault(&source);
        // The URL's query may hold a secret.
        Self::Unreachable { place, problem, broken, source: Box::new(source.without_url()) }
    }

    /// Says what a status means, and what to do.
    pub(super) fn status(place: String, model: &str, status: u16, retry_after: Option<Duration>, said: &Said) -> Self {
        let quoted = said.quoted();
        let retry_after = if said.is(&["insufficient_quota"]) { Some(Duration::MAX) } else { retry_after };
        let problem = match status {
            300..=399 => format!(
                "answered with a redirect ({status}), which is not followed; set rewrite.url to where it really is"
            ),
            401 | 403 => {
                format!(
                    "wants a valid API key ({status}); set rewrite.api_key_file or ASKTWICE__REWRITE__API_KEY{quoted}"
                )
            }
            404 => format!(
                "does not know the model {model:?} or the path (404); check rewrite.model, and whether rewrite.url needs a /v1{quoted}"
            ),
            402 | 429 if status == 402 || said.is(&["insufficient_quota"]) => {
                format!("says that the account's quota is used up ({status}); check its plan{quoted}")
            }
            429 => match retry_after {
                Some(after) => format!("is asked too often (429) and wants to be left alone for {} s", after.as_secs()),
                None => format!("is asked too often (429){quoted}"),
            },
            400 if said.is(&["content_filter", "content_policy_violation", "content management policy"]) => {
                "blocked the question with its content filter (400)".to_owned()
            }
            400 | 422 => format!(
                "does not accept the request ({status}); a parameter may need replacing in rewrite.parameters{quoted}"
            ),
            500..=599 => format!("failed inside or is overloaded ({status}){quoted}"),
            _ => format!("answered with status {status}{quoted}"),
        };
        Self::Status { place, status, problem, retry_after }
    }

    /// Whether the same call may work a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { broken, .. } => *broken,
            // Some gateways say with a 5xx when to come back: then not now.
            Self::Status { status: 500 | 502 | 503 | 504, retry_after, .. } => retry_after.is_none(),
            _ => false,
        }
    }

    /// How long to leave the model alone after this.
    pub(super) fn pause(&self) -> Option<Duration> {
        match self {
            Self::Status { status: 402, .. } => Some(Duration::MAX),
            Self::Status { status: 429 | 503, retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<LlmError> for RewriteError {
    fn from(error: LlmError) -> Self {
        match error {
            LlmError::Rejected(reason) => Self::Rejected { reason },
            LlmError::Timeout { place, timeout } => {
                Self::Failed { problem: format!("at {place} {}", too_slow(timeout)), source: None }
            }
            LlmError::Unreachable { place, problem, source, .. } => {
                Self::Failed { problem: format!("at {place} {problem}"), source: Some(source) }
            }
            LlmError::Status { place, problem, .. } | LlmError::Reply { place, problem } => {
                Self::Failed { problem: format!("at {place} {problem}"), source: None }
            }
            LlmError::Paused { place, left } => {
                let problem = format!("at {place} is left alone for {} s more, as it asked", left.as_secs() + 1);
                Self::Failed { problem, source: None }
            }
            other => Self::Failed { problem: "is not set up".to_owned(), source: Some(Box::new(other)) },
        }
    }
}

fn too_slow(timeout: Duration) -> String {
    format!(
        "did not answer within {} ms; allow it more time (rewrite.deadline_ms), or choose a faster model",
        timeout.as_millis()
    )
}
