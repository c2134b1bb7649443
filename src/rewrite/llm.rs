//! Asks a language model, over HTTP, at any endpoint that speaks OpenAI's chat completions: OpenAI itself, vLLM,
//! Ollama, a llama.cpp server, a gateway.
//!
//! The model's server is not trusted: connecting, answering and the size of the answer are bounded, redirects are not
//! followed, the reply is parsed with tolerance and cleaned, and no error text repeats more of it than a short
//! excerpt, or anything that was asked.
//! An endpoint that fails again and again, or asks for a pause, is left alone for a while; the next one is asked instead.

mod attempt;
mod breaker;
mod budget;
mod endpoint;
mod error;
mod reply;
mod request;
mod sse;
mod structured;

pub use breaker::BreakerOptions;
pub use endpoint::LlmEndpoint;
pub use error::LlmError;
pub use structured::{Structured, UnknownStructured};

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{sleep, timeout_at},
};

use super::{DEFAULT_COUNT, Prompts, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites, Task, counters};
use crate::{question::Question, spans};
use attempt::Attempt;
use budget::Budget;

/// How long a call may take when nothing else is said. A retrieval's own rewrite deadline is shorter.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many calls may be under way at once when nothing else is said.
pub const DEFAULT_CALLS: usize = 32;
/// How long to wait before the one retry.
const RETRY_AFTER_FAULT: Duration = Duration::from_millis(50);

/// Whether a base URL leads to this machine.
#[cfg(feature = "cli")]
pub(crate) fn is_local_url(base_url: &str) -> bool {
    crate::http::endpoint(base_url, "").is_ok_and(|url| crate::http::is_loopback(&url))
}

/// Rewrites questions with a language model behind an OpenAI-compatible endpoint, or behind one of several.
///
/// ```
/// # use asktwice::rewrite::{LlmEndpoint, LlmError, LlmRewriter, RewriteKind};
/// let rewriter = LlmRewriter::new("http://localhost:11434/v1", "qwen3:4b")?
///     .with_kinds([RewriteKind::Condense, RewriteKind::Keywords])
///     .with_fallback(LlmEndpoint::new("http://localhost:8000/v1", "small")?);
/// # Ok::<(), LlmError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LlmRewriter {
    endpoints: Vec<LlmEndpoint>,
    breaker: BreakerOptions,
    prompts: Prompts,
    kinds: Vec<RewriteKind>,
    count: usize,
    any_language: bool,
    structured: Structured,
    timeout: Duration,
    /// Clones share the places.
    calls: Arc<Semaphore>,
    most_calls: usize,
}

impl LlmRewriter {
    /// A rewriter that asks `model` at `{base_url}/chat/completions`, see [`LlmEndpoint::new`].
    ///
    /// # Errors
    /// [`LlmError`] if the URL cannot be used, or this machine has no certificates for `https`.
    pub fn new(base_url: &str, model: &str) -> Result<Self, LlmError> {
        Self::at(LlmEndpoint::new(base_url, model)?)
    }

    /// A rewriter that asks at an endpoint.
    ///
    /// # Errors
    /// [`LlmError::Prompt`], which a test would have found.
    pub fn at(endpoint: LlmEndpoint) -> Result<Self, LlmError> {
        Ok(Self {
            endpoints: vec![endpoint],
            breaker: BreakerOptions::default(),
            prompts: Prompts::built_in()?,
            kinds: vec![RewriteKind::Paraphrase],
            count: DEFAULT_COUNT,
            any_language: false,
            structured: Structured::Auto,
            timeout: DEFAULT_TIMEOUT,
            calls: Arc::new(Semaphore::new(DEFAULT_CALLS)),
            most_calls: DEFAULT_CALLS,
        })
    }

    /// Adds an endpoint that is asked when those before it are left alone, or fail and leave time.
    #[must_use]
    pub fn with_fallback(mut self, mut endpoint: LlmEndpoint) -> Self {
        endpoint.set_breaker(self.breaker);
        self.endpoints.push(endpoint);
        self
    }

