//! Step 3, search: one contract, [`VectorStore`], over an embedded engine, a Qdrant server or cluster, and plain memory.
//!
//! A store is one collection. Searches return ids and scores only; the passages of the hits that survive fusion are
//! fetched once, at the end. Everything that a search of four legs would haul for nothing stays in the store.

mod filter;
pub use filter::{Condition, FieldMatch, FieldRange, Filter, FilterError, HasId, IsEmpty, IsNull, Key, Match, Range};

mod request;
pub use request::{Channel, DEFAULT_SEARCH_TIMEOUT, Search, SearchVector};

mod quantization;
pub use quantization::{Quantization, SearchParams, UnknownQuantization};

mod vectors;
use vectors::Channels;
pub use vectors::{SparseVector, Vectors};

mod scroll;
pub use scroll::{MAX_PAGE, ScrollPage, ScrollRequest, Scrolled};

mod successor;
pub use successor::{Succession, Successor, TakeOver};

mod info;
pub use info::CollectionInfo;
#[cfg(any(feature = "edge", feature = "qdrant"))]
use info::check_quantization;
use info::check_writer;

mod error;
pub use error::StoreError;

mod memory;
pub use memory::MemoryStore;

#[cfg(feature = "edge")]
mod edge;
#[cfg(feature = "edge")]
pub use edge::{EdgeOptions, EdgeStore, Footprint};

#[cfg(feature = "qdrant")]
mod qdrant;
#[cfg(feature = "qdrant")]
pub use qdrant::{Adopted, QdrantStore};

mod layout;
#[cfg(any(feature = "index", feature = "qdrant"))]
pub(crate) use layout::check_field;

mod path;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::{
    embed::Identity,
    ranking::{Passage, PointId, Ranking},
};

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

    /// The dense vectors of points, in the order asked; a point that is gone is left out. They are as they are stored,
    /// which is of length 1 in a collection of asktwice's own.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError>;

    /// Reads the collection page by page, in the order of the points' ids. What is written or deleted meanwhile may or
    /// may not be seen; everything else is, once.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError>;

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

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        (**self).vectors(ids).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        (**self).scroll(request).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        (**self).info().await
    }
}

/// Writing a collection. What a method acknowledges survives a crash of the process.
#[async_trait]
pub trait VectorStoreWriter: VectorStore {
    /// Creates the collection for this passage side, or checks that the existing one was made by the same. With
    /// [`Identity::with_bm25`] the collection has the channel `bm25` too, and every passage needs a vector for it.
    ///
    /// # Errors
    /// [`StoreError::Identity`] if it was made by another, or with another lexical side, or with none.
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError>;

    /// Writes passages with their vectors, one for each channel of the collection, replacing those of the same id.
    ///
    /// # Errors
    /// [`StoreError::Dimension`] or [`StoreError::Request`] if a vector is none that the collection takes; then nothing
    /// was written. After any other, none, some or all of the passages may have been, and writing them again is safe.
    async fn upsert(&self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError>;

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

    /// Begins a new collection for this passage side, which may be another than this one's, or goes on with one that was
    /// begun; see [`Successor`].
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer, or can have no successor.
    async fn successor(&self, _identity: &Identity) -> Result<Successor, StoreError> {
        let problem = "it cannot be rebuilt beside itself; rebuild it where it is stored".to_owned();
        Err(StoreError::Request { place: "this store".to_owned(), problem })
    }
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
