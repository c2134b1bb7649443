//! An embedder behind HTTP, at any endpoint that speaks OpenAI's embeddings: OpenAI itself, Cohere's compatibility
//! endpoint, Ollama, text-embeddings-inference, vLLM, a gateway.
//!
//! The server is not trusted to answer in time, in order, or with what was asked for: time and size are bounded, each
//! vector is put where its index says and checked for its dimension, redirects are not followed, and the key is never
//! shown.

mod reply;

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, Url, header::AUTHORIZATION};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::{EmbedError, Embedder, Embedding, Identity, Role};
use crate::{
    http::{self, ReadError, Said, Sent},
    spans,
};

/// How long one request may take, its retry included, unless set.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many texts go into one request, unless set: what text-embeddings-inference takes by default.
const DEFAULT_BATCH: usize = 32;
/// How many requests are under way at once for one call.
const AT_ONCE: usize = 4;
/// How long connecting may take. A server that is up accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait before the one retry, where the server does not say.
const PAUSE: Duration = Duration::from_millis(100);
/// A number in JSON takes less than this, in bytes; in base64 it takes five and a third.
const BYTES_PER_NUMBER: usize = 32;
/// What a reply may have beside its numbers, in bytes.
const BYTES_BESIDE: usize = 64 << 10;

/// Embeds with a model behind an OpenAI-compatible endpoint.
///
/// ```
/// # use asktwice::embed::{EmbedError, RemoteEmbedder};
/// let embedder = RemoteEmbedder::new("http://localhost:11434/v1", "nomic-embed-text", 768)?
///     .with_prefixes("search_query: ", "search_document: ");
/// # Ok::<(), EmbedError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RemoteEmbedder {
    client: Client,
    url: Url,
    key: Option<SecretString>,
    parameters: Map<String, Value>,
    query_prefix: String,
    batch: usize,
    timeout: Duration,
    identity: Identity,
}

impl RemoteEmbedder {
    /// An embedder that asks `model` at `{base_url}/embeddings` for vectors of this dimension. The base URL is taken as
    /// it is: most servers want a `/v1` in it.
    ///
    /// # Errors
    /// [`EmbedError::Setup`] if the URL, the name or the dimension cannot be used, or this machine has no certificates
    /// for `https`.
    pub fn new(base_url: &str, model: &str, dimension: usize) -> Result<Self, EmbedError> {
        let url = http::endpoint(base_url, "/embeddings").map_err(|problem| setup("embed.url", &problem))?;
        let model = model.trim();
        if model.is_empty() {
            return Err(setup("embed.model", "no model is named"));
        }
        if dimension == 0 {
            return Err(setup("embed.dimension", "the dimension of the model's vectors has to be said"));
        }
        let client = client(&url, false)?;
        // Where the model runs is no part of what it is: another server with the same model fills the same space.
        let identity = Identity::new(model, format!("{model}, by name"), dimension);
        Ok(Self {
            client,
            url,
            key: None,
            parameters: Map::from_iter([("encoding_format".to_owned(), json!("float"))]),
            query_prefix: String::new(),
            batch: DEFAULT_BATCH,
            timeout: DEFAULT_TIMEOUT,
            identity,
        })
    }

    /// Sets the key that the endpoint wants. It is sent as a bearer token and never printed.
    ///
    /// # Errors
    /// [`EmbedError::Setup`] if it is empty or cannot stand in an HTTP header.
    pub fn with_api_key(mut self, key: SecretString) -> Result<Self, EmbedError> {
        self.key = Some(http::key(&key).map_err(|problem| setup("embed.api_key", problem))?);
        http::warn_of_plain_http(&self.url, "the embedder's API key");
        Ok(self)
    }

    /// Sets what is put before a question and before a passage, as the model's card says.
    #[must_use]
    pub fn with_prefixes(mut self, query: impl Into<String>, passage: impl Into<String>) -> Self {
        self.query_prefix = query.into();
        self.identity.passage_prefix = passage.into();
        self
    }

    /// Adds or replaces fields of the request, such as `dimensions` for models that can shorten their vectors, or
    /// `encoding_format` (`base64` is smaller than `float`); `null` takes one away.
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

    /// Sets how many texts go into one request: 32 unless set, at least one.
    #[must_use]
    pub fn with_batch(mut self, texts: usize) -> Self {
        self.batch = texts.max(1);
        self
    }

    /// Sets how long one request may take, its retry included: 10 s unless set.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Goes through the proxy that the environment names (`HTTPS_PROXY` and so on), which is ignored otherwise.
    ///
    /// # Errors
    /// [`EmbedError::Setup`] if that proxy cannot be used.
    pub fn with_system_proxy(mut self) -> Result<Self, EmbedError> {
        self.client = client(&self.url, true)?;
        Ok(self)
    }

