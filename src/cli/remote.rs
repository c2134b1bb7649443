//! The command line through a running sidecar, which owns its embedded folder: asking (once, or to measure the answers), and
//! indexing as if the sidecar were a store. Files are read and cut here; embedding and storing are done there.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use reqwest::{
    Client, Method, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    config::Settings,
    embed::{EmbedError, Embedder, Embedding, Identity, Role},
    error::Error,
    http,
    ranking::{Passage, PointId, Ranking},
    retrieval::Report,
    search::{
        CollectionInfo, Filter, PayloadKind, ScrollPage, ScrollRequest, Search, StoreError, VectorStore,
        VectorStoreWriter, Vectors,
    },
    server::{Reply, ReplyPoint},
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take: as long as a sidecar lets one be asked for, and a little more.
const PATIENCE: Duration = Duration::from_secs(35);
/// How often a request is sent to a sidecar that is busy.
const ATTEMPTS: u32 = 8;
/// The longest wait between two of them, whatever the sidecar says.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What came back.
enum Answer<T> {
    Good(T),
    /// Not now: how long to wait, and what to say when waiting has not helped.
    Busy(Duration, StoreError),
}

/// A sidecar.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    client: Client,
    base: String,
    place: String,
    key: Option<HeaderValue>,
    collection: String,
}

