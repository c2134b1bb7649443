//! Why a store could not answer.

use std::time::Duration;

use super::Quantization;
use crate::error::ErrorKind;

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
        "{place} was filled with another passage side: {difference}; index into a new collection, or use what filled it"
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
    /// The collection's vectors are compressed in another way than its writer wants.
    #[error(
        "{place} was made with store.quantization = \"{stored}\", and now it is \"{wanted}\"; set it to \"{stored}\", or \
         index into a new collection: vectors are compressed when they are written"
    )]
    Quantization {
        /// Which collection.
        place: String,
        /// How they are compressed.
        stored: Quantization,
        /// How they should be.
        wanted: Quantization,
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
            | Self::Quantization { .. }
            | Self::Unusable { .. }
            | Self::Key { .. } => ErrorKind::Setup,
            Self::Locked { .. } | Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Timeout { .. } => ErrorKind::Deadline,
        }
    }
}
