//! What comes in: a user's question, checked once, at the door.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The longest question accepted, in characters. Longer input is a document, not a question.
pub const MAX_QUESTION_CHARS: usize = 8_192;

/// How many earlier turns of a chat are kept.
pub const MAX_TURNS: usize = 50;

/// How many characters of a chat's earlier turns are kept, together.
pub const MAX_HISTORY_CHARS: usize = 16_384;

/// A user's question: not empty, at most [`MAX_QUESTION_CHARS`] characters long, free of control characters.
///
/// ```
/// # use asktwice::Question;
/// let question = Question::new("  where is my\tfood? ")?;
/// assert_eq!(question.text(), "where is my food?");
/// assert!(Question::new(" \u{200b} ").is_err());
/// # Ok::<(), asktwice::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    text: String,
    history: Vec<Turn>,
}

/// Who said something in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The one who asks.
    User,
    /// The one who answers.
    Assistant,
}

/// An earlier turn of the chat that the question belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who spoke.
    pub role: Speaker,
    /// What was said.
    pub content: String,
}

impl Question {
    /// Checks and tidies a question: control characters and runs of white space become one space.
    ///
    /// # Errors
    /// [`Error::Question`] when nothing visible is left, or when it is longer than [`MAX_QUESTION_CHARS`].
    pub fn new(text: &str) -> Result<Self, Error> {
        // Counted before any copy is made, so that a megabyte of input costs nothing.
        if let Some((at, _)) = text.char_indices().nth(MAX_QUESTION_CHARS) {
            let problem = format!(
                "it is longer than {MAX_QUESTION_CHARS} characters ({} of its {} bytes fit); ask something shorter",
                at,
                text.len()
            );
            return Err(Error::Question { problem });
        }
        let text = tidy(text);
        if !text.chars().any(is_visible) {
            let problem = "it is empty; ask with at least one word".to_owned();
            return Err(Error::Question { problem });
        }
        Ok(Self { text, history: vec![] })
    }

    /// Adds the earlier turns of the chat, oldest first. Turns that show nothing are left out; of the rest the latest
    /// [`MAX_TURNS`] are kept, as far as they have [`MAX_HISTORY_CHARS`] characters together: what was said last says
    /// best what "and in Paris?" means. A turn that does not fit whole is kept to its beginning.
    #[must_use]
    pub fn with_history(mut self, turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: Vec<Turn> = turns.into_iter().collect();
        let mut room = MAX_HISTORY_CHARS;
        let mut kept = vec![];
        for turn in turns.into_iter().rev() {
            if kept.len() == MAX_TURNS || room == 0 {
                break;
            }
            let content = tidy(&turn.content.chars().take(room).collect::<String>());
            if content.chars().any(is_visible) {
                room -= content.chars().count();
                kept.push(Turn { content, ..turn });
            }
        }
        kept.reverse();
        self.history = kept;
        self
    }

    /// The earlier turns of the chat, oldest first.
    #[must_use]
    pub fn history(&self) -> &[Turn] {
        &self.history
    }

    /// The question as it is searched.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Replaces control characters and folds runs of white space into single spaces.
pub(crate) fn tidy(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character shows anything: not white space, not one of the zero-width and formatting characters.
fn is_visible(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_turns_are_kept() {
        let turn = |content: &str| Turn { role: Speaker::User, content: content.to_owned() };
        let question = Question::new("and in Paris?").unwrap();
        let kept = question.clone().with_history([turn("weather in\nRome?"), turn(" "), turn("sunny")]);
        assert_eq!(kept.history(), [turn("weather in Rome?"), turn("sunny")]);
        let long = question.clone().with_history((0..1_000).map(|n| turn(&n.to_string())));
        assert_eq!((long.history().len(), &*long.history()[MAX_TURNS - 1].content), (MAX_TURNS, "999"));
        let huge = question.with_history([turn("first"), turn(&"é".repeat(1 << 20))]);
        assert_eq!((huge.history().len(), huge.history()[0].content.chars().count()), (1, MAX_HISTORY_CHARS));
    }

    #[test]
    fn tidies_white_space_and_control_characters() {
        assert_eq!(Question::new("a\0b\r\n  c").unwrap().text(), "a b c");
    }

    #[test]
    fn refuses_what_shows_nothing() {
        for text in ["", "   ", "\u{a0}\t", "\u{200b}\u{feff}", "\0\0"] {
            assert!(matches!(Question::new(text), Err(Error::Question { .. })), "{text:?}");
        }
    }

    #[test]
    fn refuses_a_megabyte_and_takes_the_longest() {
        assert!(Question::new(&"x".repeat(1 << 20)).is_err());
        assert!(Question::new(&"é".repeat(MAX_QUESTION_CHARS)).is_ok());
        assert!(Question::new(&"é".repeat(MAX_QUESTION_CHARS + 1)).is_err());
    }
}
