//! Step 3, search: one contract, [`VectorStore`], over an embedded engine, a Qdrant server or cluster, and plain memory.
//!
//! A store is one collection. Searches return ids and scores only; the passages of the hits that survive fusion are
//! fetched once, at the end. Everything that a search of four legs would haul for nothing stays in the store.

mod filter;
pub use filter::{Condition, FieldMatch, FieldRange, Filter, FilterError, Match, Range};

mod memory;
pub use memory::MemoryStore;

mod request;
pub use request::{Channel, DEFAULT_SEARCH_TIMEOUT, Search, SearchVector, SparseVector};

#[cfg(feature = "edge")]
mod edge;
#[cfg(feature = "edge")]
pub use edge::{EdgeOptions, EdgeStore};

#[cfg(feature = "qdrant")]
mod qdrant;
#[cfg(feature = "qdrant")]
pub use qdrant::{Adopted, QdrantStore};

mod layout;
#[cfg(any(feature = "index", feature = "qdrant"))]
pub(crate) use layout::check_field;

mod path;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::{
    embed::Identity,
    error::ErrorKind,
    ranking::{Passage, PointId, Ranking},
};

/// What is known about a collection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CollectionInfo {
    /// Where it is, for messages.
    pub place: String,
    /// How many passages it holds; a server may count roughly while it optimises.
    pub passages: u64,
    /// The dimension of the dense vectors.
    pub dimension: usize,
    /// The passage side that filled it; `None` for an adopted collection, which records none.
    pub identity: Option<Identity>,
}

impl CollectionInfo {
    /// Describes a collection.
    pub fn new(place: impl Into<String>, passages: u64, dimension: usize, identity: Option<Identity>) -> Self {
        Self { place: place.into(), passages, dimension, identity }
    }

    /// Checks that an embedder's vectors may be searched with, and stored, here.
    ///
    /// # Errors
    /// [`StoreError::Identity`] or [`StoreError::Dimension`] if another passage side filled it.
    pub fn accepts(&self, embedder: &Identity) -> Result<(), StoreError> {
        let place = self.place.clone();
        if let Some(difference) = self.identity.as_ref().and_then(|stored| stored.difference(embedder)) {
            return Err(StoreError::Identity { place, difference });
        }
        if self.dimension != embedder.dimension {
            return Err(StoreError::Dimension { place, stored: self.dimension, given: embedder.dimension });
        }
        Ok(())
    }
}

/// Reading a collection. Implementations answer from many tasks at once; none of the methods blocks the runtime.
/// Dropping a returned future gives up on the answer.
#[async_trait]
pub trait VectorStore: Debug + Send + Sync {
    /// Runs one search and returns at most `depth` points.
    ///
    /// # Errors
    /// [`StoreError`] says what failed; a search never returns a part of its ranking silently.
    async fn search(&self, search: Search) -> Result<Ranking, StoreError>;

    /// Runs the searches of one question, all at the same time, and returns exactly one result for each, in their
    /// order. A search fails for itself where the store can tell; what no search gets past, each of them reports. A
    /// store that sends them together may wait for all of them as long as the most patient one would.
    async fn search_batch(&self, searches: Vec<Search>) -> Vec<Result<Ranking, StoreError>> {
        join_all(searches.into_iter().map(|search| self.search(search))).await
    }

    /// Fetches passages by id, in the order asked. A point that is gone is left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError>;

    /// Fetches dense vectors by id, in the order asked. A point that is gone is left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn vectors(&self, _ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        Ok(vec![])
    }

    /// Describes the collection; `None` if it does not exist yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer, or when the collection is not one that asktwice can read.
    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError>;
}

#[async_trait]
impl<S: VectorStore + ?Sized> VectorStore for Arc<S> {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        (**self).search(search).await
    }

    // Not left to the default: it would take the batch apart before the store sees it.
    async fn search_batch(&self, searches: Vec<Search>) -> Vec<Result<Ranking, StoreError>> {
        (**self).search_batch(searches).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        (**self).fetch(ids).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        (**self).info().await
    }
}