    /// What the model wants before a text.
    fn prefix(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.query_prefix,
            Role::Passage => &self.identity.passage_prefix,
        }
    }

    /// A text as somebody wrote it.
    fn sent<'a>(&self, role: Role, text: &'a str) -> Sent<'a> {
        let own = text.strip_prefix(self.prefix(role)).unwrap_or(text);
        if role == Role::Query { Sent::Question(own) } else { Sent::Passage(own) }
    }

    /// One request, within the timeout; once more if the first met a fault that may be gone, and time is left.
    async fn ask(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let until = Instant::now() + self.timeout;
        let late = || {
            let problem = format!(
                "did not answer within {} ms; allow it more time (embed.timeout_ms), or smaller batches (embed.batch)",
                self.timeout.as_millis()
            );
            Fault { problem, retry: None, is_passing: true }
        };
        let asked = timeout_at(until, async {
            match self.call(role, &texts).await {
                Err(Fault { retry: Some(pause), problem, .. }) if Instant::now() + pause < until => {
                    tracing::debug!(%problem, "asking the embedder once more");
                    sleep(pause).await;
                    self.call(role, &texts).await
                }
                result => result,
            }
        });
        let fault = match asked.await.unwrap_or_else(|_| Err(late())) {
            Ok(embeddings) => return Ok(embeddings),
            Err(fault) => fault,
        };
        Err(EmbedError::Remote { place: http::place(&self.url), problem: fault.problem, is_passing: fault.is_passing })
    }

    async fn call(&self, role: Role, texts: &[String]) -> Result<Vec<Embedding>, Fault> {
        let mut body = self.parameters.clone();
        body.insert("model".into(), json!(self.identity.model));
        body.insert("input".into(), json!(texts));
        let mut request = http::post(&self.client, &self.url, &body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, http::bearer(key).map_err(Fault::lasting)?);
        }
        let mut response = request.send().await.map_err(|error| Fault::transport(&error))?;
        let status = response.status().as_u16();
        let after = http::retry_after(response.headers(), http::wall_clock());
        let most = texts.len() * (self.identity.dimension * BYTES_PER_NUMBER + 256) + BYTES_BESIDE;
        let read = http::read(&mut response, most).await.map_err(|error| match error {
            ReadError::Transport(error) => Fault::transport(&error),
            ReadError::TooLong => Fault::lasting(&format!(
                "sent more than {} texts of dimension {} can need; check embed.dimension",
                texts.len(),
                self.identity.dimension
            )),
        })?;
        if !(200..300).contains(&status) {
            let sent = texts.iter().map(|text| self.sent(role, text));
            let said = Said::of(&String::from_utf8_lossy(&read), self.key.as_ref(), sent);
            return Err(Fault::status(status, after, &self.identity.model, &said));
        }
        reply::embeddings(&read, texts.len(), self.identity.dimension).map_err(|problem| Fault::lasting(&problem))
    }
}

#[async_trait]
impl Embedder for RemoteEmbedder {
    /// Sends the texts in batches, a few at a time. Tokens are counted by the server for a whole batch; each text is
    /// given an equal part. Whether a text was cut, the server does not say.
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let prefix = self.prefix(role);
        // Some servers refuse a text of nothing, and with it the whole batch.
        let prefixed = |text: &String| if text.is_empty() { format!("{prefix} ") } else { format!("{prefix}{text}") };
        let batches: Vec<Vec<String>> =
            texts.chunks(self.batch).map(|batch| batch.iter().map(prefixed).collect()).collect();
        let asked = stream::iter(batches).map(|batch| self.ask(role, batch)).buffered(AT_ONCE);
        spans::embeddings(&self.identity, http::server(&self.url), asked.try_concat()).await
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn leaves_host(&self) -> bool {
        !http::is_loopback(&self.url)
    }
}

/// Why one request gave no vectors.
struct Fault {
    problem: String,
    /// How long to wait before asking again may help; `None` if it will not.
    retry: Option<Duration>,
    /// Whether the same call may work later.
    is_passing: bool,
}

impl Fault {
    fn lasting(problem: &str) -> Self {
        Self { problem: problem.to_owned(), retry: None, is_passing: false }
    }

    fn transport(error: &reqwest::Error) -> Self {
        let (problem, broken) = http::fault(error);
        // A server that is just starting refuses connections, too.
        let again = broken || error.is_connect();
        Self { problem: problem.to_owned(), retry: again.then_some(PAUSE), is_passing: true }
    }

    /// Says what a status means, and what to do.
    fn status(status: u16, after: Option<Duration>, model: &str, said: &Said) -> Self {
        let quoted = said.quoted();
        let passing = |problem: String| Self { problem, retry: Some(after.unwrap_or(PAUSE)), is_passing: true };
        let lasting = |problem: String| Self { problem, retry: None, is_passing: false };
        match status {
            429 if said.is(&["insufficient_quota"]) => {
                lasting(format!("says that the account's quota is used up (429); check its plan{quoted}"))
            }
            429 => passing(format!("is asked too often (429){quoted}")),
            500..=599 => passing(format!("failed inside or is overloaded ({status}){quoted}")),
            300..=399 => lasting(format!(
                "answered with a redirect ({status}), which is not followed; set embed.url to where it really is"
            )),
            401 | 403 => lasting(format!(
                "wants a valid API key ({status}); set embed.api_key_file or ASKTWICE__EMBED__API_KEY{quoted}"
            )),
            404 => lasting(format!(
                "does not know the model {model:?} or the path (404); check embed.model, and whether embed.url needs a /v1{quoted}"
            )),
            413 => lasting(format!("takes no request of this size (413); set a smaller embed.batch{quoted}")),
            400 | 422 => lasting(format!(
                "does not accept the request ({status}); embed.batch may be too large, or a field need replacing in embed.parameters{quoted}"
            )),
            _ => lasting(format!("answered with status {status}{quoted}")),
        }
    }
}

fn client(url: &Url, system_proxy: bool) -> Result<Client, EmbedError> {
    http::client(url, CONNECT_TIMEOUT, system_proxy).map_err(|error| {
        setup("embed.url", &format!("its client could not be made ({error}); are certificates installed?"))
    })
}

fn setup(setting: &'static str, problem: &str) -> EmbedError {
    EmbedError::Setup { setting, problem: problem.to_owned() }
}
