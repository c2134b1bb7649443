//! A cache of question embeddings: exact, bounded, and asked once for questions that come at the same time. Questions
//! repeat, in a chat and across users; passages do not, so they pass through.

use std::sync::Arc;

use async_trait::async_trait;
use moka::future::Cache;

use super::{EmbedError, Embedder, Embedding, Identity, Role};

/// What an entry costs beside its text and its vector, in bytes: the cache's own bookkeeping, about.
const OVERHEAD: u64 = 200;
/// How many entries there may be at the most, however small they are.
const MOST_ENTRIES: u64 = 100_000;

/// Remembers the vectors of questions. Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct CachedEmbedder<E> {
    inner: E,
    cache: Cache<Arc<str>, Arc<Embedding>>,
}

impl<E: Embedder> CachedEmbedder<E> {
    /// A cache of at most this many bytes, and 100,000 questions, before an embedder. It starts empty, and what was used
    /// least, longest ago goes first.
    pub fn new(inner: E, bytes: u64) -> Self {
        // One bound serves for both: no entry counts less than its share of the bytes.
        let least = u32::try_from(bytes.div_ceil(MOST_ENTRIES)).unwrap_or(u32::MAX);
        let weigh = move |text: &Arc<str>, embedding: &Arc<Embedding>| {
            let vector = embedding.vector.len() as u64 * 4;
            u32::try_from(text.len() as u64 + vector + OVERHEAD).unwrap_or(u32::MAX).max(least)
        };
        Self { inner, cache: Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// One question: whoever asks the same at the same time waits for the one who came first.
    async fn one(&self, text: Arc<str>) -> Result<Embedding, EmbedError> {
        if let Some(embedding) = self.cache.get(&text).await {
            metrics::counter!("asktwice_embed_cache_hits_total").increment(1);
            return Ok((*embedding).clone());
        }
        metrics::counter!("asktwice_embed_cache_misses_total").increment(1);
        let asked = self.cache.try_get_with(Arc::clone(&text), async {
            let embeddings = self.inner.embed(Role::Query, vec![text.to_string()]).await?;
            embeddings.into_iter().next().map(Arc::new).ok_or_else(nothing)
        });
        asked.await.map(|embedding| (*embedding).clone()).map_err(|error| (*error).clone())
    }

    /// Several questions: what is not remembered is asked for in one go, as the inner embedder likes it best.
    async fn several(&self, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let mut found = Vec::with_capacity(texts.len());
        let mut missing = vec![];
        for text in &texts {
            let embedding = self.cache.get(text.as_str()).await;
            if embedding.is_none() {
                missing.push(text.clone());
            }
            found.push(embedding);
        }
        metrics::counter!("asktwice_embed_cache_hits_total").increment((texts.len() - missing.len()) as u64);
        metrics::counter!("asktwice_embed_cache_misses_total").increment(missing.len() as u64);
        let asked = if missing.is_empty() { vec![] } else { self.inner.embed(Role::Query, missing).await? };
        let mut asked = asked.into_iter();
        let mut embeddings = Vec::with_capacity(texts.len());
        for (text, found) in texts.into_iter().zip(found) {
            if let Some(found) = found {
                embeddings.push((*found).clone());
                continue;
            }
            let embedding = asked.next().ok_or_else(nothing)?;
            self.cache.insert(text.into(), Arc::new(embedding.clone())).await;
            embeddings.push(embedding);
        }
        Ok(embeddings)
    }
}

fn nothing() -> EmbedError {
    EmbedError::inference("it gave no vector")
}

#[async_trait]
impl<E: Embedder> Embedder for CachedEmbedder<E> {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        match (role, texts.as_slice()) {
            (Role::Passage, _) => self.inner.embed(role, texts).await,
            (Role::Query, [text]) => Ok(vec![self.one(text.as_str().into()).await?]),
            (Role::Query, _) => self.several(texts).await,
        }
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    fn leaves_host(&self) -> bool {
        self.inner.leaves_host()
    }
}
