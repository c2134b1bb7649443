//! A collection of a Qdrant server or cluster, over gRPC.
//!
//! Either one of asktwice's own making, with the named vectors `dense` and `bm25` and the identity of its passage side
//! in the collection's metadata (Qdrant 1.16 or newer), or an existing one of somebody else's, [`Adopted`] for reading.

mod adopt;
pub use adopt::Adopted;

mod batch;
mod connection;
mod convert;
mod describe;
mod failure;
mod query;
mod read;
mod succession;
mod write;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use self::{
    connection::{Budget, Connection},
    convert::Ids,
};
use super::{
    Channel, Channels, CollectionInfo, Filter, Quantization, ScrollPage, ScrollRequest, Search, SearchParams,
    StoreError, VectorStore,
};
use crate::{
    ranking::{Passage, PointId, Ranking},
    spans,
};

/// How long a call may take unless [`QdrantStore::with_timeout`] says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One collection of a Qdrant server. A clone shares the connections.
///
/// ```no_run
/// # use asktwice::search::{QdrantStore, VectorStore};
/// # async fn run() -> Result<(), asktwice::StoreError> {
/// let store = QdrantStore::connect("http://localhost:6334", "notes")?;
/// println!("{:?}", store.info().await?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct QdrantStore {
    connection: Connection,
    collection: String,
    timeout: Duration,
    adopted: Option<Arc<Adopted>>,
    /// How the vectors of a collection that is made are compressed.
    quantization: Quantization,
    /// For searches that do not say it themselves.
    params: SearchParams,
    /// Its channels, once it was seen to be one that can be used.
    channels: Arc<RwLock<Option<Channels>>>,
}

impl QdrantStore {
    /// Names a collection of a server. Nothing is sent yet: whether the server answers shows at the first call.
    ///
    /// `url` is that of the gRPC port, such as `http://localhost:6334` (also the port that is taken if it names none).
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the url or the collection's name cannot be used.
    pub fn connect(url: &str, collection: &str) -> Result<Self, StoreError> {
        let connection = Connection::to(url, collection)?;
        if !is_collection_name(collection) {
            let problem = "a collection's name is 1 to 128 letters, digits, `.`, `_` and `-`, the first of them a \
                           letter or digit";
            return Err(connection.unusable(problem));
        }
        Ok(Self {
            connection,
            collection: collection.to_owned(),
            timeout: TIMEOUT,
            adopted: None,
            quantization: Quantization::None,
            params: SearchParams::default(),
            channels: Arc::default(),
        })
    }

    /// Sends this API key with every call. White space around it, such as the line end of a key file, is dropped.
    /// Over `http://` it travels for all to read: use `https://` beyond this machine or a private network.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if it is empty or holds a character that no header can carry; the key is not shown.
    pub fn with_api_key(mut self, key: SecretString) -> Result<Self, StoreError> {
        self.connection = self.connection.with_key(key.expose_secret().trim())?;
        Ok(self)
    }

