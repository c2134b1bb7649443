//! What may be found: a filter in Qdrant's own JSON form, as a type of ours, so that neither engine's type leaks and
//! each engine's feature builds without the other. Every store converts it; the in-memory store evaluates it.

#[cfg(any(feature = "edge", feature = "qdrant"))]
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

use parse::object;

use super::path::Path;
use crate::ranking::Id;
#[cfg(any(feature = "edge", feature = "qdrant"))]
use crate::ranking::PointId;

/// How deep filters may nest.
const MAX_DEPTH: usize = 8;
/// How many conditions a filter may hold in all.
const MAX_CONDITIONS: usize = 256;
/// How many filters a store may get as one: the caller's, the scope's around it, and that of a step.
const MOST_JOINED: usize = 3;

/// A filter: all of `must` and none of `must_not` hold, and of `should`, if there are any, at least one.
///
/// ```
/// # use asktwice::search::Filter;
/// let filter: Filter = r#"{"must": [{"key": "topic", "match": {"value": "refunds"}}]}"#.parse()?;
/// assert!(r#"{"must": [{"key": "topic", "equals": 1}]}"#.parse::<Filter>().is_err());
/// # Ok::<(), asktwice::search::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Filter {
    /// All of these hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must: Vec<Condition>,
    /// At least one of these holds, unless the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub should: Vec<Condition>,
    /// None of these holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must_not: Vec<Condition>,
}

/// One condition of a [`Filter`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Condition {
    /// `{"key": …, "match": …}`: a payload field, or one element of a list, equals.
    Match(FieldMatch),
    /// `{"key": …, "range": …}`: a number, or one element of a list, lies within.
    Range(FieldRange),
    /// `{"is_empty": {"key": …}}`: the field is absent, null or an empty list.
    IsEmpty(IsEmpty),
    /// `{"is_null": {"key": …}}`: the field is there and null.
    IsNull(IsNull),
    /// `{"has_id": […]}`: the passage's id is one of these.
    HasId(HasId),
    /// A filter inside the filter.
    Filter(Filter),
}

/// A payload field compared for equality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMatch {
    /// The field; a dot steps into objects.
    pub key: String,
    /// What it must equal.
    #[serde(rename = "match")]
    pub condition: Match,
}

/// A payload field compared by size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRange {
    /// The field; a dot steps into objects.
    pub key: String,
    /// Where it must lie.
    #[serde(deserialize_with = "object")]
    pub range: Range,
}

/// What a field must equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Match {
    /// This text, whole number or truth value.
    Value(Value),
    /// One of these texts or whole numbers.
    Any(Vec<Value>),
    /// None of these texts or whole numbers; the field is there.
    Except(Vec<Value>),
}

/// The bounds of a number; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Less than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lt: Option<f64>,
    /// Less than or equal to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lte: Option<f64>,
    /// Greater than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gt: Option<f64>,
    /// Greater than or equal to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gte: Option<f64>,
}

/// The field is absent, null or an empty list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsEmpty {
    /// Which field.
    #[serde(deserialize_with = "object")]
    pub is_empty: Key,
}

/// The field is there and null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsNull {
    /// Which field.
    #[serde(deserialize_with = "object")]
    pub is_null: Key,
}

/// A payload field's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The field; a dot steps into objects.
    pub key: String,
}

/// The passage's id is one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HasId {
    /// Ids of passages, as they were given; a number stands for its digits.
    #[serde(deserialize_with = "texts_or_numbers")]
    pub has_id: Vec<String>,
}

/// Why a text is not a filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It is not JSON, or not of a filter's form.
    #[error(
        "not a filter: {0}; a filter is {{\"must\": […], \"should\": […], \"must_not\": […]}} of conditions such as \
         {{\"key\": \"topic\", \"match\": {{\"value\": \"refunds\"}}}}, {{\"key\": \"year\", \"range\": {{\"gte\": 2020}}}}, \
         {{\"is_empty\": {{\"key\": \"topic\"}}}}, {{\"is_null\": …}} or {{\"has_id\": […]}}"
    )]
    Form(#[from] serde_json::Error),
    /// A value that no payload field can equal this way.
    #[error(
        "the filter compares `{key}` with {value}; only texts, whole numbers and (alone) truth values can be matched"
    )]
    Value {
        /// The field.
        key: String,
        /// The value.
        value: Value,
    },
    /// A key that is no path of a payload field.
    #[error(
        "`{key}` is not the path of a payload field: names are of letters, digits, _ and -, others stand in double \
         quotes; `.` steps into an object, `[]` into a list"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// A range without a bound.
    #[error("the range of `{key}` has no bound; give at least one of lt, lte, gt, gte")]
    Unbounded {
        /// The field.
        key: String,
    },
    /// Too deep or too long.
    #[error("the filter is too large: at most {MAX_CONDITIONS} conditions, nested at most {MAX_DEPTH} deep")]
    Size,
}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let filter: Self = serde_json::from_str(text)?;
        filter.check()?;
        Ok(filter)
    }
}