/// Writing a collection. What a method acknowledges survives a crash of the process.
#[async_trait]
pub trait VectorStoreWriter: VectorStore {
    /// Creates the collection for this passage side, or checks that the existing one was made by the same.
    ///
    /// # Errors
    /// [`StoreError::Identity`] or [`StoreError::Dimension`] if it was made by another.
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError>;

    /// Writes passages with their dense vectors, replacing those of the same id.
    ///
    /// # Errors
    /// [`StoreError`]; then none, some or all of the passages may have been written, and writing them again is safe.
    async fn upsert(&self, passages: Vec<(Passage, Vec<f32>)>) -> Result<(), StoreError>;

    /// Deletes passages by id; an unknown id is ignored.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError>;

    /// Deletes every passage that matches.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError>;

    /// Builds an index over a payload field, so that filters on it stay fast. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn index_payload(&self, key: &str, kind: PayloadKind) -> Result<(), StoreError>;

    /// Lets the engine tidy up after a large write: merge segments, build its approximate index above its threshold.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn optimize(&self) -> Result<(), StoreError>;
}

/// What a payload field holds, for [`VectorStoreWriter::index_payload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PayloadKind {
    /// Text that is matched as a whole.
    Keyword,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// True or false.
    Bool,
    /// RFC 3339 points in time.
    Datetime,
    /// Text that is matched by its words.
    Text,
}

/// Why a store could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such collection yet.
    #[error("{place} holds no collection yet; fill it with `asktwice index`")]
    Missing {
        /// Where it was looked for.
        place: String,
    },
    /// The collection was filled by another model or another way of embedding passages.
    #[error(
        "{place} was filled with another passage side: {difference}; index into a new collection, or use that model"
    )]
    Identity {
        /// Which collection.
        place: String,
        /// What differs.
        difference: String,
    },
    /// The vectors have another dimension.
    #[error(
        "{place} holds vectors of dimension {stored}, the model makes {given}; use the model that filled it, or a new collection"
    )]
    Dimension {
        /// Which collection.
        place: String,
        /// The collection's dimension.
        stored: usize,
        /// The dimension given.
        given: usize,
    },
    /// Another process has the embedded folder open.
    #[error("{place} is in use by another process; stop it, or give this one a folder of its own")]
    Locked {
        /// The folder.
        place: String,
    },
    /// The filter or another part of the request cannot be used.
    #[error("{place} refused the request: {problem}")]
    Request {
        /// Which collection.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// What is there is not a collection that can be used this way: damaged, of another layout, of somebody else's
    /// making, or named or addressed wrongly.
    #[error("{place} cannot be used: {problem}")]
    Unusable {
        /// Which collection.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
        /// The engine's or system's own error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The store wants a key, or another one.
    #[error("{place} wants a valid API key; set store.api_key_file or ASKTWICE__STORE__API_KEY")]
    Key {
        /// Which server.
        place: String,
    },
    /// The store cannot be reached, is out of space or failed inside.
    #[error("{place}: {problem}")]
    Unavailable {
        /// Which store.
        place: String,
        /// What happened, and what to do.
        problem: String,
        /// The engine's or client's own error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The store did not answer in time.
    #[error("{place} did not answer within {} ms", timeout.as_millis())]
    Timeout {
        /// Which store.
        place: String,
        /// How long was waited.
        timeout: Duration,
    },
}

impl StoreError {
    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Request { .. } => ErrorKind::Invalid,
            Self::Missing { .. }
            | Self::Identity { .. }
            | Self::Dimension { .. }
            | Self::Unusable { .. }
            | Self::Key { .. } => ErrorKind::Setup,
            Self::Locked { .. } | Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Timeout { .. } => ErrorKind::Deadline,
        }
    }
}