    /// Sets the kinds of rewrites that are asked for, in one call, when the request names none.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl Into<Vec<RewriteKind>>) -> Self {
        self.kinds = kinds.into();
        self
    }

    /// Sets how many texts a kind of several texts has.
    #[must_use]
    pub fn with_count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Sets what the model is told.
    #[must_use]
    pub fn with_prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = prompts;
        self
    }

    /// Keeps rewrites in another language than the question, for prompts that translate.
    #[must_use]
    pub fn with_any_language(mut self) -> Self {
        self.any_language = true;
        self
    }

    /// Sets whether the endpoints are held to a JSON schema.
    #[must_use]
    pub fn with_structured(mut self, structured: Structured) -> Self {
        self.structured = structured;
        self
    }

    /// Sets how long a call may take, connecting and a retry included.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets when an endpoint is left alone.
    #[must_use]
    pub fn with_breaker(mut self, options: BreakerOptions) -> Self {
        self.breaker = options;
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.set_breaker(options));
        self
    }

    /// Sets how many calls may be under way at once, at least one. A call that finds them all under way waits for half
    /// of its time at most.
    #[must_use]
    pub fn with_most_calls(mut self, calls: usize) -> Self {
        self.most_calls = calls.clamp(1, Semaphore::MAX_PERMITS);
        self.calls = Arc::new(Semaphore::new(self.most_calls));
        self
    }

    /// Asks every endpoint for a rewrite of a made-up question, whether it is left alone or not, to find out whether
    /// the endpoint, the key and the model work. Returns what the first one said.
    ///
    /// # Errors
    /// [`LlmError`] says what is wrong with which endpoint, and what to do.
    pub async fn check(&self) -> Result<Vec<String>, LlmError> {
        let question = Question::new("Why did my bread not rise?").map_err(|_| LlmError::Model)?;
        let task = self.task(&RewriteRequest::new(question).with_kinds([RewriteKind::Paraphrase]));
        let mut first = None;
        for number in 0..self.endpoints.len() {
            let reply = self.attempt(number, &task, &Budget::new(self.timeout, None), true).await?;
            let rewrites = task.clean(&reply.text);
            if rewrites.rewrites.is_empty() {
                return Err(LlmError::Rejected(rewrites.rejected));
            }
            first.get_or_insert_with(|| rewrites.texts().map(str::to_owned).collect());
        }
        Ok(first.unwrap_or_default())
    }

    fn task(&self, request: &RewriteRequest) -> Task {
        Task::of(request, &self.kinds).with_count(self.count).with_any_language(self.any_language)
    }

    /// Asks the endpoints in turn until one answers. An answer of another than the first is degraded.
    async fn ask(&self, task: &Task, budget: &Budget) -> Result<Reply, LlmError> {
        let _place = self.place(budget).await?;
        let mut told: Option<LlmError> = None;
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            if told.is_some() && budget.is_over() {
                break;
            }
            let asked = match endpoint.admit() {
                Ok(()) => self.attempt(number, task, budget, number + 1 == self.endpoints.len()).await,
                Err(error) => Err(error),
            };
            match asked {
                Ok(reply) => return Ok(Reply { degraded: reply.degraded || number > 0, ..reply }),
                Err(error) if error.is_about_the_question() => return Err(error),
                // A fault says more than that somebody was left alone.
                Err(error) if told.as_ref().is_none_or(|told| told.failure().is_of_the_moment()) => told = Some(error),
                Err(_) => {}
            }
        }
        Err(told.unwrap_or(LlmError::Model))
    }

    /// A place among the calls under way.
    async fn place(&self, budget: &Budget) -> Result<SemaphorePermit<'_>, LlmError> {
        // Never closed, so that only the time can run out.
        match timeout_at(budget.half(), self.calls.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(LlmError::Busy { calls: self.most_calls }),
        }
    }

    /// Asks one endpoint, whatever its breaker says, within the budget.
    async fn attempt(&self, number: usize, task: &Task, budget: &Budget, last: bool) -> Result<Reply, LlmError> {
        let endpoint = &self.endpoints[number];
        let attempt = Attempt::new(endpoint, self.timeout);
        let asking = async {
            let late = || LlmError::Timeout { place: endpoint.place(), timeout: budget.end - budget.start };
            timeout_at(budget.end, self.call(endpoint, task, budget, last)).await.unwrap_or_else(|_| Err(late()))
        };
        let answered = spans::chat(endpoint.model(), endpoint.server(), LlmError::word, asking).await;
        let took = attempt.settle(&answered);
        counters::called(number + 1, answered.as_ref().map_or_else(LlmError::word, |_| "ok"), took);
        counters::circuit(number + 1, endpoint.with_breaker(|breaker, _| breaker.level()));
        answered
    }

    /// Calls; once more if the first call met a fault that may be gone, nothing was tried again in this budget yet, half
    /// of the time is left, and there is no other endpoint to turn to. A connection that broke is tried anew even then: it
    /// may have been an old one.
    async fn call(&self, endpoint: &LlmEndpoint, task: &Task, budget: &Budget, last: bool) -> Result<Reply, LlmError> {
        let call = || endpoint.call(task, &self.prompts, self.structured);
        let reply = match call().await {
            Err(error) if error.may_pass() && (last || error.is_broken()) && budget.grants_retry() => {
                tracing::debug!(%error, "asking the language model once more");
                counters::retried();
                sleep(RETRY_AFTER_FAULT).await;
                call().await
            }
            result => result,
        }?;
        counters::tokens(reply.tokens.0, reply.tokens.1);
        Ok(Reply { text: reply.text, degraded: reply.cut_off })
    }
}

