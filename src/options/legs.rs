//! Which legs are searched, how deep, and what they count.

use serde::{Deserialize, Serialize};

use crate::{retrieval::Origin, search::Channel};

/// Which channels are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Legs {
    /// Embeddings only.
    Dense,
    /// Words only.
    Bm25,
    /// Both. In a collection that holds embeddings only, those.
    #[default]
    Hybrid,
}

impl Legs {
    /// Whether a channel is among them.
    #[must_use]
    pub fn include(self, channel: Channel) -> bool {
        match self {
            Self::Dense => channel == Channel::Dense,
            Self::Bm25 => channel == Channel::Bm25,
            Self::Hybrid => true,
        }
    }
}

/// Why a name is not one of legs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name:?} does not name legs; use dense, bm25 or hybrid")]
pub struct UnknownLegs {
    name: String,
}

impl std::str::FromStr for Legs {
    type Err = UnknownLegs;

    fn from_str(name: &str) -> Result<Self, UnknownLegs> {
        match name {
            "dense" => Ok(Self::Dense),
            "bm25" => Ok(Self::Bm25),
            "hybrid" => Ok(Self::Hybrid),
            _ => Err(UnknownLegs { name: name.to_owned() }),
        }
    }
}

impl std::fmt::Display for Legs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Bm25 => "bm25",
            Self::Hybrid => "hybrid",
        })
    }
}

/// How much a channel's legs count in the fusion, beside the weight of their variant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelWeights {
    /// What dense legs count.
    pub dense: f64,
    /// What lexical legs count.
    pub bm25: f64,
}

impl Default for ChannelWeights {
    /// Both count 1.
    fn default() -> Self {
        Self { dense: 1.0, bm25: 1.0 }
    }
}

impl ChannelWeights {
    /// What a channel's legs count.
    #[must_use]
    pub fn of(self, channel: Channel) -> f64 {
        match channel {
            Channel::Dense => self.dense,
            Channel::Bm25 => self.bm25,
        }
    }
}

/// How deep single legs search where that is not what is said for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Depths {
    /// The dense legs.
    pub dense: Option<usize>,
    /// The lexical legs.
    pub bm25: Option<usize>,
    /// The legs of rewrites, whatever their channel.
    pub rewrite: Option<usize>,
}

impl Depths {
    /// How deep a leg searches; `usual` where nothing else is said.
    #[must_use]
    pub fn of(self, origin: Origin, channel: Channel, usual: usize) -> usize {
        let of_channel = match channel {
            Channel::Dense => self.dense,
            Channel::Bm25 => self.bm25,
        };
        self.rewrite.filter(|_| origin == Origin::Rewrite).or(of_channel).unwrap_or(usual)
    }

    /// The deepest that any leg searches; `usual` is what legs search that are not named.
    #[must_use]
    pub fn deepest(self, usual: usize) -> usize {
        [self.dense, self.bm25, self.rewrite].into_iter().flatten().fold(usual, usize::max)
    }

    /// Says which of them finds nothing.
    pub(crate) fn problem(self) -> Option<&'static str> {
        let named = [("dense_depth", self.dense), ("bm25_depth", self.bm25), ("rewrite_depth", self.rewrite)];
        named.into_iter().find(|(_, depth)| *depth == Some(0)).map(|(name, _)| name)
    }
}
