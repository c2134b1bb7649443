//! One endpoint: where it is, which model it serves, whether it is left alone for a while, and one call to it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING},
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    BreakerOptions, LlmError, Structured,
    breaker::{Breaker, Refusal},
    error::is_about_schemas,
    reply::{self, Reply},
    request, sse,
};
use crate::{
    http::{self, Said, Sent},
    rewrite::{Prompts, Task},
};

/// How long connecting may take. A server that is up accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest reply that is read, in bytes.
const MAX_BODY: usize = 1 << 20;

/// An OpenAI-compatible endpoint and the model to ask there.
#[derive(Clone)]
pub struct LlmEndpoint {
    client: Client,
    /// Whether the client is the user's own, who may have set a proxy.
    own_client: bool,
    url: Url,
    model: String,
    key: Option<SecretString>,
    parameters: Map<String, Value>,
    /// Clones share it.
    breaker: Arc<Mutex<Breaker>>,
    /// Whether it was found not to know schemas for replies.
    unstructured: Arc<AtomicBool>,
    /// What a date in its `Retry-After` is compared with.
    wall_clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl LlmEndpoint {
    /// `model` at `{base_url}/chat/completions`. The base URL is taken as it is, with or without a slash at its end:
    /// most servers want a `/v1` in it.
    ///
    /// # Errors
    /// [`LlmError`] if the URL cannot be used, or this machine has no certificates for `https`.
    pub fn new(base_url: &str, model: &str) -> Result<Self, LlmError> {
        let url = http::endpoint(base_url, "/chat/completions").map_err(|problem| LlmError::Url { problem })?;
        let model = model.trim().to_owned();
        if model.is_empty() {
            return Err(LlmError::Model);
        }
        Ok(Self {
            client: http::client(&url, CONNECT_TIMEOUT, false).map_err(|source| LlmError::Client { source })?,
            own_client: false,
            url,
            model,
            key: None,
            parameters: Map::new(),
            breaker: Arc::new(Mutex::new(Breaker::new(BreakerOptions::default()))),
            unstructured: Arc::default(),
            wall_clock: Arc::new(http::wall_clock),
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

    /// Adds or replaces parameters of the request, such as `reasoning_effort` or `max_completion_tokens`; `null` takes
    /// one away. They are needed where a server does not know the usual `temperature` and `max_tokens`.
    #[must_use]
    pub fn with_parameters(mut self, parameters: Map<String, Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Uses an HTTP client of one's own: with a proxy, another authority's certificates, a certificate for itself. It
    /// should not follow redirects (they would carry the question elsewhere), and connect within a second or so.
    #[must_use]
    pub fn with_client(mut self, client: Client) -> Self {
        self.client = client;
        self.own_client = true;
        self
    }

    /// Sets the clock that a date in its `Retry-After` is compared with, for tests; nothing else looks at it.
    #[cfg(feature = "virtual-time")]
    #[must_use]
    pub fn with_wall_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.wall_clock = Arc::new(clock);
        self
    }

    /// Sets when it is left alone.
    pub(super) fn set_breaker(&mut self, options: BreakerOptions) {
        self.breaker = Arc::new(Mutex::new(Breaker::new(options)));
    }

    /// Whether its questions leave this host.
    pub(super) fn leaves_host(&self) -> bool {
        self.own_client || !http::is_loopback(&self.url)
    }

    /// What tells its replies from another's; no secret is in it.
    pub(super) fn identity(&self) -> [String; 3] {
        [self.url.to_string(), self.model.clone(), Value::Object(self.parameters.clone()).to_string()]
    }

    /// Host and port, for messages: never the path or the query, which may hold a secret.
    pub(super) fn place(&self) -> String {
        http::place(&self.url)
    }

    /// The model's name there.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Host and port, for spans.
    pub(super) fn server(&self) -> Option<(&str, u16)> {
        http::server(&self.url)
    }

    /// Asks for a call's admission.
    ///
    /// # Errors
    /// [`LlmError::Paused`] or [`LlmError::CircuitOpen`] while the endpoint is left alone.
    pub(super) fn admit(&self) -> Result<(), LlmError> {
        self.with_breaker(Breaker::admit).map_err(|refusal| match refusal {
            Refusal::Paused(left) => LlmError::Paused { place: self.place(), left },
            Refusal::Open(left) => LlmError::CircuitOpen { place: self.place(), left },
        })
    }

    /// Does something with the breaker, now.
    pub(super) fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker, Instant) -> T) -> T {
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    /// One request and its reply; without a schema, if this endpoint turns out not to know any.
    pub(super) async fn call(&self, task: &Task, prompts: &Prompts, wanted: Structured) -> Result<Reply, LlmError> {
        let structured = match wanted {
            Structured::On => true,
            Structured::Off => false,
            Structured::Auto => !self.unstructured.load(Ordering::Relaxed),
        };
        match self.request(task, prompts, structured).await {
            Err(LlmError::NoSchema { .. }) if wanted == Structured::Auto => {
                tracing::info!(place = self.place(), "the endpoint knows no schemas for replies; asking without");
                self.unstructured.store(true, Ordering::Relaxed);
                self.request(task, prompts, false).await
            }
            result => result,
        }
    }

    async fn request(&self, task: &Task, prompts: &Prompts, structured: bool) -> Result<Reply, LlmError> {
        let prompt = prompts.render(task, structured || task.kinds.len() > 1)?;
        let body = request::body(&self.model, &self.parameters, task, &prompt, structured);
        let mut request = http::post(&self.client, &self.url, &body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, http::bearer(key).map_err(|problem| LlmError::Key { problem })?);
        }
        let response = request.send().await.map_err(|source| LlmError::transport(self.place(), source))?;
        let status = response.status();
        let retry_after = http::retry_after(response.headers(), (self.wall_clock)());
        let read = self.body(response).await?;
        let read = String::from_utf8_lossy(&read);
        let turns = task.question.history().iter().map(|turn| turn.content.as_str());
        let sent = turns.chain([task.question.text()]).map(Sent::Question);
        if !status.is_success() {
            let said = Said::of(&read, self.key.as_ref(), sent);
            if structured && is_about_schemas(&said, status.as_u16()) {
                return Err(LlmError::NoSchema { place: self.place(), status: status.as_u16() });
            }
            let error = LlmError::status(self.place(), &self.model, status.as_u16(), retry_after, &said);
            if let Some(pause) = error.pause() {
                self.with_breaker(|breaker, now| breaker.pause(now, pause));
            }
            return Err(error);
        }
        reply::read(&read, self.key.as_ref(), sent).map_err(|problem| self.unusable(problem))
    }

    /// Reads a body as far as is allowed. A stream that is done need not close its connection.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, LlmError> {
        let coding = response.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let reply = |problem: &str| LlmError::Reply { place: self.place(), problem: problem.to_owned() };
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(reply("compressed its reply, though asked not to; switch that off at the server"));
        }
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| LlmError::transport(self.place(), source))? {
            if read.len() + chunk.len() > MAX_BODY {
                return Err(reply("sent more than 1 MiB; is this a chat endpoint?"));
            }
            read.extend_from_slice(&chunk);
            if sse::is_done(&read) {
                break;
            }
        }
        Ok(read)
    }

    fn unusable(&self, problem: reply::Problem) -> LlmError {
        let place = self.place();
        match problem {
            reply::Problem::Rejected(rejection) => LlmError::Rejected(vec![rejection]),
            reply::Problem::Filtered => {
                LlmError::Filtered { place, problem: "stopped its reply with its content filter".to_owned() }
            }
            reply::Problem::Unusable(problem) => LlmError::Reply { place, problem },
        }
    }
}

