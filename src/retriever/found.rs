//! What the legs of a call brought back, and what that makes of the call.

use super::{ChannelWeights, call::Call};
use crate::{
    error::Error,
    event,
    fuse::{Claim, Weighted},
    ranking::Ranking,
    retrieval::{AskedOnly, Degradation, Leg, Lost, Origin, Outcome, Variant},
    rewrite::{RewriteError, Signs},
    search::Channel,
};

/// The question as asked is always the first variant.
const ASKED: usize = 0;

/// A variant, its embedding where there is one, and what each of its legs found.
pub(super) struct Searched {
    pub(super) variant: Variant,
    pub(super) vector: Option<Vec<f32>>,
    /// The similarity of its embedding to the question's.
    pub(super) cosine: Option<f32>,
    /// What its text shows.
    pub(super) signs: Signs,
    pub(super) legs: Vec<(Channel, Result<Ranking, Error>)>,
}

impl Searched {
    pub(super) fn new(
        variant: Variant,
        vector: Option<Vec<f32>>,
        legs: Vec<(Channel, Result<Ranking, Error>)>,
    ) -> Self {
        Self { variant, vector, cosine: None, signs: Signs::default(), legs }
    }

    /// What a leg found, if it answered.
    pub(super) fn ranking(&self, channel: Channel) -> Option<&Ranking> {
        self.legs.iter().find(|(of, _)| *of == channel)?.1.as_ref().ok()
    }

    /// The rankings of a variant's own legs as the fusion takes them.
    pub(super) fn weighted(&self, channels: ChannelWeights) -> Vec<Weighted<'_>> {
        let answered = self.legs.iter().filter_map(|(channel, leg)| Some((*channel, leg.as_ref().ok()?)));
        let weighted =
            |(channel, ranking)| Weighted::new(ranking, 0).with_channel(channel).with_weight(channels.of(channel));
        answered.map(weighted).collect()
    }

    pub(super) fn found(&self) -> Vec<event::Found> {
        let found = |(channel, leg): &(Channel, Result<Ranking, Error>)| {
            Some(event::Found { channel: *channel, passages: leg.as_ref().ok()?.len() })
        };
        self.legs.iter().filter_map(found).collect()
    }
}

/// What became of the rewriting.
pub(super) enum Rewritten {
    /// None was asked for.
    Skipped(AskedOnly),
    /// There is no usable rewrite.
    Lost(RewriteError),
    /// What was searched with; and why the rest was not.
    Searched(Vec<Searched>, Vec<Degradation>),
}

impl Rewritten {
    /// Whether any leg of a rewrite answered.
    pub(super) fn has_legs(&self) -> bool {
        let answered = |searched: &Searched| searched.legs.iter().any(|(_, leg)| leg.is_ok());
        matches!(self, Self::Searched(searched, _) if searched.iter().any(answered))
    }
}

/// What the legs of a call brought back.
#[derive(Default)]
pub(super) struct Found {
    pub(super) variants: Vec<Variant>,
    pub(super) legs: Vec<Leg>,
    pub(super) rankings: Vec<Ranking>,
    pub(super) degradations: Vec<Degradation>,
    /// What was seen of each variant that is a rewrite, in the variants' order.
    claims: Vec<Option<Claim>>,
    lost: Vec<Lost>,
    /// The first error of the question's own legs.
    asked_error: Option<Error>,
    asked_only: Option<AskedOnly>,
}

impl Found {
    /// Takes a variant in.
    pub(super) fn add(&mut self, searched: Searched) {
        let (at, origin) = (self.variants.len(), searched.variant.origin);
        let claim = |kind| Claim::new(kind, searched.signs, searched.cosine.map(f64::from));
        self.claims.push(searched.variant.kind.map(claim));
        self.variants.push(searched.variant);
        for (channel, leg) in searched.legs {
            match leg {
                Ok(ranking) => {
                    self.legs.push(Leg { variant: at, channel, found: ranking.len() });
                    self.rankings.push(ranking);
                }
                Err(error) => self.lose(Lost { origin, channel }, error),
            }
        }
    }

