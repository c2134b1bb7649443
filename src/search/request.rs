//! What a search asks for.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Filter, SearchParams, SparseVector};

/// How long a search may take when nothing else is said.
pub const DEFAULT_SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// A named vector space of the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Channel {
    /// Embeddings, compared by cosine similarity.
    Dense,
    /// Qdrant's BM25 sparse vectors. A passage's score is the sum, over the words that it shares with the question, of
    /// both weights and the word's rarity `ln(1 + (n - f + 0.5) / (f + 0.5))`, where `f` of the collection's `n` passages
    /// have the word, whatever a filter lets through (`fancy_idf` in qdrant-edge 0.7.2). Only passages that share a word
    /// are found. The engines count deleted passages, too, until they next merge or reopen what holds them.
    Bm25,
}

impl Channel {
    /// The vector's name in the collection.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Bm25 => "bm25",
        }
    }
}

/// What a search looks for: a vector of its channel's kind.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchVector {
    /// For [`Channel::Dense`].
    Dense(Vec<f32>),
    /// For [`Channel::Bm25`].
    Sparse(SparseVector),
}

/// One search: a vector in one channel, how deep to look, and what may be found.
///
/// ```
/// # use asktwice::search::{Filter, Search};
/// let search = Search::dense(vec![0.6, 0.8], 100).with_filter(Filter::equals("language", "en"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Search {
    /// The encoded variant; its kind says in which channel to search. A store refuses a channel that it cannot search
    /// with [`StoreError::Request`](super::StoreError::Request).
    pub vector: SearchVector,
    /// How many points to return at most.
    pub depth: usize,
    /// Only points that match may be found.
    pub filter: Option<Arc<Filter>>,
    /// How exact a dense search is; `None`: as the store was told when it was opened.
    pub params: Option<SearchParams>,
    /// How long the caller will wait. A store tells its server; it does not have to enforce it.
    pub timeout: Duration,
}

impl Search {
    /// A search by an embedding, over the whole collection, that may take [`DEFAULT_SEARCH_TIMEOUT`].
    #[must_use]
    pub fn dense(vector: Vec<f32>, depth: usize) -> Self {
        Self::new(SearchVector::Dense(vector), depth)
    }

    /// A search by words, over the whole collection, that may take [`DEFAULT_SEARCH_TIMEOUT`].
    #[must_use]
    pub fn bm25(vector: SparseVector, depth: usize) -> Self {
        Self::new(SearchVector::Sparse(vector), depth)
    }

    pub(crate) fn new(vector: SearchVector, depth: usize) -> Self {
        Self { vector, depth, filter: None, params: None, timeout: DEFAULT_SEARCH_TIMEOUT }
    }

    /// The vector space that is searched.
    #[must_use]
    pub fn channel(&self) -> Channel {
        match self.vector {
            SearchVector::Dense(_) => Channel::Dense,
            SearchVector::Sparse(_) => Channel::Bm25,
        }
    }

    /// Sets what may be found.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<Arc<Filter>>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Sets how exact it is.
    #[must_use]
    pub fn with_params(mut self, params: SearchParams) -> Self {
        self.params = Some(params);
        self
    }

    /// Sets how long the caller will wait.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether nothing can be found, whatever the collection holds: no depth, or no word that counts.
    pub(super) fn is_vain(&self) -> bool {
        let wordless = matches!(&self.vector, SearchVector::Sparse(words) if words.is_empty());
        self.depth == 0 || wordless
    }
}
