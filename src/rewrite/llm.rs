//! Asks a language model, over HTTP, at any endpoint that speaks OpenAI's chat completions: OpenAI itself, vLLM,
//! Ollama, a llama.cpp server, a gateway.
//!
//! The model's server is not trusted: connecting, answering and the size of the answer are bounded, redirects are not
//! followed, the reply is parsed with tolerance and cleaned, and no error text repeats more than a short excerpt of it.

mod error;
mod reply;
pub use error::LlmError;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{
    Client, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{Limits, Prompt, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites};
use crate::{
    http::{self, Said, is_loopback},
    question::Question,
};

/// How long a call may take when nothing else is said. A retrieval's own rewrite deadline is shorter.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting may take. A server that is up accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest reply that is read, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How long a model may write, in tokens: more than twice what the longest rewrite has.
const MAX_TOKENS: u32 = 256;
/// How long to wait before the one retry.
const RETRY_AFTER_FAULT: Duration = Duration::from_millis(50);
/// The longest time that a model is left alone after it asked for it.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Rewrites questions with a language model behind an OpenAI-compatible endpoint.
///
/// ```
/// # use asktwice::rewrite::{LlmError, LlmRewriter};
/// let rewriter = LlmRewriter::new("http://localhost:11434/v1", "qwen3:4b")?;
/// # Ok::<(), LlmError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LlmRewriter {
    client: Client,
    url: Url,
    model: String,
    key: Option<SecretString>,
    prompt: Prompt,
    parameters: Map<String, Value>,
    limits: Limits,
    timeout: Duration,
    /// Until when the model wants to be left alone; clones share it.
    paused: Arc<Mutex<Option<Instant>>>,
}

impl LlmRewriter {
    /// A rewriter that asks `model` at `{base_url}/chat/completions`. The base URL is taken as it is, with or without
    /// a slash at its end: most servers want a `/v1` in it.
    ///
    /// # Errors
    /// [`LlmError`] if the URL cannot be used, or this machine has no certificates for `https`.
    pub fn new(base_url: &str, model: &str) -> Result<Self, LlmError> {
        let url = http::endpoint(base_url, "/chat/completions").map_err(|problem| LlmError::Url { problem })?;
        let model = model.trim().to_owned();
        if model.is_empty() {
            return Err(LlmError::Model);
        }
        let parameters = [("temperature", json!(0)), ("max_tokens", json!(MAX_TOKENS))];
        Ok(Self {
            client: client(&url, false)?,
            url,
            model,
            key: None,
            prompt: Prompt::paraphrase()?,
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            // The prompt asks for one; what else a model says is talk.
            limits: Limits::paraphrase().with_max_rewrites(1),
            timeout: DEFAULT_TIMEOUT,
            paused: Arc::default(),
        })
    }

    /// Sets the key that the endpoint wants. It is sent as a bearer token and never printed.
    ///
    /// # Errors
    /// [`LlmError::Key`] if it is empty or cannot stand in an HTTP header.
    pub fn with_api_key(mut self, key: SecretString) -> Result<Self, LlmError> {
        self.key = Some(http::key(&key).map_err(|problem| LlmError::Key { problem })?);
        http::warn_of_plain_http(&self.url, "the language model's API key");
        Ok(self)
    }

