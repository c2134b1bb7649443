//! From a language model's reply to rewrites that can be searched with: pure, and with a typed reason for each refusal.
//!
//! A reply is a claim by a stranger. It is unwrapped in four steps, each a file of its own: [`envelope`] drops what
//! surrounds the reply (reasoning, end marks, code fences, characters that nobody sees), [`json`] takes the strings
//! out of structured replies, [`lines`] finds out which lines the model meant as its answer, and [`marks`] takes list
//! marks and quotes off a line. [`chatter`] knows what a preamble, a label, a remark and a refusal look like.
//!
//! The steps run again on each rewrite until it no longer changes, so cleaning a cleaned rewrite gives itself.

mod chatter;
mod envelope;
mod json;
mod lines;
mod marks;
mod vocabulary;

use std::collections::HashSet;

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
    /// It says what the question says, but for case, punctuation and white space.
    #[error("it repeats the question")]
    SameAsQuestion,
    /// It says what an earlier rewrite says, but for case, punctuation and white space.
    #[error("it repeats another rewrite")]
    Repeated,
    /// As many rewrites as are wanted came before it, or as much that is useless as is looked into.
    #[error("it comes after as many lines as are looked into")]
    TooMany,
}

/// How long rewrites may be, and how many.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest rewrite, in characters.
    pub max_chars: usize,
    /// How many times as long as the question a rewrite may be, once that is more than [`room`](Self::room).
    pub max_growth: f64,
    /// The length that is always allowed, in characters: a short question may grow into a complete one.
    pub room: usize,
    /// How many rewrites are kept.
    pub max_rewrites: usize,
}

impl Limits {
    /// Limits for questions put in other words. 400 characters are about 80 words and 100 tokens: all of it is read by
    /// an embedding model with 256 tokens, and what is longer is an answer rather than a question. 200 characters are
    /// always allowed, because "Alli" may well become "What are the side effects of the weight-loss drug Alli …".
    #[must_use]
    pub fn paraphrase() -> Self {
        Self { max_chars: 400, max_growth: 4.0, room: 200, max_rewrites: 4 }
    }

    /// Limits for lists of keywords: about 80 words are common, 2,000 characters are the end.
    #[must_use]
    pub fn expansion() -> Self {
        Self { max_chars: 2_000, max_growth: f64::INFINITY, room: 2_000, ..Self::paraphrase() }
    }

    /// Sets how many rewrites are kept.
    #[must_use]
    pub fn with_max_rewrites(mut self, max_rewrites: usize) -> Self {
        self.max_rewrites = max_rewrites;
        self
    }

    /// How many characters a rewrite of this question may have.
    fn chars_for(&self, question: &str) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a length, and the conversion saturates"
        )]
        let grown = (question.chars().count() as f64 * self.max_growth) as usize;
        grown.max(self.room).min(self.max_chars)
    }

    /// Cleans a reply; see [`clean`].
    #[must_use]
    pub fn clean(&self, reply: &str, question: &str) -> Cleaned {
        self.clean_all([reply], question)
    }

    /// Cleans several replies to the same question as if one model had said them after each other: they share one
    /// count of rewrites, and what one repeats of another is left out.
    #[must_use]
    pub fn clean_all<R: AsRef<str>>(&self, replies: impl IntoIterator<Item = R>, question: &str) -> Cleaned {
        let mut cleaned = Cleaned::default();
        let asked = folded(question);
        let mut seen = HashSet::new();
        for reply in replies {
            let items = items_of_reply(reply.as_ref(), question).unwrap_or_else(|rejection| {
                cleaned.rejected.push(rejection);
                vec![]
            });
            for item in items {
                if cleaned.rewrites.len() == self.max_rewrites || cleaned.rejected.len() == MAX_REJECTED {
                    cleaned.rejected.push(Rejection::TooMany);
                    return cleaned;
                }
                match self.settle(item, question) {
                    Err(rejection) => cleaned.rejected.push(rejection),
                    Ok(rewrite) => {
                        let said = folded(&rewrite);
                        if said == asked {
                            cleaned.rejected.push(Rejection::SameAsQuestion);
                        } else if seen.insert(said) {
                            cleaned.rewrites.push(rewrite);
                        } else {
                            cleaned.rejected.push(Rejection::Repeated);
                        }
                    }
                }
            }
        }
        cleaned
    }

    /// Takes one item for a reply of its own, again and again until it stays as it is.
    fn settle(&self, item: String, question: &str) -> Result<String, Rejection> {
        let limit = self.chars_for(question);
        let mut text = item;
        for _ in 0..MAX_ROUNDS {
            // Marks, quotes and labels are short: nothing makes a line of this size short enough, so spare the work.
            if text.len() > 8 * limit + 256 {
                return Err(Rejection::TooLong { limit });
            }
            let mut again = items(&text, question)?;
            match (again.pop(), again.is_empty()) {
                (Some(same), true) if same == text => {
                    return if text.chars().count() > limit { Err(Rejection::TooLong { limit }) } else { Ok(text) };
                }
                (Some(cleaner), true) => text = cleaner,
                _ => return Err(Rejection::NotText),
            }
        }
        Err(Rejection::NotText)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::paraphrase()
    }
}

