//! The lexical side of step 2: text becomes sparse vectors of its words, for the channel `bm25`.

use std::{fmt::Debug, sync::Arc};

use super::Role;
use crate::search::SparseVector;

/// Turns a text into the sparse vector of its words. Quick, so that it is not asynchronous: a question takes
/// microseconds.
pub trait SparseEncoder: Debug + Send + Sync {
    /// Encodes a text; a text without a word that counts gives an empty vector.
    fn encode(&self, role: Role, text: &str) -> SparseVector;

    /// What made the vectors, as a collection remembers it; anything that changes whenever passages' vectors would.
    fn identity(&self) -> &str;
}

impl<E: SparseEncoder + ?Sized> SparseEncoder for Arc<E> {
    fn encode(&self, role: Role, text: &str) -> SparseVector {
        (**self).encode(role, text)
    }

    fn identity(&self) -> &str {
        (**self).identity()
    }
}

#[cfg(feature = "edge")]
pub use bm25::{Bm25, UnknownLanguage};

#[cfg(feature = "edge")]
mod bm25 {
    use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};

    use super::{Role, SparseEncoder, SparseVector};

    /// Qdrant's own BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009): the
    /// same vectors for the embedded engine and for a server. k = 1.2, b = 0.75, an average length of 256 words; the
    /// rarity of words (IDF) is weighed in by the store that searches.
    #[derive(Debug)]
    pub struct Bm25 {
        model: EdgeBm25,
        identity: String,
    }

    /// Why a language cannot be used.
    #[derive(Debug, thiserror::Error, PartialEq, Eq)]
    #[error("{language:?} is not a language that BM25 knows; use its English name, such as english or german")]
    pub struct UnknownLanguage {
        language: String,
    }

    impl Bm25 {
        /// For texts in a language, which decides how words are stemmed and which are too common to count.
        ///
        /// ```
        /// # use asktwice::embed::{Bm25, Role, SparseEncoder};
        /// let bm25 = Bm25::new("english")?;
        /// assert_eq!(bm25.encode(Role::Query, "the houses").indices, bm25.encode(Role::Query, "house").indices);
        /// # Ok::<(), asktwice::embed::UnknownLanguage>(())
        /// ```
        ///
        /// # Errors
        /// [`UnknownLanguage`] if it is not one that Qdrant knows.
        pub fn new(language: &str) -> Result<Self, UnknownLanguage> {
            let language = language.trim().to_lowercase();
            let config = EdgeBm25Config { language: Some(language.clone()), ..EdgeBm25Config::default() };
            let identity = format!("qdrant/bm25 {language} k={} b={} avg_len={}", config.k, config.b, config.avg_len);
            let model = EdgeBm25::new(config).map_err(|_| UnknownLanguage { language })?;
            Ok(Self { model, identity })
        }
    }

    impl SparseEncoder for Bm25 {
        fn encode(&self, role: Role, text: &str) -> SparseVector {
            let vector = match role {
                Role::Query => self.model.embed_query(text),
                Role::Passage => self.model.embed_document(text),
            };
            SparseVector { indices: vector.indices, values: vector.values }
        }

        fn identity(&self) -> &str {
            &self.identity
        }
    }
}