impl Remote {
    /// The sidecar at this URL, with the key of the settings.
    pub(super) fn new(url: &str, settings: &Settings) -> anyhow::Result<Self> {
        let invalid = |problem: String| Error::Settings { setting: "--server".to_owned(), problem };
        let base = http::endpoint(url, "").map_err(invalid)?;
        let client = http::client(&base, CONNECT, false).map_err(|error| invalid(Report(&*error).to_string()))?;
        let key = settings.client.key()?.map(|key| http::bearer(&key)).transpose();
        let key =
            key.map_err(|problem| Error::Settings { setting: "client.key".to_owned(), problem: problem.to_owned() })?;
        let place = format!("the sidecar at {}", http::place(&base));
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, base, place, key, collection: settings.store.collection.clone() })
    }

    /// Asks a question.
    pub(super) async fn ask(&self, mut request: Value) -> anyhow::Result<Reply> {
        request["collection"] = self.collection.as_str().into();
        Ok(self.call(Method::POST, "/v1/retrieve", &request).await?)
    }

    /// Sends a request, and again while the sidecar says that it is busy.
    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<T, StoreError> {
        let mut attempts = 1;
        loop {
            match self.attempt(method.clone(), path, body).await? {
                Answer::Good(answer) => return Ok(answer),
                Answer::Busy(wait, _) if attempts < ATTEMPTS => tokio::time::sleep(wait).await,
                Answer::Busy(_, problem) => return Err(problem),
            }
            attempts += 1;
        }
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer<T>, StoreError> {
        let url = Url::parse(&format!("{}{path}", self.base)).map_err(|error| self.failed("has no such URL", error))?;
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        if !body.is_null() {
            request = request.json(body);
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let response = request.send().await.map_err(|error| self.failed(http::fault(&error).0, error))?;
        let status = response.status();
        let wait = response.headers().get("retry-after-ms").and_then(|wait| wait.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await.map_err(|error| self.failed(http::fault(&error).0, error))?;
        if status.is_success() {
            let answer = serde_json::from_slice(&bytes).map_err(|error| self.failed("answered something else", error));
            return answer.map(Answer::Good);
        }
        let problem = self.problem(status.as_u16(), &bytes);
        match (status.as_u16(), wait) {
            (429 | 503, Some(wait)) => Ok(Answer::Busy(Duration::from_millis(wait).min(LONGEST_WAIT), problem)),
            _ => Err(problem),
        }
    }

    /// What a sidecar refuses is wrong with the request; what it cannot do may work later.
    fn problem(&self, status: u16, body: &[u8]) -> StoreError {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let said = serde_json::from_slice(body).map(|said: Problem| said.detail);
        let said = said.unwrap_or_else(|_| format!("it answered {status}"));
        match status {
            401 => self.refused(format!("{said} (set client.key_file or ASKTWICE__CLIENT__KEY)")),
            504 => StoreError::Timeout { place: self.place.clone(), timeout: PATIENCE },
            400..500 => self.refused(said),
            _ => StoreError::Unavailable { place: self.place.clone(), problem: said, source: None },
        }
    }

    fn refused(&self, problem: impl Into<String>) -> StoreError {
        StoreError::Request { place: self.place.clone(), problem: problem.into() }
    }

    fn failed(&self, problem: &str, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
        let (place, problem) = (self.place.clone(), problem.to_owned());
        StoreError::Unavailable { place, problem, source: Some(error.into()) }
    }

    /// What can only be done where the vectors are.
    fn elsewhere<T>(&self) -> Result<T, StoreError> {
        Err(self.refused("only passages can be written, looked up and deleted through a sidecar"))
    }

    /// How the sidecar embeds, searches, rewrites and fuses.
    pub(super) async fn settings(&self) -> anyhow::Result<Value> {
        Ok(self.call(Method::GET, "/v1/settings", &Value::Null).await?)
    }

    /// How the sidecar embeds; enough to cut passages for it.
    pub(super) async fn embedder(&self) -> anyhow::Result<Arc<dyn Embedder>> {
        let settings = self.settings().await?;
        let tokens = settings["embed"]["max_tokens"].as_u64().and_then(|tokens| usize::try_from(tokens).ok());
        let tokens = tokens.context("the sidecar does not say how many tokens its model reads")?;
        let mut identity = Identity::new("the sidecar's", "", 0);
        identity.max_tokens = tokens;
        Ok(Arc::new(Elsewhere(identity)))
    }
}

/// Stands for an embedder that is elsewhere: it counts texts and gives vectors without numbers.
#[derive(Debug)]
struct Elsewhere(Identity);

#[async_trait]
impl Embedder for Elsewhere {
    async fn embed(&self, _: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        Ok(texts.iter().map(|_| Embedding::new(vec![], 0)).collect())
    }

    fn identity(&self) -> &Identity {
        &self.0
    }
}

/// What the sidecar says of passages that were looked up.
#[derive(Debug, Deserialize)]
struct Fetched {
    passages: Vec<ReplyPoint>,
}

#[async_trait]
impl VectorStore for Remote {
    async fn search(&self, _: Search) -> Result<Ranking, StoreError> {
        self.elsewhere()
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let request = json!({"collection": self.collection, "points": points(ids)});
        let fetched: Fetched = self.call(Method::POST, "/v1/passages/fetch", &request).await?;
        let by_point: HashMap<String, Passage> =
            fetched.passages.into_iter().map(|found| (found.point, found.passage.into())).collect();
        Ok(ids.iter().filter_map(|id| Some((*id, by_point.get(&id.to_string())?.clone()))).collect())
    }

    async fn vectors(&self, _: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.elsewhere()
    }

    async fn scroll(&self, _: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.elsewhere()
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.elsewhere()
    }
}

#[async_trait]
impl VectorStoreWriter for Remote {
    /// The sidecar prepares its collections itself, for its own model.
    async fn prepare(&self, _: &Identity) -> Result<(), StoreError> {
        Ok(())
    }

    async fn upsert(&self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        let passages: Vec<Passage> = passages.into_iter().map(|(passage, _)| passage).collect();
        let request = json!({"collection": self.collection, "passages": passages});
        self.call(Method::POST, "/v1/passages", &request).await.map(|_: Value| ())
    }

    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        let request = json!({"collection": self.collection, "points": points(ids)});
        self.call(Method::DELETE, "/v1/passages", &request).await.map(|_: Value| ())
    }

    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        let request = json!({"collection": self.collection, "filter": filter});
        self.call(Method::DELETE, "/v1/passages", &request).await.map(|_: Value| ())
    }

    /// The sidecar does so with every write.
    async fn index_payload(&self, _: &str, _: PayloadKind) -> Result<(), StoreError> {
        Ok(())
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        let request = json!({"collection": self.collection, "passages": [], "optimize": true});
        match self.call(Method::POST, "/v1/passages", &request).await {
            // It goes on there, however long it takes.
            Err(StoreError::Timeout { .. }) => Ok(()),
            done => done.map(|_: Value| ()),
        }
    }
}

fn points(ids: &[PointId]) -> Vec<String> {
    ids.iter().map(PointId::to_string).collect()
}
