//! What a rewrite of a kind looks like: its form, its length, how many there are.

/// What a rewrite is, so that it can be told from what it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A question or a search query on one line, and no answer.
    Question,
    /// Any text on one line.
    Text,
    /// Words and terms on one line; a list of them is one rewrite.
    Keywords,
    /// A passage of several sentences.
    Passage,
}

/// What rewrites look like, how long they may be, and how many.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// What they are.
    pub form: Form,
    /// The longest rewrite, in characters.
    pub max_chars: usize,
    /// How many times as long as the question a rewrite may be, once that is more than [`room`](Self::room).
    pub max_growth: f64,
    /// The length that is always allowed, in characters: a short question may grow into a complete one.
    pub room: usize,
    /// How many rewrites are kept.
    pub max_rewrites: usize,
    /// Whether a rewrite may be in another language than the question.
    pub any_language: bool,
}

impl Limits {
    /// Limits for questions put in other words. 400 characters are about 80 words and 100 tokens: all of it is read by
    /// an embedding model with 256 tokens, and what is longer is an answer rather than a question. 200 characters are
    /// always allowed, because "Alli" may well become "What are the side effects of the weight-loss drug Alli …".
    #[must_use]
    pub fn paraphrase() -> Self {
        Self { form: Form::Question, max_chars: 400, max_growth: 4.0, room: 200, max_rewrites: 4, any_language: false }
    }

    /// Limits for recorded rewrites of whatever kind, one a line: about 80 words are common, 2,000 characters are the
    /// end.
    #[must_use]
    pub fn expansion() -> Self {
        Self { form: Form::Text, max_chars: 2_000, max_growth: f64::INFINITY, room: 2_000, ..Self::paraphrase() }
    }

    /// Limits for keywords: the same lengths, but a list of them is one rewrite.
    #[must_use]
    pub fn keywords() -> Self {
        Self { form: Form::Keywords, max_rewrites: 1, ..Self::expansion() }
    }

    /// Limits for a hypothetical passage: an embedding model with 256 tokens reads about 1,200 characters of it, and
    /// 2,000 are the end.
    #[must_use]
    pub fn passage() -> Self {
        Self { form: Form::Passage, max_rewrites: 1, ..Self::expansion() }
    }

    /// Sets how many rewrites are kept.
    #[must_use]
    pub fn with_max_rewrites(mut self, max_rewrites: usize) -> Self {
        self.max_rewrites = max_rewrites;
        self
    }

    /// Lets rewrites be in another language than the question.
    #[must_use]
    pub fn with_any_language(mut self) -> Self {
        self.any_language = true;
        self
    }

    /// How many characters a rewrite of this question may have.
    pub(super) fn chars_for(&self, question: &str) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a length, and the conversion saturates"
        )]
        let grown = (question.chars().count() as f64 * self.max_growth) as usize;
        grown.max(self.room).min(self.max_chars)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::paraphrase()
    }
}
