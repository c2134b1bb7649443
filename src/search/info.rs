//! What is known about a collection, and who may use it.

use std::collections::BTreeMap;

use super::{PayloadKind, Quantization, StoreError};
use crate::embed::Identity;

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
    /// What made the vectors of the channel `bm25`, as [`SparseEncoder::identity`](crate::embed::SparseEncoder::identity)
    /// names it, or, in an adopted collection, where they are; `None` if that channel cannot be searched. See
    /// [`CollectionInfo::accepts_bm25`].
    pub bm25: Option<String>,
    /// The payload fields that are indexed, and as what; those of kinds that asktwice does not build are left out.
    pub payload_indexes: BTreeMap<String, PayloadKind>,
    /// How its dense vectors are compressed.
    pub quantization: Quantization,
    /// How many of its vectors the approximate index (HNSW) covers; searches compare with every other one. The embedded
    /// engine builds it, and scalar quantisation with it, in
    /// [`optimize`](crate::VectorStoreWriter::optimize); a server counts the vectors of all channels.
    pub indexed_vectors: u64,
}

impl CollectionInfo {
    /// Describes a collection.
    pub fn new(place: impl Into<String>, passages: u64, dimension: usize, identity: Option<Identity>) -> Self {
        let bm25 = identity.as_ref().and_then(|identity| identity.bm25.clone());
        Self {
            place: place.into(),
            passages,
            dimension,
            identity,
            bm25,
            payload_indexes: BTreeMap::new(),
            quantization: Quantization::None,
            indexed_vectors: 0,
        }
    }

    /// Sets which payload fields are indexed.
    #[must_use]
    pub fn with_payload_indexes(mut self, indexes: BTreeMap<String, PayloadKind>) -> Self {
        self.payload_indexes = indexes;
        self
    }

    /// Sets how its dense vectors are compressed, and how many of them the approximate index covers.
    #[must_use]
    pub fn with_index(mut self, quantization: Quantization, indexed_vectors: u64) -> Self {
        self.quantization = quantization;
        self.indexed_vectors = indexed_vectors;
        self
    }

    /// Checks that an embedder's vectors may be searched with here.
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

    /// Whether the channel `bm25` may be searched with the vectors of an encoder of this identity; `false` if there is
    /// no such channel, so that only dense legs remain. An adopted collection does not record what filled it: there the
    /// word of whoever named its sparse vector counts.
    ///
    /// # Errors
    /// [`StoreError::Identity`] if another encoder filled it, one for another language for example.
    pub fn accepts_bm25(&self, encoder: &str) -> Result<bool, StoreError> {
        let reader = |stored: &Identity| stored.clone().with_bm25(encoder);
        let difference = self.identity.as_ref().and_then(|stored| stored.bm25_difference(&reader(stored)));
        match difference {
            Some(difference) if self.bm25.is_some() => {
                Err(StoreError::Identity { place: self.place.clone(), difference })
            }
            _ => Ok(self.bm25.is_some()),
        }
    }
}

/// Checks that who writes is who filled the collection, in every channel.
pub(super) fn check_writer(stored: &Identity, writer: &Identity, place: &str) -> Result<(), StoreError> {
    match stored.difference(writer).or_else(|| stored.bm25_difference(writer)) {
        Some(difference) => Err(StoreError::Identity { place: place.to_owned(), difference }),
        None => Ok(()),
    }
}

/// Checks that who writes wants the vectors compressed as they are.
#[cfg(any(feature = "edge", feature = "qdrant"))]
pub(super) fn check_quantization(stored: Quantization, wanted: Quantization, place: &str) -> Result<(), StoreError> {
    if stored == wanted { Ok(()) } else { Err(StoreError::Quantization { place: place.to_owned(), stored, wanted }) }
}
