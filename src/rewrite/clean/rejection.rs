//! The typed reasons for which a reply, or a part of it, is dropped.

/// Why a reply, or a part of it, cannot be searched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Nothing is left of it.
    #[error("it is empty")]
    Empty,
    /// It talks about the rewrite, but does not say it.
    #[error("it is only a preamble, a label or a remark")]
    Preamble,
    /// The model refuses, or asks back.
    #[error("it is a refusal or asks back")]
    Refusal,
    /// It answers the question instead of asking it in other words.
    #[error("it answers the question instead of rewriting it")]
    Answer,
    /// It is in another language than the question.
    #[error("it is in another language than the question; set rewrite.any_language if that is wanted")]
    Language,
    /// It is longer than a rewrite of this question may be.
    #[error("it is longer than {limit} characters")]
    TooLong {
        /// How many characters it might have had.
        limit: usize,
    },
    /// It is longer than anything that is looked into.
    #[error("it is longer than {limit} bytes; a few questions are far shorter")]
    TooLarge {
        /// How many bytes it might have had.
        limit: usize,
    },
    /// It is structured data or markup without a question in it.
    #[error("it is data or markup, not a question")]
    NotText,
    /// It is of a kind that nobody asked for.
    #[error("it is of a kind that was not asked for")]
    Unasked,
    /// It says what the question says, but for case, punctuation and white space.
    #[error("it repeats the question")]
    SameAsQuestion,
    /// It says what an earlier rewrite says, but for case, punctuation and white space.
    #[error("it repeats another rewrite")]
    Repeated,
    /// Its embedding is further from the question's than its kind may stray. Found where rewrites are embedded, not by
    /// the cleaner.
    #[error("it is too far from the question")]
    TooFar,
    /// As many rewrites as are wanted came before it, or as much that is useless as is looked into.
    #[error("it comes after as many lines as are looked into")]
    TooMany,
}

impl Rejection {
    /// The reason in a word, for metrics and for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.facts().0
    }

    /// The gravest of several reasons: the one to tell if only one is told. Empty, if there are none.
    #[must_use]
    pub fn gravest(rejections: &[Self]) -> Self {
        rejections.iter().copied().max_by_key(|rejection| rejection.facts().1).unwrap_or(Self::Empty)
    }

    /// Its word, and how grave it is among others.
    fn facts(self) -> (&'static str, u8) {
        match self {
            Self::Refusal => ("refusal", 8),
            Self::TooLong { .. } => ("too_long", 7),
            Self::TooLarge { .. } => ("too_large", 7),
            Self::NotText => ("not_text", 6),
            Self::Answer => ("answer", 5),
            Self::Language => ("language", 5),
            Self::TooFar => ("too_far", 5),
            Self::SameAsQuestion => ("same_as_question", 4),
            Self::Repeated => ("repeated", 4),
            Self::TooMany => ("too_many", 3),
            Self::Unasked => ("unasked", 2),
            Self::Preamble => ("preamble", 1),
            Self::Empty => ("empty", 0),
        }
    }
}
