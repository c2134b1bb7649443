//! A filter from JSON: strict about the form, and an error speaks of the condition that it is about.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Condition, FieldMatch, FieldRange, Filter, HasId, IsEmpty, IsNull};

/// How a filter is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "filter")]
struct Written {
    #[serde(default, deserialize_with = "one_or_many")]
    must: Vec<Condition>,
    #[serde(default, deserialize_with = "one_or_many")]
    should: Vec<Condition>,
    #[serde(default, deserialize_with = "one_or_many")]
    must_not: Vec<Condition>,
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { must, should, must_not } = object(deserializer)?;
        Ok(Self { must, should, must_not })
    }
}

/// Reads a struct from an object only. Left to itself serde takes a list too, field by field, and `[]` would be a
/// filter that lets everything through.
pub(super) fn object<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let fields = Map::deserialize(deserializer)?;
    T::deserialize(Value::Object(fields)).map_err(serde::de::Error::custom)
}

/// Qdrant's form allows one condition in place of a list.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Condition>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let parsed = match value {
        Value::Array(list) => list.into_iter().map(Condition::from_value).collect(),
        Value::Null => Ok(vec![]),
        one => Condition::from_value(one).map(|condition| vec![condition]),
    };
    parsed.map_err(serde::de::Error::custom)
}

impl Condition {
    /// Parses a condition by the key that names its kind, so that an error speaks of that kind.
    fn from_value(value: Value) -> Result<Self, String> {
        let say = |error: serde_json::Error| format!("in condition {value}: {error}");
        let has = |key: &str| value.get(key).is_some();
        if has("match") {
            FieldMatch::deserialize(&value).map(Self::Match).map_err(say)
        } else if has("range") {
            FieldRange::deserialize(&value).map(Self::Range).map_err(say)
        } else if has("is_empty") {
            IsEmpty::deserialize(&value).map(Self::IsEmpty).map_err(say)
        } else if has("is_null") {
            IsNull::deserialize(&value).map(Self::IsNull).map_err(say)
        } else if has("has_id") {
            HasId::deserialize(&value).map(Self::HasId).map_err(say)
        } else if has("must") || has("should") || has("must_not") {
            Filter::deserialize(&value).map(Self::Filter).map_err(say)
        } else {
            Err(format!(
                "condition {value} has none of match, range, is_empty, is_null, has_id, must, should, must_not"
            ))
        }
    }
}
