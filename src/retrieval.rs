//! What comes out: the hits, and an honest account of how they were found.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

use crate::{
    embed::Role,
    ranking::{Hit, Ranking},
    rerank::RerankError,
    rewrite::{Rejection, Rewrite, RewriteError, RewriteKind},
    search::Channel,
};

/// Where a variant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// The question as the user asked it.
    Asked,
    /// The question as the rewriter put it.
    Rewrite,
    /// The vectors of what the question itself found first.
    Feedback,
}

impl Origin {
    /// Its name in spans and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Rewrite => "rewrite",
            Self::Feedback => "feedback",
        }
    }
}

/// What a variant searches with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// A text, to be encoded for each channel.
    Text(String),
    /// An embedding; feedback has no text.
    Vector(Vec<f32>),
}

/// One thing to search with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Variant {
    /// Where it comes from.
    pub origin: Origin,
    /// What a rewrite does to the question; `None` for what is no rewrite.
    pub kind: Option<RewriteKind>,
    /// Which side of the search it stands on: a hypothetical passage is embedded as a passage.
    pub role: Role,
    /// What is searched with.
    pub content: Content,
    /// How much its legs count in the fusion; 1 is the weight of the question as asked.
    pub weight: f64,
}

impl Variant {
    /// The question as it was asked.
    pub fn asked(text: impl Into<String>) -> Self {
        Self { origin: Origin::Asked, kind: None, role: Role::Query, content: Content::Text(text.into()), weight: 1.0 }
    }

    /// A rewrite of it.
    pub fn rewrite(rewrite: Rewrite) -> Self {
        let (kind, role) = (Some(rewrite.kind), rewrite.kind.role());
        Self { origin: Origin::Rewrite, kind, role, ..Self::asked(rewrite.text) }
    }

    /// A vector made of what the question found.
    #[must_use]
    pub fn feedback(vector: Vec<f32>) -> Self {
        Self { origin: Origin::Feedback, content: Content::Vector(vector), ..Self::asked("") }
    }

    /// Its text; empty if it is a vector.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.content {
            Content::Text(text) => text,
            Content::Vector(_) => "",
        }
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut variant = serializer.serialize_struct("Variant", 5)?;
        variant.serialize_field("origin", &self.origin)?;
        variant.serialize_field("kind", &self.kind)?;
        variant.serialize_field("role", &self.role)?;
        variant.serialize_field("text", self.text())?;
        variant.serialize_field("weight", &self.weight)?;
        variant.end()
    }
}

/// One search that ran: a variant through a channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leg {
    /// The variant's index in [`Retrieval::variants`].
    pub variant: usize,
    /// The vector space that was searched.
    pub channel: Channel,
    /// How many passages it found; at most the depth.
    pub found: usize,
}

/// The four steps, the optional reranking, and the fetching of what the hits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Step {
    /// Asking the rewriter.
    Rewrite,
    /// Embedding a variant.
    Embed,
    /// Searching with it.
    Search,
    /// Making one ranking of several.
    Fuse,
    /// Having the reranker read the best.
    Rerank,
    /// Fetching the passages of the hits.
    Fetch,
}

impl Step {
    /// Its name in spans and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rewrite => "rewrite",
            Self::Embed => "embed",
            Self::Search => "search",
            Self::Fuse => "fuse",
            Self::Rerank => "rerank",
            Self::Fetch => "fetch",
        }
    }
}

/// When a step ran, counted from the start of the call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timing {
    /// Which step.
    pub step: Step,
    /// Whose: the question's own, or the rewrite's. Fusing and fetching serve both and have none.
    pub origin: Option<Origin>,
    /// When it started.
    #[serde(rename = "start_ms", serialize_with = "milliseconds")]
    pub start: Duration,
    /// How long it took, waiting for a place included.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
    /// Whether it ended with a result; a step that failed or ran out of time did not.
    pub completed: bool,
}

/// How much of what was meant to run did run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every leg of the question and of its rewrite answered.
    Full,
    /// Every leg of the question as asked answered, no rewrite was searched with.
    AskedOnly {
        /// Why there is no rewrite.
        reason: AskedOnly,
    },
    /// Some of the question's own legs answered, or only some of the rewrites' legs.
    Partial {
        /// What did not answer.
        lost: Vec<Lost>,
    },
    /// Only the rewrite was searched: every leg of the question as asked was lost. Take these hits with care.
    AskedLost,
}

impl Outcome {
    /// A word for programs: `full`, `asked_only`, `partial` or `asked_lost`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AskedOnly { .. } => "asked_only",
            Self::Partial { .. } => "partial",
            Self::AskedLost => "asked_lost",
        }
    }
}

/// Why a question was searched as asked only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AskedOnly {
    /// No rewriter is set.
    NoRewriter,
    /// The caller wanted none.
    NotWanted,
    /// The caller's questions must not leave this host, and the rewriter is elsewhere.
    LocalOnly,
    /// The question's own legs agreed so well that no rewrite was asked for.
    Agreed,
    /// None of the wanted kinds has a use for this question: without a chat there is nothing to condense.
    NotNeeded,
    /// The rewrite did not come in time to be searched with.
    Late,
    /// Nothing that the rewriter said can be searched with.
    Rejected,
    /// The rewriter failed, or is left alone for a while because it did.
    Failed,
    /// There is a rewrite, but each of its legs was lost.
    LegsLost,
}

/// A leg that did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Lost {
    /// Whose leg.
    pub origin: Origin,
    /// Which channel.
    pub channel: Channel,
}

