//! Structured replies: arrays and objects of strings, also in Python's notation, cut off, or in the middle of prose.

use serde_json::Value;

use super::chatter::{self, Kind};

/// Strings looked at: a reply with more is not a list of questions.
const MAX_STRINGS: usize = 200;

/// The strings of a structured reply that the model meant as its rewrites; `None` if the reply is not structured.
pub(super) fn strings(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
        return Some(Found::of(&value).chosen());
    }
    // Structure may follow a line of prose, or a label on the same line.
    let start = structure_start(text)?;
    let body = &text[start..];
    let end = body.rfind([']', '}']).map_or(body.len(), |at| at + 1);
    if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(&body[..end]) {
        return Some(Found::of(&value).chosen());
    }
    // JSON lines, Python's notation, a comma too many, the end cut off: take the strings that are whole.
    let found = scan(body);
    (!found.0.is_empty()).then(|| found.chosen())
}

/// Where structure begins: a bracket at the start of a line or after a colon, followed by a quote or another bracket.
fn structure_start(text: &str) -> Option<usize> {
    let mut opens = true;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' if opens => {
                let next = text[at + 1..].chars().find(|c| !c.is_whitespace());
                if next.is_some_and(|c| "\"'[{".contains(c)) {
                    return Some(at);
                }
                opens = false;
            }
            '\n' | ':' => opens = true,
            c if c.is_whitespace() => {}
            _ => opens = false,
        }
    }
    None
}

/// Strings, each with what its key makes of it.
#[derive(Default)]
struct Found(Vec<(Option<Kind>, String)>);

impl Found {
    fn of(value: &Value) -> Self {
        let mut found = Self::default();
        found.collect(value, Some(Kind::Question));
        found
    }

    fn collect(&mut self, value: &Value, kind: Option<Kind>) {
        match value {
            Value::String(text) => self.push(kind, text),
            Value::Array(values) => values.iter().for_each(|value| self.collect(value, kind)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.collect(value, chatter::key(key));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn push(&mut self, kind: Option<Kind>, text: &str) {
        if self.0.len() < MAX_STRINGS {
            self.0.push((kind, text.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }

    /// The strings under keys that name a question; else those under keys that name an answer; else a single string.
    fn chosen(self) -> Vec<String> {
        let single = self.0.len() == 1;
        let has = |kind| self.0.iter().any(|(found, _)| *found == Some(kind));
        let wanted = if has(Kind::Question) {
            Some(Kind::Question)
        } else if has(Kind::Output) {
            Some(Kind::Output)
        } else if single {
            None
        } else {
            return vec![];
        };
        self.0.into_iter().filter(|(kind, _)| *kind == wanted).map(|(_, text)| text).collect()
    }
}

/// Reads quoted strings where strings may stand in JSON or in Python, and forgives everything else.
fn scan(text: &str) -> Found {
    let mut found = Found::default();
    let mut kind = Some(Kind::Question);
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if matches!(c, '"' | '\'') && matches!(before, '[' | '{' | ',' | ':' | ' ') {
            let Some((string, after)) = quoted(rest, c) else { break };
            rest = after;
            if after.trim_start().starts_with(':') {
                kind = chatter::key(&string);
            } else {
                found.push(kind, &string);
            }
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    found
}

/// A string up to the quote that ends it: the one before a comma, a colon or a closing bracket.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut string = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' | 't' | 'r' => string.push(' '),
                escaped => string.push(escaped),
            },
            c if c == quote => {
                let after = &text[at + c.len_utf8()..];
                let next = after.trim_start().chars().next();
                if next.is_none_or(|c| ",:]}".contains(c)) {
                    return Some((string, after));
                }
                string.push(c);
            }
            c => string.push(c),
        }
    }
    None
}
