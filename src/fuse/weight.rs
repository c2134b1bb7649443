//! How much a rewrite counts, by what can be seen of it when the question is asked: whether it is about the question at
//! all, and how strongly the collection answers it, compared with the question. A rewrite of something else counts
//! nothing, one that lost half of the question little, one that says the same half, and one that brings in words that the
//! collection has as much as the question itself; more only if its kind may stand for the question, as the standalone
//! question of a chat does. And the less, the more the question's own channels agree.
//!
//! ```text
//! weight = ceiling(kind) · min(1, said · answered) · (1 − agreed²) · 0.8 ^ strayed / √rewrites
//! said     = near / 2, or of the question with words left out 2 − 6 · apart, from 0 to 1
//! near     = (cosine − last) / (first − last), from 0 to 1
//! apart    = (1 − cosine) / (1 − first)
//! answered = product over the channels of (rewrite's best score / question's best score)
//! agreed   = rank-biased overlap of the question's own legs; 0 for a kind that replaces the question
//! ```
//!
//! `first` and `last` are the scores of the question's own first and last dense hits, so that a model's scale of cosines
//! does not matter: a rewrite that is no nearer to the question than the last passage found strayed, one that is as near
//! as the best passage did not. `answered` is the ratio of what the channels give anyway. The constants: a half for a
//! rewrite that is answered exactly as well, because its errors are the question's own again; √n for n rewrites of one
//! question, which come from one model and are not n independent voters. Where embeddings and words find the same, they
//! are mostly right, and a rewrite has little to add; its square leaves the usual, middling agreement almost alone. How
//! much a rewrite's legs agree with the question's is deliberately not among it: where they agree least, a good rewrite
//! helps most.
//!
//! A rewrite that only leaves words out brings nothing in. It may have dropped "Hi, can you tell me", and is then the
//! better question, or the half of what was asked, and its words do not tell which: the collection may answer both
//! gladly. But it was to say the same, so its embedding has to stay where the question's is. It counts in full up to a
//! sixth of the way from the question to the best passage, and nothing from a third on. If it is a number, a negation or a
//! name that it left out, it counts no more than another rewrite would. `docs/evaluation.md` has the measurements.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Weighted, agreement_within, number};
use crate::{
    ranking::Scored,
    rewrite::{RewriteKind, Signs},
    search::Channel,
};

/// What is seen of a rewrite before fusing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Signals {
    /// What the rewrite was to do.
    pub kind: RewriteKind,
    /// What its text shows.
    pub signs: Signs,
    /// How many rewrites of the question are searched with, this one included.
    pub rewrites: usize,
    /// How near it is to the question: 0 no nearer than the question's last dense hit, 1 as near as its first or nearer.
    pub near: f64,
    /// How far from the question it is: 0 the same, 1 as far as the question's first dense hit; `None` if not known.
    pub apart: Option<f64>,
    /// How strongly the collection answers it: 1 as strongly as the question.
    pub answered: f64,
    /// How much the question's own legs agree: 0 not at all, 1 they found the same.
    pub agreed: f64,
}

impl Signals {
    /// A rewrite of which nothing is seen that speaks for or against it.
    #[must_use]
    pub fn new(kind: RewriteKind) -> Self {
        Self { kind, signs: Signs::default(), rewrites: 1, near: 1.0, apart: None, answered: 1.0, agreed: 0.0 }
    }

    /// Sets what its text shows.
    #[must_use]
    pub fn with_signs(mut self, signs: Signs) -> Self {
        self.signs = signs;
        self
    }

    /// Sets how many rewrites of the question are searched with.
    #[must_use]
    pub fn with_rewrites(mut self, rewrites: usize) -> Self {
        self.rewrites = rewrites;
        self
    }

    /// Sets how much the question's own legs agree: see [`agreement_within`](super::agreement_within).
    #[must_use]
    pub fn with_agreed(mut self, agreed: f64) -> Self {
        self.agreed = agreed;
        self
    }

