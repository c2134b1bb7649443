//! Whether a line refuses, reports a filter, or asks back. As with all talk, in doubt it is a question.

use super::{
    chatter::{begins, plain},
    vocabulary::{
        ASKING_BACK, ASKING_BACK_ABOUT, CONFESSIONS, FILTERED, FOREIGN_REFUSALS, HELPING, NOT, REFUSALS, SORRY, UNABLE,
        UNABLE_TO, VERDICTS,
    },
};

/// Whether a line refuses, reports a filter, or asks back.
pub(super) fn is_refusal(line: &str) -> bool {
    let end = line.char_indices().nth(400).map_or(line.len(), |(at, _)| at);
    let text = plain(&line[..end]);
    let holds = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let sorry = SORRY.iter().any(|begin| text.starts_with(begin));
    (sorry && holds(NOT))
        || will_not(&text)
        || begins(&text, CONFESSIONS)
        || REFUSALS.contains(&text.trim_matches(|c: char| !c.is_alphanumeric()))
        || begins(&text, UNABLE_TO)
        || FOREIGN_REFUSALS.iter().any(|(begin, verb)| text.starts_with(begin) && text.contains(verb))
        || text.contains("appropriate for me to")
        || is_filtered(&text)
        || asks_back(&text)
}

/// "I can't help with that", "I must decline to answer": what is refused has to be the model's own work.
fn will_not(text: &str) -> bool {
    let Some(rest) = UNABLE.iter().find_map(|begin| text.strip_prefix(begin)) else { return false };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("to ").or_else(|| rest.strip_prefix("be able to ")).unwrap_or(rest);
    rest.trim() == "help" || HELPING.iter().any(|what| rest.starts_with(what))
}

/// A gateway's or provider's notice in place of a reply. "Content moderation is …" is none.
fn is_filtered(text: &str) -> bool {
    let bracketed = text.starts_with(['[', '(']) && text.ends_with([']', ')', '.']);
    let subject = FILTERED.iter().any(|subject| text.starts_with(subject));
    let verdict = VERDICTS.iter().any(|verdict| text.contains(verdict));
    !text.ends_with('?') && (subject && verdict || bracketed && text.contains("content") && text.contains("filter"))
}

fn asks_back(text: &str) -> bool {
    ASKING_BACK.iter().any(|phrase| {
        let starts = text.starts_with(phrase);
        (starts || (phrase.starts_with("you") || phrase.starts_with("no ")) && text.contains(phrase))
            && ASKING_BACK_ABOUT.iter().any(|word| text.contains(word))
    })
}
