//! What is compared: ways to search and to fuse, each under a name.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::DEFAULT_DEPTH;
use crate::{
    fuse::{Fuse, Fusion, Weighting},
    options::{ChannelWeights, Depths, Legs},
    retrieval::Origin,
    search::Channel,
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
    /// What the legs of each channel count, beside the weight of their variant.
    pub channels: ChannelWeights,
    /// How deep each leg searches; at most as deep as was searched.
    pub depth: usize,
    /// Which legs search otherwise.
    pub depths: Depths,
}

impl Configuration {
    /// A fusion over all channels, with weights by what can be seen of a rewrite, [`DEFAULT_DEPTH`] deep.
    pub fn new(name: impl Into<String>, fusion: impl Fuse + 'static) -> Self {
        Self {
            name: name.into(),
            fusion: Arc::new(fusion),
            weighting: Weighting::default(),
            legs: Legs::default(),
            channels: ChannelWeights::default(),
            depth: DEFAULT_DEPTH,
            depths: Depths::default(),
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

    /// Sets what the legs of each channel count, beside the weight of their variant.
    #[must_use]
    pub fn with_channel_weights(mut self, channels: ChannelWeights) -> Self {
        self.channels = channels;
        self
    }

    /// Sets how deep each leg searches.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Sets which legs search otherwise.
    #[must_use]
    pub fn with_depths(mut self, depths: Depths) -> Self {
        self.depths = depths;
        self
    }

    /// How deep its deepest leg searches.
    #[must_use]
    pub fn deepest(&self) -> usize {
        self.depths.deepest(self.depth)
    }

    /// How deep a leg searches.
    pub(super) fn depth_of(&self, origin: Origin, channel: Channel) -> usize {
        self.depths.of(origin, channel, self.depth)
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
    /// What the legs of each channel count, beside the weight of their variant.
    #[serde(default)]
    pub channels: ChannelWeights,
    /// How deep each leg searches.
    pub depth: usize,
    /// Which legs search otherwise.
    #[serde(default)]
    pub depths: Depths,
}

impl Choice {
    /// How deep its deepest leg searches.
    #[must_use]
    pub fn deepest(&self) -> usize {
        self.depths.deepest(self.depth)
    }

    /// This choice under a name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Configuration {
        Configuration::new(name, self.fusion)
            .with_weighting(self.weight)
            .with_legs(self.legs)
            .with_channel_weights(self.channels)
            .with_depth(self.depth)
            .with_depths(self.depths)
    }

    /// This choice, changed where a text says so: `fusion:rrf:10,weight:0.5,legs:dense,depth:50`, each part at most once
    /// and any left out. Single legs have `dense_weight`, `bm25_weight`, `dense_depth`, `bm25_depth` and `rewrite_depth`,
    /// as the settings do: a depth of 0 is that of all.
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
                "dense_weight" => self.channels.dense = weight(value).map_err(error)?,
                "bm25_weight" => self.channels.bm25 = weight(value).map_err(error)?,
                "dense_depth" => self.depths.dense = depth(value).map_err(error)?,
                "bm25_depth" => self.depths.bm25 = depth(value).map_err(error)?,
                "rewrite_depth" => self.depths.rewrite = depth(value).map_err(error)?,
                _ => return Err(error(format!("is none of {}", PARTS.join(":…, ") + ":…"))),
            }
        }
        if self.depth == 0 {
            return Err(ChoiceError { part: "depth".to_owned(), problem: "has to be at least 1".to_owned() });
        }
        Ok(self)
    }
}

/// The parts of a choice, as a text names them.
const PARTS: [&str; 9] =
    ["fusion", "weight", "legs", "depth", "dense_weight", "bm25_weight", "dense_depth", "bm25_depth", "rewrite_depth"];

/// What a channel's legs count.
fn weight(value: &str) -> Result<f64, String> {
    let weight = read(value)?;
    if (0.0..=100.0).contains(&weight) { Ok(weight) } else { Err("a weight is from 0 to 100".to_owned()) }
}

/// A depth of single legs; 0 is none of their own.
fn depth(value: &str) -> Result<Option<usize>, String> {
    Ok(Some(read(value)?).filter(|depth| *depth > 0))
}

fn read<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|error: T::Err| error.to_string())
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fusion, weight, legs, channels, depth, depths } = self;
        write!(f, "fusion:{fusion},weight:{weight},legs:{legs},depth:{depth}")?;
        // What is usual goes without saying.
        for (name, weight) in [("dense_weight", channels.dense), ("bm25_weight", channels.bm25)] {
            if weight.total_cmp(&1.0).is_ne() {
                write!(f, ",{name}:{weight}")?;
            }
        }
        let own = [("dense_depth", depths.dense), ("bm25_depth", depths.bm25), ("rewrite_depth", depths.rewrite)];
        own.iter().try_for_each(|(name, depth)| depth.map_or(Ok(()), |depth| write!(f, ",{name}:{depth}")))
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

    const DEFAULT: Choice = Choice {
        fusion: Fusion::Rrf { k: 60.0 },
        weight: Weighting::Adaptive,
        legs: Legs::Hybrid,
        channels: ChannelWeights { dense: 1.0, bm25: 1.0 },
        depth: 100,
        depths: Depths { dense: None, bm25: None, rewrite: None },
    };

    #[test]
    fn what_is_printed_can_be_read_back() {
        let changed = DEFAULT.changed("fusion:rrf:10, weight:0.5,legs=dense").unwrap();
        assert_eq!(changed.to_string(), "fusion:rrf:10,weight:0.5,legs:dense,depth:100");
        assert_eq!(DEFAULT.changed(&changed.to_string()), Ok(changed));
        assert_eq!(DEFAULT.changed(""), Ok(DEFAULT));
        let single = "bm25_weight:0.5,dense_depth:50,rewrite_depth:20";
        let changed = DEFAULT.changed(single).unwrap();
        assert!(changed.to_string().ends_with(single), "{changed}");
        assert_eq!(DEFAULT.changed(&changed.to_string()), Ok(changed));
        assert_eq!((changed.deepest(), changed.changed("bm25_depth:200").unwrap().deepest()), (100, 200));
        assert_eq!(changed.changed("dense_depth:0,rewrite_depth:0,bm25_weight:1"), Ok(DEFAULT));
    }

    #[test]
    fn errors_name_the_part() {
        let parts = ["fusion:best", "weight:2", "legs:all", "depth:0", "depth:-1", "k:10", "rrf", "bm25_weight:-1"];
        for part in parts {
            let error = DEFAULT.changed(part).unwrap_err().to_string();
            assert!(error.contains(part.split(':').next().unwrap()), "{error}");
        }
    }
}
