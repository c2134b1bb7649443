//! What a program of a benchmark was given as `KEY=VALUE`, on all sides alike.

use std::{collections::HashMap, fmt::Debug, fs, str::FromStr};

pub(crate) struct Settings(HashMap<String, String>);

impl Settings {
    pub(crate) fn parse(given: &[String]) -> Self {
        let pair = |argument: &String| {
            let (key, value) = argument.split_once('=').expect("KEY=VALUE");
            (key.to_owned(), value.to_owned())
        };
        Self(given.iter().map(pair).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_else(|| panic!("{key}=… is missing"))
    }

    pub(crate) fn number<N: FromStr<Err: Debug>>(&self, key: &str) -> Option<N> {
        self.get(key).map(|value| value.parse().expect(key))
    }

    /// A file with a list of texts.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let file = fs::read_to_string(self.text(key)).expect(key);
        serde_json::from_str(&file).expect(key)
    }
}
