//! Settings of the reranker.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{LEAVES_HOST, Privacy, SettingsError};
use crate::rewrite::is_local_url;

/// Who reads the best fused passages once more.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RerankSettings {
    /// The endpoint's base URL; empty: none.
    pub url: String,
    /// The model's name there; empty: a server of text-embeddings-inference.
    pub model: String,
    /// The endpoint's API key, from the environment.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// A file that holds the endpoint's API key.
    pub api_key_file: PathBuf,
    /// A local cross-encoder's folder; empty: none.
    pub folder: PathBuf,
    /// How many of the best fused passages are reranked.
    pub depth: usize,
    deadline_ms: u64,
}

impl RerankSettings {
    /// How long reranking may hold up the answer.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// The endpoint's API key, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] if the key's file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, SettingsError> {
        super::key("rerank.api_key_file", self.api_key.as_ref(), &self.api_key_file)
    }

    /// Refuses what contradicts itself.
    pub(super) fn check(&self, privacy: Privacy) -> Result<(), SettingsError> {
        if privacy == Privacy::Local && !self.url.is_empty() && !is_local_url(&self.url) {
            return Err(SettingsError::value("rerank.url", LEAVES_HOST));
        }
        if !self.url.is_empty() && !self.folder.as_os_str().is_empty() {
            return Err(SettingsError::value("rerank.folder", "rerank.url is set too; there is one reranker"));
        }
        if self.url.is_empty() && !self.model.is_empty() {
            let problem =
                "names a reranker's model, but rerank.url does not say where it is (a local one is rerank.folder)";
            return Err(SettingsError::value("rerank.model", problem));
        }
        if self.depth == 0 {
            return Err(SettingsError::value("rerank.depth", "at least one passage has to be reranked"));
        }
        if self.deadline_ms == 0 {
            return Err(SettingsError::value("rerank.deadline_ms", "no reranker answers in 0 ms"));
        }
        Ok(())
    }
}
