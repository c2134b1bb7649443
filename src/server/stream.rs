//! An answer in steps, as server-sent events: what the question alone finds is there before the rewrite is.

use serde::Serialize;
use utoipa::ToSchema;

use super::reply::{Reply, ReplyHit, ReplyVariant};
use crate::{
    event::{Found, RankChange},
    search::Channel,
};

/// One step of an answer; the event's name is that of the step.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ReplyEvent {
    /// `asked`: what the question as asked found by itself.
    Asked {
        /// The hits, best first.
        hits: Vec<ReplyHit>,
    },
    /// `variant`: a rewrite, or feedback, was searched with.
    Variant {
        /// What was searched with.
        variant: ReplyVariant,
        /// How much each of its legs found.
        found: Vec<ReplyFound>,
    },
    /// `fused`: what all legs found, fused.
    Fused {
        /// The hits, best first.
        hits: Vec<ReplyHit>,
        /// What differs from the question's own hits.
        changes: Vec<ReplyChange>,
    },
    /// `done`: the whole answer.
    Done(Box<Reply>),
}

/// How much a leg found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplyFound {
    /// The channel that was searched.
    pub channel: Channel,
    /// How many passages.
    pub passages: usize,
}

/// A passage that stands elsewhere, or only, among the fused hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplyChange {
    /// The passage's id.
    pub id: String,
    /// Its rank among the question's own hits, counted from 1; null if it was not there.
    pub asked: Option<usize>,
    /// Its rank among the fused hits, counted from 1; null if it fell out.
    pub fused: Option<usize>,
}

impl ReplyEvent {
    /// The event's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "asked",
            Self::Variant { .. } => "variant",
            Self::Fused { .. } => "fused",
            Self::Done(_) => "done",
        }
    }
}

impl From<Found> for ReplyFound {
    fn from(found: Found) -> Self {
        Self { channel: found.channel, passages: found.passages }
    }
}

impl From<RankChange> for ReplyChange {
    fn from(change: RankChange) -> Self {
        Self { id: change.id, asked: change.asked, fused: change.fused }
    }
}