    fn lose(&mut self, lost: Lost, error: Error) {
        self.lost.push(lost);
        let Lost { origin, channel } = lost;
        // Kept aside: if no leg answers at all, it is the answer.
        if origin == Origin::Asked && self.asked_error.is_none() {
            self.asked_error = Some(error);
            return;
        }
        self.degradations.push(Degradation::Leg { origin, channel, error: Box::new(error) });
    }

    /// Takes in what became of the rewriting.
    pub(super) fn add_rewritten(&mut self, rewritten: Rewritten) {
        match rewritten {
            Rewritten::Skipped(reason) => self.asked_only = Some(reason),
            // Nothing was lost: nobody was asked.
            Rewritten::Lost(RewriteError::NotNeeded) => self.asked_only = Some(AskedOnly::NotNeeded),
            Rewritten::Lost(error) => {
                self.asked_only = Some(match error {
                    RewriteError::Deadline { .. } => AskedOnly::Late,
                    RewriteError::Rejected { .. } => AskedOnly::Rejected,
                    RewriteError::Failed { .. } | RewriteError::NotNeeded => AskedOnly::Failed,
                });
                self.degradations.push(Degradation::Rewrite(error));
            }
            Rewritten::Searched(searched, degradations) => {
                self.degradations.extend(degradations);
                if searched.is_empty() {
                    self.asked_only = Some(AskedOnly::Rejected);
                }
                for searched in searched {
                    self.add(searched);
                }
            }
        }
    }

    fn answered(&self, origin: Origin) -> bool {
        self.legs.iter().any(|leg| self.variants[leg.variant].origin == origin)
    }

    /// What all of it makes of the call: an error only if no leg answered.
    pub(super) fn outcome(&mut self) -> Result<Outcome, Error> {
        let asked_lost = self.lost.iter().find(|lost| lost.origin == Origin::Asked).copied();
        if let (Some(error), Some(Lost { origin, channel })) = (self.asked_error.take(), asked_lost) {
            if self.legs.is_empty() {
                return Err(error);
            }
            self.degradations.insert(0, Degradation::Leg { origin, channel, error: Box::new(error) });
        }
        if !self.answered(Origin::Asked) {
            return Ok(Outcome::AskedLost);
        }
        if asked_lost.is_some() {
            return Ok(Outcome::Partial { lost: self.lost.clone() });
        }
        Ok(match (self.asked_only, self.answered(Origin::Rewrite), self.lost.is_empty()) {
            (Some(reason), ..) => Outcome::AskedOnly { reason },
            (None, false, _) => Outcome::AskedOnly { reason: AskedOnly::LegsLost },
            (None, true, false) => Outcome::Partial { lost: self.lost.clone() },
            (None, true, true) => Outcome::Full,
        })
    }

    /// Gives each rewrite its weight, by what can be seen of it now.
    pub(super) fn weigh(&mut self, call: &Call<'_>) {
        let weights = {
            let legs = self.weighted(call.parts.channel_weights);
            call.parts.weighting.of_rewrites(&legs, ASKED, &self.claims)
        };
        for (variant, weight) in self.variants.iter_mut().zip(weights) {
            variant.weight = weight.unwrap_or(variant.weight);
        }
    }

    /// The rankings as the fusion takes them.
    pub(super) fn weighted(&self, channels: ChannelWeights) -> Vec<Weighted<'_>> {
        let legs = self.legs.iter().zip(&self.rankings);
        legs.map(|(leg, ranking)| {
            let weight = self.variants[leg.variant].weight * channels.of(leg.channel);
            Weighted { ranking, weight, variant: leg.variant, channel: leg.channel }
        })
        .collect()
    }
}
