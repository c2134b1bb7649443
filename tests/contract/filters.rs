//! Filters mean the same in every store.

use asktwice::search::{Condition, PayloadKind};
use serde_json::json;

use super::*;

fn passages() -> Vec<Passage> {
    let passage = |id: &str, fields: Value| Passage::new(id, "text").with_payload(payload(fields));
    vec![
        passage("a", json!({"topic": "refunds", "year": 2020, "open": true, "tags": ["x", "y"], "price": 1.5})),
        passage("b", json!({"topic": "delivery", "year": 2021, "open": false, "tags": ["y"], "price": 2})),
        passage("c", json!({"topic": "refunds", "year": 2022, "tags": [], "author": {"name": "Ada", "age": 36}})),
        passage("d", json!({"topic": null, "year": [2020, 2030], "tags": "x", "author": {"name": null}})),
        passage("e", json!({"lines": [{"price": 3, "of": "tea"}, {"price": 9, "of": "milk"}], "a key": 1})),
    ]
}

async fn matching(store: &dyn VectorStoreWriter, filter: Value) -> String {
    let parsed = filter.to_string().parse().unwrap();
    found(store, 100, Some(parsed)).await.concat()
}

async fn check(store: &dyn VectorStoreWriter, cases: &[(Value, &str)]) {
    for (filter, wanted) in cases {
        assert_eq!(matching(store, filter.clone()).await, *wanted, "{filter}");
    }
}

fn single_conditions() -> Vec<(Value, &'static str)> {
    let is = |key: &str, wanted: Value| json!({"must": [{"key": key, "match": {"value": wanted}}]});
    let any = |key: &str, wanted: Value| json!({"must": [{"key": key, "match": {"any": wanted}}]});
    let except = |key: &str, wanted: Value| json!({"must": [{"key": key, "match": {"except": wanted}}]});
    let range = |key: &str, wanted: Value| json!({"must": [{"key": key, "range": wanted}]});
    vec![
        (is("topic", json!("refunds")), "ac"),
        (is("topic", json!("Refunds")), ""),
        (is("year", json!(2021)), "b"),
        (is("year", json!(2030)), "d"),
        (is("open", json!(true)), "a"),
        (is("open", json!(false)), "b"),
        (is("tags", json!("x")), "ad"),
        (is("author.name", json!("Ada")), "c"),
        (is("author.age", json!(36)), "c"),
        (is("lines[].of", json!("milk")), "e"),
        (is("lines[0].price", json!(3)), "e"),
        (is("\"a key\"", json!(1)), "e"),
        (is("absent", json!("x")), ""),
        (any("topic", json!(["delivery", "refunds"])), "abc"),
        (any("year", json!([2020, 2022])), "acd"),
        (any("tags", json!(["y", "z"])), "ab"),
        (except("topic", json!(["refunds"])), "b"),
        (except("year", json!([2020])), "bcd"),
        (except("tags", json!(["y"])), "ad"),
        (range("year", json!({"gte": 2021})), "bcd"),
        (range("year", json!({"gt": 2020, "lt": 2022})), "b"),
        (range("year", json!({"lte": 2020})), "ad"),
        (range("price", json!({"gte": 1.5, "lt": 2})), "a"),
        (range("author.age", json!({"gt": 35.9})), "c"),
        (range("lines[].price", json!({"gt": 8})), "e"),
        (range("topic", json!({"gt": 0})), ""),
        (json!({"must": [{"is_empty": {"key": "topic"}}]}), "de"),
        (json!({"must": [{"is_empty": {"key": "tags"}}]}), "ce"),
        (json!({"must": [{"is_empty": {"key": "author.name"}}]}), "abde"),
        (json!({"must": [{"is_null": {"key": "topic"}}]}), "d"),
        (json!({"must": [{"is_null": {"key": "author.name"}}]}), "d"),
        (json!({"must": [{"is_null": {"key": "tags"}}]}), ""),
    ]
}

pub async fn every_kind_of_condition_holds(store: &dyn VectorStoreWriter) {
    fill(store, passages()).await;
    check(store, &single_conditions()).await;
}

