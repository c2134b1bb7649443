//! What can be wrong with a language model behind HTTP, and what to do about each.

use std::{borrow::Cow, error::Error as StdError, time::Duration};

use serde_json::Value;

use crate::rewrite::{PromptError, Rejection, RewriteError};

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
        let (problem, broken) = if source.is_dns() {
            ("cannot be found: its host name has no address; check rewrite.url", false)
        } else if source.is_timeout() {
            ("did not accept a connection in time; is it running, and reachable from here?", false)
        } else if mentions(&source, &["certificate", "tls", "corrupt message", "InvalidContentType"]) {
            ("failed the TLS handshake; check its certificate, and http or https in rewrite.url", false)
        } else if source.is_connect() {
            ("refused the connection; is it running, and is the port in rewrite.url right?", false)
        } else {
            ("hung up in the middle of its answer", true)
        };
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

/// Whether an error or one of its causes says one of these words. The TLS library's errors are not to be named here:
/// the client wraps them twice.
fn mentions(error: &dyn StdError, words: &[&str]) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if words.iter().any(|word| text.contains(word)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What the body of an error says.
pub(super) struct Said {
    message: String,
    code: String,
}

impl Said {
    /// Reads a body; what it repeats of the key is left out of the message.
    pub(super) fn of(body: &str, key: Option<&str>) -> Self {
        let body = body.trim();
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            // A page for people says nothing in one line.
            let message = if body.starts_with('<') { String::new() } else { excerpt(body, key) };
            return Self { message, code: String::new() };
        };
        let error = value.get("error").unwrap_or(&value);
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = error.as_str().map_or_else(|| text("message"), str::to_owned);
        Self { message: excerpt(&message, key), code: format!("{} {}", text("code"), text("type")) }
    }

    fn is(&self, signs: &[&str]) -> bool {
        signs.iter().any(|sign| self.code.contains(sign) || self.message.contains(sign))
    }

    fn quoted(&self) -> String {
        if self.message.is_empty() { String::new() } else { format!("; it says: {:?}", self.message) }
    }
}

/// A short piece of a stranger's text, without control characters, without the key and without what may be one: servers
/// like to repeat the one that they refuse.
pub(super) fn excerpt(text: &str, key: Option<&str>) -> String {
    const MAX_CHARS: usize = 160;
    // On the whole text: cut first, it could end in the middle of the key.
    let text = key.map_or(Cow::Borrowed(text), |key| text.replace(key, "…").into());
    // Bounded before it is looked at: the text may be long.
    let start: String = text.chars().take(4 * MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let secret = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        bare.starts_with("sk-") || bare.starts_with("Bearer") || bare.contains("**") || is_random(bare)
    };
    let words = start.split_whitespace().map(|word| if secret(&word) { "…" } else { word });
    let shown = words.collect::<Vec<_>>().join(" ");
    match shown.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Long words of letters and digits are keys, ids or hashes; nobody needs them in a message.
fn is_random(word: &str) -> bool {
    word.len() >= 16
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_clean_and_keep_no_keys() {
        let said = excerpt(
            "Incorrect API key provided: sk-hunter2hunter2.\u{1b}[31m\nSee AbCd1234EfGh5678IjKl, please.",
            None,
        );
        assert_eq!(said, "Incorrect API key provided: … [31m See … please.");
        assert!(excerpt(&"word ".repeat(1_000_000), None).chars().count() <= 161);
        assert_eq!(excerpt("wrong key: e!", Some("e")), "wrong k…y: …!");
        assert!(!excerpt(&("x".repeat(155) + " hunter2"), Some("hunter2")).contains("hun"));
    }

    #[test]
    fn what_the_server_says_is_found_in_its_usual_forms() {
        for body in [
            r#"{"error": {"message": "no such model", "code": "model_not_found"}}"#,
            r#"{"error": "no such model"}"#,
            r#"{"object": "error", "message": "no such model"}"#,
            "no such model",
        ] {
            assert_eq!(Said::of(body, None).message, "no such model", "{body}");
        }
        assert_eq!(Said::of("<html><body>502</body></html>", None).message, "");
    }
}
