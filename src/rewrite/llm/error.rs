//! What can be wrong with a language model behind HTTP, and what to do about each.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use crate::{
    http::{self, Said},
    rewrite::{Failure, PromptError, Rejection, RewriteError},
};

/// Why a language model cannot be asked, or did not answer.
///
/// No variant holds a key, a URL's path or query, or more than a short excerpt of what the server said; nothing of it if
/// the server repeats the question or its chat.
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
        source: Arc<dyn StdError + Send + Sync>,
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
    /// It failed too often lately, and is left alone for a while.
    #[error("the language model at {place} failed too often and is left alone for {} s more", left.as_secs() + 1)]
    CircuitOpen {
        /// Host and port.
        place: String,
        /// How long it is still left alone.
        left: Duration,
    },
    /// As many calls as are allowed are under way, and none ended in time.
    #[error("{calls} calls to the language model are under way already; raise rewrite.calls if it can take more")]
    Busy {
        /// How many are allowed.
        calls: usize,
    },
    /// It does not know schemas for replies.
    #[error(
        "the language model at {place} does not take a schema for its reply ({status}); set rewrite.structured to auto or off"
    )]
    NoSchema {
        /// Host and port.
        place: String,
        /// The HTTP status.
        status: u16,
    },
    /// Its provider blocks the question, or the reply to it.
    #[error("the language model at {place} {problem}")]
    Filtered {
        /// Host and port.
        place: String,
        /// What was blocked.
        problem: String,
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
    #[error("the language model's reply was rejected: {}", Rejection::gravest(.0))]
    Rejected(Vec<Rejection>),
}

impl LlmError {
    /// Sorts a client's error.
    pub(super) fn transport(place: String, source: reqwest::Error) -> Self {
        let (problem, broken) = http::fault(&source);
        // The URL's query may hold a secret.
        Self::Unreachable { place, problem, broken, source: Arc::new(source.without_url()) }
    }

    /// Says what a status means, and what to do.
    pub(super) fn status(place: String, model: &str, status: u16, retry_after: Option<Duration>, said: &Said) -> Self {
        let quoted = said.quoted();
        if status == 400 && said.is(&["content_filter", "content_policy_violation", "content management policy"]) {
            return Self::Filtered { place, problem: "blocked the question with its content filter (400)".to_owned() };
        }
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

    /// Whether the connection broke before the answer was whole.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Unreachable { broken: true, .. })
    }

    /// Whether another endpoint would hardly say anything else.
    pub(super) fn is_about_the_question(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Filtered { .. } | Self::Prompt(_))
    }

    /// Whether it says that something is wrong with the endpoint, and not with one question.
    pub(super) fn is_endpoints_fault(&self) -> bool {
        !self.is_about_the_question()
    }

    /// How long to leave the model alone after this.
    pub(super) fn pause(&self) -> Option<Duration> {
        match self {
            Self::Status { status: 402, .. } => Some(Duration::MAX),
            Self::Status { status: 429 | 503, retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The broad class of what went wrong.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Url { .. } | Self::Model | Self::Key { .. } | Self::Client { .. } | Self::Prompt(_) => Failure::Setup,
            Self::Unreachable { broken: true, .. } => Failure::Broken,
            Self::Unreachable { .. } => Failure::Connect,
            Self::Timeout { .. } => Failure::Timeout,
            Self::Status { status: 401 | 403, .. } => Failure::Unauthorized,
            Self::Status { status: 402, .. } | Self::Status { status: 429, retry_after: Some(Duration::MAX), .. } => {
                Failure::Quota
            }
            Self::Status { .. } | Self::NoSchema { .. } => Failure::Status,
            Self::Paused { .. } => Failure::Paused,
            Self::CircuitOpen { .. } => Failure::CircuitOpen,
            Self::Busy { .. } => Failure::Busy,
            Self::Filtered { .. } => Failure::Filtered,
            Self::Reply { .. } => Failure::Parse,
            // Becomes an error of its own.
            Self::Rejected(_) => Failure::Other,
        }
    }

    /// The reason in a word, for metrics.
    pub(super) fn word(&self) -> &'static str {
        if matches!(self, Self::Rejected(_)) { "rejected" } else { self.failure().word() }
    }
}

impl From<LlmError> for RewriteError {
    fn from(error: LlmError) -> Self {
        let failure = error.failure();
        let failed = |problem: String, source| Self::Failed { failure, problem, source };
        match error {
            LlmError::Rejected(reasons) => Self::Rejected { reasons },
            LlmError::Timeout { place, timeout } => failed(format!("at {place} {}", too_slow(timeout)), None),
            LlmError::Unreachable { place, problem, source, .. } => {
                failed(format!("at {place} {problem}"), Some(source))
            }
            LlmError::Status { place, problem, .. }
            | LlmError::Reply { place, problem }
            | LlmError::Filtered { place, problem } => failed(format!("at {place} {problem}"), None),
            LlmError::Paused { place, left } => {
                failed(format!("at {place} is left alone for {} s more, as it asked", left.as_secs() + 1), None)
            }
            LlmError::CircuitOpen { place, left } => {
                let seconds = left.as_secs() + 1;
                failed(format!("at {place} failed too often and is left alone for {seconds} s more"), None)
            }
            LlmError::Busy { .. } => failed(format!("is busy: {error}"), None),
            other => failed("is not set up".to_owned(), Some(Arc::new(other))),
        }
    }
}

fn too_slow(timeout: Duration) -> String {
    format!(
        "did not answer within {} ms; allow it more time (rewrite.deadline_ms), or choose a faster model",
        timeout.as_millis()
    )
}

/// Whether an error's answer says that the endpoint knows no schemas for replies.
pub(super) fn is_about_schemas(said: &Said, status: u16) -> bool {
    const SIGNS: &[&str] =
        &["response_format", "json_schema", "response format", "structured output", "json schema", "grammar"];
    matches!(status, 400 | 404 | 415 | 422 | 500 | 501) && said.is(SIGNS)
}
