//! An embedder with a linear head: questions are corrected, passages are left as they are, so that the collection and
//! its identity stay the same.

use async_trait::async_trait;

use super::{EmbedError, Embedder, Embedding, Head, Identity, Role};

/// Corrects the question embeddings of another embedder.
#[derive(Debug, Clone)]
pub struct AdaptedEmbedder<E> {
    inner: E,
    head: Head,
}

impl<E: Embedder> AdaptedEmbedder<E> {
    /// Puts a head on an embedder; see [`Head::read`], which checks that they belong together.
    pub fn new(inner: E, head: Head) -> Self {
        Self { inner, head }
    }
}

#[async_trait]
impl<E: Embedder> Embedder for AdaptedEmbedder<E> {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let mut embedded = self.inner.embed(role, texts).await?;
        if role == Role::Query {
            for embedding in &mut embedded {
                embedding.vector = self.head.apply(&embedding.vector);
            }
        }
        Ok(embedded)
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    fn leaves_host(&self) -> bool {
        self.inner.leaves_host()
    }
}
