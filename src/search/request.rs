//! What a search asks for.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Filter, StoreError};

/// How long a search may take when nothing else is said.
pub const DEFAULT_SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// A named vector space of the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Channel {
    /// Embeddings, compared by cosine similarity.
    Dense,
    /// Qdrant's BM25 sparse vectors; declared in every collection from the first day, not searched yet.
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

/// One search: a vector in one channel, how deep to look, and what may be found.
///
/// ```
/// # use asktwice::search::{Filter, Search};
/// let search = Search::dense(vec![0.6, 0.8], 100).with_filter(Filter::equals("language", "en"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Search {
    /// Where to search. A store refuses a channel that it cannot search with [`StoreError::Request`].
    pub channel: Channel,
    /// The embedded variant.
    pub vector: Vec<f32>,
    /// How many points to return at most.
    pub depth: usize,
    /// Only points that match may be found.
    pub filter: Option<Arc<Filter>>,
    /// How long the caller will wait. A store tells its server; it does not have to enforce it.
    pub timeout: Duration,
}

impl Search {
    /// A search by an embedding, over the whole collection, that may take [`DEFAULT_SEARCH_TIMEOUT`].
    #[must_use]
    pub fn dense(vector: Vec<f32>, depth: usize) -> Self {
        Self { channel: Channel::Dense, vector, depth, filter: None, timeout: DEFAULT_SEARCH_TIMEOUT }
    }

    /// Sets what may be found.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<Arc<Filter>>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Sets how long the caller will wait.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Refuses what none of our stores can search yet: without this, a lexical search would be taken for a dense one.
    pub(super) fn check_channel(&self, place: &str) -> Result<(), StoreError> {
        match self.channel {
            Channel::Dense => Ok(()),
            channel @ Channel::Bm25 => {
                let problem = format!("channel {} is declared, but nothing fills it yet", channel.name());
                Err(StoreError::Request { place: place.to_owned(), problem })
            }
        }
    }
}
