//! Whether a server's words repeat what was sent to it: questions and passages stand in no error text and in no log.

use std::collections::HashSet;

/// So many words in a row show that a text repeats another.
const RUN: usize = 3;
/// A shorter text, in characters, gives nobody away: "ok", "why?".
const SHORTEST: usize = 5;
/// So much of a server's message is looked into, in bytes; less of it is ever shown.
const MOST_LOOKED_AT: usize = 16 << 10;

/// The runs of words of what was sent. Of a text with fewer words than a run has, all of them.
pub(super) struct Echo {
    runs: HashSet<String>,
}

impl Echo {
    /// Of these texts.
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter().filter(|text| text.trim().chars().count() >= SHORTEST);
        let runs = texts.flat_map(|text| {
            let words = words(text);
            let length = RUN.min(words.len()).max(1);
            words.windows(length).map(|run| run.join(" ")).collect::<Vec<_>>()
        });
        Self { runs: runs.collect() }
    }

    /// Whether a message repeats a run.
    pub(super) fn is_in(&self, message: &str) -> bool {
        let words = words(&message[..message.floor_char_boundary(MOST_LOOKED_AT)]);
        (1..=RUN).any(|length| words.windows(length).any(|run| self.runs.contains(&run.join(" "))))
    }
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
        let echo = |question: &str| Echo::of([question, "My name is Jane Roe."]);
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
}
