//! An existing collection of somebody else's making: which of its parts is what.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::path::Path;
use crate::ranking::{Passage, PointId};

/// How to read a collection that asktwice did not make. Nothing records which model filled it, so only the dimension
/// can be checked: searching it with another model than the one that filled it finds nothing sensible.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// The name of the dense vector; empty for the unnamed default vector.
    #[serde(default)]
    pub vector: String,
    /// The payload field that holds the text; a dot steps into objects, as in `page.content`.
    pub text: String,
    /// The payload field that holds the title, if one does.
    #[serde(default)]
    pub title: Option<String>,
    /// The name of the sparse vector that holds Qdrant's BM25, made as asktwice makes it, if one does; its modifier must
    /// be `idf`. Without it the collection is searched by dense legs alone.
    #[serde(default)]
    pub bm25: Option<String>,
}

impl Adopted {
    /// Whether a payload has a text where this says.
    pub(super) fn has_text(&self, payload: &Map<String, Value>) -> bool {
        read(payload, &self.text).is_some()
    }

    /// The keys that are no paths of payload fields.
    pub(super) fn bad_key(&self) -> Option<&str> {
        std::iter::once(&self.text).chain(&self.title).find(|key| Path::parse(key).is_none()).map(String::as_str)
    }

    /// A point as a passage: its id as printed, the text and title taken from their fields, everything else beside.
    pub(super) fn passage(&self, id: PointId, mut payload: Map<String, Value>) -> Passage {
        let text = take(&mut payload, &self.text).unwrap_or_default();
        let title = self.title.as_ref().and_then(|key| take(&mut payload, key)).unwrap_or_default();
        Passage::new(id.to_string(), text).with_title(title).with_payload(payload)
    }
}

fn read<'a>(payload: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    Path::parse(key)?.find(payload).into_iter().find_map(Value::as_str)
}

/// The text of a field, which leaves the payload if it stands at its top: no need to carry it twice.
fn take(payload: &mut Map<String, Value>, key: &str) -> Option<String> {
    let text = read(payload, key)?.to_owned();
    if let Some(name) = Path::parse(key)?.top_level() {
        payload.remove(name);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_title_are_found_where_they_were_said_to_be() {
        let adopted =
            Adopted { vector: String::new(), text: "page.content".into(), title: Some("name".into()), bm25: None };
        let Value::Object(payload) = json!({"page": {"content": "Hello", "n": 1}, "name": "A page", "x": [1]}) else {
            unreachable!()
        };
        let passage = adopted.passage(PointId::Number(7), payload.clone());
        assert_eq!((passage.id.as_str(), passage.text.as_str(), passage.title.as_str()), ("7", "Hello", "A page"));
        assert_eq!(Value::Object(passage.payload), json!({"page": {"content": "Hello", "n": 1}, "x": [1]}));
        assert!(adopted.has_text(&payload));
        assert!(!Adopted { text: "content".into(), ..adopted }.has_text(&payload));
    }
}
