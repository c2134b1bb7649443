//! The kinds of rewrite, and what is normal for each: which side of the search it stands on, which channels it is for,
//! how much it may count, how long it is, how near to the question it stays.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Limits;
use crate::{embed::Role, question::Question, search::Channel};

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

/// What is normal for a kind of rewrite.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// Its name in settings, requests and prompt files.
    pub name: &'static str,
    /// Which side of the search its texts stand on.
    pub role: Role,
    /// The channels that it is for.
    pub channels: &'static [Channel],
    /// How much it may count in the fusion at most; the question as asked counts 1.
    pub weight: f64,
    /// How far from the question it may stray: the least cosine of the two embeddings.
    pub least_cosine: f32,
    /// What its texts look like.
    pub limits: Limits,
    /// Whether it is several texts; how many is a setting.
    pub many: bool,
    /// Whether the question's numbers, negations and names have to be in it.
    pub faithful: bool,
    /// Whether it says what the question as asked leaves out: then it is no sign against it that the question's own
    /// channels agree, which may be clear and still not what was meant.
    pub replaces: bool,
    /// How long a model may write for one text, in tokens: about twice what the longest one has.
    pub tokens: u32,
}

const BOTH: &[Channel] = &[Channel::Dense, Channel::Bm25];

impl RewriteKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Paraphrase, Self::Multi, Self::Keywords, Self::Hyde, Self::StepBack, Self::Decompose, Self::Condense];

    /// What is normal for this kind.
    ///
    /// The least cosines are 0: they drop what points the other way, and nothing else. Under all-MiniLM-L6-v2 half of all
    /// pairs of unrelated questions have .12 or more, while good rewrites have .00 ("sirtuins": "NAD+ dependent
    /// deacetylases") or .07 ("woke up to 3 kebabs i never bought": "someone placed orders on my account"), and those
    /// are what rewriting is for. A bound that drops the former drops these first; the cosine belongs into the weight.
    #[must_use]
    pub fn profile(self) -> Profile {
        let question = Profile {
            name: "paraphrase",
            role: Role::Query,
            channels: BOTH,
            weight: 1.0,
            least_cosine: 0.0,
            limits: Limits::paraphrase().with_max_rewrites(1),
            many: false,
            faithful: true,
            replaces: false,
            tokens: 256,
        };
        match self {
            Self::Paraphrase => question,
            Self::Multi => Profile { name: "multi", many: true, tokens: 128, ..question },
            // Made for the lexical channel; on SciFact its dense leg helps, too.
            Self::Keywords => Profile { name: "keywords", limits: Limits::keywords(), tokens: 384, ..question },
            // Its words are guesses: near the right passages in meaning, but nothing to match literally.
            Self::Hyde => Profile {
                name: "hyde",
                role: Role::Passage,
                channels: &[Channel::Dense],
                limits: Limits::passage(),
                faithful: false,
                tokens: 512,
                ..question
            },
            // What surrounds the answer rather than the answer.
            Self::StepBack => Profile { name: "step-back", weight: 0.5, faithful: false, tokens: 128, ..question },
            Self::Decompose => Profile { name: "decompose", many: true, faithful: false, tokens: 128, ..question },
            // For "and in Paris?" the standalone question is the right one, and the bare message is not.
            Self::Condense => Profile { name: "condense", weight: 2.0, replaces: true, ..question },
        }
    }

    /// The kind's name in settings, requests and prompt files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.profile().name
    }

    /// Which side of the search its texts stand on.
    #[must_use]
    pub fn role(self) -> Role {
        self.profile().role
    }

    /// Whether it has a use for this question: there is nothing to condense without earlier turns.
    #[must_use]
    pub fn is_of_use(self, question: &Question) -> bool {
        self != Self::Condense || !question.history().is_empty()
    }

    /// What its distance is measured from: the question's text, or for `condense` the latest turns of the chat and the
    /// question, because a standalone question may have little in common with "and in Paris?".
    #[must_use]
    pub fn measured_from(self, question: &Question) -> String {
        /// What an embedding model reads of it anyway.
        const MAX_CHARS: usize = 600;
        if self != Self::Condense {
            return question.text().to_owned();
        }
        let mut parts = vec![question.text()];
        let mut room = MAX_CHARS;
        for turn in question.history().iter().rev() {
            let Some((end, _)) = turn.content.char_indices().take(room).last() else { break };
            let kept = &turn.content[..turn.content.ceil_char_boundary(end + 1)];
            room -= kept.chars().count();
            parts.push(kept);
        }
        parts.reverse();
        parts.join("\n")
    }

    /// Whether its texts are searched in a channel.
    #[must_use]
    pub fn is_for(self, channel: Channel) -> bool {
        self.profile().channels.contains(&channel)
    }
}

/// How far from the question rewrites may stray: the least cosine similarity by kind, which is that of its [`Profile`]
/// where none is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(transparent)]
pub struct LeastCosines(BTreeMap<RewriteKind, f32>);

impl LeastCosines {
    /// Sets the least cosine of a kind, from −1 (anything goes) to 1.
    #[must_use]
    pub fn with(mut self, kind: RewriteKind, cosine: f32) -> Self {
        self.0.insert(kind, cosine);
        self
    }

    /// The least cosine of a kind.
    #[must_use]
    pub fn of(&self, kind: RewriteKind) -> f32 {
        self.0.get(&kind).copied().unwrap_or(kind.profile().least_cosine)
    }

    /// Whether each is a cosine.
    #[cfg(feature = "cli")]
    pub(crate) fn are_cosines(&self) -> bool {
        self.0.values().all(|cosine| (-1.0..=1.0).contains(cosine))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{Speaker, Turn};

    #[test]
    fn names_lead_back_to_their_kinds() {
        for kind in RewriteKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert!("hyda".parse::<RewriteKind>().unwrap_err().to_string().contains("use paraphrase"));
    }

    #[test]
    fn only_a_standalone_question_outweighs_the_question() {
        let heavy: Vec<_> = RewriteKind::ALL.into_iter().filter(|kind| kind.profile().weight > 1.0).collect();
        assert_eq!(heavy, [RewriteKind::Condense]);
    }

    #[test]
    fn a_standalone_question_is_measured_from_the_chat() {
        let turn = |role, content: &str| Turn { role, content: content.to_owned() };
        let bare = Question::new("and in Paris?").unwrap();
        assert!(!RewriteKind::Condense.is_of_use(&bare));
        assert_eq!(RewriteKind::Condense.measured_from(&bare), "and in Paris?");
        let long = "é".repeat(1_000);
        let chat = [turn(Speaker::User, "museums in Rome"), turn(Speaker::Assistant, "The Vatican.")];
        let question = bare.clone().with_history(chat);
        assert!(RewriteKind::Condense.is_of_use(&question));
        assert_eq!(RewriteKind::Condense.measured_from(&question), "museums in Rome\nThe Vatican.\nand in Paris?");
        assert_eq!(RewriteKind::Keywords.measured_from(&question), "and in Paris?");
        let question = bare.with_history([turn(Speaker::User, "first"), turn(Speaker::User, &long)]);
        let measured = RewriteKind::Condense.measured_from(&question);
        assert_eq!(measured.chars().filter(|c| *c == 'é').count(), 600);
        assert!(!measured.contains("first"));
    }
}
