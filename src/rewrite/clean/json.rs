//! Structured replies: arrays and objects of strings, also in Python's notation, cut off, or in the middle of prose.

use serde_json::Value;

use super::chatter::{self, Kind};

/// Strings looked at: a reply with more is not a list of questions.
const MAX_STRINGS: usize = 200;

/// A string of a structured reply.
pub(super) struct Entry {
    /// The keys that lead to it, the outermost first.
    pub(super) keys: Vec<String>,
    /// What the innermost key makes of it.
    pub(super) kind: Option<Kind>,
    /// The string, on one line.
    pub(super) text: String,
}

/// The strings of a structured reply that the model meant as its rewrites; `None` if the reply is not structured.
pub(super) fn strings(text: &str) -> Option<Vec<String>> {
    entries(text).map(chosen)
}

/// All strings of a structured reply; `None` if the reply is not structured.
pub(super) fn entries(text: &str) -> Option<Vec<Entry>> {
    let text = text.trim();
    if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
        return Some(Found::of(&value).entries);
    }
    // Structure may follow a line of prose, or a label on the same line.
    let start = structure_start(text)?;
    let body = &text[start..];
    let end = body.rfind([']', '}']).map_or(body.len(), |at| at + 1);
    if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(&body[..end]) {
        return Some(Found::of(&value).entries);
    }
    // JSON lines, Python's notation, a comma too many, the end cut off: take the strings that are whole.
    let found = scan(body);
    (!found.is_empty()).then_some(found)
}

/// The strings under keys that name a question; else those under keys that name an answer; else a single string.
fn chosen(entries: Vec<Entry>) -> Vec<String> {
    let single = entries.len() == 1;
    let has = |kind| entries.iter().any(|entry| entry.kind == Some(kind));
    let wanted = if has(Kind::Question) {
        Some(Kind::Question)
    } else if has(Kind::Output) {
        Some(Kind::Output)
    } else if single {
        None
    } else {
        return vec![];
    };
    entries.into_iter().filter(|entry| entry.kind == wanted).map(|entry| entry.text).collect()
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

/// Collects the strings of a value, each with the keys that lead to it.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    keys: Vec<String>,
}

impl Found {
    fn of(value: &Value) -> Self {
        let mut found = Self::default();
        found.collect(value, Some(Kind::Question));
        found
    }

    fn collect(&mut self, value: &Value, kind: Option<Kind>) {
        match value {
            Value::String(text) if self.entries.len() < MAX_STRINGS => {
                self.entries.push(Entry { keys: self.keys.clone(), kind, text: on_one_line(text) });
            }
            Value::Array(values) => values.iter().for_each(|value| self.collect(value, kind)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.keys.push(key.clone());
                    self.collect(value, chatter::key(key));
                    self.keys.pop();
                }
            }
            _ => {}
        }
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads quoted strings where strings may stand in JSON or in Python, and forgives everything else. Of the keys it
/// remembers the last one only.
fn scan(text: &str) -> Vec<Entry> {
    let mut found = vec![];
    let mut key = None;
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if matches!(c, '"' | '\'') && matches!(before, '[' | '{' | ',' | ':' | ' ') {
            let Some((string, after)) = quoted(rest, c) else { break };
            rest = after;
            if after.trim_start().starts_with(':') {
                key = Some(string);
            } else if found.len() < MAX_STRINGS {
                let kind = key.as_deref().map_or(Some(Kind::Question), chatter::key);
                found.push(Entry { keys: key.clone().into_iter().collect(), kind, text: on_one_line(&string) });
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
