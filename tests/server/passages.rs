//! The way in.

use std::sync::Arc;

use asktwice::{ranking::PointId, search::MemoryStore};
use serde_json::{Value, json};

use super::{Setup, ids};
use crate::support::http::Request;

#[tokio::test]
async fn what_is_written_is_found_and_what_is_deleted_is_not() {
    let sidecar = Setup::new().await.store("new", Arc::new(MemoryStore::new())).start().await;
    let send = async |method: &str, path: &str, body: Value| {
        let answer = Request::new(method, path).json(&body).send(sidecar.address).await;
        (answer.status, answer.json())
    };
    let ask = async || send("POST", "/v1/retrieve", json!({"question": "green tea", "collection": "new"})).await;
    let (status, problem) = ask().await;
    assert_eq!((status, &problem["code"]), (404, &json!("collection_missing")));

    let tea = json!({"id": "tea", "text": "green tea", "title": "Tea", "document_id": "drinks", "position": 2, "payload": {"hot": true}});
    let passages =
        json!({"collection": "new", "passages": [tea, {"id": "milk", "text": "cold milk"}], "optimize": true});
    let written = send("POST", "/v1/passages", passages.clone()).await;
    assert_eq!(written, (200, json!({"indexed": 2, "unchanged": 0, "truncated": 0})));
    assert_eq!(send("POST", "/v1/passages", passages).await.1["unchanged"], 2);
    let (_, answer) = ask().await;
    assert_eq!(ids(&answer)[0], "tea");
    assert_eq!(answer["hits"][0]["passage"], tea);

    let point = PointId::of("tea").to_string();
    let (_, fetched) =
        send("POST", "/v1/passages/fetch", json!({"collection": "new", "points": [point], "ids": ["none"]})).await;
    assert_eq!(fetched, json!({"passages": [{"point": point, "passage": tea}]}));

    let deleted = send("DELETE", "/v1/passages", json!({"collection": "new", "ids": ["milk", "none"]})).await;
    assert_eq!(deleted, (200, json!({"acknowledged": true})));
    assert_eq!(ids(&ask().await.1), ["tea"]);
    let hot = json!({"must": [{"key": "hot", "match": {"value": true}}]});
    assert_eq!(send("DELETE", "/v1/passages", json!({"collection": "new", "filter": hot})).await.0, 200);
    assert!(ids(&ask().await.1).is_empty());
}

#[tokio::test]
async fn what_cannot_be_written_is_named() {
    let sidecar = Setup::new().await.start().await;
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let cases = [
        ("POST", json!({"passages": [{"id": "a", "text": " "}]}), "passages[0].text"),
        ("POST", json!({"passages": [{"id": "", "text": "a"}]}), "passages[0].id"),
        ("POST", json!({"passages": [{"id": "a", "txt": "a"}]}), "unknown field `txt`"),
        ("POST", json!({"passages": [{"id": "a", "text": "a", "payload": {"x": deep}}]}), "passages[0].payload.x"),
        ("POST", json!({"passages": [{"id": "a", "text": "a", "payload": {"text": 1}}]}), "`text`"),
        ("POST", json!({"passages": [{"id": "a", "text": "a"}, {"id": "a", "text": "b"}]}), "twice"),
        ("DELETE", json!({}), "ids"),
        ("DELETE", json!({"filter": {}}), "would delete everything"),
        ("DELETE", json!({"ids": ["a"], "filter": {"must": [{"key": "a", "match": {"value": 1}}]}}), "not both"),
    ];
    for (method, body, named) in cases {
        let answer = Request::new(method, "/v1/passages").json(&body).send(sidecar.address).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(named), "{body}: {}", answer.text());
    }
    let all = Request::post("/v1/retrieve", &json!({"question": "order"})).send(sidecar.address).await.json();
    assert_eq!(ids(&all).len(), 3);
}
