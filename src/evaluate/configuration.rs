//! What is compared: ways to search and to fuse, each under a name.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::DEFAULT_DEPTH;
use crate::{
    fuse::{Fuse, Fusion, Weighting},
    options::Legs,
};

/// A way to search and to fuse, under a name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Configuration {
    /// The name, for the results.
    pub name: String,
    /// How the rankings become one.
    pub fusion: Arc<dyn Fuse>,
    /// How much each rewrite counts; the question as asked counts 1.
    pub weighting: Weighting,
    /// Which channels are searched.
    pub legs: Legs,
    /// How deep each leg searches; at most as deep as was searched.
    pub depth: usize,
}

impl Configuration {
    /// A fusion over all channels, with weights by what can be seen of a rewrite, [`DEFAULT_DEPTH`] deep.
    pub fn new(name: impl Into<String>, fusion: impl Fuse + 'static) -> Self {
        Self {
            name: name.into(),
            fusion: Arc::new(fusion),
            weighting: Weighting::default(),
            legs: Legs::default(),
            depth: DEFAULT_DEPTH,
        }
    }

    /// Sets how much each rewrite counts.
    #[must_use]
    pub fn with_weighting(mut self, weighting: Weighting) -> Self {
        self.weighting = weighting;
        self
    }

    /// Sets which channels are searched.
    #[must_use]
    pub fn with_legs(mut self, legs: Legs) -> Self {
        self.legs = legs;
        self
    }

    /// Sets how deep each leg searches.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }
}

/// A configuration that settings can say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// How the rankings become one.
    pub fusion: Fusion,
    /// How much each rewrite counts.
    pub weight: Weighting,
    /// Which channels are searched.
    pub legs: Legs,
    /// How deep each leg searches.
    pub depth: usize,
}

impl Choice {
    /// This choice under a name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Configuration {
        Configuration::new(name, self.fusion).with_weighting(self.weight).with_legs(self.legs).with_depth(self.depth)
    }

    /// This choice, changed where a text says so: `fusion:rrf:10,weight:0.5,legs:dense,depth:50`, each part at most once
    /// and any left out.
    ///
    /// # Errors
    /// [`ChoiceError`] says which part cannot be read.
    pub fn changed(mut self, text: &str) -> Result<Self, ChoiceError> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let error = |problem: String| ChoiceError { part: part.to_owned(), problem };
            let (key, value) = part.split_once([':', '=']).unwrap_or((part, ""));
            match key.trim() {
                "fusion" => self.fusion = read(value).map_err(error)?,
                "weight" => self.weight = read(value).map_err(error)?,
                "legs" => self.legs = read(value).map_err(error)?,
                "depth" => self.depth = read(value).map_err(error)?,
                _ => return Err(error("is none of fusion:…, weight:…, legs:… and depth:…".to_owned())),
            }
        }
        if self.depth == 0 {
            return Err(ChoiceError { part: "depth".to_owned(), problem: "has to be at least 1".to_owned() });
        }
        Ok(self)
    }
}

fn read<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|error: T::Err| error.to_string())
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fusion, weight, legs, depth } = self;
        write!(f, "fusion:{fusion},weight:{weight},legs:{legs},depth:{depth}")
    }
}

/// Why a text is not a configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the configuration's part {part:?} cannot be read: {problem}")]
pub struct ChoiceError {
    part: String,
    problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Choice =
        Choice { fusion: Fusion::Rrf { k: 60.0 }, weight: Weighting::Adaptive, legs: Legs::Hybrid, depth: 100 };

    #[test]
    fn what_is_printed_can_be_read_back() {
        let changed = DEFAULT.changed("fusion:rrf:10, weight:0.5,legs=dense").unwrap();
        assert_eq!(changed.to_string(), "fusion:rrf:10,weight:0.5,legs:dense,depth:100");
        assert_eq!(DEFAULT.changed(&changed.to_string()), Ok(changed));
        assert_eq!(DEFAULT.changed(""), Ok(DEFAULT));
    }

    #[test]
    fn errors_name_the_part() {
        for part in ["fusion:best", "weight:2", "legs:all", "depth:0", "depth:-1", "k:10", "rrf"] {
            let error = DEFAULT.changed(part).unwrap_err().to_string();
            assert!(error.contains(part.split(':').next().unwrap()), "{error}");
        }
    }
}
