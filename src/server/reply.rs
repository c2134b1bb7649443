//! What our own routes answer: a retrieval, as it is written down for programs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    embed::Role,
    error::Error,
    ranking::{FoundBy, Hit, Passage, PointId, Ranking, Scored, Without},
    retrieval::{Degradation, Leg, Origin, Outcome, Report, Retrieval, Step, Timing, Variant},
    rewrite::RewriteKind,
    search::Channel,
};

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reply {
    /// What was found, best first.
    pub hits: Vec<ReplyHit>,
    /// What was searched with. The question as asked comes first.
    pub variants: Vec<ReplyVariant>,
    /// The searches that answered.
    pub legs: Vec<ReplyLeg>,
    /// How much the legs agree, from 0 to 1; null if fewer than two answered.
    pub agreement: Option<f64>,
    /// How likely it is that a right answer is among the first hits, from 0 to 1; null without a calibration for this kind
    /// of call.
    #[serde(default)]
    pub probability: Option<f64>,
    /// How much of what was meant to run did run.
    pub outcome: Outcome,
    /// What was lost, and why.
    pub degradations: Vec<ReplyDegradation>,
    /// When each step ran, in order of their start.
    pub timings: Vec<ReplyTiming>,
    /// How long the whole call took, in milliseconds.
    pub took_ms: f64,
    /// What the legs found, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ReplyExplanation>,
}

/// What the legs found: enough to fuse them otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyExplanation {
    /// For each leg what it found, best first.
    pub rankings: Vec<Vec<ReplyScored>>,
    /// The passages that may come first, however the legs are fused.
    pub passages: Vec<ReplyPoint>,
}

/// An entry of a ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyScored {
    /// What the store calls the passage.
    pub point: String,
    /// The leg's native score.
    pub score: f32,
}

/// A stored passage, and what the store calls it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyPoint {
    /// What the store calls it.
    pub point: String,
    /// The passage.
    pub passage: ReplyPassage,
}

/// One result, and why it is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyHit {
    /// The fused score; its scale depends on the fusion.
    pub score: f64,
    /// The same, from 0 to 1.
    pub normalised: f64,
    /// What the reranker said of it, on a scale of its own; null if it was not asked.
    pub reranked: Option<f32>,
    /// The passage.
    pub passage: ReplyPassage,
    /// What stands before and after it in its document, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<ReplyPassage>,
    /// Which legs found it.
    pub found_by: Vec<ReplyFoundBy>,
    /// Where it would stand without each variant; only if an explanation was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<ReplyWithout>,
}

/// Where a hit would stand had one variant not been searched with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyWithout {
    /// The variant's index in `variants`.
    pub variant: usize,
    /// The rank, counted from 1; null if the others did not find it.
    pub rank: Option<usize>,
}

/// A stored passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyPassage {
    /// The id that it was given.
    pub id: String,
    /// The document's title, if it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The text.
    pub text: String,
    /// The document that it was cut from.
    pub document_id: String,
    /// Its place there, counted from 0.
    pub position: u32,
    /// Its other fields.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub payload: Map<String, Value>,
}

/// One leg's part in a hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyFoundBy {
    /// The leg's index in `legs`.
    pub leg: usize,
    /// The rank in that leg, counted from 1.
    pub rank: usize,
    /// The leg's native score.
    pub score: f32,
    /// What the leg adds to the fused score.
    pub contribution: f64,
}

/// One thing that was searched with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyVariant {
    /// Where it comes from.
    pub origin: Origin,
    /// What a rewrite does to the question; null for what is no rewrite.
    pub kind: Option<RewriteKind>,
    /// Which side of the search it stands on.
    pub role: Role,
    /// Its text; empty if it is a vector.
    pub text: String,
    /// How much its legs count in the fusion; 1 is the weight of the question as asked.
    pub weight: f64,
}

/// One search that ran: a variant through a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyLeg {
    /// The variant's index in `variants`.
    pub variant: usize,
    /// The vector space that was searched.
    pub channel: Channel,
    /// How many passages it found.
    pub found: usize,
}

/// Something that was lost on the way to an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyDegradation {
    /// The kind of loss, a word for programs.
    #[schema(example = "rewrite_deadline")]
    pub kind: String,
    /// Why there is no rewrite, in a word; null for other losses.
    #[schema(example = "deadline")]
    pub reason: Option<String>,
    /// Whose loss it is; null if everybody's.
    pub origin: Option<Origin>,
    /// What happened.
    pub message: String,
}