impl fmt::Debug for LlmEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmEndpoint").field("place", &self.place()).field("model", &self.model).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn urls_that_leak_or_lead_astray_are_refused_without_being_repeated() {
        for base in ["localhost:11434", "file:///etc/passwd", "http://user:hunter2@host/v1", "", "http://h/v1#hunter2"]
        {
            let error = LlmEndpoint::new(base, "m").unwrap_err();
            assert!(matches!(error, LlmError::Url { .. }), "{base}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(matches!(LlmEndpoint::new("http://h", " "), Err(LlmError::Model)));
    }

    #[test]
    fn keys_are_trimmed_checked_and_never_shown() {
        let endpoint = || LlmEndpoint::new("http://localhost/v1?key=hunter2", "m").unwrap();
        let kept = endpoint().with_api_key("  sk-hunter2\r\n".into()).unwrap();
        assert_eq!(kept.key.as_ref().unwrap().expose_secret(), "sk-hunter2");
        assert!(!format!("{kept:?} {:?}", http::bearer(kept.key.as_ref().unwrap())).contains("hunter2"));
        for key in ["", " \n", "hunter2 two", "hunter2\nX-Evil: 1", "hunter2é", "hunter2\0"] {
            let error = endpoint().with_api_key(key.into()).unwrap_err();
            assert!(matches!(error, LlmError::Key { .. }));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
