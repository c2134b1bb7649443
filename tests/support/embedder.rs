//! An embedder without a model: texts that share words have similar vectors.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicUsize, Ordering},
};

use asktwice::embed::{EmbedError, Embedder, Embedding, Identity, Role};
use async_trait::async_trait;

const DIMENSION: usize = 64;

/// A hashed bag of words; counts how many calls and texts it got.
#[derive(Debug)]
pub struct HashEmbedder {
    identity: Identity,
    pub calls: AtomicUsize,
    pub texts: AtomicUsize,
}

impl HashEmbedder {
    pub fn new() -> Self {
        let identity = Identity::new("hash", "hash-1", DIMENSION);
        Self { identity, calls: AtomicUsize::new(0), texts: AtomicUsize::new(0) }
    }

    /// How many texts were embedded so far.
    pub fn embedded(&self) -> usize {
        self.texts.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Embedder for HashEmbedder {
    async fn embed(&self, _role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.texts.fetch_add(texts.len(), Ordering::SeqCst);
        Ok(texts.iter().map(|text| Embedding::new(vector(text), words(text).count())).collect())
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// The vector of a text: how often each word, hashed, occurs.
pub fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    for word in words(text) {
        let mut hasher = DefaultHasher::new();
        word.to_lowercase().hash(&mut hasher);
        vector[(hasher.finish() % DIMENSION as u64) as usize] += 1.0;
    }
    vector
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}
