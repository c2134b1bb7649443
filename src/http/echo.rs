//! Whether a server's words repeat what was sent to it: questions and passages stand in no error text and in no log.

use std::collections::HashSet;

/// A text that was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sent<'a> {
    /// A question or a turn of its chat: any three words in a row show that it is repeated, and of a shorter one all.
    Question(&'a str),
    /// A passage. Among many of them there is every usual turn of phrase, so that it takes six words in a row.
    Passage(&'a str),
}

/// How many words in a row show that a passage is repeated.
const PASSAGE: usize = 6;
/// And a question.
const QUESTION: usize = 3;
/// A shorter question, in characters, gives nobody away: "ok", "why?".
const SHORTEST: usize = 5;
/// So much of a server's message is looked into, in bytes; less of it is ever shown.
const MOST_LOOKED_AT: usize = 16 << 10;

/// The runs of words of what was sent.
pub(super) struct Echo {
    runs: HashSet<String>,
}

impl Echo {
    pub(super) fn of<'a>(sent: impl IntoIterator<Item = Sent<'a>>) -> Self {
        let runs = sent.into_iter().flat_map(|sent| match sent {
            Sent::Question(text) if text.trim().chars().count() < SHORTEST => vec![],
            Sent::Question(text) => {
                let words = words(text);
                runs(&words, QUESTION.min(words.len()))
            }
            Sent::Passage(text) => runs(&words(text), PASSAGE),
        });
        Self { runs: runs.collect() }
    }

    /// Whether a message repeats a run.
    pub(super) fn is_in(&self, message: &str) -> bool {
        let words = words(&message[..message.floor_char_boundary(MOST_LOOKED_AT)]);
        (1..=PASSAGE).any(|length| runs(&words, length).iter().any(|run| self.runs.contains(run)))
    }
}

/// So many words in a row, from every word on.
fn runs(words: &[String], length: usize) -> Vec<String> {
    words.windows(length.max(1)).map(|run| run.join(" ")).collect()
}

/// The words of a text in lower case. Of scripts that put no spaces between words, each character.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![];
    let mut open = false;
    for c in text.chars() {
        let alone = matches!(c, '\u{e00}'..='\u{eff}' | '\u{2e80}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}');
        if !c.is_alphanumeric() {
            open = false;
        } else if open && !alone {
            words.last_mut().into_iter().for_each(|word: &mut String| word.extend(c.to_lowercase()));
        } else {
            words.push(c.to_lowercase().to_string());
            open = !alone;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_found_in_a_message_and_nothing_else_is() {
        let echo = |question| Echo::of([Sent::Question(question), Sent::Question("My name is Jane Roe.")]);
        for (question, message) in [
            ("How do I treat HIV at home?", "invalid input: {\"content\": \"how do I treat…"),
            ("flat bread?", "cannot parse \"Flat bread?\""),
            ("bankruptcy", "rejected: <question>bankruptcy</question>"),
            ("something else", "role user: my NAME is jane roe."),
            ("为什么我的面包是扁的？", "无效输入：为什么我的…"),
        ] {
            assert!(echo(question).is_in(message), "{question}: {message}");
        }
        for (question, message) in [
            ("How do I treat HIV at home?", "use max_completion_tokens, not max_tokens"),
            ("why?", "why? the model is loading"),
            ("flat bread?", "no bread, flat"),
            ("is the model up", "the model is loading"),
        ] {
            assert!(!echo(question).is_in(message), "{question}: {message}");
        }
    }
    #[test]
    fn a_passage_is_repeated_only_by_several_words() {
        let echo = Echo::of(["The input is too long for this form, said Jane.", "Error"].map(Sent::Passage));
        assert!(echo.is_in("cannot read: \"the input is too long for THIS form\""));
        for message in ["Error: the input is too long", "error"] {
            assert!(!echo.is_in(message), "{message}");
        }
    }
}
