//! OpenAI's filters become ours: comparisons of one attribute, joined by `and` and `or`.

use serde_json::{Map, Value};

use crate::{
    search::{Condition, FieldMatch, FieldRange, Filter, IsEmpty, Match, Range},
    server::problem::Problem,
};

/// How deep filters may nest, as our own may.
const DEEPEST: usize = 6;

/// Reads `filters` of a search.
pub(super) fn read(filters: &Value) -> Result<Filter, Problem> {
    let filter = Filter { must: vec![condition(filters, "filters", DEEPEST)?], ..Filter::default() };
    filter.check().map_err(|error| Problem::field("filters", error))?;
    Ok(filter)
}

fn condition(value: &Value, place: &str, depth: usize) -> Result<Condition, Problem> {
    let depth =
        depth.checked_sub(1).ok_or_else(|| Problem::field("filters", format!("nested deeper than {DEEPEST}")))?;
    let fields = value.as_object().ok_or_else(|| Problem::field(place, "a filter is an object"))?;
    match fields.get("type") {
        Some(Value::String(kind)) if kind == "and" || kind == "or" => {
            known(fields, place, &["type", "filters"])?;
            compound(fields, kind, place, depth)
        }
        None => comparison(fields, "eq", place),
        Some(Value::String(kind)) => comparison(fields, kind, place),
        Some(_) => Err(Problem::field(format!("{place}.type"), "it is not a text")),
    }
}

fn compound(fields: &Map<String, Value>, kind: &str, place: &str, depth: usize) -> Result<Condition, Problem> {
    let list = fields.get("filters").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list =
        list.ok_or_else(|| Problem::field(format!("{place}.filters"), "it is not a list of at least one filter"))?;
    let inner =
        list.iter().enumerate().map(|(index, value)| condition(value, &format!("{place}.filters[{index}]"), depth));
    let inner = inner.collect::<Result<Vec<_>, _>>()?;
    let filter = match kind {
        "and" => Filter { must: inner, ..Filter::default() },
        _ => Filter { should: inner, ..Filter::default() },
    };
    Ok(Condition::Filter(filter))
}

fn comparison(fields: &Map<String, Value>, kind: &str, place: &str) -> Result<Condition, Problem> {
    known(fields, place, &["type", "key", "value"])?;
    let key = fields.get("key").and_then(Value::as_str);
    let key = key.ok_or_else(|| Problem::field(format!("{place}.key"), "it is not the name of an attribute"))?;
    let value = fields.get("value").ok_or_else(|| Problem::field(format!("{place}.value"), "it is missing"))?;
    let number = || {
        let number = value.as_f64();
        number.ok_or_else(|| Problem::field(format!("{place}.value"), format!("{kind} compares numbers")))
    };
    let range = |range: Range| Condition::Range(FieldRange { key: key.to_owned(), range });
    Ok(match kind {
        "eq" => equals(key, value),
        "ne" => without(vec![equals(key, value)]),
        "in" => any(key, list(value, place)?),
        "nin" => without(vec![any(key, list(value, place)?)]),
        "gt" => range(Range { gt: Some(number()?), ..Range::default() }),
        "gte" => range(Range { gte: Some(number()?), ..Range::default() }),
        "lt" => range(Range { lt: Some(number()?), ..Range::default() }),
        "lte" => range(Range { lte: Some(number()?), ..Range::default() }),
        _ => {
            let problem = format!("{kind:?} is none of eq, ne, gt, gte, lt, lte, in, nin, and, or");
            return Err(Problem::field(format!("{place}.type"), problem));
        }
    })
}

/// A fraction cannot be matched, but it can be held between two equal bounds.
pub(in crate::server) fn equals(key: &str, value: &Value) -> Condition {
    match value.as_f64().filter(|_| !value.is_i64()) {
        Some(number) => {
            let range = Range { gte: Some(number), lte: Some(number), ..Range::default() };
            Condition::Range(FieldRange { key: key.to_owned(), range })
        }
        None => Condition::Match(FieldMatch { key: key.to_owned(), condition: Match::Value(value.clone()) }),
    }
}

/// One of these. Texts and whole numbers are compared by different means, so each kind has a condition of its own.
pub(in crate::server) fn any(key: &str, values: &[Value]) -> Condition {
    let matches =
        |values: Vec<Value>| Condition::Match(FieldMatch { key: key.to_owned(), condition: Match::Any(values) });
    let (texts, others): (Vec<_>, Vec<_>) = values.iter().cloned().partition(Value::is_string);
    let (whole, others): (Vec<_>, Vec<_>) = others.into_iter().partition(Value::is_i64);
    let mut should: Vec<Condition> = others.iter().map(|value| equals(key, value)).collect();
    should.extend([texts, whole].into_iter().filter(|values| !values.is_empty()).map(matches));
    Condition::Filter(Filter { should, ..Filter::default() })
}