/// Something that was lost on the way to an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Degradation {
    /// There is no usable rewrite.
    #[error("the question was searched as asked only: {0}")]
    Rewrite(#[source] RewriteError),
    /// A rewrite was left out because it says something else than the question.
    #[error("a rewrite ({kind}) was left out: its similarity to the question is {cosine:.2}, below {least:.2}")]
    Strayed {
        /// What the rewrite was to do to the question.
        kind: RewriteKind,
        /// The cosine similarity of the two embeddings.
        cosine: f32,
        /// The least that is allowed for this kind.
        least: f32,
    },
    /// There are more rewrites than are searched with: the first of each kind were preferred.
    #[error("{left_out} of the rewrites were left out: there are more than are searched with")]
    TooMany {
        /// How many.
        left_out: usize,
    },
    /// A leg was lost.
    #[error("the {} was not searched ({}): {error}", match origin { Origin::Asked => "question as asked", Origin::Rewrite => "rewrite", Origin::Feedback => "feedback" }, channel.name())]
    Leg {
        /// Whose leg.
        origin: Origin,
        /// Which channel.
        channel: Channel,
        /// Why.
        #[source]
        error: Box<crate::Error>,
    },
    /// The passages of the fused hits could not be fetched, or not in time: these are the question's own hits.
    #[error("the fused hits could not be fetched, so these are the question's own: {error}")]
    Fetch {
        /// Why.
        #[source]
        error: Box<crate::Error>,
    },
    /// Passages were deleted between search and fetch, so that fewer hits came back than were fused.
    #[error("{missing} of the hits were deleted meanwhile")]
    Deleted {
        /// How many.
        missing: usize,
    },
    /// The reranker was asked in vain: the fused order stands.
    #[error("the hits were not reranked: {0}")]
    Rerank(#[source] RerankError),
    /// The vectors of the hits could not be fetched: they are not spread over what there is to say.
    #[error("the hits were not diversified: {0}")]
    Diversity(#[source] Box<crate::Error>),
    /// The hits are there, what stands before and after them is not.
    #[error("the neighbours of the hits were not fetched: {0}")]
    Neighbours(#[source] Box<crate::Error>),
}

impl Degradation {
    /// The kind of loss, a word for programs: `rewrite_deadline`, `rewrite_rejected`, `rewrite_failed`,
    /// `rewrite_strayed`, `rewrites_left_out`, `leg_lost`, `fetch_lost`, `passages_deleted`, `rerank_deadline`, `rerank_failed`,
    /// `diversity_lost` or `neighbours_lost`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rewrite(RewriteError::Deadline { .. }) => "rewrite_deadline",
            Self::Rewrite(RewriteError::Rejected { .. }) => "rewrite_rejected",
            Self::Rewrite(_) => "rewrite_failed",
            Self::Strayed { .. } => "rewrite_strayed",
            Self::TooMany { .. } => "rewrites_left_out",
            Self::Leg { .. } => "leg_lost",
            Self::Fetch { .. } => "fetch_lost",
            Self::Deleted { .. } => "passages_deleted",
            Self::Rerank(RerankError::Deadline { .. }) => "rerank_deadline",
            Self::Rerank(_) => "rerank_failed",
            Self::Diversity(_) => "diversity_lost",
            Self::Neighbours(_) => "neighbours_lost",
        }
    }

    /// Why there is no rewrite, in a word: [`RewriteError::word`]; `None` for other losses.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Rewrite(error) => Some(error.word()),
            Self::Strayed { .. } => Some(Rejection::TooFar.word()),
            Self::TooMany { .. } => Some(Rejection::TooMany.word()),
            _ => None,
        }
    }

    /// Whose loss it is; `None` if everybody's.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Self::Rewrite(_) | Self::Strayed { .. } | Self::TooMany { .. } => Some(Origin::Rewrite),
            Self::Leg { origin, .. } => Some(*origin),
            Self::Fetch { .. } | Self::Deleted { .. } | Self::Rerank(_) | Self::Diversity(_) | Self::Neighbours(_) => {
                None
            }
        }
    }
}

impl Serialize for Degradation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut degradation = serializer.serialize_struct("Degradation", 4)?;
        degradation.serialize_field("kind", self.kind())?;
        degradation.serialize_field("reason", &self.reason())?;
        degradation.serialize_field("origin", &self.origin())?;
        degradation.serialize_field("message", &Report(self).to_string())?;
        degradation.end()
    }
}

/// An error with its causes, in one line.
#[derive(Debug)]
pub struct Report<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Many errors repeat their cause in their own words; saying it once is enough.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            source = error.source();
        }
        Ok(())
    }
}

/// The answer to a question.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Retrieval {
    /// What was found, best first.
    pub hits: Vec<Hit>,
    /// What was searched with. The question as asked comes first.
    pub variants: Vec<Variant>,
    /// The searches that answered.
    pub legs: Vec<Leg>,
    /// What each of them found, best first; enough to fuse otherwise.
    #[serde(skip)]
    pub rankings: Vec<Ranking>,
    /// How much the legs agree, from 0 to 1; `None` if fewer than two answered.
    pub agreement: Option<f64>,
    /// How likely it is that a right answer is among the first hits, from 0 to 1, as a
    /// [`Calibration`](crate::evaluate::Calibration) on judged questions has it: of the agreement and the first fused hit's
    /// normalised score, before anything is reranked. `None` without one, where the call chose other legs or another
    /// fusion than the retriever's, and where legs or the fused hits were lost: then both mean something else.
    pub probability: Option<f64>,
    /// How much of what was meant to run did run.
    pub outcome: Outcome,
    /// What was lost, and why.
    pub degradations: Vec<Degradation>,
    /// When each step ran, in order of their start.
    pub timings: Vec<Timing>,
    /// How long the whole call took.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// Milliseconds with three decimals.
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}
