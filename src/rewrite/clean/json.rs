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
    /// The string, with its lines.
    pub(super) text: String,
}

/// The strings of a structured reply that the model meant as its rewrites; `None` if the reply is not structured.
pub(super) fn strings(text: &str) -> Option<Vec<String>> {
    entries(text).map(chosen)
}

/// All strings of a structured reply; `None` if the reply is not structured.
pub(super) fn entries(text: &str) -> Option<Vec<Entry>> {
    let text = text.trim();
    if ["{“", "[“"].iter().any(|begin| text.starts_with(begin)) {
        return entries(&text.replace(['“', '”'], "\""));
    }
    if let Some(value) = parsed(text) {
        return Some(Found::of(&value).entries);
    }
    // Encoded twice.
    if let Ok(inner) = serde_json::from_str::<String>(text)
        && inner.starts_with(['[', '{'])
    {
        return entries(&inner);
    }
    // Structure may follow a line of prose, or a label on the same line.
    let body = &text[structure_start(text)?..];
    if let Some(value) = parsed(to_last_bracket(body)) {
        return Some(Found::of(&value).entries);
    }
    // JSON lines, Python's notation, a comma too many, the end cut off: take the strings that are whole.
    let found = scan(body).entries;
    (!found.is_empty()).then_some(found)
}

/// The strings under keys that name a question; else those under keys that name an answer; else a single string.
fn chosen(entries: Vec<Entry>) -> Vec<String> {
    let single = entries.len() == 1;
    // {"ricerche": ["…", "…"]}
    let listed = entries.windows(2).all(|pair| pair[0].keys == pair[1].keys && pair[0].kind.is_none());
    let has = |kind| entries.iter().any(|entry| entry.kind == Some(kind));
    let wanted = if has(Kind::Question) {
        Some(Kind::Question)
    } else if has(Kind::Output) {
        Some(Kind::Output)
    } else if single || listed {
        None
    } else {
        return vec![];
    };
    entries.into_iter().filter(|entry| entry.kind == wanted).map(|entry| entry.text).collect()
}

/// Whether a reply is structured as a whole, but for a line or two of prose around it.
pub(super) fn is_whole(text: &str) -> bool {
    const PROSE: usize = 20;
    let Some((before, rest)) = structure(text).and_then(|structure| text.split_once(structure)) else { return false };
    let words = |prose: &str| prose.split_whitespace().count();
    let before = before.trim();
    words(before) + words(rest) <= PROSE && (before.is_empty() || before.ends_with([':', '.']))
}

/// The structured part of a reply, from the first bracket to the last; a string that holds all of it, too.
pub(super) fn structure(text: &str) -> Option<&str> {
    let text = text.trim();
    if ["{“", "[“", "\"{", "\"["].iter().any(|begin| text.starts_with(begin)) {
        return Some(text);
    }
    Some(to_last_bracket(&text[structure_start(text)?..]))
}

fn to_last_bracket(body: &str) -> &str {
    body.rfind([']', '}']).map_or(body, |at| &body[..=at])
}

/// Where structure begins: a bracket at the start of a line or after a colon, followed by a quote or another bracket.
fn structure_start(text: &str) -> Option<usize> {
    let (mut opens, mut passed) = (true, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' if opens => {
                let next = text[at + 1..].trim_start();
                if next.starts_with(['"', '\'', '[', '{']) || next.starts_with("//") {
                    return Some(at);
                }
                opens = false;
            }
            '\n' => (opens, passed) = (true, false),
            // Of "How do I read {"user": {"name": …}}?" nothing is.
            ':' => opens = !passed,
            '[' | '{' => passed = true,
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
    /// Whether what is collected was encoded in a string: it is decoded once.
    decoding: bool,
}

impl Found {
    fn of(value: &Value) -> Self {
        let mut found = Self::default();
        found.collect(value, Some(Kind::Question));
        found
    }

    fn collect(&mut self, value: &Value, kind: Option<Kind>) {
        match value {
            Value::String(text) => match parsed(text).filter(|_| !self.decoding) {
                // The arguments of a tool call.
                Some(value) => {
                    self.decoding = true;
                    self.collect(&value, kind);
                    self.decoding = false;
                }
                None if self.entries.len() < MAX_STRINGS => {
                    self.entries.push(Entry { keys: self.keys.clone(), kind, text: folded_lines(text) });
                }
                None => {}
            },
            Value::Array(values) => values.iter().for_each(|value| self.collect(value, kind)),
            Value::Object(fields) => {
                // {"kind": "keywords", "text": "…"}
                let kind_key = ["kind", "type"].into_iter().find(|key| fields.get(*key).is_some_and(Value::is_string));
                let named = kind_key.filter(|_| fields.len() > 1);
                let depth = self.keys.len();
                self.keys.extend(named.and_then(|key| fields[key].as_str()).map(str::to_owned));
                for (key, value) in fields.iter().filter(|(key, _)| Some(key.as_str()) != named) {
                    self.keys.push(key.clone());
                    self.collect(value, chatter::key(key));
                    self.keys.pop();
                }
                self.keys.truncate(depth);
            }
            _ => {}
        }
    }
}

/// The array or object that a text is as a whole.
fn parsed(text: &str) -> Option<Value> {
    let value = text.starts_with(['[', '{']).then(|| serde_json::from_str(text).ok()).flatten()?;
    matches!(value, Value::Array(_) | Value::Object(_)).then_some(value)
}

