//! Dify's interface, and the page.

use serde_json::{Value, json};

use super::Setup;
use crate::support::http::Request;

async fn dify(sidecar: &super::Running, changes: Value) -> (u16, Value) {
    let mut body = json!({
        "knowledge_id": "help", "query": "late order", "retrieval_setting": {"top_k": 3, "score_threshold": 0.0}
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let answer = Request::post("/retrieval", &body).send(sidecar.address).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn dify_gets_records() {
    let sidecar = Setup::new().await.start().await;
    let body = json!({"knowledge_id": "help", "query": "late order", "retrieval_setting": {"top_k": 3}});
    let answer = Request::post("/retrieval", &body).send(sidecar.address).await;
    assert!(answer.header("server-timing").is_some_and(|timing| timing.contains("total;dur=")), "{answer:?}");
    let (status, answer) = dify(&sidecar, json!({})).await;
    let records = answer["records"].as_array().unwrap();
    assert_eq!((status, records.len()), (200, 3));
    assert_eq!(records[0]["content"], "late order courier map");
    assert_eq!((&records[0]["title"], &records[0]["metadata"]["topic"]), (&json!("late"), &json!("delivery")));
    assert!(records.iter().all(|record| record["metadata"].is_object() && record["score"].is_f64()));
    let (_, best) = dify(&sidecar, json!({"retrieval_setting": {"top_k": 3, "score_threshold": 1.0}})).await;
    assert_eq!(best["records"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn dify_filters_by_metadata() {
    let sidecar = Setup::new().await.start().await;
    let found = async |operator: &str, name: &str, value: Value| {
        let condition = json!({"name": [name], "comparison_operator": operator, "value": value});
        let (_, answer) = dify(&sidecar, json!({"metadata_condition": {"conditions": [condition]}})).await;
        answer["records"].as_array().unwrap_or_else(|| panic!("{operator}: {answer}")).len()
    };
    assert_eq!(found("is", "topic", json!("refunds")).await, 2);
    assert_eq!(found("is not", "topic", json!("refunds")).await, 1);
    assert_eq!(found("in", "topic", json!(["refunds", "delivery"])).await, 3);
    assert_eq!(found("not in", "topic", json!(["refunds", "delivery"])).await, 0);
    assert_eq!(found("empty", "colour", Value::Null).await, 3);
    assert_eq!(found("not empty", "topic", Value::Null).await, 3);
    assert_eq!(found("=", "words", json!("4")).await, 3);
    assert_eq!(found("≠", "words", json!(4)).await, 0);
    assert_eq!(found("≥", "words", json!(4)).await, 3);
    assert_eq!(found("<", "words", json!(4)).await, 0);
}

#[tokio::test]
async fn dify_is_told_in_its_own_form() {
    let sidecar = Setup::new().await.start().await;
    let (status, answer) = dify(&sidecar, json!({"knowledge_id": "other"})).await;
    assert_eq!((status, &answer["error_code"]), (404, &json!(2001)));
    let condition = json!({"name": "topic", "comparison_operator": "start with", "value": "re"});
    let (status, answer) = dify(&sidecar, json!({"metadata_condition": {"conditions": [condition]}})).await;
    assert_eq!(status, 400);
    assert!(answer["error_msg"].as_str().unwrap().contains("start with"), "{answer}");
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let sidecar = Setup::new().await.start().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/fusion.js", "text/javascript"),
    ] {
        let file = Request::get(path).send(sidecar.address).await;
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("content-type").unwrap().starts_with(kind), "{path}");
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = file.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another host");
    }
}