impl Filter {
    /// A filter of one condition: the field equals this value.
    pub fn equals(key: impl Into<String>, value: impl Into<Value>) -> Self {
        let condition = FieldMatch { key: key.into(), condition: Match::Value(value.into()) };
        Self { must: vec![Condition::Match(condition)], ..Self::default() }
    }

    /// Both filters hold; neither can widen the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { must: vec![Condition::Filter(self), Condition::Filter(other)], ..Self::default() }
    }

    /// Checks what JSON's form does not say: comparable values, bounded ranges, a bearable size.
    ///
    /// # Errors
    /// [`FilterError`] names the field.
    pub fn check(&self) -> Result<(), FilterError> {
        self.check_within(MAX_DEPTH, &mut { MAX_CONDITIONS })
    }

    /// As [`check`](Self::check), for what may have been [joined](Self::and) of several filters that each passed it.
    pub(super) fn check_joined(&self) -> Result<(), FilterError> {
        self.check_within(MAX_DEPTH + MOST_JOINED - 1, &mut (MAX_CONDITIONS * MOST_JOINED))
    }

    /// `conditions` are how many there may still be.
    fn check_within(&self, depth: usize, conditions: &mut usize) -> Result<(), FilterError> {
        let depth = depth.checked_sub(1).ok_or(FilterError::Size)?;
        for condition in self.must.iter().chain(&self.should).chain(&self.must_not) {
            *conditions = conditions.checked_sub(1).ok_or(FilterError::Size)?;
            if let Some(key) = condition.key().filter(|key| Path::parse(key).is_none()) {
                return Err(FilterError::Key { key: key.to_owned() });
            }
            match condition {
                Condition::Match(field) => field.check()?,
                Condition::Range(field) if field.range == Range::default() => {
                    return Err(FilterError::Unbounded { key: field.key.clone() });
                }
                Condition::Filter(filter) => filter.check_within(depth, conditions)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Qdrant's JSON form with the ids of passages replaced by those of their points.
    #[cfg(feature = "edge")]
    pub(super) fn to_engine_json(&self) -> Value {
        let list = |conditions: &[Condition]| -> Value { conditions.iter().map(Condition::to_engine_json).collect() };
        let mut engine = serde_json::Map::new();
        for (name, conditions) in [("must", &self.must), ("should", &self.should), ("must_not", &self.must_not)] {
            if !conditions.is_empty() {
                engine.insert(name.to_owned(), list(conditions));
            }
        }
        Value::Object(engine)
    }
}

impl FieldMatch {
    fn check(&self) -> Result<(), FilterError> {
        let refuse = |value: &Value| Err(FilterError::Value { key: self.key.clone(), value: value.clone() });
        match &self.condition {
            Match::Value(value) if value.is_string() || value.is_i64() || value.is_boolean() => Ok(()),
            Match::Value(value) => refuse(value),
            Match::Any(values) | Match::Except(values) => {
                // An engine compares a list as texts or as whole numbers, never as both.
                let texts = values.iter().all(Value::is_string);
                let numbers = values.iter().all(Value::is_i64);
                if texts || numbers { Ok(()) } else { refuse(&Value::Array(values.clone())) }
            }
        }
    }
}

impl Condition {
    /// The payload field that is looked at.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Match(field) => Some(&field.key),
            Self::Range(field) => Some(&field.key),
            Self::IsEmpty(field) => Some(&field.is_empty.key),
            Self::IsNull(field) => Some(&field.is_null.key),
            Self::HasId(_) | Self::Filter(_) => None,
        }
    }

    #[cfg(feature = "edge")]
    fn to_engine_json(&self) -> Value {
        match self {
            Self::HasId(condition) => serde_json::json!({
                "has_id": condition.points().map(|id| id.to_string()).collect::<Vec<_>>()
            }),
            Self::Filter(filter) => filter.to_engine_json(),
            other => serde_json::to_value(other).unwrap_or_default(),
        }
    }
}

/// Adopted collections may have numbers for ids, and Qdrant's form writes them as such.
fn texts_or_numbers<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Id>::deserialize(deserializer)?.into_iter().map(String::from).collect())
}

#[cfg(any(feature = "edge", feature = "qdrant"))]
impl HasId {
    /// The points of the passages, each once.
    pub(super) fn points(&self) -> impl Iterator<Item = PointId> {
        self.has_id.iter().map(|id| PointId::of(id)).collect::<BTreeSet<_>>().into_iter()
    }
}
