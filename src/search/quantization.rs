//! How a collection's dense vectors are compressed, and how exact a search among them is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a collection's dense vectors are compressed for searching; it is chosen when the collection is made. The vectors
/// themselves stay on disk: rescoring and everything that reads vectors back takes those. `docs/quantization.md` has what
/// each costs and saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Quantization {
    /// Not at all: 4 bytes a dimension, in memory.
    #[default]
    None,
    /// To 1 byte a dimension (int8), each between the least and the largest of the collection's numbers.
    Scalar,
    /// To 1 bit a dimension, its sign.
    Binary,
    /// In another way, which a server knows and asktwice does not choose; only an adopted collection has it.
    Other,
}

/// Why a name is not a quantisation's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantisation; use none, scalar or binary")]
pub struct UnknownQuantization(String);

impl Quantization {
    /// The name of each that can be chosen.
    const NAMED: [(Self, &'static str); 3] = [(Self::None, "none"), (Self::Scalar, "scalar"), (Self::Binary, "binary")];
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMED.iter().find(|(own, _)| own == self).map_or("other", |(_, name)| name))
    }
}

impl FromStr for Quantization {
    type Err = UnknownQuantization;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::NAMED.iter().find(|(_, own)| *own == name).map(|(value, _)| *value);
        known.ok_or_else(|| UnknownQuantization(name.to_owned()))
    }
}

/// How exact a dense search is, at which price. Of no effect where nothing approximate was built, and on other channels.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SearchParams {
    /// Compare with every vector as it is, whatever index or quantisation there is.
    pub exact: bool,
    /// Among quantised vectors: compare what was found once more with the vectors as they are, so that the order and the
    /// scores among what was found are the exact ones.
    pub rescore: bool,
    /// Among quantised vectors: how many times the depth is looked for before rescoring, at least 1.
    pub oversampling: f64,
}

impl Default for SearchParams {
    /// Rescored, of three times the depth.
    fn default() -> Self {
        Self { exact: false, rescore: true, oversampling: 3.0 }
    }
}

impl SearchParams {
    /// A search that compares with every vector as it is.
    #[must_use]
    pub fn exact() -> Self {
        Self { exact: true, ..Self::default() }
    }

    /// Sets whether, and of how many times the depth, what is found among quantised vectors is rescored.
    #[must_use]
    pub fn with_rescoring(mut self, rescore: bool, oversampling: f64) -> Self {
        self.rescore = rescore;
        self.oversampling = if oversampling.is_finite() { oversampling.max(1.0) } else { 1.0 };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_printed() {
        for (quantization, name) in Quantization::NAMED {
            assert_eq!((name.parse(), quantization.to_string()), (Ok(quantization), name.to_owned()));
        }
        assert_eq!(
            "int4".parse::<Quantization>().unwrap_err().to_string(),
            "\"int4\" is not a quantisation; use none, scalar or binary"
        );
        assert!("other".parse::<Quantization>().is_err(), "nobody can choose it");
    }

    #[test]
    fn no_less_is_looked_for_than_asked() {
        for given in [0.5, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(SearchParams::default().with_rescoring(true, given).oversampling, 1.0);
        }
    }
}
