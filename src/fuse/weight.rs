//! How much a rewrite counts, by what can be seen of it when the question is asked. A rewrite that kept to the question
//! counts almost as much as the question itself; one that strayed is heard, but cannot outvote it.

use std::{collections::HashSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::rewrite::RewriteKind;

/// What is known of a rewrite before fusing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signals {
    /// What the rewrite was to do.
    pub kind: RewriteKind,
    /// The cosine of the rewrite's and the question's embeddings; `None` if they were not both embedded.
    pub cosine: Option<f64>,
    /// How many of the question's words the rewrite kept, from 0 to 1: [`word_overlap`].
    pub overlap: f64,
    /// How much the rewrite's legs agree with the question's own, from 0 to 1:
    /// [`agreement_between`](super::agreement_between).
    pub agreement: f64,
    /// How many signs of straying the cleaner counted, such as a lost number, negation or name.
    pub strayed: usize,
}

/// How a rewrite gets its weight. In settings: `adaptive`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Weighting {
    /// Always the same, from 0 to 1.
    Fixed(f64),
    /// By the [`Signals`].
    #[default]
    Adaptive,
}

// The formula: weight = most(kind) · (FLOOR + (1 − FLOOR) · trust) · STRAYED^strayed, where trust is the mean of three
// signals, each from 0 to 1, by the shares below. It rises with each signal, falls with each sign of straying, and never
// exceeds the question's own weight of 1. The constants are a first choice, to be tuned on judged questions.

/// What a rewrite counts at least, of what its kind may: one that is weighed 0 cannot help any more.
const FLOOR: f64 = 0.25;
/// What each sign of straying leaves.
const STRAYED: f64 = 0.8;
/// The cosine at and below which a rewrite is no longer about the question, and the one at and above which it is.
const COSINE: (f64, f64) = (0.3, 0.9);
/// How much the cosine, the kept words and the agreement of the legs say. Not all need to be known.
const SHARES: (f64, f64, f64) = (0.4, 0.2, 0.4);

/// What a rewrite of this kind counts at most.
fn most(kind: RewriteKind) -> f64 {
    match kind {
        // They say the same in other words, or what was meant.
        RewriteKind::Paraphrase | RewriteKind::Multi | RewriteKind::Keywords | RewriteKind::Condense => 1.0,
        // They say something else on purpose: a guess at the answer, the question behind it, a part of it.
        _ => 0.75,
    }
}

impl Weighting {
    /// A rewrite's weight, from 0 to 1; 1 is the question's own.
    #[must_use]
    pub fn weight(&self, signals: &Signals) -> f64 {
        match self {
            Self::Fixed(weight) => within(*weight),
            Self::Adaptive => {
                // A hundred signs of straying say no more than fifty.
                let strayed = STRAYED.powi(i32::try_from(signals.strayed).unwrap_or(i32::MAX));
                most(signals.kind) * (FLOOR + (1.0 - FLOOR) * trust(signals)) * strayed
            }
        }
    }
}

/// How much speaks for the rewrite, from 0 to 1.
fn trust(signals: &Signals) -> f64 {
    let (low, high) = COSINE;
    let known = [
        (signals.cosine.map(|cosine| (cosine - low) / (high - low)), SHARES.0),
        (Some(signals.overlap), SHARES.1),
        (Some(signals.agreement), SHARES.2),
    ];
    let known = known.into_iter().filter_map(|(signal, share)| Some((within(signal?), share)));
    let (sum, shares) = known.fold((0.0, 0.0), |(sum, all), (signal, share)| (sum + signal * share, all + share));
    sum / shares
}

/// The nearest number from 0 to 1; what is no number is 0.
fn within(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

/// The share of the question's different words that the rewrite has, too, upper and lower case alike. Of a question
/// without words nothing is lost: 1.
#[must_use]
pub fn word_overlap(question: &str, rewrite: &str) -> f64 {
    let (asked, rewritten) = (words(question), words(rewrite));
    if asked.is_empty() {
        1.0
    } else {
        super::number(asked.intersection(&rewritten).count()) / super::number(asked.len())
    }
}

fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Why a text says no weighting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} says no weight; use adaptive, or a number from 0 to 1")]
pub struct UnknownWeighting {
    text: String,
}

impl FromStr for Weighting {
    type Err = UnknownWeighting;

    /// Reads `adaptive` or a number from 0 to 1.
    fn from_str(text: &str) -> Result<Self, UnknownWeighting> {
        if text == "adaptive" {
            return Ok(Self::Adaptive);
        }
        let weight = text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight));
        weight.map(Self::Fixed).ok_or_else(|| UnknownWeighting { text: text.to_owned() })
    }
}

impl fmt::Display for Weighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(weight) => weight.fmt(f),
            Self::Adaptive => f.write_str("adaptive"),
        }
    }
}

/// As a number, where it is one.
impl Serialize for Weighting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(weight) => serializer.serialize_f64(*weight),
            Self::Adaptive => serializer.collect_str(self),
        }
    }
}

/// From a number or a text.
impl<'de> Deserialize<'de> for Weighting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(weight) => weight.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}