/// What the model said.
struct Reply {
    text: String,
    /// Whether a later one may be better.
    degraded: bool,
}

#[async_trait]
impl Rewriter for LlmRewriter {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let task = self.task(request);
        if task.kinds.is_empty() {
            return Err(RewriteError::NotNeeded);
        }
        let asked = self.ask(&task, &Budget::new(self.timeout, request.deadline)).await;
        let result = asked.map_err(RewriteError::from).and_then(|reply| {
            let rewrites = task.clean(&reply.text);
            if rewrites.rewrites.is_empty() {
                return Err(RewriteError::Rejected { reasons: rewrites.rejected });
            }
            Ok(Rewrites { degraded: rewrites.degraded || reply.degraded, ..rewrites })
        });
        counters::replied(result.as_ref());
        result
    }

    fn leaves_host(&self) -> bool {
        self.endpoints.iter().any(LlmEndpoint::leaves_host)
    }

    fn usual_kinds(&self) -> &[RewriteKind] {
        &self.kinds
    }

    fn identity(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        };
        add(&self.prompts.identity());
        add(&format!("{:?} {} {} {:?}", self.kinds, self.count, self.any_language, self.structured));
        self.endpoints.iter().flat_map(LlmEndpoint::identity).for_each(|part| add(&part));
        format!("{:x}", hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_identity_is_what_its_rewrites_depend_on() {
        let rewriter = || LlmRewriter::new("http://localhost/v1", "m").unwrap();
        let parameters = serde_json::json!({"seed": 1}).as_object().unwrap().clone();
        let endpoint = || LlmEndpoint::new("http://localhost/v1", "m").unwrap();
        let prompts = Prompts::built_in().unwrap();
        let others = [
            LlmRewriter::new("http://localhost/v1", "m2").unwrap(),
            LlmRewriter::new("http://localhost/v2", "m").unwrap(),
            LlmRewriter::at(endpoint().with_parameters(parameters)).unwrap(),
            rewriter().with_fallback(endpoint()),
            rewriter().with_count(2),
            rewriter().with_kinds([RewriteKind::Hyde]),
            rewriter().with_any_language(),
            rewriter().with_prompts(prompts.with(RewriteKind::Hyde, super::super::Prompt::parse("Guess.").unwrap())),
        ];
        let mut seen = std::collections::HashSet::from([rewriter().identity()]);
        assert!(others.iter().all(|other| seen.insert(other.identity())));
        let same = rewriter().with_timeout(Duration::ZERO).with_most_calls(1).with_breaker(BreakerOptions::default());
        assert_eq!(same.identity(), rewriter().identity());
        assert!(!rewriter().leaves_host());
        let elsewhere = LlmEndpoint::new("http://host.example/v1", "m").unwrap();
        assert!(rewriter().with_fallback(elsewhere).leaves_host());
        assert!(LlmRewriter::at(endpoint().with_client(reqwest_client())).unwrap().leaves_host());
    }

    fn reqwest_client() -> reqwest::Client {
        crate::http::client(&reqwest::Url::parse("http://localhost").unwrap(), Duration::ZERO, false).unwrap()
    }
}
