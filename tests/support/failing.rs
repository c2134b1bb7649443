//! Embedders and stores that fail.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use asktwice::{
    Passage, StoreError, VectorStore, VectorStoreWriter,
    embed::{EmbedError, Embedder, Embedding, Identity, Role},
    ranking::PointId,
    search::{CollectionInfo, Filter, MemoryStore, PayloadKind, ScrollPage, ScrollRequest, Search, Vectors},
};
use async_trait::async_trait;

use super::embedder::HashEmbedder;

/// An embedder that can be slow, overloaded or broken, and that notes how many calls were under way at once.
#[derive(Debug)]
pub struct Moody {
    inner: HashEmbedder,
    fails_from_call: usize,
    overloaded_calls: usize,
    under_way: AtomicUsize,
    pub most: AtomicUsize,
}

impl Moody {
    pub fn new(fails_from_call: usize, overloaded_calls: usize) -> Self {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { inner: HashEmbedder::new(), fails_from_call, overloaded_calls, under_way, most }
    }
}

#[async_trait]
impl Embedder for Moody {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let embedded = self.inner.embed(role, texts).await;
        match self.inner.calls.load(Ordering::SeqCst) {
            call if call <= self.overloaded_calls => Err(EmbedError::Overloaded { waiting: 1 }),
            call if call >= self.fails_from_call => Err(EmbedError::Inference { problem: "broken".to_owned() }),
            _ => embedded,
        }
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
}

/// What a store does instead of answering.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    Fails,
    Hangs,
}

/// A store that fails from some upsert or fetch on, and notes what it was asked to do.
#[derive(Debug)]
pub struct Failing {
    inner: MemoryStore,
    fails_from_upsert: usize,
    upserts: AtomicUsize,
    fetches: AtomicUsize,
    fetch_from: Option<(usize, Trouble)>,
    pub log: Mutex<Vec<String>>,
}

impl Failing {
    pub fn new(fails_from_upsert: usize) -> Self {
        let (upserts, fetches) = Default::default();
        Self { inner: MemoryStore::new(), fails_from_upsert, upserts, fetches, fetch_from: None, log: Mutex::default() }
    }

    /// From this fetch on there is trouble.
    pub fn with_fetches(mut self, from: usize, trouble: Trouble) -> Self {
        self.fetch_from = Some((from, trouble));
        self
    }

    fn unavailable() -> StoreError {
        StoreError::Unavailable { place: "here".into(), problem: "disk full".into(), source: None }
    }

    fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }
}

#[async_trait]
impl VectorStore for Failing {
    async fn search(&self, search: Search) -> Result<asktwice::Ranking, StoreError> {
        self.inner.search(search).await
    }
    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        let fetch = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fetch_from.filter(|(from, _)| fetch >= *from) {
            Some((_, Trouble::Fails)) => Err(Self::unavailable()),
            Some((_, Trouble::Hangs)) => std::future::pending().await,
            None => self.inner.fetch(ids).await,
        }
    }
    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.inner.vectors(ids).await
    }
    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.inner.scroll(request).await
    }
    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.inner.info().await
    }
}

#[async_trait]
impl VectorStoreWriter for Failing {
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError> {
        self.inner.prepare(identity).await
    }
    async fn upsert(&self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        let upsert = self.upserts.fetch_add(1, Ordering::SeqCst) + 1;
        if upsert >= self.fails_from_upsert {
            return Err(Self::unavailable());
        }
        self.inner.upsert(passages).await
    }
    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        self.note("delete");
        self.inner.delete(ids).await
    }
    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        self.note("delete");
        self.inner.delete_matching(filter).await
    }
    async fn index_payload(&self, key: &str, kind: PayloadKind) -> Result<(), StoreError> {
        self.note(format!("index {key} {kind:?}"));
        self.inner.index_payload(key, kind).await
    }
    async fn optimize(&self) -> Result<(), StoreError> {
        self.note("optimize");
        self.inner.optimize().await
    }
}
