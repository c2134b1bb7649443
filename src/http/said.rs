//! What a server says with an error, kept short and without secrets.

use std::borrow::Cow;

use serde_json::Value;

/// In the place of a message that nobody may see.
pub(crate) const WITHHELD: &str = "its message repeats what was asked and is left out";

/// What the body of an error says.
pub(crate) struct Said {
    message: String,
    code: String,
    /// Whether the message repeats what may not be shown.
    withheld: bool,
}

impl Said {
    /// Reads a body; what it repeats of the key is left out of the message.
    pub(crate) fn of(body: &str, key: Option<&str>) -> Self {
        Self::unless(body, key, |_| false)
    }

    /// Reads a body of which the message is not to be quoted if it repeats what was asked.
    pub(crate) fn unless(body: &str, key: Option<&str>, repeats: impl Fn(&str) -> bool) -> Self {
        let body = body.trim();
        let said = |message: &str, code| Self { message: excerpt(message, key), code, withheld: repeats(message) };
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            // A page for people says nothing in one line.
            return said(if body.starts_with('<') { "" } else { body }, String::new());
        };
        let error = value.get("error").unwrap_or(&value);
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        said(error.as_str().unwrap_or_else(|| text("message")), format!("{} {}", text("code"), text("type")))
    }

    pub(crate) fn is(&self, signs: &[&str]) -> bool {
        signs.iter().any(|sign| self.code.contains(sign) || self.message.contains(sign))
    }

    pub(crate) fn quoted(&self) -> String {
        if self.withheld {
            format!("; {WITHHELD}")
        } else if self.message.is_empty() {
            String::new()
        } else {
            format!("; it says: {:?}", self.message)
        }
    }
}

/// A short piece of a stranger's text, without control characters, without the key and without what may be one: servers
/// like to repeat the one that they refuse.
pub(crate) fn excerpt(text: &str, key: Option<&str>) -> String {
    const MAX_CHARS: usize = 160;
    // On the whole text: cut first, it could end in the middle of the key.
    let text = key.map_or(Cow::Borrowed(text), |key| text.replace(key, "…").into());
    // Bounded before it is looked at: the text may be long.
    let start: String = text.chars().take(4 * MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let secret = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        bare.starts_with("sk-") || bare.starts_with("Bearer") || bare.contains("**") || is_random(bare)
    };
    let words = start.split_whitespace().map(|word| if secret(&word) { "…" } else { word });
    let shown = words.collect::<Vec<_>>().join(" ");
    match shown.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Long words of letters and digits are keys, ids or hashes; nobody needs them in a message.
fn is_random(word: &str) -> bool {
    word.len() >= 16
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_clean_and_keep_no_keys() {
        let said = excerpt(
            "Incorrect API key provided: sk-hunter2hunter2.\u{1b}[31m\nSee AbCd1234EfGh5678IjKl, please.",
            None,
        );
        assert_eq!(said, "Incorrect API key provided: … [31m See … please.");
        assert!(excerpt(&"word ".repeat(1_000_000), None).chars().count() <= 161);
        assert_eq!(excerpt("wrong key: e!", Some("e")), "wrong k…y: …!");
        assert!(!excerpt(&("x".repeat(155) + " hunter2"), Some("hunter2")).contains("hun"));
    }

    #[test]
    fn what_the_server_says_is_found_in_its_usual_forms() {
        for body in [
            r#"{"error": {"message": "no such model", "code": "model_not_found"}}"#,
            r#"{"error": "no such model"}"#,
            r#"{"object": "error", "message": "no such model"}"#,
            "no such model",
        ] {
            assert_eq!(Said::of(body, None).message, "no such model", "{body}");
        }
        assert_eq!(Said::of("<html><body>502</body></html>", None).message, "");
    }
}
