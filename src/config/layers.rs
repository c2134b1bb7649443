//! The layers of settings, put over each other: to be used, or to be shown.

use std::{collections::HashMap, path::Path};

use config::{Config, Environment, File, FileFormat};
use serde_json::Value;

use super::{Settings, SettingsError, shown};

impl Settings {
    /// All layers as one table, to be shown: what could be a secret is replaced by asterisks.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn effective(
        file: Option<&Path>,
        environment: HashMap<String, String>,
        flags: &[String],
    ) -> Result<Value, SettingsError> {
        let mut settings: Value = merge(file, environment, flags)?.try_deserialize()?;
        shown::redact(&mut settings);
        Ok(settings)
    }
}

/// Puts the layers over each other.
pub(super) fn merge(
    file: Option<&Path>,
    environment: HashMap<String, String>,
    flags: &[String],
) -> Result<Config, SettingsError> {
    let environment =
        Environment::with_prefix("ASKTWICE").prefix_separator("__").separator("__").source(Some(environment));
    let mut builder =
        Config::builder().add_source(File::from_str(include_str!("../../config/default.toml"), FileFormat::Toml));
    if let Some(file) = file {
        builder = builder.add_source(File::from(file).format(FileFormat::Toml));
    }
    builder = builder.add_source(environment);
    for flag in flags {
        let (key, value) = flag.split_once('=').ok_or_else(|| SettingsError::Flag { given: flag.clone() })?;
        builder = builder.set_override(key.trim(), value)?;
    }
    Ok(builder.build()?)
}
