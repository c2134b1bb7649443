//! What a server says with an error, kept short and without secrets.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::echo::{Echo, Sent};

/// In the place of a message that nobody may see.
const WITHHELD: &str = "its message repeats what was sent and is left out";

/// What the body of an error says.
pub(crate) struct Said {
    message: String,
    code: String,
    /// Whether the message repeats what was sent.
    withheld: bool,
}

impl Said {
    /// Reads a body; what it repeats of the key is left out of the message. The message itself is, too, if it repeats
    /// one of the texts that were sent.
    pub(crate) fn of<'a>(body: &str, key: Option<&SecretString>, sent: impl IntoIterator<Item = Sent<'a>>) -> Self {
        let body = body.trim();
        match serde_json::from_str(body) {
            Ok(value) => Self::in_json(&value, key, sent),
            // A page for people says nothing in one line.
            Err(_) => Self::new(if body.starts_with('<') { "" } else { body }, String::new(), key, sent),
        }
    }

    /// Reads a body that is JSON, see [`of`](Self::of).
    pub(crate) fn in_json<'a>(
        body: &Value,
        key: Option<&SecretString>,
        sent: impl IntoIterator<Item = Sent<'a>>,
    ) -> Self {
        let error = body.get("error").unwrap_or(body);
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        let code = format!("{} {}", text("code"), text("type"));
        Self::new(error.as_str().unwrap_or_else(|| text("message")), code, key, sent)
    }

    fn new<'a>(
        message: &str,
        code: String,
        key: Option<&SecretString>,
        sent: impl IntoIterator<Item = Sent<'a>>,
    ) -> Self {
        let withheld = Echo::of(sent).is_in(message);
        Self { message: excerpt(message, key.map(ExposeSecret::expose_secret)), code, withheld }
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
fn excerpt(text: &str, key: Option<&str>) -> String {
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
            assert_eq!(Said::of(body, None, []).message, "no such model", "{body}");
        }
        let body = r#"{"error": {"message": "cannot read: my name is Jane", "code": "invalid_input"}}"#;
        let said = Said::of(body, None, ["hello", "My name is Jane Roe."].map(Sent::Question));
        assert_eq!((said.quoted(), said.is(&["invalid_input"])), (format!("; {WITHHELD}"), true));
        assert_eq!(Said::of("<html><body>502</body></html>", None, []).message, "");
    }
}
