//! How commands reach a sidecar.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::{SettingsError, key};

/// How commands reach a sidecar.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The key, from the environment.
    #[serde(default)]
    pub key: Option<SecretString>,
    /// A file that holds the key.
    pub key_file: PathBuf,
}

impl ClientSettings {
    /// The key, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] if the key's file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, SettingsError> {
        key("client.key_file", self.key.as_ref(), &self.key_file)
    }
}
