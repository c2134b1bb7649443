//! Our types in Qdrant's protocol, and back. Nothing here talks to anybody.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition as SentCondition, FieldCondition, Filter as SentFilter, HasIdCondition, IsEmptyCondition,
    IsNullCondition, Match as SentMatch, PointId as SentId, Range as SentRange, RepeatedIntegers, RepeatedStrings,
    ScoredPoint, Value as Sent, VectorsOutput, condition::ConditionOneOf, r#match::MatchValue,
    point_id::PointIdOptions, vector_output::Vector,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    ranking::{PointId, Scored},
    search::{
        Condition, Filter, FilterError, Match, SparseVector, check_field,
        filter::{FieldMatch, HasId},
    },
};

/// What a passage's id is in the collection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ids {
    /// Our own: the point's id is derived from the passage's.
    Derived,
    /// Somebody else's: the passage's id is the point's, printed.
    AsPrinted,
}

impl Ids {
    fn of(self, condition: &HasId) -> Vec<SentId> {
        match self {
            Self::Derived => condition.points().map(to_id).collect(),
            // What is no id of a point cannot be found.
            Self::AsPrinted => condition.has_id.iter().filter_map(|id| parse_id(id)).map(to_id).collect(),
        }
    }
}

fn parse_id(printed: &str) -> Option<PointId> {
    let number = printed.parse().map(PointId::Number).ok();
    number.or_else(|| Uuid::parse_str(printed).map(PointId::Uuid).ok())
}

pub(super) fn to_id(id: PointId) -> SentId {
    match id {
        PointId::Number(number) => number.into(),
        PointId::Uuid(uuid) => uuid.to_string().into(),
    }
}

/// The id of a point; `None` if it is none that Qdrant gives.
pub(super) fn from_id(id: Option<SentId>) -> Option<PointId> {
    match id?.point_id_options? {
        PointIdOptions::Num(number) => Some(PointId::Number(number)),
        PointIdOptions::Uuid(uuid) => Uuid::parse_str(&uuid).ok().map(PointId::Uuid),
    }
}

pub(super) fn from_scored(point: ScoredPoint) -> Option<Scored> {
    Some(Scored { id: from_id(point.id)?, score: point.score })
}

/// A payload as it is sent; the error says what the protocol cannot carry.
pub(super) fn to_payload(payload: Map<String, Value>) -> Result<HashMap<String, Sent>, String> {
    for (key, value) in &payload {
        check_field(value).map_err(|problem| format!("the field `{key}` {problem}"))?;
    }
    Ok(payload.into_iter().map(|(key, value)| (key, value.into())).collect())
}

pub(super) fn from_payload(payload: HashMap<String, Sent>) -> Map<String, Value> {
    payload.into_iter().map(|(key, value)| (key, value.into())).collect()
}

/// A point's dense vector of that name; empty if it has none.
pub(super) fn dense(vectors: Option<&VectorsOutput>, name: &str) -> Vec<f32> {
    match vectors.and_then(|vectors| vectors.get_vector_by_name(name)) {
        Some(Vector::Dense(dense)) => dense.data,
        _ => vec![],
    }
}

/// A point's sparse vector of that name; empty if it has none.
pub(super) fn bm25(vectors: Option<&VectorsOutput>, name: &str) -> SparseVector {
    match vectors.and_then(|vectors| vectors.get_vector_by_name(name)) {
        Some(Vector::Sparse(words)) => SparseVector { indices: words.indices, values: words.values },
        _ => SparseVector::default(),
    }
}

/// A filter as it is sent.
pub(super) fn filter(filter: &Filter, ids: Ids) -> Result<SentFilter, FilterError> {
    filter.check_joined()?;
    nested(filter, ids)
}

fn nested(filter: &Filter, ids: Ids) -> Result<SentFilter, FilterError> {
    let list = |conditions: &[Condition]| conditions.iter().map(|one| condition(one, ids)).collect::<Result<_, _>>();
    Ok(SentFilter {
        must: list(&filter.must)?,
        should: list(&filter.should)?,
        must_not: list(&filter.must_not)?,
        min_should: None,
    })
}

fn condition(condition: &Condition, ids: Ids) -> Result<SentCondition, FilterError> {
    let sent = match condition {
        Condition::Match(field) => ConditionOneOf::Field(FieldCondition {
            key: field.key.clone(),
            r#match: Some(SentMatch { match_value: Some(value(field)?) }),
            ..FieldCondition::default()
        }),
        Condition::Range(field) => {
            let range = field.range;
            ConditionOneOf::Field(FieldCondition {
                key: field.key.clone(),
                range: Some(SentRange { lt: range.lt, gt: range.gt, gte: range.gte, lte: range.lte }),
                ..FieldCondition::default()
            })
        }
        Condition::IsEmpty(field) => ConditionOneOf::IsEmpty(IsEmptyCondition { key: field.is_empty.key.clone() }),
        Condition::IsNull(field) => ConditionOneOf::IsNull(IsNullCondition { key: field.is_null.key.clone() }),
        Condition::HasId(condition) => ConditionOneOf::HasId(HasIdCondition { has_id: ids.of(condition) }),
        Condition::Filter(filter) => ConditionOneOf::Filter(nested(filter, ids)?),
    };
    Ok(SentCondition { condition_one_of: Some(sent) })
}

fn value(field: &FieldMatch) -> Result<MatchValue, FilterError> {
    let (sent, given) = match &field.condition {
        Match::Value(Value::String(text)) => return Ok(MatchValue::Keyword(text.clone())),
        Match::Value(Value::Bool(truth)) => return Ok(MatchValue::Boolean(*truth)),
        Match::Value(value) => (value.as_i64().map(MatchValue::Integer), value.clone()),
        Match::Any(values) => (list(values, MatchValue::Keywords, MatchValue::Integers), Value::Array(values.clone())),
        Match::Except(values) => {
            (list(values, MatchValue::ExceptKeywords, MatchValue::ExceptIntegers), Value::Array(values.clone()))
        }
    };
    sent.ok_or_else(|| FilterError::Value { key: field.key.clone(), value: given })
}

/// A list of texts, or one of whole numbers.
fn list(
    values: &[Value],
    texts: impl Fn(RepeatedStrings) -> MatchValue,
    numbers: impl Fn(RepeatedIntegers) -> MatchValue,
) -> Option<MatchValue> {
    if let Some(strings) = values.iter().map(|value| value.as_str().map(str::to_owned)).collect() {
        return Some(texts(RepeatedStrings { strings }));
    }
    let integers = values.iter().map(Value::as_i64).collect::<Option<_>>()?;
    Some(numbers(RepeatedIntegers { integers }))
}
