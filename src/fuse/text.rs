//! A fusion as one word: in settings, on the command line, in requests and in results. What is printed can be read back.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Combination, Fusion, Normalisation, Parity, rrf, scores, votes};

/// Why a name is not a fusion's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name:?} is not a fusion; use {}", Fusion::names())]
pub struct UnknownFusion {
    name: String,
}

impl Fusion {
    /// The names of all fusions, in one sentence: for errors and help.
    #[must_use]
    pub fn names() -> String {
        format!(
            "rrf, rrf:K (K a number of at least 0), intersection, quorum:M (M at least 1), either with :strict, min-max, \
             dbsf, convex, convex:A (A from 0 to 1), borda, isr, log-isr, rbc, rbc:P (P between 0 and 1), condorcet, {} \
             (alone or with :{}), or parity:{}",
            names(&Combination::NAMED),
            names(&Normalisation::NAMED),
            names(&Parity::NAMED)
        )
    }
}

fn names<T>(named: &[(T, &'static str)]) -> String {
    named.iter().map(|(_, name)| *name).collect::<Vec<_>>().join("|")
}

impl FromStr for Fusion {
    type Err = UnknownFusion;

    /// Reads a fusion's name; the error lists them.
    fn from_str(name: &str) -> Result<Self, UnknownFusion> {
        parse(name).ok_or_else(|| UnknownFusion { name: name.to_owned() })
    }
}

fn parse(name: &str) -> Option<Fusion> {
    let parts: Vec<&str> = name.split(':').collect();
    Some(match parts[..] {
        ["rrf"] => Fusion::rrf(),
        ["rrf", k] => Fusion::Rrf { k: within(k, |k| k >= 0.0)? },
        ["intersection"] => Fusion::Intersection { quorum: 0, strict: false },
        ["intersection", "strict"] => Fusion::Intersection { quorum: 0, strict: true },
        ["quorum", quorum] => Fusion::Intersection { quorum: at_least_1(quorum)?, strict: false },
        ["quorum", quorum, "strict"] => Fusion::Intersection { quorum: at_least_1(quorum)?, strict: true },
        ["min-max"] => Fusion::min_max(),
        ["dbsf"] => Fusion::dbsf(),
        ["convex"] => Fusion::Convex { alpha: scores::DEFAULT_ALPHA },
        ["convex", alpha] => Fusion::Convex { alpha: within(alpha, |alpha| (0.0..=1.0).contains(&alpha))? },
        ["borda"] => Fusion::Borda,
        ["isr"] => Fusion::Isr,
        ["log-isr"] => Fusion::LogIsr,
        ["rbc"] => Fusion::Rbc { p: votes::DEFAULT_PERSISTENCE },
        ["rbc", p] => Fusion::Rbc { p: within(p, |p| 0.0 < p && p < 1.0)? },
        ["condorcet"] => Fusion::Condorcet,
        ["parity", system] => Fusion::Parity(named(&Parity::NAMED, system)?),
        ["parity", system, constant] => {
            let parity = named(&Parity::NAMED, system)?;
            parity.constant()?;
            Fusion::Parity(parity.with_constant(u32::try_from(at_least_1(constant)?).ok()?))
        }
        [combination] => Fusion::Scores {
            combination: named(&Combination::NAMED, combination)?,
            normalisation: Normalisation::MinMax,
        },
        [combination, normalisation] => Fusion::Scores {
            combination: named(&Combination::NAMED, combination)?,
            normalisation: named(&Normalisation::NAMED, normalisation)?,
        },
        _ => return None,
    })
}

fn within(number: &str, allowed: impl Fn(f64) -> bool) -> Option<f64> {
    number.parse().ok().filter(|number: &f64| number.is_finite() && allowed(*number))
}

fn at_least_1(number: &str) -> Option<usize> {
    number.parse().ok().filter(|number| *number > 0)
}

fn named<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
}

fn name_of<T: PartialEq>(all: &[(T, &'static str)], value: &T) -> &'static str {
    all.iter().find(|(own, _)| own == value).map_or("", |(_, name)| name)
}

impl fmt::Display for Fusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rrf { k } if k == rrf::DEFAULT_K => f.write_str("rrf"),
            Self::Rrf { k } => write!(f, "rrf:{k}"),
            Self::Intersection { quorum, strict } => {
                match quorum {
                    0 => f.write_str("intersection")?,
                    quorum => write!(f, "quorum:{quorum}")?,
                }
                f.write_str(if strict { ":strict" } else { "" })
            }
            Self::Scores { combination: Combination::Sum, normalisation: Normalisation::MinMax } => {
                f.write_str("min-max")
            }
            Self::Scores { combination: Combination::Sum, normalisation: Normalisation::Distribution } => {
                f.write_str("dbsf")
            }
            Self::Scores { combination, normalisation: Normalisation::MinMax } => combination.fmt(f),
            Self::Scores { combination, normalisation } => write!(f, "{combination}:{normalisation}"),
            Self::Convex { alpha } if alpha == scores::DEFAULT_ALPHA => f.write_str("convex"),
            Self::Convex { alpha } => write!(f, "convex:{alpha}"),
            Self::Borda => f.write_str("borda"),
            Self::Isr => f.write_str("isr"),
            Self::LogIsr => f.write_str("log-isr"),
            Self::Rbc { p } if p == votes::DEFAULT_PERSISTENCE => f.write_str("rbc"),
            Self::Rbc { p } => write!(f, "rbc:{p}"),
            Self::Condorcet => f.write_str("condorcet"),
            Self::Parity(parity) => write!(f, "parity:{parity}"),
        }
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Self::NAMED, self))
    }
}

impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Self::NAMED, self))
    }
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name is found by what is left when the constant is its system's own.
        let own = |(parity, _): &&(Self, &str)| parity.with_constant(1) == self.with_constant(1);
        let Some((parity, name)) = Self::NAMED.iter().find(own) else { return Ok(()) };
        f.write_str(name)?;
        match self.constant() {
            Some(constant) if parity != self => write!(f, ":{constant}"),
            _ => Ok(()),
        }
    }
}

impl Serialize for Fusion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fusion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