    /// Sets what the model is told.
    #[must_use]
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = prompt;
        self
    }

    /// Sets how long a call may take, connecting and a retry included.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long rewrites may be, and how many are kept: one, unless a prompt of one's own asks for more.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds or replaces parameters of the request, such as `reasoning_effort` or `max_completion_tokens`; `null` takes
    /// one away. They are needed where a server does not know the usual `temperature` and `max_tokens`.
    #[must_use]
    pub fn with_parameters(mut self, parameters: Map<String, Value>) -> Self {
        for (name, value) in parameters {
            if value.is_null() {
                self.parameters.remove(&name);
            } else {
                self.parameters.insert(name, value);
            }
        }
        self
    }

    /// Goes through the proxy that the environment names (`HTTPS_PROXY` and so on), which is ignored otherwise.
    ///
    /// # Errors
    /// [`LlmError::Client`] if that proxy cannot be used.
    pub fn with_system_proxy(mut self) -> Result<Self, LlmError> {
        self.client = client(&self.url, true)?;
        Ok(self)
    }

    /// Asks for one rewrite of a made-up question, to find out whether the endpoint, the key and the model work.
    ///
    /// # Errors
    /// [`LlmError`] says what is wrong, and what to do.
    pub async fn check(&self) -> Result<Vec<String>, LlmError> {
        let question = Question::new("Why did my bread not rise?").map_err(|_| LlmError::Model)?;
        self.bounded(&question).await
    }

    /// Asks and cleans, within the timeout.
    async fn bounded(&self, question: &Question) -> Result<Vec<String>, LlmError> {
        let prompt = self.prompt.render(question)?;
        let started = Instant::now();
        let reply = timeout(self.timeout, self.ask(&prompt, started))
            .await
            .map_err(|_| LlmError::Timeout { place: self.place(), timeout: self.timeout })??;
        self.limits.clean(&reply, question.text()).into_result().map_err(LlmError::Rejected)
    }

    /// Asks; once more if the first call met a fault that may be gone, and half of the time is left.
    async fn ask(&self, prompt: &str, started: Instant) -> Result<String, LlmError> {
        match self.call(prompt).await {
            Err(error) if error.may_pass() && started.elapsed() < self.timeout / 2 => {
                tracing::debug!(%error, "asking the language model once more");
                sleep(RETRY_AFTER_FAULT).await;
                self.call(prompt).await
            }
            result => result,
        }
    }

    /// One request and its reply's text.
    async fn call(&self, prompt: &str) -> Result<String, LlmError> {
        let mut body = self.parameters.clone();
        body.insert("model".into(), json!(self.model));
        body.insert("messages".into(), json!([{"role": "user", "content": prompt}]));
        body.insert("stream".into(), json!(false));
        let mut request = self.client.post(self.url.clone()).header(ACCEPT_ENCODING, "identity").json(&body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, http::bearer(key).map_err(|problem| LlmError::Key { problem })?);
        }
        let mut response = request.send().await.map_err(|source| LlmError::transport(self.place(), source))?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        if header(CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(self.unusable("compressed its reply, though asked not to; switch that off at the server"));
        }
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| LlmError::transport(self.place(), source))? {
            if read.len() + chunk.len() > MAX_BODY {
                return Err(self.unusable("sent more than 1 MiB; is this a chat endpoint?"));
            }
            read.extend_from_slice(&chunk);
        }
        let read = String::from_utf8_lossy(&read);
        // A server that refuses a key likes to repeat it, and errors quote the server. The reply itself stays as it is.
        let key = self.key.as_ref().map(ExposeSecret::expose_secret);
        if !status.is_success() {
            let said = Said::of(&read, key);
            let error = LlmError::status(self.place(), &self.model, status.as_u16(), retry_after, &said);
            self.pause_after(&error);
            return Err(error);
        }
        reply::text(&read, key).map_err(|problem| match problem {
            reply::Problem::Rejected(rejection) => LlmError::Rejected(rejection),
            reply::Problem::Unusable(problem) => self.unusable(&problem),
        })
    }

    fn unusable(&self, problem: &str) -> LlmError {
        LlmError::Reply { place: self.place(), problem: problem.to_owned() }
    }

    /// Host and port, for messages: never the path or the query, which may hold a secret.
    fn place(&self) -> String {
        http::place(&self.url)
    }

    fn pause_after(&self, error: &LlmError) {
        if let Some(pause) = error.pause() {
            let until = Instant::now() + pause.min(LONGEST_PAUSE);
            *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }

    /// How long the model still wants to be left alone.
    fn pause_left(&self) -> Option<Duration> {
        let until = (*self.paused.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

#[async_trait]
impl Rewriter for LlmRewriter {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        if let Some(left) = self.pause_left() {
            return Err(LlmError::Paused { place: self.place(), left }.into());
        }
        let rewrites = self.bounded(&request.question).await?;
        let rewrite = |text| Rewrite::new(RewriteKind::Paraphrase, text);
        Ok(rewrites.into_iter().map(rewrite).collect::<Vec<_>>().into())
    }

    fn leaves_host(&self) -> bool {
        !is_loopback(&self.url)
    }
}

fn client(url: &Url, system_proxy: bool) -> Result<Client, LlmError> {
    http::client(url, CONNECT_TIMEOUT, system_proxy).map_err(|source| LlmError::Client { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_leak_or_lead_astray_are_refused_without_being_repeated() {
        for base in ["localhost:11434", "file:///etc/passwd", "http://user:hunter2@host/v1", "", "http://h/v1#hunter2"]
        {
            let error = LlmRewriter::new(base, "m").unwrap_err();
            assert!(matches!(error, LlmError::Url { .. }), "{base}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(matches!(LlmRewriter::new("http://h", " "), Err(LlmError::Model)));
    }

    #[test]
    fn keys_are_trimmed_checked_and_never_shown() {
        let rewriter = || LlmRewriter::new("http://localhost/v1", "m").unwrap();
        let kept = rewriter().with_api_key("  sk-hunter2\r\n".into()).unwrap();
        assert_eq!(kept.key.as_ref().unwrap().expose_secret(), "sk-hunter2");
        assert!(!format!("{kept:?} {:?}", http::bearer(kept.key.as_ref().unwrap())).contains("hunter2"));
        for key in ["", " \n", "hunter2 two", "hunter2\nX-Evil: 1", "hunter2é", "hunter2\0"] {
            let error = rewriter().with_api_key(key.into()).unwrap_err();
            assert!(matches!(error, LlmError::Key { .. }));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
