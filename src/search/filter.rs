//! What may be found: a filter in Qdrant's own JSON form, as a type of ours, so that neither engine's type leaks and
//! each engine's feature builds without the other. Every store converts it; the in-memory store evaluates it.

#[cfg(any(feature = "edge", feature = "qdrant"))]
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::path::Path;
#[cfg(any(feature = "edge", feature = "qdrant"))]
use crate::ranking::PointId;

/// How deep filters may nest.
const MAX_DEPTH: usize = 8;
/// How many conditions a filter may hold in all.
const MAX_CONDITIONS: usize = 256;

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
    /// Ids of passages, as they were given.
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
        let mut conditions = 0;
        self.check_within(MAX_DEPTH, &mut conditions)
    }

    fn check_within(&self, depth: usize, conditions: &mut usize) -> Result<(), FilterError> {
        let depth = depth.checked_sub(1).ok_or(FilterError::Size)?;
        for condition in self.must.iter().chain(&self.should).chain(&self.must_not) {
            *conditions += 1;
            if *conditions > MAX_CONDITIONS {
                return Err(FilterError::Size);
            }
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

    /// Whether the passage of this id matches; `fields` is its payload as a collection keeps it.
    pub(super) fn matches(&self, id: &str, fields: &Map<String, Value>) -> bool {
        self.must.iter().all(|c| c.matches(id, fields))
            && (self.should.is_empty() || self.should.iter().any(|c| c.matches(id, fields)))
            && !self.must_not.iter().any(|c| c.matches(id, fields))
    }

    /// Qdrant's JSON form with the ids of passages replaced by those of their points.
    #[cfg(feature = "edge")]
    pub(super) fn to_engine_json(&self) -> Value {
        let list = |conditions: &[Condition]| -> Value { conditions.iter().map(Condition::to_engine_json).collect() };
        let mut engine = Map::new();
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

    fn matches(&self, id: &str, fields: &Map<String, Value>) -> bool {
        // A key that is no path finds nothing; `check` has refused it before.
        let path = self.key().and_then(Path::parse);
        let found = path.map(|path| path.find(fields)).unwrap_or_default();
        match self {
            Self::Match(field) => elements(found).any(|value| field.condition.matches(value)),
            Self::Range(field) => elements(found).filter_map(Value::as_f64).any(|n| field.range.contains(n)),
            // A list of nulls is not empty: Qdrant looks at the list, not into it.
            Self::IsEmpty(_) => {
                found.iter().all(|value| value.is_null() || value.as_array().is_some_and(Vec::is_empty))
            }
            Self::IsNull(_) => found.iter().any(|value| value.is_null()),
            Self::HasId(condition) => condition.has_id.iter().any(|wanted| wanted == id),
            Self::Filter(filter) => filter.matches(id, fields),
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

#[cfg(any(feature = "edge", feature = "qdrant"))]
impl HasId {
    /// The points of the passages, each once.
    pub(super) fn points(&self) -> impl Iterator<Item = PointId> {
        self.has_id.iter().map(|id| PointId::of(id)).collect::<BTreeSet<_>>().into_iter()
    }
}

impl Match {
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Value(wanted) => value == wanted,
            Self::Any(wanted) => wanted.contains(value),
            Self::Except(unwanted) => !value.is_null() && !unwanted.contains(value),
        }
    }
}

impl Range {
    fn contains(&self, number: f64) -> bool {
        self.lt.is_none_or(|bound| number < bound)
            && self.lte.is_none_or(|bound| number <= bound)
            && self.gt.is_none_or(|bound| number > bound)
            && self.gte.is_none_or(|bound| number >= bound)
    }
}

/// The values one by one, those of a list too, as Qdrant compares them.
fn elements(values: Vec<&Value>) -> impl Iterator<Item = &Value> {
    values.into_iter().flat_map(|value| match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    })
}

/// Reads a struct from an object only. Left to itself serde takes a list too, field by field, and `[]` would be a
/// filter that lets everything through.
fn object<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<Filter, FilterError> {
        value.to_string().parse()
    }

    #[test]
    fn a_filter_comes_back_as_it_was_written() {
        let written = json!({
            "must": [{"key": "topic", "match": {"value": "refunds"}}, {"key": "year", "range": {"gte": 2020.0}}],
            "should": [{"has_id": ["a"]}, {"is_empty": {"key": "topic"}}],
            "must_not": [{"must": [{"is_null": {"key": "author.name"}}]}, {"key": "tags", "match": {"any": ["x"]}}],
        });
        let filter = parse(&written).unwrap();
        assert_eq!(serde_json::to_value(&filter).unwrap(), written);
    }

    #[test]
    fn one_condition_may_stand_in_place_of_a_list() {
        let one = parse(&json!({"must": {"key": "a", "match": {"value": 1}}})).unwrap();
        assert_eq!(one, Filter::equals("a", 1));
        assert_eq!(parse(&json!({"must": null})).unwrap(), Filter::default());
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_condition_named() {
        let refused = [
            (json!({"must": [{"key": "topic", "equals": 1}]}), "none of match"),
            (json!({"must": [{"key": "topic", "match": {"val": 1}}]}), "unknown variant `val`"),
            (json!({"must": [{"match": {"value": 1}}]}), "missing field `key`"),
            (json!({"must": [{"key": "a", "range": {"above": 1}}]}), "unknown field `above`"),
            (json!({"must": [{"key": "a", "match": {"value": 1}, "extra": 1}]}), "unknown field `extra`"),
            (json!({"must": [{"has_id": "a"}]}), "invalid type"),
            (json!({"where": []}), "unknown field `where`"),
            (json!([]), "not a filter"),
            (json!([[{"key": "a", "match": {"value": 1}}]]), "not a filter"),
            (json!({"must": [[]]}), "none of match"),
            (json!({"must": [{"key": "a", "range": [1, 2]}]}), "invalid type"),
            (json!({"must": [{"is_null": ["a"]}]}), "invalid type"),
            (json!({"must": [{"key": "a", "range": {}}]}), "no bound"),
            (json!({"must": [{"key": "a", "match": {"value": 1.5}}]}), "`a` with 1.5"),
            (json!({"must": [{"key": "a", "match": {"any": ["x", 1]}}]}), "`a` with"),
            (json!({"must": [{"key": "a b", "match": {"value": 1}}]}), "`a b` is not the path"),
            (json!({"must": [{"is_null": {"key": ""}}]}), "`` is not the path"),
        ];
        for (filter, wanted) in refused {
            let error = parse(&filter).unwrap_err().to_string();
            assert!(error.contains(wanted), "{filter}: {error}");
        }
    }

    #[test]
    fn size_is_bounded() {
        let condition = json!({"key": "a", "match": {"value": 1}});
        assert!(parse(&json!({"must": vec![condition.clone(); MAX_CONDITIONS]})).is_ok());
        assert!(matches!(parse(&json!({"must": vec![condition.clone(); MAX_CONDITIONS + 1]})), Err(FilterError::Size)));
        let nest = |depth| (1..depth).fold(json!({"must": [condition]}), |inner, _| json!({"must": [inner]}));
        assert!(parse(&nest(MAX_DEPTH)).is_ok());
        assert!(matches!(parse(&nest(MAX_DEPTH + 1)), Err(FilterError::Size)));
    }

    #[test]
    fn conditions_hold_as_they_do_in_qdrant() {
        let payload = json!({
            "topic": "refunds", "year": 2021, "price": 9.5, "open": true, "tags": ["x", "y"], "author": {"name": "Ada"},
            "nothing": null, "none": [], "nulls": [null],
        });
        let cases = [
            (json!({"key": "topic", "match": {"value": "refunds"}}), true),
            (json!({"key": "topic", "match": {"value": "refund"}}), false),
            (json!({"key": "open", "match": {"value": true}}), true),
            (json!({"key": "year", "match": {"value": 2021}}), true),
            (json!({"key": "price", "match": {"any": [9]}}), false),
            (json!({"key": "tags", "match": {"value": "y"}}), true),
            (json!({"key": "tags", "match": {"any": ["z", "x"]}}), true),
            (json!({"key": "tags", "match": {"any": []}}), false),
            (json!({"key": "tags", "match": {"except": ["x"]}}), true),
            (json!({"key": "tags", "match": {"except": ["x", "y"]}}), false),
            (json!({"key": "year", "match": {"except": ["x"]}}), true),
            (json!({"key": "nothing", "match": {"except": ["x"]}}), false),
            (json!({"key": "absent", "match": {"except": ["x"]}}), false),
            (json!({"key": "author.name", "match": {"value": "Ada"}}), true),
            (json!({"key": "price", "range": {"gt": 9.4, "lte": 9.5}}), true),
            (json!({"key": "price", "range": {"lt": 9.5}}), false),
            (json!({"key": "topic", "range": {"gt": 0}}), false),
            (json!({"is_empty": {"key": "absent"}}), true),
            (json!({"is_empty": {"key": "nothing"}}), true),
            (json!({"is_empty": {"key": "none"}}), true),
            (json!({"is_empty": {"key": "nulls"}}), false),
            (json!({"is_empty": {"key": "topic"}}), false),
            (json!({"is_null": {"key": "nothing"}}), true),
            (json!({"is_null": {"key": "absent"}}), false),
            (json!({"is_null": {"key": "none"}}), false),
            (json!({"has_id": ["other", "id"]}), true),
            (json!({"has_id": []}), false),
            (json!({"must_not": [{"has_id": ["id"]}]}), false),
            (json!({"should": [{"has_id": ["x"]}, {"has_id": ["id"]}]}), true),
        ];
        for (condition, wanted) in cases {
            let filter = parse(&json!({"must": [condition]})).unwrap();
            assert_eq!(filter.matches("id", payload.as_object().unwrap()), wanted, "{condition}");
        }
    }

    #[test]
    fn neither_filter_can_widen_the_other() {
        let both = Filter::equals("a", 1).and(Filter { should: Filter::equals("b", 2).must, ..Filter::default() });
        let matches = |payload: Value| both.matches("id", payload.as_object().unwrap());
        assert!(matches(json!({"a": 1, "b": 2})));
        assert!(!matches(json!({"a": 1})));
        assert!(!matches(json!({"b": 2})));
    }
}
