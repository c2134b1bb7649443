//! An embedder that needs no model: words are hashed into a small vector, so texts that share words are close.

use asktwice::embed::{EmbedError, Embedder, Embedding, Identity, Role};
use async_trait::async_trait;

/// The dimension of its vectors.
const DIMENSION: usize = 64;

#[derive(Debug)]
pub struct HashEmbedder {
    identity: Identity,
}

impl HashEmbedder {
    pub fn new() -> Self {
        Self { identity: Identity::new("hash", "words hashed into 64 dimensions", DIMENSION) }
    }
}

/// FNV-1a: the same on every machine and in every version, unlike the standard library's hash.
fn hash(word: &str) -> usize {
    let hash = word
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash % DIMENSION as u64) as usize
}

pub fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        vector[hash(word)] += 1.0;
    }
    vector
}

#[async_trait]
impl Embedder for HashEmbedder {
    async fn embed(&self, _role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        Ok(texts.iter().map(|text| Embedding::new(vector(text), text.split_whitespace().count())).collect())
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}
