//! What was stored comes back as it was.

use serde_json::json;

use super::*;

pub async fn passages_are_fetched_in_the_order_asked(store: &dyn VectorStoreWriter) {
    fill(store, ["a", "b", "c", "d"].map(|id| Passage::new(id, format!("text of {id}")))).await;
    let ids = ["c", "gone", "a", "d"].map(PointId::of);
    let fetched = store.fetch(&ids).await.unwrap();
    let seen: Vec<_> = fetched.iter().map(|(id, passage)| (*id, passage.id.as_str())).collect();
    assert_eq!(seen, [(PointId::of("c"), "c"), (PointId::of("a"), "a"), (PointId::of("d"), "d")]);
    // Numbers are ids of points too, though never of ours.
    assert!(store.fetch(&[PointId::Number(1)]).await.unwrap().is_empty());
}

pub async fn odd_ids_come_back(store: &dyn VectorStoreWriter) {
    let long = "x".repeat(5_000);
    let ids = [
        "",
        " ",
        "123",
        "00123",
        "-1",
        "2f1b7f60-6a0b-4f1e-9c55-0f4d9d2f6f10",
        "日本語のID",
        "a/b?c#d",
        "é",
        "e\u{301}",
        "\u{1f600}",
        "line\nbreak",
        "\u{0}",
        "\"quoted\"",
        &long,
    ];
    fill(store, ids.map(|id| Passage::new(id, "text"))).await;
    for id in ids {
        assert_eq!(fetch_one(store, id).await, Some(Passage::new(id, "text")), "{id:?}");
    }
    assert_eq!(found(store, 100, None).await, ids);
    assert_eq!(count(store).await, ids.len() as u64);
}

pub async fn payloads_come_back(store: &dyn VectorStoreWriter) {
    let payloads = [
        json!({}),
        json!({"text_": "ünï", "empty": "", "true": true, "false": false, "null": null}),
        json!({"int": 1, "zero": 0, "negative": -1, "max": i64::MAX, "min": i64::MIN, "odd": 9_007_199_254_740_993_i64}),
        json!({"float": 1.5, "whole": 2.0, "small": 1e-300, "large": 1.797e308, "third": 1.0 / 3.0, "minus": -0.5}),
        json!({"list": [1, "two", 3.5, null, [4, []], {}], "none": [], "object": {"a": {"b": [{"c": null}]}}, "void": {}}),
        json!({"a key": 1, "dotted.key": 2, "größe": 3, "": 4, "_private": 5}),
    ];
    let passage = |n: usize, fields: &Value| Passage::new(n.to_string(), "text").with_payload(payload(fields.clone()));
    fill(store, payloads.iter().enumerate().map(|(n, fields)| passage(n, fields))).await;
    for (n, fields) in payloads.iter().enumerate() {
        let stored = fetch_one(store, &n.to_string()).await.unwrap();
        assert_eq!(Value::Object(stored.payload), *fields);
    }
}

pub async fn whole_passages_come_back(store: &dyn VectorStoreWriter) {
    let passages = [
        Passage::new("plain", "text"),
        Passage::new("no text", ""),
        Passage::new("titled", "text").with_title("Title"),
        Passage::new("cut", "text").cut_from("a document", 7).with_title("Title"),
        Passage::new("last", "text").cut_from("", u32::MAX),
        Passage::new("long", "wörter ".repeat(20_000)).with_payload(payload(json!({"x": [1]}))),
    ];
    fill(store, passages.clone()).await;
    for passage in passages {
        assert_eq!(fetch_one(store, &passage.id).await, Some(passage));
    }
}

pub async fn reserved_names_are_refused(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    for name in ["_id", "title", "text", "document_id", "position"] {
        let passage = Passage::new("a", "text").with_payload(payload(json!({ name: "mine" })));
        let error = store.upsert(vec![(passage, at(0.0).into())]).await.unwrap_err();
        assert!(matches!(error, StoreError::Request { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    assert_eq!(count(store).await, 0);
}
