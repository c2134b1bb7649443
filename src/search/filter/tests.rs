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
    // What a scope puts around the deepest filter is still taken by the stores.
    let deepest = parse(&nest(MAX_DEPTH)).unwrap();
    let joined = Filter::equals("team", "a").and(deepest.clone()).and(deepest);
    assert!(joined.check().is_err());
    joined.check_joined().unwrap();
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
        (json!({"has_id": [7, "id"]}), true),
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
