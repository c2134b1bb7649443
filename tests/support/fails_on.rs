//! An embedder that fails on some texts.

use asktwice::{
    EmbedError, Embedder,
    embed::{Embedding, Identity, Role},
};
use async_trait::async_trait;

use super::embedder::HashEmbedder;

/// Fails on texts that hold a word; on none if the word is empty.
#[derive(Debug)]
pub struct FailsOn(pub &'static str, pub HashEmbedder);

#[async_trait]
impl Embedder for FailsOn {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        if !self.0.is_empty() && texts.iter().any(|text| text.contains(self.0)) {
            return Err(EmbedError::Overloaded { waiting: 7 });
        }
        self.1.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.1.identity()
    }
}