/// None of these holds.
pub(in crate::server) fn without(must_not: Vec<Condition>) -> Condition {
    Condition::Filter(Filter { must_not, ..Filter::default() })
}

/// The attribute is there, and is not null or an empty list.
pub(in crate::server) fn empty(key: &str) -> Condition {
    Condition::IsEmpty(IsEmpty { is_empty: crate::search::Key { key: key.to_owned() } })
}

fn list<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], Problem> {
    let list = value.as_array().map(Vec::as_slice).filter(|list| !list.is_empty());
    list.ok_or_else(|| Problem::field(format!("{place}.value"), "it is not a list of at least one value"))
}

fn known(fields: &Map<String, Value>, place: &str, names: &[&str]) -> Result<(), Problem> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => Err(Problem::field(format!("{place}.{unknown}"), "unknown field")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(filters: Value) -> Value {
        read(&filters).map_or_else(|problem| json!(problem.told()), |filter| json!(filter))
    }

    #[test]
    fn each_comparison_has_its_condition() {
        let topic = |kind: &str, value: Value| compiled(json!({"type": kind, "key": "topic", "value": value}));
        let matched = |value: Value| json!({"key": "topic", "match": {"value": value}});
        assert_eq!(topic("eq", json!("a")), json!({"must": [matched(json!("a"))]}));
        assert_eq!(compiled(json!({"key": "topic", "value": true})), json!({"must": [matched(json!(true))]}));
        let between = json!({"key": "topic", "range": {"lte": 1.5, "gte": 1.5}});
        assert_eq!(topic("eq", json!(1.5)), json!({"must": [between]}));
        assert_eq!(topic("ne", json!(7)), json!({"must": [{"must_not": [matched(json!(7))]}]}));
        assert_eq!(topic("gte", json!(2)), json!({"must": [{"key": "topic", "range": {"gte": 2.0}}]}));
        let mixed = json!({"must": [{"should": [
            {"key": "topic", "match": {"any": ["a"]}}, {"key": "topic", "match": {"any": [1, 2]}}
        ]}]});
        assert_eq!(topic("in", json!([1, "a", 2])), mixed);
    }

    #[test]
    fn compounds_nest() {
        let one = json!({"type": "eq", "key": "a", "value": 1});
        let filters = json!({"type": "and", "filters": [one, {"type": "or", "filters": [one, one]}]});
        let matched = json!({"key": "a", "match": {"value": 1}});
        assert_eq!(compiled(filters), json!({"must": [{"must": [matched, {"should": [matched, matched]}]}]}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let deep = (0..20).fold(json!({"key": "a", "value": 1}), |inner, _| json!({"type": "or", "filters": [inner]}));
        let many: Vec<Value> = (0..400).map(|n| json!({"key": "a", "value": n})).collect();
        let cases = [
            (json!([]), "filters: a filter is an object"),
            (json!({"type": "like", "key": "a", "value": 1}), "filters.type: \"like\" is none of"),
            (json!({"type": 1}), "filters.type"),
            (json!({"type": "eq", "value": 1}), "filters.key"),
            (json!({"type": "eq", "key": "a"}), "filters.value"),
            (json!({"type": "eq", "key": "a", "value": null}), "the filter compares `a` with null"),
            (json!({"type": "eq", "key": "a", "value": 1, "vale": 2}), "filters.vale: unknown field"),
            (json!({"type": "gt", "key": "a", "value": "x"}), "filters.value: gt compares numbers"),
            (json!({"type": "in", "key": "a", "value": []}), "filters.value"),
            (json!({"type": "or", "filters": []}), "filters.filters"),
            (json!({"type": "or", "filters": [{"key": "a", "value": 1}, {"key": "b"}]}), "filters.filters[1].value"),
            (json!({"type": "eq", "key": "a b", "value": 1}), "not the path of a payload field"),
            (deep, "nested deeper"),
            (json!({"type": "or", "filters": many}), "too large"),
        ];
        for (filters, expected) in cases {
            let said = compiled(filters.clone());
            assert!(said.as_str().is_some_and(|said| said.contains(expected)), "{filters}: {said}");
        }
    }
}
