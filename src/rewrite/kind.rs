//! The kinds of rewrite, and what is normal for each: which side of the search it stands on, which channels it is for,
//! and how it is told apart.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::embed::Role;

/// What a rewrite does to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RewriteKind {
    /// One question in better words.
    Paraphrase,
    /// Several questions from different sides.
    Multi,
    /// The words that a text with the answer would use.
    Keywords,
    /// A hypothetical passage that answers the question (Gao et al., "Precise Zero-Shot Dense Retrieval without
    /// Relevance Labels", ACL 2023). It stands on the passages' side.
    Hyde,
    /// The more general question behind it (Zheng et al., "Take a Step Back", ICLR 2024).
    StepBack,
    /// The simpler questions that it is made of.
    Decompose,
    /// The last message of a chat as a question that stands alone.
    Condense,
}

impl RewriteKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Paraphrase, Self::Multi, Self::Keywords, Self::Hyde, Self::StepBack, Self::Decompose, Self::Condense];

    /// The kind's name in settings, requests and prompt files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paraphrase => "paraphrase",
            Self::Multi => "multi",
            Self::Keywords => "keywords",
            Self::Hyde => "hyde",
            Self::StepBack => "step-back",
            Self::Decompose => "decompose",
            Self::Condense => "condense",
        }
    }

    /// Which side of the search its texts stand on.
    #[must_use]
    pub fn role(self) -> Role {
        if self == Self::Hyde { Role::Passage } else { Role::Query }
    }

    /// Whether its texts are searched in a channel.
    #[must_use]
    pub fn is_for(self, channel: crate::search::Channel) -> bool {
        self != Self::Hyde || channel == crate::search::Channel::Dense
    }

    /// The least cosine similarity to the question.
    #[must_use]
    pub fn least_cosine(self) -> f32 {
        0.0
    }
}

impl fmt::Display for RewriteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a name is not a kind's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name:?} is not a kind of rewrite; use paraphrase, multi, keywords, hyde, step-back, decompose or condense")]
pub struct UnknownKind {
    name: String,
}

impl FromStr for RewriteKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| UnknownKind { name: name.to_owned() })
    }
}
