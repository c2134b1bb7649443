//! What a reply shares with the question: what the question has is a part of the text, and no sign of the model's. "1. FC
//! Köln" has no list mark, "Note 9 or Note 10: which …?" no label, if they are asked about.

use std::collections::HashSet;

use super::{
    chatter::{self, words},
    folded,
};

/// A question, as what else may have been meant is compared with it.
pub(super) struct Asked<'a> {
    text: &'a str,
    lower: String,
    folded: String,
    words: Vec<String>,
    known: HashSet<String>,
    /// The beginnings of its longer words.
    stems: HashSet<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let words: Vec<String> = words(text).collect();
        let known = words.iter().cloned().collect();
        let stems = words.iter().filter_map(|word| stem(word)).collect();
        Self { text, lower: text.to_lowercase(), folded: folded(text), words, known, stems }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// What it says, without the signs and blanks in it.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }

    /// Whether a text says the same.
    pub(super) fn is(&self, text: &str) -> bool {
        folded(text) == self.folded
    }

    /// Whether it holds a text, whatever the signs and blanks in it.
    pub(super) fn holds(&self, text: &str) -> bool {
        let text = folded(text);
        !text.is_empty() && self.folded.contains(&text)
    }

    /// Whether it begins with a line's first word.
    pub(super) fn begins_with_word_of(&self, line: &str) -> bool {
        words(line).next().is_some_and(|word| self.words.first() == Some(&word))
    }

    /// Whether it has the number that a line begins with, and then the word that follows there: "1. FC Köln".
    pub(super) fn has_number(&self, line: &str) -> bool {
        let mut begin = words(line);
        let (Some(number), Some(word)) = (begin.next(), begin.next()) else { return false };
        self.words.windows(2).any(|pair| pair[0] == number && pair[1] == word)
    }

    /// Whether it has the sign that a line begins with, and then what follows there: "> vs >>".
    pub(super) fn has_sign(&self, line: &str) -> bool {
        let mut begin = line.split_whitespace();
        let (Some(sign), Some(next)) = (begin.next(), begin.next()) else { return false };
        let mut tokens = self.text.split_whitespace().zip(self.text.split_whitespace().skip(1));
        // A dash stands in many questions.
        !matches!(sign, "-" | "–" | "—") && tokens.any(|pair| pair == (sign, next))
    }

    /// Whether what a line has before the rest speaks of it rather than of the rewriting: it has the same before a colon, or
    /// begins with the same words, or has nearly all of them, or half of them that are no words of labels.
    pub(super) fn has_label(&self, line: &str, rest: &str) -> bool {
        let label: Vec<String> = words(line.strip_suffix(rest).unwrap_or_default()).collect();
        let own = label.iter().filter(|word| self.known.contains(*word));
        let telling = own.clone().filter(|word| !chatter::is_label_word(word)).count();
        self.has_name(line)
            || label.len() > 1 && self.words.starts_with(&label)
            || label.len() > 2 && 5 * own.count() >= 4 * label.len()
            || telling > 0 && 2 * telling >= label.len()
    }

    /// Whether it has what a line has up to its colon, with the colon: "user: permission denied".
    pub(super) fn has_name(&self, line: &str) -> bool {
        line.find(':').is_some_and(|at| self.lower.contains(&line[..=at].to_lowercase()))
    }

    /// Whether a text has one of its longer words, or another form of it: "migraine" for "migraines".
    pub(super) fn shares_word(&self, text: &str) -> bool {
        words(text).any(|word| stem(&word).is_some_and(|stem| self.stems.contains(&stem)))
    }
}

/// What the forms of a longer word begin with.
fn stem(word: &str) -> Option<String> {
    const LONGEST: usize = 5;
    (word.chars().nth(3).is_some()).then(|| word.chars().take(LONGEST).collect())
}