/// When a step ran, counted from the start of the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplyTiming {
    /// Which step.
    pub step: Step,
    /// Whose: the question's own, or the rewrite's; null for what serves both.
    pub origin: Option<Origin>,
    /// When it started, in milliseconds.
    pub start_ms: f64,
    /// How long it took, in milliseconds, waiting for a place included.
    pub took_ms: f64,
    /// Whether it ended with a result.
    pub completed: bool,
}

impl From<Retrieval> for Reply {
    fn from(retrieval: Retrieval) -> Self {
        Self {
            hits: retrieval.hits.into_iter().map(ReplyHit::from).collect(),
            variants: retrieval.variants.into_iter().map(ReplyVariant::from).collect(),
            legs: retrieval.legs.into_iter().map(ReplyLeg::from).collect(),
            agreement: retrieval.agreement,
            probability: retrieval.probability,
            outcome: retrieval.outcome,
            degradations: retrieval.degradations.iter().map(ReplyDegradation::from).collect(),
            timings: retrieval.timings.into_iter().map(ReplyTiming::from).collect(),
            took_ms: milliseconds(retrieval.took),
            explanation: None,
        }
    }
}

impl From<Hit> for ReplyHit {
    fn from(hit: Hit) -> Self {
        let without = |without: Without| ReplyWithout { variant: without.variant, rank: without.rank };
        Self {
            score: hit.score,
            normalised: hit.normalised,
            reranked: hit.reranked,
            passage: hit.passage.into(),
            neighbours: hit.neighbours.into_iter().map(ReplyPassage::from).collect(),
            found_by: hit.found_by.into_iter().map(ReplyFoundBy::from).collect(),
            without: hit.without.into_iter().map(without).collect(),
        }
    }
}

impl From<Passage> for ReplyPassage {
    fn from(passage: Passage) -> Self {
        let Passage { id, title, text, document_id, position, payload } = passage;
        Self { id, title, text, document_id, position, payload }
    }
}

impl From<ReplyPassage> for Passage {
    fn from(passage: ReplyPassage) -> Self {
        let ReplyPassage { id, title, text, document_id, position, payload } = passage;
        Self { id, title, text, document_id, position, payload }
    }
}

impl From<FoundBy> for ReplyFoundBy {
    fn from(by: FoundBy) -> Self {
        Self { leg: by.leg, rank: by.rank, score: by.score, contribution: by.contribution }
    }
}

impl From<Variant> for ReplyVariant {
    fn from(variant: Variant) -> Self {
        let text = variant.text().to_owned();
        Self { origin: variant.origin, kind: variant.kind, role: variant.role, text, weight: variant.weight }
    }
}

impl From<Leg> for ReplyLeg {
    fn from(leg: Leg) -> Self {
        Self { variant: leg.variant, channel: leg.channel, found: leg.found }
    }
}

impl From<&Degradation> for ReplyDegradation {
    fn from(lost: &Degradation) -> Self {
        let (kind, reason) = (lost.kind().to_owned(), lost.reason().map(str::to_owned));
        Self { kind, reason, origin: lost.origin(), message: Report(lost).to_string() }
    }
}

impl ReplyDegradation {
    /// The answer is there, its explanation is not; counted and logged as what the retriever itself loses.
    pub(super) fn explanation(error: &Error) -> Self {
        let (kind, message) = ("explanation_lost", format!("the explanation was left out: {}", Report(error)));
        metrics::counter!("asktwice_degraded_total", "kind" => kind).increment(1);
        tracing::warn!(degradation = message, "degraded");
        Self { kind: kind.to_owned(), reason: None, origin: None, message }
    }
}

impl ReplyExplanation {
    pub(super) fn new(rankings: &[Ranking], passages: Vec<(PointId, Passage)>) -> Self {
        let scored = |scored: &Scored| ReplyScored { point: scored.id.to_string(), score: scored.score };
        let ranking = |ranking: &Ranking| ranking.entries().iter().map(scored).collect();
        let rankings = rankings.iter().map(ranking).collect();
        Self { rankings, passages: passages.into_iter().map(ReplyPoint::from).collect() }
    }
}

impl From<(PointId, Passage)> for ReplyPoint {
    fn from((point, passage): (PointId, Passage)) -> Self {
        Self { point: point.to_string(), passage: passage.into() }
    }
}

impl From<Timing> for ReplyTiming {
    fn from(timing: Timing) -> Self {
        let Timing { step, origin, start, took, completed } = timing;
        Self { step, origin, start_ms: milliseconds(start), took_ms: milliseconds(took), completed }
    }
}

impl Reply {
    /// Takes out what only the owner of the process may read: the addresses of its parts, and what they said.
    pub(super) fn without_causes(mut self) -> Self {
        for lost in &mut self.degradations {
            "see the sidecar's log, by the request's id".clone_into(&mut lost.message);
        }
        self
    }
}

/// Milliseconds with three decimals.
fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
