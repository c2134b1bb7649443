//! A reranker behind HTTP, at any `/rerank` endpoint in the shape of Cohere and Jina (which vLLM and others speak, too)
//! or of text-embeddings-inference.
//!
//! The server is not trusted to answer in time, in order, or with what was asked for: the size of its answer is bounded,
//! every passage needs one score, redirects are not followed, and the key is never shown. There is no retry: the fused
//! order is there already, and waiting longer is worse than taking it.

mod reply;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use reqwest::{Client, Url, header::AUTHORIZATION};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{RerankError, Reranker};
use crate::http::{self, ReadError, Said, Sent};

/// How long a call may take when nothing else is said. A retrieval's own rerank deadline is mostly shorter.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting may take. A server that is up accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How many texts text-embeddings-inference takes in one request unless it is told otherwise
/// (`--max-client-batch-size`).
const TEI_BATCH: usize = 32;
/// How many bytes of the answer a passage's score may need, whatever else the server says of it.
const BYTES_PER_PASSAGE: usize = 1 << 10;
/// How many bytes the answer may have beside the scores.
const BYTES_BESIDE: usize = 64 << 10;

/// Reranks with a model behind a `/rerank` endpoint.
///
/// ```
/// # use asktwice::rerank::{RemoteReranker, RerankError};
/// let cohere = RemoteReranker::new("https://api.cohere.com/v2", "rerank-v3.5")?;
/// let jina = RemoteReranker::new("https://api.jina.ai/v1", "jina-reranker-v2-base-multilingual")?;
/// let own = RemoteReranker::text_embeddings_inference("http://localhost:8080")?;
/// # Ok::<(), RerankError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RemoteReranker {
    client: Client,
    url: Url,
    /// The model's name; a server of text-embeddings-inference has one model and wants none.
    model: Option<String>,
    key: Option<SecretString>,
    timeout: Duration,
}

impl RemoteReranker {
    /// A reranker that asks `model` at `{base_url}/rerank`, in the shape of Cohere and Jina.
    ///
    /// # Errors
    /// [`RerankError::Setup`] if the URL or the name cannot be used, or this machine has no certificates for `https`.
    pub fn new(base_url: &str, model: &str) -> Result<Self, RerankError> {
        let model = model.trim();
        if model.is_empty() {
            return Err(setup("rerank.model", "no model is named"));
        }
        Ok(Self { model: Some(model.to_owned()), ..Self::text_embeddings_inference(base_url)? })
    }

    /// A reranker that asks a server of text-embeddings-inference at `{base_url}/rerank`.
    ///
    /// # Errors
    /// [`RerankError::Setup`] if the URL cannot be used, or this machine has no certificates for `https`.
    pub fn text_embeddings_inference(base_url: &str) -> Result<Self, RerankError> {
        let url = http::endpoint(base_url, "/rerank").map_err(|problem| setup("rerank.url", problem))?;
        let client = http::client(&url, CONNECT_TIMEOUT, false).map_err(|error| {
            setup("rerank.url", format!("its client could not be made ({error}); are certificates installed?"))
        })?;
        Ok(Self { client, url, model: None, key: None, timeout: DEFAULT_TIMEOUT })
    }

    /// Sets the key that the endpoint wants. It is sent as a bearer token and never printed.
    ///
    /// # Errors
    /// [`RerankError::Setup`] if it is empty or cannot stand in an HTTP header.
    pub fn with_api_key(mut self, key: SecretString) -> Result<Self, RerankError> {
        self.key = Some(http::key(&key).map_err(|problem| setup("rerank.api_key", problem))?);
        http::warn_of_plain_http(&self.url, "the reranker's API key");
        Ok(self)
    }

    /// Sets how long a call may take; 10 s otherwise.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// One request, and a score for each of its passages.
    async fn ask(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let body = self.body(question, passages);
        let mut request = http::post(&self.client, &self.url, &body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, http::bearer(key).map_err(|problem| self.failed(problem))?);
        }
        let mut response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status().as_u16();
        let most = passages.len() * BYTES_PER_PASSAGE + BYTES_BESIDE;
        let read = http::read(&mut response, most).await.map_err(|error| match error {
            ReadError::Transport(error) => self.broken(error),
            ReadError::TooLong => self.failed("sent more than scores can need; is this an endpoint for reranking?"),
        })?;
        if !(200..300).contains(&status) {
            let said = Said::of(
                &String::from_utf8_lossy(&read),
                self.key.as_ref(),
                passages.iter().copied().map(Sent::Passage).chain([Sent::Question(question)]),
            );
            return Err(self.failed(&describe(status, &said)));
        }
        reply::scores(&read, passages.len()).map_err(|problem| self.failed(&problem))
    }

    /// What is sent. Long passages are cut by the server: it knows how much its model reads.
    fn body(&self, question: &str, passages: &[&str]) -> Value {
        match &self.model {
            Some(model) => {
                json!({"model": model, "query": question, "documents": passages, "top_n": passages.len()})
            }
            None => json!({"query": question, "texts": passages, "truncate": true}),
        }
    }

    fn failed(&self, problem: &str) -> RerankError {
        RerankError::failed(format!("at {} {problem}", http::place(&self.url)))
    }

    fn broken(&self, error: reqwest::Error) -> RerankError {
        let problem = format!("at {} {}", http::place(&self.url), http::fault(&error).0);
        // Its text would show the URL's path and query.
        RerankError::Failed { problem, source: Some(error.without_url().into()) }
    }
}

#[async_trait]
impl Reranker for RemoteReranker {
    async fn rerank(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let batch = if self.model.is_none() { TEI_BATCH } else { passages.len().max(1) };
        // A pair's score depends on nothing else, so that batches can be asked for separately.
        let batches = try_join_all(passages.chunks(batch).map(|batch| self.ask(question, batch)));
        let scores = timeout(self.timeout, batches).await;
        Ok(scores.map_err(|_| RerankError::Deadline { waited: self.timeout })??.concat())
    }

    fn leaves_host(&self) -> bool {
        !http::is_loopback(&self.url)
    }
}

/// Says what a status means, and what to do.
fn describe(status: u16, said: &Said) -> String {
    let quoted = said.quoted();
    match status {
        300..=399 => {
            format!("answered with a redirect ({status}), which is not followed; set rerank.url to where it really is")
        }
        401 | 403 => {
            format!("wants a valid API key ({status}); set rerank.api_key_file or ASKTWICE__RERANK__API_KEY{quoted}")
        }
        404 => format!(
            "does not know the path or the model (404); check rerank.model, and whether rerank.url needs a /v1 or \
             /v2{quoted}"
        ),
        413 => format!("takes no request of this size (413); rerank fewer (rerank.depth){quoted}"),
        400 | 422 => format!(
            "does not accept the request ({status}); leave rerank.model empty for text-embeddings-inference only{quoted}"
        ),
        429 if said.is(&["insufficient_quota"]) => {
            format!("says that the account's quota is used up (429); check its plan{quoted}")
        }
        429 => format!("is asked too often (429){quoted}"),
        500..=599 => format!("failed inside or is overloaded ({status}){quoted}"),
        _ => format!("answered with status {status}{quoted}"),
    }
}

fn setup(setting: &'static str, problem: impl Into<String>) -> RerankError {
    RerankError::Setup { setting, problem: problem.into() }
}
