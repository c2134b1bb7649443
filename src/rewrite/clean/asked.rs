//! What a reply shares with the question: what the question has is a part of the text, and no sign of the model's. "1. FC
//! Köln" has no list mark, "Note 9 or Note 10: which …?" no label, if they are asked about.

use super::{chatter::words, folded};

/// A question, as what else may have been meant is compared with it.
pub(super) struct Asked<'a> {
    text: &'a str,
    words: Vec<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, words: words(text).collect() }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Whether a text says it again.
    pub(super) fn is(&self, text: &str) -> bool {
        folded(text) == folded(self.text)
    }

    /// Whether it begins with what a line has before the rest.
    pub(super) fn begins_like(&self, line: &str, rest: &str) -> bool {
        // What follows need not be the line's end: emphasis may close after it.
        let sign = line.rfind(rest).map_or("", |at| line[..at].trim());
        !sign.is_empty() && self.text.get(..sign.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(sign))
    }

    /// Whether it has the number that was taken for a list mark, with the word that follows it.
    pub(super) fn has_number(&self, line: &str, rest: &str) -> bool {
        let word = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let end = line.len() - rest.len() + word.len();
        let marked = line.get(..end).filter(|_| !word.is_empty() && line.ends_with(rest)).map(folded);
        self.begins_like(line, rest) || marked.is_some_and(|marked| folded(self.text).contains(&marked))
    }

    /// Whether it has a sign that stands alone: "> vs >>", "regex * or +".
    pub(super) fn has_sign(&self, sign: char) -> bool {
        self.text.split_whitespace().any(|word| word.strip_prefix(sign).is_some_and(|rest| rest.is_empty()))
    }

    /// Whether it has one of the longer words that a line has before the rest.
    pub(super) fn is_about(&self, line: &str, rest: &str) -> bool {
        let label = line.strip_suffix(rest).unwrap_or_default();
        words(label).any(|word| self.has(&word))
    }

    /// Whether it has a line's first word, and that is no short one.
    pub(super) fn has_first_word(&self, line: &str) -> bool {
        words(line).next().is_some_and(|word| self.has(&word))
    }

    fn has(&self, word: &String) -> bool {
        word.chars().count() > 3 && self.words.contains(word)
    }
}
