//! Somebody who may ask.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{names, refuse};
use crate::{
    error::Error,
    search::{Filter, FilterError},
};

/// The shortest key that is accepted, in bytes.
const SHORTEST_KEY: usize = 16;

/// Somebody who may ask.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantSettings {
    /// A key, from the environment.
    pub key: Option<SecretString>,
    /// A file of keys, one in a line; the old and the new one while they are changed.
    pub key_file: PathBuf,
    /// The collections that may be asked; empty: all.
    #[serde(deserialize_with = "names")]
    pub collections: Vec<String>,
    /// What alone may be found, as JSON; empty: everything.
    pub filter: String,
    /// Whether passages may be written and deleted.
    pub write: bool,
    /// How many requests a minute; 0: any number.
    pub requests_per_minute: u32,
    /// How many questions a minute are rewritten; 0: any number.
    pub rewrites_per_minute: u32,
    /// Whether the questions may leave this host, to be rewritten.
    pub local_only: bool,
}

impl TenantSettings {
    /// What alone may be found.
    ///
    /// # Errors
    /// [`FilterError`] if the text is not a filter.
    pub fn filter(&self) -> Result<Option<Filter>, FilterError> {
        if self.filter.is_empty() { Ok(None) } else { self.filter.parse().map(Some) }
    }

    /// All keys, from the setting and from the file; white space around one does not count.
    ///
    /// # Errors
    /// [`Error::Settings`] if the file cannot be read or holds none. The text of a key is never part of it.
    pub fn keys(&self) -> Result<Vec<SecretString>, Error> {
        let mut keys: Vec<SecretString> = self.key.iter().map(|key| key.expose_secret().trim().into()).collect();
        if !self.key_file.as_os_str().is_empty() {
            let place = self.key_file.display();
            let text = std::fs::read_to_string(&self.key_file).map(SecretString::from);
            let text = text.map_err(|error| Error::Settings {
                setting: "key_file".to_owned(),
                problem: format!("{place} cannot be read: {error}"),
            })?;
            keys.extend(text.expose_secret().lines().map(|line| SecretString::from(line.trim())));
        }
        keys.retain(|key| !key.expose_secret().is_empty());
        match keys.iter().find(|key| key.expose_secret().len() < SHORTEST_KEY) {
            Some(_) => {
                refuse("key", format!("it is shorter than {SHORTEST_KEY} characters, so that it can be guessed"))
            }
            None if keys.is_empty() => refuse("key", "there is none: the setting and the file are empty"),
            None => Ok(keys),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_both_places_and_short_ones_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "  first-key-of-file \n\nsecond-key-of-file\r\n").unwrap();
        let mut tenant = TenantSettings { key_file: file.path().into(), ..TenantSettings::default() };
        tenant.key = Some("the-key-of-the-setting\n".into());
        let keys: Vec<_> = tenant.keys().unwrap().iter().map(|key| key.expose_secret().to_owned()).collect();
        assert_eq!(keys, ["the-key-of-the-setting", "first-key-of-file", "second-key-of-file"]);
        assert!(!format!("{tenant:?}").contains("the-key"));
        std::fs::write(file.path(), "canary").unwrap();
        let error = tenant.keys().unwrap_err().to_string();
        assert!(error.contains("shorter") && !error.contains("canary"), "{error}");
    }
}
