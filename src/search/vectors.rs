//! The vectors of a passage, and which of them a collection takes.

use serde::{Deserialize, Serialize};

use super::{Channel, CollectionInfo, SearchVector, StoreError};
use crate::{embed::Identity, ranking::Passage};

/// A sparse vector: the weights of the words that a text has, by the number that stands for the word. The two lists are
/// equally long, the numbers ascend and each is there once. A text without a word that counts has an empty one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SparseVector {
    /// Which words.
    pub indices: Vec<u32>,
    /// How much each weighs.
    pub values: Vec<f32>,
}

impl SparseVector {
    /// Whether it has no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Says what is wrong with it; an engine would take some of these without a word and answer wrongly.
    fn problem(&self) -> Option<&'static str> {
        if self.indices.len() != self.values.len() {
            Some("does not have as many words as weights")
        } else if !self.indices.is_sorted_by(|a, b| a < b) {
            Some("has words out of order, or one twice")
        } else if !self.values.iter().all(|weight| weight.is_finite()) {
            Some("holds a weight that is not finite")
        } else {
            None
        }
    }
}

/// The vectors of a passage, one per channel.
///
/// ```
/// # use asktwice::search::{SparseVector, Vectors};
/// let dense: Vectors = vec![0.6, 0.8].into();
/// let both = dense.with_bm25(SparseVector { indices: vec![7, 30], values: vec![1.2, 0.9] });
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Vectors {
    /// For [`Channel::Dense`].
    pub dense: Vec<f32>,
    /// For [`Channel::Bm25`]; `None` where the collection does not have that channel.
    pub bm25: Option<SparseVector>,
}

impl From<Vec<f32>> for Vectors {
    fn from(dense: Vec<f32>) -> Self {
        Self { dense, bm25: None }
    }
}

impl Vectors {
    /// Sets the vector for the channel `bm25`.
    #[must_use]
    pub fn with_bm25(mut self, vector: SparseVector) -> Self {
        self.bm25 = Some(vector);
        self
    }
}

/// The channels of a collection: what every vector that is written, or searched with, is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    /// The dimension of the dense vectors.
    pub(super) dimension: usize,
    /// Whether its passages have bm25 vectors.
    pub(super) bm25: bool,
}

impl From<&Identity> for Channels {
    fn from(identity: &Identity) -> Self {
        Self { dimension: identity.dimension, bm25: identity.bm25.is_some() }
    }
}

impl From<&CollectionInfo> for Channels {
    fn from(info: &CollectionInfo) -> Self {
        Self { dimension: info.dimension, bm25: info.bm25.is_some() }
    }
}

impl Channels {
    /// Checks a search's vector. A number that is not one would poison every score.
    pub(super) fn check_search(self, vector: &SearchVector, place: &str) -> Result<(), StoreError> {
        let problem = match vector {
            SearchVector::Dense(dense) => return self.check_dense(dense, place, || "the search's".to_owned()),
            SearchVector::Sparse(_) if !self.bm25 => {
                let name = Channel::Bm25.name();
                format!(
                    "it has no channel {name}; index into a new collection (or name the sparse vector of an adopted one), \
                     or search by dense legs alone"
                )
            }
            SearchVector::Sparse(words) => match words.problem() {
                None => return Ok(()),
                Some(problem) => format!("the search's bm25 vector {problem}"),
            },
        };
        Err(StoreError::Request { place: place.to_owned(), problem })
    }

    /// Checks what is to be written of a passage: one sound vector for each channel. A missing one would leave the
    /// passage where that channel never finds it.
    pub(super) fn check_written(self, passage: &Passage, vectors: &Vectors, place: &str) -> Result<(), StoreError> {
        self.check_dense(&vectors.dense, place, || format!("passage {:?}'s", passage.id))?;
        let problem = match &vectors.bm25 {
            None if self.bm25 => "has no bm25 vector, and this collection has one for every passage".to_owned(),
            Some(_) if !self.bm25 => "has a bm25 vector, and this collection has none; index into a new one".to_owned(),
            None => return Ok(()),
            Some(words) => match words.problem() {
                None => return Ok(()),
                Some(problem) => format!("has a bm25 vector that {problem}"),
            },
        };
        Err(StoreError::Request { place: place.to_owned(), problem: format!("passage {:?} {problem}", passage.id) })
    }

    fn check_dense(self, dense: &[f32], place: &str, whose: impl FnOnce() -> String) -> Result<(), StoreError> {
        self.check_dimension(dense.len(), place)?;
        if dense.iter().all(|number| number.is_finite()) {
            return Ok(());
        }
        let problem = format!("{} vector holds a number that is not finite", whose());
        Err(StoreError::Request { place: place.to_owned(), problem })
    }

    pub(super) fn check_dimension(self, given: usize, place: &str) -> Result<(), StoreError> {
        let stored = self.dimension;
        if stored == given { Ok(()) } else { Err(StoreError::Dimension { place: place.to_owned(), stored, given }) }
    }
}