pub async fn conditions_nest(store: &dyn VectorStoreWriter) {
    fill(store, passages()).await;
    let refunds = json!({"key": "topic", "match": {"value": "refunds"}});
    let late = json!({"key": "year", "range": {"gt": 2020}});
    let open = json!({"key": "open", "match": {"value": true}});
    let cases = [
        (json!({}), "abcde"),
        (json!({"must": [refunds, late]}), "c"),
        (json!({"should": [refunds, late]}), "abcd"),
        (json!({"must_not": [refunds, late]}), "e"),
        (json!({"must": [refunds], "must_not": [open]}), "c"),
        (json!({"must": [refunds], "should": [late, open]}), "ac"),
        (json!({"must": [{"should": [open, {"must": [refunds, late]}]}]}), "ac"),
        (json!({"must_not": [{"must": [refunds, late]}]}), "abde"),
        (json!({"must_not": [{"must_not": [refunds]}]}), "ac"),
        (json!({"must": [{"must": [{"must": [{"must": [refunds]}]}]}]}), "ac"),
    ];
    check(store, &cases).await;
    let both = Filter::equals("topic", "refunds").and(Filter::equals("open", true));
    assert_eq!(found(store, 9, Some(both)).await, ["a"]);
}

pub async fn own_fields_can_be_filtered(store: &dyn VectorStoreWriter) {
    let first = Passage::new("a", "one").cut_from("doc", 0).with_title("Title");
    fill(store, [first, Passage::new("b", "two").cut_from("doc", 1), Passage::new("c", "three")]).await;
    let cases = [
        (json!({"must": [{"key": "document_id", "match": {"value": "doc"}}]}), "ab"),
        (json!({"must": [{"key": "position", "range": {"gte": 1}}]}), "b"),
        (json!({"must": [{"key": "title", "match": {"value": "Title"}}]}), "a"),
        (json!({"must": [{"is_empty": {"key": "title"}}]}), "bc"),
        (json!({"must": [{"key": "text", "match": {"value": "three"}}]}), "c"),
    ];
    check(store, &cases).await;
}

pub async fn ids_can_be_filtered(store: &dyn VectorStoreWriter) {
    fill(store, passages()).await;
    let cases = [
        (json!({"must": [{"has_id": ["c", "a", "a", "absent", "123"]}]}), "ac"),
        (json!({"must": [{"has_id": []}]}), ""),
        (json!({"must_not": [{"has_id": ["c", "a"]}]}), "bde"),
        (json!({"should": [{"has_id": ["e"]}, {"key": "open", "match": {"value": true}}]}), "ae"),
    ];
    check(store, &cases).await;
}

pub async fn indexed_fields_filter_alike(store: &dyn VectorStoreWriter) {
    fill(store, passages()).await;
    let fields = [
        ("topic", PayloadKind::Keyword),
        ("tags", PayloadKind::Keyword),
        ("author.name", PayloadKind::Keyword),
        ("lines[].of", PayloadKind::Keyword),
        ("year", PayloadKind::Integer),
        ("price", PayloadKind::Float),
        ("open", PayloadKind::Bool),
    ];
    for (key, kind) in fields {
        store.index_payload(key, kind).await.unwrap();
    }
    check(store, &single_conditions()).await;
}

pub async fn what_no_engine_can_compare_is_refused(store: &dyn VectorStoreWriter) {
    fill(store, passages()).await;
    let nested = (0..20)
        .fold(Filter::default(), |inner, _| Filter { must: vec![Condition::Filter(inner)], ..Filter::default() });
    let filters =
        [Filter::equals("price", 1.5), Filter::equals("tags", json!(["x"])), Filter::equals("no path", 1), nested];
    for filter in filters {
        let errors = [
            find(store, 3, Some(filter.clone())).await.unwrap_err(),
            store.delete_matching(&filter).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Request { .. }), "{filter:?}: {error}");
        }
    }
    assert_eq!(count(store).await, 5);
}