    /// Sets how long any call may take, 30 s by default. A search may ask for less, never for more.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how the dense vectors of a collection that is made are compressed; not at all by default.
    #[must_use]
    pub fn with_quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = quantization;
        self
    }

    /// Sets how exact a search is that does not say so itself.
    #[must_use]
    pub fn with_search_params(mut self, params: SearchParams) -> Self {
        self.params = params;
        self
    }

    /// Reads an existing collection of somebody else's making instead of one of asktwice's own. It is never written.
    #[must_use]
    pub fn adopting(mut self, adopted: Adopted) -> Self {
        self.adopted = Some(Arc::new(adopted));
        // What was learned of the collection was learned of another vector.
        self.channels = Arc::default();
        self
    }

    fn budget(&self, wanted: Duration) -> Budget {
        Budget::of(wanted.min(self.timeout))
    }

    /// The name of the dense vector; "" is the unnamed one.
    fn vector(&self) -> &str {
        self.adopted.as_ref().map_or(Channel::Dense.name(), |adopted| &adopted.vector)
    }

    fn ids(&self) -> Ids {
        if self.adopted.is_some() { Ids::AsPrinted } else { Ids::Derived }
    }

    fn convert(&self, filter: &Filter) -> Result<qdrant_client::qdrant::Filter, StoreError> {
        convert::filter(filter, self.ids()).map_err(|error| self.connection.request(error.to_string()))
    }

    /// The name of the sparse vector.
    fn bm25_vector(&self) -> &str {
        self.adopted.as_ref().and_then(|adopted| adopted.bm25.as_deref()).unwrap_or(Channel::Bm25.name())
    }

    /// The collection's channels. The first call sees to it that the collection is one that can be used.
    async fn channels(&self, budget: Budget) -> Result<Channels, StoreError> {
        let known = *self.channels.read().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(channels) => Ok(channels),
            None => Ok(self.learn(&self.describe(budget).await?.ok_or_else(|| self.connection.missing())?)),
        }
    }

    /// Remembers the channels of the collection as it was just described.
    fn learn(&self, info: &CollectionInfo) -> Channels {
        let channels = Channels::from(info);
        *self.channels.write().unwrap_or_else(PoisonError::into_inner) = Some(channels);
        channels
    }

    /// Does one operation in a span of its own.
    async fn traced<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        spans::database(operation, &self.collection, self.connection.server(), work).await
    }

    /// The reason behind a refused request: the collection may have been made anew, otherwise, since it was looked at,
    /// so that what was asked has to be checked again.
    async fn explain(
        &self,
        error: StoreError,
        budget: Budget,
        check: impl FnOnce(Channels) -> Result<(), StoreError>,
    ) -> StoreError {
        if !matches!(error, StoreError::Request { .. }) {
            return error;
        }
        match self.describe(budget).await {
            Ok(Some(info)) => check(self.learn(&info)).err().unwrap_or(error),
            Ok(None) => self.connection.missing(),
            Err(reason @ (StoreError::Unusable { .. } | StoreError::Missing { .. })) => reason,
            _ => error,
        }
    }
}

#[async_trait]
impl VectorStore for QdrantStore {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        self.traced("query", Box::pin(self.search_one(search))).await
    }

    async fn search_batch(&self, searches: Vec<Search>) -> Vec<Result<Ranking, StoreError>> {
        let all = async { Ok(self.search_together(searches).await) };
        self.traced("query_batch", all).await.unwrap_or_default()
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        self.traced("get", self.passages(ids)).await
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.traced("get", self.dense_vectors(ids)).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.traced("scroll", self.page(&request)).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        let info = self.describe(self.budget(self.timeout)).await?;
        if let Some(info) = &info {
            self.learn(info);
        }
        Ok(info)
    }
}

impl fmt::Debug for QdrantStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QdrantStore")
            .field("connection", &self.connection)
            .field("timeout", &self.timeout)
            .field("adopted", &self.adopted)
            .finish_non_exhaustive()
    }
}

fn is_collection_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str, collection: &str) -> String {
        QdrantStore::connect(url, collection).unwrap_err().to_string()
    }

    #[test]
    fn urls_and_names_are_checked_before_anything_is_sent() {
        for url in ["http://localhost:6334", "https://host.example", "http://127.0.0.1:6334/", "http://[::1]:6334"] {
            assert!(QdrantStore::connect(url, "notes").is_ok(), "{url}");
        }
        for url in
            ["", "localhost:6334", "ftp://host", "http://", "http://host:6334/path", "http://host?x=1", "http://a b"]
        {
            assert!(matches!(QdrantStore::connect(url, "notes"), Err(StoreError::Unusable { .. })), "{url}");
        }
        for name in ["", "a/b", "../x", "-a", "a b", "ä", &"a".repeat(129)] {
            assert!(problem("http://localhost:6334", name).contains("a collection's name"), "{name}");
        }
        assert!(QdrantStore::connect("http://localhost:6334", &"a".repeat(128)).is_ok());
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let error = problem("http://user:CANARY@localhost:6334", "notes");
        assert!(error.contains("with_api_key") && !error.contains("CANARY"), "{error}");
    }

    #[test]
    fn a_key_is_trimmed_and_never_shown() {
        let store = || QdrantStore::connect("http://localhost:6334", "notes").unwrap();
        let kept = store().with_api_key("  CANARY\n".into()).unwrap();
        assert!(!format!("{kept:?}").contains("CANARY"));
        for key in ["", " \n", "CANARY\nx", "CANARY\u{0}"] {
            let error = store().with_api_key(key.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("CANARY"));
        }
    }
}
