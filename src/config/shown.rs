//! Settings as they are shown: without secrets to who owns the process, without addresses to who calls it.

use serde_json::{Map, Value};

/// What callers of the sidecar may read: how a question is embedded, searched, rewritten and fused.
const FOR_CALLERS: [&str; 5] = ["embed", "bm25", "search", "rewrite", "fuse"];

/// Takes out of the effective settings what callers of the sidecar may read: nothing that names a file, an address or a
/// key.
#[must_use]
pub fn for_callers(effective: &Value) -> Value {
    let hidden =
        |name: &str| name.ends_with("_file") || matches!(name, "url" | "key" | "api_key" | "parameters" | "library");
    let section = |name: &str| -> Option<(String, Value)> {
        let fields = effective.get(name)?.as_object()?;
        let shown = fields.iter().filter(|(name, _)| !hidden(name));
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

/// Replaces what could be a secret: keys, and what stands before the host of a URL.
pub(super) fn redact(settings: &mut Value) {
    let Value::Object(fields) = settings else { return };
    for (name, value) in fields {
        redact(value);
        let Value::String(text) = value else { continue };
        if matches!(name.as_str(), "key" | "api_key") && !text.is_empty() {
            "***".clone_into(text);
        } else if let Some((scheme, rest)) = text.split_once("://")
            && let Some((_, host)) = rest.rsplit_once('@')
        {
            *text = format!("{scheme}://***@{host}");
        }
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