/// The lines of a string that say something, with single blanks.
fn folded_lines(text: &str) -> String {
    let fold = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(fold).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Whether a structured reply ends in the middle: a string or a bracket is still open.
pub(super) fn is_cut_off(text: &str) -> bool {
    let text = text.trim();
    let whole = || serde_json::from_str::<Value>(text).is_ok();
    structure_start(text).is_some_and(|start| scan(&text[start..]).open) && !whole()
}

/// What was read with tolerance.
#[derive(Default)]
struct Scanned {
    entries: Vec<Entry>,
    /// Whether it ended inside of a string or of brackets.
    open: bool,
}

/// Reads quoted strings where strings may stand in JSON or in Python, and forgives everything else. Of the keys it
/// remembers the last one only.
fn scan(text: &str) -> Scanned {
    let mut found = Scanned::default();
    let mut key = None;
    let mut before = ' ';
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            // A comment.
            '/' if rest.starts_with('/') && matches!(before, '[' | '{' | ',') => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            _ => {}
        }
        if matches!(c, '"' | '\'') && matches!(before, '[' | '{' | ',' | ':' | ' ') {
            let Some((string, after)) = quoted(rest, c) else {
                return Scanned { open: true, ..found };
            };
            rest = after;
            if after.trim_start().starts_with(':') {
                key = Some(string.unwrap_or_default());
            } else if let Some(string) = string
                && found.entries.len() < MAX_STRINGS
            {
                let kind = key.as_deref().map_or(Some(Kind::Question), chatter::key);
                let keys = key.clone().into_iter().collect();
                found.entries.push(Entry { keys, kind, text: folded_lines(&string) });
            }
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    Scanned { open: depth > 0, ..found }
}

/// A string up to the quote that ends it: the one before a comma, a colon or a closing bracket. The string itself is
/// `None` if it has an escape that stands for nothing.
fn quoted(text: &str, quote: char) -> Option<(Option<String>, &str)> {
    let mut string = Some(String::new());
    let mut rest = text;
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        let said = match c {
            '\\' => {
                let escaped;
                (escaped, rest) = unescaped(rest)?;
                escaped
            }
            c if c == quote && rest.trim_start().chars().next().is_none_or(|c| ",:]}".contains(c)) => {
                return Some((string, rest));
            }
            c => Some(c),
        };
        string = string.zip(said).map(|(mut string, c)| {
            string.push(c);
            string
        });
    }
}

/// What stands after a backslash, and the rest: `None` in its place for what is no character. Nothing at all if the text
/// ends there.
fn unescaped(text: &str) -> Option<(Option<char>, &str)> {
    let hex = |text: &str, digits: usize| {
        let digits = text.get(..digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let c = text.chars().next()?;
    let rest = &text[c.len_utf8()..];
    Some(match c {
        'n' | 'r' => (Some('\n'), rest),
        't' | 'b' | 'f' => (Some(' '), rest),
        // Python's.
        'x' => hex(rest, 2).map_or((None, rest), |code| (char::from_u32(code), &rest[2..])),
        'u' => match hex(rest, 4) {
            Some(high @ 0xd800..0xdc00) => {
                let low = rest[4..].strip_prefix("\\u").and_then(|low| hex(low, 4));
                match low {
                    Some(low @ 0xdc00..0xe000) => {
                        (char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), &rest[10..])
                    }
                    _ => (None, &rest[4..]),
                }
            }
            Some(code) => (char::from_u32(code), &rest[4..]),
            None => (None, rest),
        },
        '"' | '\'' | '\\' | '/' | '`' => (Some(c), rest),
        // `C:\Windows`: what escapes nothing stands for itself.
        _ => (Some('\\'), text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_what_stands_for_nothing_rejects_its_string() {
        for (reply, wanted) in [
            (r#"{"multi": ["s\u00fc\u00df", "why is"#, &["süß"][..]),
            (r#"{"multi": ["a \ud83c\udf5e loaf", "wh"#, &["a 🍞 loaf"]),
            (r"['na\xefve bread\u00a0?',]", &["naïve bread ?"]),
            (
                r#"["one", "s\u00f", "two", "s\uzzzz", "\ud83c alone", "\ud83c\u0041", "\udf5e", "\"three\"",]"#,
                &["one", "two", "\"three\""],
            ),
            (r#"["tab\tnew\nline\\", "\/",]"#, &["tab new\nline\\", "/"]),
        ] {
            let texts: Vec<String> = entries(reply).unwrap().into_iter().map(|entry| entry.text).collect();
            assert_eq!(texts, wanted, "{reply}");
        }
    }

    #[test]
    fn a_reply_that_was_cut_off_is_told_from_one_in_another_notation() {
        for cut in [r#"{"multi": ["why?", "wh"#, r#"{"multi": ["why?","#, r#"["why?""#, "Here: [\"why?\", \"a"] {
            assert!(is_cut_off(cut), "{cut}");
        }
        for whole in [
            r#"{"multi": ["why?"]}"#,
            r"{'multi': ['why?',]}",
            "{\"a\": \"b [c\"}",
            "why [is bread flat?",
            "{\"query\": \"a?\"}\n{\"query\": \"b?\"}",
            "Here:\n[\"why?\"]\nEnjoy!",
            "",
        ] {
            assert!(!is_cut_off(whole), "{whole}");
        }
    }
}
