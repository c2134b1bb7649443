//! An embedder with a linear head. Where only questions are corrected, the collection and its identity stay the same; where
//! passages are, too, the head is part of what the collection checks.

use async_trait::async_trait;

use super::{EmbedError, Embedder, Embedding, Head, Identity, Role, Sides};

/// Corrects the embeddings of another embedder.
#[derive(Debug, Clone)]
pub struct AdaptedEmbedder<E> {
    inner: E,
    head: Head,
    identity: Identity,
}

impl<E: Embedder> AdaptedEmbedder<E> {
    /// Puts a head on an embedder; see [`Head::read`], which checks that they belong together.
    pub fn new(inner: E, head: Head) -> Self {
        let identity = head.identity(inner.identity());
        Self { inner, head, identity }
    }
}

#[async_trait]
impl<E: Embedder> Embedder for AdaptedEmbedder<E> {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let mut embedded = self.inner.embed(role, texts).await?;
        if role == Role::Query || self.head.sides() == Sides::Both {
            for embedding in &mut embedded {
                embedding.vector = self.head.apply(&embedding.vector);
            }
        }
        Ok(embedded)
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn leaves_host(&self) -> bool {
        self.inner.leaves_host()
    }
}
