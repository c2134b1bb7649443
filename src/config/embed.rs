//! The settings of the embedder.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{LEAVES_HOST, Privacy, SettingsError, key, request_fields};
use crate::{
    embed::{Precision, Provider},
    rewrite::is_local_url,
};

/// The embedder, local or behind an endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EmbedSettings {
    /// The model's folder; behind an endpoint, its name there.
    pub model: PathBuf,
    /// A linear head on the embeddings, as `asktwice adapt` writes it; empty: none.
    pub head: PathBuf,
    /// The endpoint's base URL; empty: the model runs here.
    pub url: String,
    /// The endpoint's API key, from the environment.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// A file that holds the endpoint's API key.
    pub api_key_file: PathBuf,
    /// The dimension of the vectors of the endpoint's model.
    pub dimension: usize,
    /// What is put before a question, behind an endpoint.
    pub query_prefix: String,
    /// What is put before a passage, behind an endpoint.
    pub passage_prefix: String,
    /// How many texts go into one request.
    pub batch: usize,
    timeout_ms: u64,
    parameters: Map<String, Value>,
    cache_mb: u64,
    /// ONNX Runtime's shared library; empty: search for it.
    pub library: PathBuf,
    /// What the model calculates with.
    pub precision: Precision,
    /// What the model calculates on.
    pub provider: Provider,
    /// How many threads may work at the same time; 0: one per core.
    pub threads: usize,
    /// How many texts are embedded at the same time when there are so many; 0: one per thread.
    pub workers: usize,
}

impl EmbedSettings {
    /// Refuses what contradicts itself.
    pub(super) fn check(&self, privacy: Privacy) -> Result<(), SettingsError> {
        if self.url.is_empty() {
            return Ok(());
        }
        if privacy == Privacy::Local && !is_local_url(&self.url) {
            return Err(SettingsError::value("embed.url", LEAVES_HOST));
        }
        if self.dimension == 0 {
            let problem = "embed.url is set, so the dimension of that model's vectors has to be said";
            return Err(SettingsError::value("embed.dimension", problem));
        }
        if self.batch == 0 {
            return Err(SettingsError::value("embed.batch", "at least one text has to go into a request"));
        }
        if self.timeout_ms == 0 {
            return Err(SettingsError::value("embed.timeout_ms", "no embedder answers in 0 ms"));
        }
        self.remote_model().map(drop)
    }

    /// The model's name at the endpoint.
    ///
    /// # Errors
    /// [`SettingsError`] if it was not set, so that it is still a folder.
    pub fn remote_model(&self) -> Result<String, SettingsError> {
        match self.model.to_str() {
            Some(name) if !name.starts_with('.') => Ok(name.to_owned()),
            _ => {
                let problem = "embed.url is set, so the model's name there has to be given, not a folder";
                Err(SettingsError::value("embed.model", problem))
            }
        }
    }

    /// How long one request to the endpoint may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Further fields of the request to the endpoint; null leaves one out.
    #[must_use]
    pub fn parameters(&self) -> Map<String, Value> {
        request_fields(&self.parameters)
    }

    /// How much memory the vectors of questions may take, in bytes; 0: none is kept.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        self.cache_mb.saturating_mul(1 << 20)
    }

    /// The endpoint's API key, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] if the key's file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, SettingsError> {
        key("embed.api_key_file", self.api_key.as_ref(), &self.api_key_file)
    }
}
