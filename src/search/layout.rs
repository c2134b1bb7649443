//! How a passage lies in a collection of Qdrant's, embedded or served: the names of its payload fields.
//!
//! The caller's own fields stand beside ours at the top level, so that a filter names them as the caller does.

use serde_json::{Map, Value};

use super::StoreError;
use crate::ranking::Passage;

/// The version of this layout; a collection remembers it, and another version is refused.
#[cfg(any(feature = "edge", feature = "qdrant"))]
pub(super) const VERSION: u32 = 1;

/// The payload field that holds the passage's id as the caller gave it.
pub(super) const ID: &str = "_id";

/// The payload field that holds the document's id; deletions of whole documents filter on it.
pub(super) const DOCUMENT_ID: &str = "document_id";

/// The payload fields that are ours; a caller's field may not be called so.
pub(super) const RESERVED: [&str; 5] = [ID, "title", "text", DOCUMENT_ID, "position"];

/// A passage as a payload.
pub(super) fn to_payload(passage: &Passage, place: &str) -> Result<Map<String, Value>, StoreError> {
    if let Some(key) = RESERVED.iter().find(|key| passage.payload.contains_key(**key)) {
        let problem =
            format!("passage {:?} has a field called `{key}`, a name that asktwice uses itself; rename it", passage.id);
        return Err(StoreError::Request { place: place.to_owned(), problem });
    }
    let mut payload = passage.payload.clone();
    payload.insert(ID.into(), passage.id.clone().into());
    payload.insert("text".into(), passage.text.clone().into());
    payload.insert(DOCUMENT_ID.into(), passage.document_id.clone().into());
    payload.insert("position".into(), passage.position.into());
    if !passage.title.is_empty() {
        payload.insert("title".into(), passage.title.clone().into());
    }
    Ok(payload)
}

/// How deep a field may nest: gRPC's decoder gives up at 100 messages, and an object takes three.
#[cfg(any(feature = "index", feature = "qdrant"))]
const MAX_NESTING: usize = 30;

/// Whether every store can hold a field's value, so that what one takes can move to another; the error says what cannot.
#[cfg(any(feature = "index", feature = "qdrant"))]
pub(crate) fn check_field(value: &Value) -> Result<(), String> {
    check_within(value, MAX_NESTING)
}

#[cfg(any(feature = "index", feature = "qdrant"))]
fn check_within(value: &Value, depth: usize) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or_else(|| format!("is nested more than {MAX_NESTING} deep; flatten it"))?;
    match value {
        // Qdrant's client would round it to a float without a word.
        Value::Number(number) if number.is_u64() && !number.is_i64() => Err(format!(
            "holds the whole number {number}, above {}, the largest that is stored; make it a text",
            i64::MAX
        )),
        Value::Array(list) => list.iter().try_for_each(|value| check_within(value, depth)),
        Value::Object(fields) => fields.values().try_for_each(|value| check_within(value, depth)),
        _ => Ok(()),
    }
}

/// A payload as a passage. Fields that are missing stay empty: a damaged payload is better shown than lost.
pub(super) fn from_payload(mut payload: Map<String, Value>) -> Passage {
    let mut text = |key: &str| match payload.remove(key) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let mut passage = Passage::new(text(ID), text("text")).with_title(text("title"));
    let document_id = text(DOCUMENT_ID);
    let position = payload.remove("position").and_then(|value| value.as_u64()).unwrap_or_default();
    passage = passage.cut_from(document_id, u32::try_from(position).unwrap_or(u32::MAX));
    passage.with_payload(payload)
}