    /// Reads what the legs show of the rewrite that is variant `rewrite`, beside the question, which is variant `asked`.
    /// `cosine` is that of their embeddings. What is not known (no dense leg, a leg that was lost or found nothing) speaks
    /// neither for nor against it. How much the question's own legs agree is the same for all of its rewrites, and set by
    /// [`with_agreed`](Self::with_agreed).
    #[must_use]
    pub fn with_legs(mut self, legs: &[Weighted<'_>], asked: usize, rewrite: usize, cosine: Option<f64>) -> Self {
        let hits = |variant, channel| {
            let own = legs.iter().find(|leg| leg.variant == variant && leg.channel == channel);
            own.map(|leg| leg.ranking.entries()).filter(|hits| !hits.is_empty())
        };
        if let (Some(cosine), Some(hits)) = (cosine, hits(asked, Channel::Dense)) {
            self.near = near(cosine, hits);
            self.apart = apart(cosine, hits);
        }
        let answered = [Channel::Dense, Channel::Bm25].into_iter().filter_map(|channel| {
            let best = |hits: &[Scored]| hits.first().map(|hit| f64::from(hit.score)).filter(|score| *score > 0.0);
            Some(best(hits(rewrite, channel)?)? / best(hits(asked, channel)?)?)
        });
        self.answered = answered.product();
        self
    }
}

/// A variant that is a rewrite, as it is before its legs are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Claim {
    /// What it was to do.
    pub kind: RewriteKind,
    /// What its text shows.
    pub signs: Signs,
    /// The cosine of its embedding and the question's, where both are known.
    pub cosine: Option<f64>,
}

impl Claim {
    /// A rewrite of which this was seen.
    #[must_use]
    pub fn new(kind: RewriteKind, signs: Signs, cosine: Option<f64>) -> Self {
        Self { kind, signs, cosine }
    }
}

/// Where a cosine stands between those of the last and of the first hit.
fn near(cosine: f64, hits: &[Scored]) -> f64 {
    let (Some(first), Some(last)) = (hits.first(), hits.last()) else { return 1.0 };
    let (first, last) = (f64::from(first.score), f64::from(last.score));
    if cosine >= first { 1.0 } else { within((cosine - last) / (first - last)) }
}

/// How far from the question a cosine is, in distances of the first hit. Beside a question that is a passage itself, all
/// else is far away.
fn apart(cosine: f64, hits: &[Scored]) -> Option<f64> {
    let first = f64::from(hits.first()?.score);
    Some(if cosine >= 1.0 { 0.0 } else { (1.0 - cosine) / (1.0 - first).max(0.0) })
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

/// What a rewrite counts that is answered as strongly as the question.
const EQUAL: f64 = 0.5;
/// How far from the question a rewrite that only leaves words out counts in full, and from where on nothing.
const SHORTENED: (f64, f64) = (1.0 / 6.0, 1.0 / 3.0);
/// What each sign of straying leaves.
const STRAYED: f64 = 0.8;

impl Weighting {
    /// A rewrite's weight, from 0 to 1; 1 is the question's own. Only a kind whose [`Profile`](crate::rewrite::Profile)
    /// says so may have more.
    #[must_use]
    pub fn weight(&self, signals: &Signals) -> f64 {
        match self {
            Self::Fixed(weight) => within(*weight),
            Self::Adaptive => {
                // A hundred signs of straying say no more than fifty.
                let strayed = STRAYED.powi(i32::try_from(signals.signs.strayed).unwrap_or(i32::MAX));
                let near = EQUAL * within(signals.near);
                let (full, nothing) = SHORTENED;
                let shortened = signals.apart.filter(|_| signals.signs.shortened);
                let said = match shortened.map(|apart| within((nothing - apart) / (nothing - full))) {
                    // What it left out was a number, a negation or a name.
                    Some(spared) if signals.signs.strayed > 0 => near.min(spared),
                    Some(spared) => spared,
                    None => near,
                };
                let seen = within(said * signals.answered.max(0.0));
                let profile = signals.kind.profile();
                let open = if profile.replaces { 1.0 } else { 1.0 - within(signals.agreed).powi(2) };
                profile.weight * seen * open * strayed / number(signals.rewrites.max(1)).sqrt()
            }
        }
    }

    /// The weights of the variants of a call, by their legs, the question's own among them as variant `asked`: one for
    /// each that is a rewrite.
    #[must_use]
    pub fn of_rewrites(&self, legs: &[Weighted<'_>], asked: usize, claims: &[Option<Claim>]) -> Vec<Option<f64>> {
        let rewrites = claims.iter().flatten().count();
        let agreed = match self {
            Self::Adaptive if rewrites > 0 => agreement_within(legs, asked).unwrap_or_default(),
            _ => 0.0,
        };
        let weight = |(at, claim): (usize, &Option<Claim>)| {
            let Claim { kind, signs, cosine } = (*claim)?;
            let signals = Signals::new(kind).with_signs(signs).with_rewrites(rewrites).with_agreed(agreed);
            Some(self.weight(&signals.with_legs(legs, asked, at, cosine)))
        };
        claims.iter().enumerate().map(weight).collect()
    }
}

/// The nearest number from 0 to 1; what is no number is 0.
fn within(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
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
