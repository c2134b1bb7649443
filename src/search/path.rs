//! The path of a payload field, in Qdrant's syntax: `topic`, `author.name`, `tags[]`, `lines[0].price`, `"a key"`.

use serde_json::{Map, Value};

/// Where a field lies in a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    first: String,
    rest: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Each,
}

impl Path {
    /// Reads a path; `None` if an engine would not understand it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, mut text) = key(text)?;
        let mut rest = vec![];
        while !text.is_empty() {
            let step = step(text)?;
            rest.push(step.0);
            text = step.1;
        }
        Some(Self { first, rest })
    }

    /// The values that lie there. A list counts as one value, unless the path steps into it.
    pub(super) fn find<'a>(&self, fields: &'a Map<String, Value>) -> Vec<&'a Value> {
        let first: Vec<_> = fields.get(&self.first).into_iter().collect();
        self.rest.iter().fold(first, |values, step| match step {
            Step::Key(key) => values.into_iter().filter_map(|value| value.get(key)).collect(),
            Step::Index(index) => values.into_iter().filter_map(|value| value.get(index)).collect(),
            Step::Each => values.into_iter().filter_map(Value::as_array).flatten().collect(),
        })
    }

    /// The name of the field if the path is nothing but a field of the payload itself.
    #[cfg(feature = "qdrant")]
    pub(super) fn top_level(&self) -> Option<&str> {
        self.rest.is_empty().then_some(&self.first)
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix("[]") {
        return Some((Step::Each, rest));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), rest));
    }
    let (name, rest) = key(text.strip_prefix('.')?)?;
    Some((Step::Key(name), rest))
}

fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_once('"')?;
        return (!name.contains('\\')).then(|| (name.to_owned(), rest));
    }
    let raw = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let end = text.find(|c| !raw(c)).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_qdrant_finds() {
        let payload = json!({
            "topic": "refunds", "a key": 1, "größe": 2,
            "author": {"name": "Ada"}, "lines": [{"price": 3}, {"price": 4}], "tags": ["x", "y"]
        });
        let fields = payload.as_object().unwrap();
        let cases = [
            ("topic", json!(["refunds"])),
            ("author.name", json!(["Ada"])),
            ("\"a key\"", json!([1])),
            ("größe", json!([2])),
            ("tags", json!([["x", "y"]])),
            ("tags[]", json!(["x", "y"])),
            ("lines[1].price", json!([4])),
            ("lines[].price", json!([3, 4])),
            ("lines.price", json!([])),
            ("author.name.first", json!([])),
            ("nothing", json!([])),
        ];
        for (path, wanted) in cases {
            let found: Vec<_> = Path::parse(path).unwrap().find(fields).into_iter().cloned().collect();
            assert_eq!(Value::Array(found), wanted, "{path}");
        }
    }

    #[test]
    fn what_no_engine_understands_is_no_path() {
        for path in ["", ".", "a.", ".a", "a b", "a[", "a[x]", "\"a", "a..b", "a[]b", "a$"] {
            assert_eq!(Path::parse(path), None, "{path:?}");
        }
    }
}
