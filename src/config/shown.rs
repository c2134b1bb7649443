//! Settings as they are shown: without secrets to who owns the process, without addresses to who calls it.

use serde_json::{Map, Value};

/// What callers of the sidecar may read: how a question is embedded, searched, rewritten and fused. Whatever else is set
/// is not shown, so that a new setting is hidden until it is named here.
const FOR_CALLERS: [(&str, &[&str]); 5] = [
    ("embed", &["model", "precision", "provider", "dimension", "query_prefix", "passage_prefix"]),
    ("bm25", &["language"]),
    (
        "search",
        &["legs", "dense_weight", "bm25_weight", "depth", "dense_depth", "bm25_depth", "rewrite_depth", "limit"],
    ),
    (
        "rewrite",
        &[
            "model",
            "kinds",
            "count",
            "any_language",
            "structured",
            "deadline_ms",
            "least_cosine",
            "weight",
            "feedback",
            "feedback_use",
            "gate",
        ],
    ),
    ("fuse", &["method"]),
];

/// What stands in the place of a secret.
const MASK: &str = "***";
/// How the words end that name secrets.
const SECRETS: [&str; 10] =
    ["key", "keys", "token", "secret", "secrets", "password", "authorization", "auth", "credential", "credentials"];

/// Takes out of the effective settings what callers of the sidecar may read: nothing that names a file, an address or a
/// key.
#[must_use]
pub fn for_callers(effective: &Value) -> Value {
    let section = |(name, allowed): (&str, &[&str])| -> Option<(String, Value)> {
        let fields = effective.get(name)?.as_object()?;
        let shown = fields.iter().filter(|(name, _)| allowed.contains(&name.as_str()));
        let mut shown: Map<String, Value> = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(Value::String(path)) = shown.get_mut("model") {
            // The model's name, without where it is.
            *path = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        }
        Some((name.to_owned(), shown.into()))
    };
    FOR_CALLERS.into_iter().filter_map(section).collect::<Map<_, _>>().into()
}

/// Which of these settings (`section.key` or a whole `section`) differ between two effective settings.
#[must_use]
pub fn changed(before: &Value, after: &Value, settings: &[&'static str]) -> Vec<&'static str> {
    let at =
        |value: &Value, path: &str| path.split('.').try_fold(value.clone(), |value, name| value.get(name).cloned());
    settings.iter().copied().filter(|path| at(before, path) != at(after, path)).collect()
}

/// Replaces what could be a secret, however deep it lies: the values of what is named like one, and in URLs what stands
/// before the host and behind the path.
pub(super) fn redact(settings: &mut Value) {
    redact_field("", settings, false);
}

fn redact_field(name: &str, value: &mut Value, hidden: bool) {
    let hidden = hidden || names_secret(name);
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| redact_field(name, value, hidden)),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_field("", item, hidden)),
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Number(_) if hidden => *value = MASK.into(),
        Value::String(text) => redact_text(name, text),
        _ => {}
    }
}

/// Whether a setting of this name holds a secret. One that names a file does not, and `max_tokens` are none.
fn names_secret(name: &str) -> bool {
    // The words of snake_case, kebab-case and camelCase.
    let mut apart = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && apart.ends_with(char::is_lowercase) {
            apart.push('_');
        }
        apart.push(letter);
    }
    let apart = apart.to_lowercase();
    let mut words = apart.split(|letter: char| !letter.is_alphanumeric());
    !apart.ends_with("file") && words.any(|word| SECRETS.iter().any(|secret| word.ends_with(secret)))
}

fn redact_text(name: &str, text: &mut String) {
    // Fields of a request that come from a flag are JSON. So is a tenant's filter, whose keys are names of fields.
    if name != "filter"
        && let Ok(mut inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
    {
        redact(&mut inner);
        *text = inner.to_string();
    } else if let Some((scheme, rest)) = text.split_once("://") {
        // A password may hold anything, so whatever stands before the last @ goes.
        let (login, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
        let path = rest.find(['?', '#']).unwrap_or(rest.len());
        let query = if path < rest.len() { "?***" } else { "" };
        *text = format!("{scheme}://{login}{}{query}", &rest[..path]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let environment = [
            ("ASKTWICE__STORE__API_KEY", "canary-1"),
            ("ASKTWICE__REWRITE__URL", "http://me:canary-2@localhost/v1"),
            ("ASKTWICE__SERVER__TENANTS__ANN__KEY", "canary-3-is-long-enough"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let shown = Settings::effective(None, environment, &["search.depth=7".to_owned()]).unwrap();
        let text = shown.to_string();
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(
            (&shown["rewrite"]["url"], &shown["search"]["depth"]),
            (&"http://***@localhost/v1".into(), &"7".into())
        );
        assert_eq!(shown["server"]["tenants"]["ann"]["key"], "***");
    }

    #[test]
    fn secrets_are_found_however_deep_they_lie() {
        let file = r#"
            [store]
            url = "https://host.example:6334?api_key=canary-1#canary-2"
            [rewrite]
            url = "https://me:can@ry?canary-3@host.example/v1?key=canary-4"
            model = "m"
            parameters = { max_tokens = 128, extra_headers = { "X-Api-Key" = "canary-5", seed = "kept-1" } }
            [[rewrite.fallbacks]]
            url = "https://one.example/v1?key=canary-6"
            model = "kept-2"
            api_key_file = "kept-3"
            parameters = { api_key = "canary-7", accessToken = "canary-8", PASSWORD = 4711, list = [{ secret = ["canary-9"] }] }
            [server.tenants.ann]
            key_file = "kept-4"
            filter = '{"must": [{"key": "kept-5", "match": {"value": 1}}]}'
        "#;
        let written = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&written, file).unwrap();
        let flags = [r#"embed.parameters.extra={"authorization": "canary-10"}"#.to_owned()];
        let shown = Settings::effective(Some(written.path()), [].into(), &flags).unwrap();
        let text = shown.to_string();
        assert!(!text.contains("canary") && !text.contains("can@ry") && !text.contains("4711"), "{text}");
        assert!((1..=5).all(|n| text.contains(&format!("kept-{n}"))), "{text}");
        assert_eq!(shown["rewrite"]["url"], "https://***@host.example/v1?***");
        assert_eq!(shown["rewrite"]["fallbacks"][0]["url"], "https://one.example/v1?***");
        assert_eq!(shown["rewrite"]["parameters"]["max_tokens"], 128);
        let told = for_callers(&shown).to_string();
        assert!(
            ["example", "kept", "file", "parameters", "fallbacks", "prompts", "head"].iter().all(|w| !told.contains(w)),
            "{told}"
        );
    }

    #[test]
    fn callers_read_no_address_and_no_file() {
        let effective = Settings::effective(None, [].into(), &["rewrite.url=http://secret/v1".to_owned()]).unwrap();
        let shown = for_callers(&effective);
        assert!(!shown.to_string().contains("secret") && shown.get("store").is_none(), "{shown}");
        assert_eq!(
            (&shown["embed"]["model"], &shown["fuse"]["method"]),
            (&"all-MiniLM-L6-v2".into(), &effective["fuse"]["method"])
        );
        let other = Settings::effective(None, [].into(), &["search.depth=7".to_owned()]).unwrap();
        assert_eq!(
            changed(&effective, &other, &["rewrite.url", "search.depth", "store"]),
            ["rewrite.url", "search.depth"]
        );
    }
}
