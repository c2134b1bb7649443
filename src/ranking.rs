//! The nouns that the steps share: the stored [`Passage`], the [`Ranking`] that one search returns, the [`Hit`] that
//! the caller gets.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The namespace of the UUIDv5 that a passage's id becomes in the store. Never change it: stored ids depend on it.
const ID_NAMESPACE: Uuid = Uuid::from_u128(0x6173_6b74_7769_6365_8000_7061_7373_6167);

/// The id of a point in the store: what Qdrant allows, a number or a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PointId {
    /// A numeric id; only adopted collections have them.
    Number(u64),
    /// A UUID; asktwice's own collections use the UUIDv5 of the passage's id.
    Uuid(Uuid),
}

impl PointId {
    /// The point id of a passage: the UUIDv5 of its text id.
    #[must_use]
    pub fn of(passage_id: &str) -> Self {
        Self::Uuid(Uuid::new_v5(&ID_NAMESPACE, passage_id.as_bytes()))
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

/// An id as files and filters write it: text, or a number that stands for its digits.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Text(String),
    Number(i64),
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        match id {
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        }
    }
}

/// The stored unit of text: what is embedded, searched and returned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Passage {
    /// The caller's own id; any text. Returned as it was given.
    pub id: String,
    /// The document's title, empty if it has none. It is embedded before the text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The text.
    pub text: String,
    /// The document that this passage was cut from; the passage's own id where a document is one passage.
    pub document_id: String,
    /// The place within the document, counted from 0.
    #[serde(default)]
    pub position: u32,
    /// The caller's own fields, for filters and display.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub payload: Map<String, Value>,
}

impl Passage {
    /// A passage that is a whole document.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        let id = id.into();
        Self { document_id: id.clone(), id, text: text.into(), ..Self::default() }
    }

    /// Sets the title.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Says which document the passage was cut from, and where in it it stands, counted from 0.
    #[must_use]
    pub fn cut_from(mut self, document_id: impl Into<String>, position: u32) -> Self {
        self.document_id = document_id.into();
        self.position = position;
        self
    }

    /// Sets the caller's own fields.
    #[must_use]
    pub fn with_payload(mut self, payload: Map<String, Value>) -> Self {
        self.payload = payload;
        self
    }

    /// The id of the passage's point in the store.
    #[must_use]
    pub fn point_id(&self) -> PointId {
        PointId::of(&self.id)
    }

    /// The text that is embedded: the title, a space, then the text, as the BEIR collections are embedded.
    #[must_use]
    pub fn embedded_text(&self) -> String {
        if self.title.is_empty() { self.text.clone() } else { format!("{} {}", self.title, self.text) }
    }
}

/// One entry of a [`Ranking`]: a point and the score that its search gave it (higher is better).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The point.
    pub id: PointId,
    /// The native score: cosine similarity for the dense channel.
    pub score: f32,
}

/// What one search found, best first, each point once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking(Vec<Scored>);

impl Ranking {
    /// Puts found points in order: by score, best first, equal scores by id. A point's second appearance is dropped,
    /// and so is a score that is not a number, so whatever a store returns becomes a valid ranking.
    #[must_use]
    pub fn new(mut found: Vec<Scored>) -> Self {
        found.retain(|scored| !scored.score.is_nan());
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        let mut seen = std::collections::HashSet::with_capacity(found.len());
        found.retain(|scored| seen.insert(scored.id));
        Self(found)
    }

    /// Nothing was found.
    pub(crate) const fn nothing() -> Self {
        Self(vec![])
    }

    /// The entries, best first; the entry at index 0 has rank 1.
    #[must_use]
    pub fn entries(&self) -> &[Scored] {
        &self.0
    }

    /// The ids of the points, best first.
    pub fn ids(&self) -> impl Iterator<Item = PointId> {
        self.0.iter().map(|scored| scored.id)
    }

    /// The best `depth` entries.
    #[must_use]
    pub fn top(mut self, depth: usize) -> Self {
        self.0.truncate(depth);
        self
    }

    /// How many points were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One result, and why it is where it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// The fused score; its scale depends on the fusion.
    pub score: f64,
    /// The fused score brought to 0..=1; 1 is first in every leg.
    pub normalised: f64,
    /// What the reranker said of it, on a scale of its own; `None` if it was not asked, or in vain. Hits that it did say
    /// something of are in its order.
    pub reranked: Option<f32>,
    /// The passage.
    pub passage: Passage,
    /// What stands before and after it in its document, in the document's order, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Passage>,
    /// Which legs found it, in the order of [`Retrieval::legs`](crate::Retrieval::legs).
    pub found_by: Vec<FoundBy>,
    /// Where it would stand without each variant that was searched with; empty unless that was asked for.
    pub without: Vec<Without>,
    /// The point in the store.
    #[serde(skip)]
    pub point: PointId,
}

/// One leg's part in a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoundBy {
    /// The leg's index in [`Retrieval::legs`](crate::Retrieval::legs).
    pub leg: usize,
    /// The rank in that leg, counted from 1.
    pub rank: usize,
    /// The leg's native score.
    pub score: f32,
    /// What the leg adds to the fused score.
    pub contribution: f64,
}

impl FoundBy {
    /// A leg's part in a hit.
    #[must_use]
    pub fn new(leg: usize, rank: usize, score: f32, contribution: f64) -> Self {
        Self { leg, rank, score, contribution }
    }
}

/// Where a hit would stand had one variant not been searched with, and the others counted what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Without {
    /// The variant's index in [`Retrieval::variants`](crate::Retrieval::variants).
    pub variant: usize,
    /// The rank among all that the others found, counted from 1; `None` if they did not find it.
    pub rank: Option<usize>,
}

impl Without {
    /// A hit's rank without a variant.
    #[must_use]
    pub fn new(variant: usize, rank: Option<usize>) -> Self {
        Self { variant, rank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_sorted_unique_and_free_of_nan() {
        let scored = |id, score| Scored { id: PointId::Number(id), score };
        let ranking =
            Ranking::new(vec![scored(3, 0.5), scored(1, 0.9), scored(3, 0.7), scored(2, f32::NAN), scored(0, 0.7)]);
        assert_eq!(ranking.entries(), [scored(1, 0.9), scored(0, 0.7), scored(3, 0.7)]);
    }

    #[test]
    fn point_ids_are_stable() {
        // A literal, so that nobody changes the namespace by accident: every stored id would be orphaned.
        assert_eq!(PointId::of("4983").to_string(), "b4308e80-b937-5730-9637-cb2d70e5ec47");
    }
}