/// The largest reply that is looked into, in bytes: cleaning runs inside an asynchronous task and must be done within
/// milliseconds. A model that says what it was asked for says a hundredth of this.
const MAX_REPLY: usize = 32 << 10;
/// How often a rewrite may be wrapped in marks, quotes and labels before it counts as an attack.
const MAX_ROUNDS: usize = 16;

/// How much of what was said may be useless before the rest is not looked into.
const MAX_REJECTED: usize = 32;

/// What a reply holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Cleaned {
    /// What can be searched with, in the reply's order.
    pub rewrites: Vec<String>,
    /// Why the rest cannot be.
    pub rejected: Vec<Rejection>,
}

impl Cleaned {
    /// The rewrites, or the gravest reason why there is none.
    ///
    /// # Errors
    /// A [`Rejection`] when there is no rewrite.
    pub fn into_result(self) -> Result<Vec<String>, Rejection> {
        if !self.rewrites.is_empty() {
            return Ok(self.rewrites);
        }
        let gravity = |rejection: &Rejection| match rejection {
            Rejection::Refusal => 6,
            Rejection::TooLong { .. } | Rejection::TooLarge { .. } => 5,
            Rejection::NotText => 4,
            Rejection::SameAsQuestion | Rejection::Repeated => 3,
            Rejection::TooMany => 2,
            Rejection::Preamble => 1,
            Rejection::Empty => 0,
        };
        Err(self.rejected.into_iter().max_by_key(gravity).unwrap_or(Rejection::Empty))
    }
}

/// Cleans a reply into rewrites of a question, with the [`Limits`] for paraphrases.
///
/// List marks, quotes, emphasis, preambles, labels, remarks, reasoning, code fences and structure are taken off. A
/// rewrite has one line, no control, bidirectional or invisible characters, and differs from the question and from
/// the other rewrites. Cleaning a cleaned rewrite gives itself.
///
/// ```
/// use asktwice::rewrite::{Rejection, clean};
///
/// let reply = "Sure! Here are two search queries:\n\n1. \"Why is my sourdough bread flat?\"\n2. **dense sourdough crumb**";
/// assert_eq!(clean(reply, "flat bread?")?, ["Why is my sourdough bread flat?", "dense sourdough crumb"]);
/// assert_eq!(clean("I'm sorry, but I can't help with that.", "flat bread?"), Err(Rejection::Refusal));
/// # Ok::<(), Rejection>(())
/// ```
///
/// # Errors
/// [`Rejection`] when nothing in the reply can be searched with.
pub fn clean(reply: &str, question: &str) -> Result<Vec<String>, Rejection> {
    Limits::default().clean(reply, question).into_result()
}

/// The parts of a whole reply, unless it is too large to look into.
fn items_of_reply(reply: &str, question: &str) -> Result<Vec<String>, Rejection> {
    if reply.len() > MAX_REPLY { Err(Rejection::TooLarge { limit: MAX_REPLY }) } else { items(reply, question) }
}

/// The parts of a reply that the model meant as its answer, one line each, tidied once.
fn items(reply: &str, question: &str) -> Result<Vec<String>, Rejection> {
    let text = envelope::unwrap(reply);
    let Some(first) = text.lines().find(|line| marks::has_words(line)) else {
        return Err(Rejection::Empty);
    };
    // What follows a refusal ("However, here are …") is not a rewrite of this question.
    if chatter::is_refusal(first) && !chatter::is_refusal(question) {
        return Err(Rejection::Refusal);
    }
    match json::strings(&text) {
        Some(strings) if strings.is_empty() => Err(Rejection::NotText),
        Some(strings) => Ok(strings),
        None => lines::items(&text, question),
    }
}

/// What two texts have in common that say the same: their letters and digits, in lower case.
fn folded(text: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '+' | '#');
    text.chars().flat_map(char::to_lowercase).filter(kept).collect()
}

#[cfg(test)]
mod tests;
