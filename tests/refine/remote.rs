//! A reranker behind HTTP: both shapes, and servers that do what servers do.

use std::{sync::Arc, time::Duration};

use asktwice::{Degradation, RetrieveOptions, rerank::RemoteReranker};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

use super::*;
use crate::support::llm_server::{Answer, LlmServer};

const MENU: [(&str, &[&str]); 1] = [("menu", &["late food", "late food again", "something else"])];
const KEY: &str = "canary-key-0123456789";

fn cohere(base_url: &str) -> RemoteReranker {
    RemoteReranker::new(base_url, "a-reranker").unwrap().with_api_key(format!("{KEY}\n").into()).unwrap()
}

/// A reply in Cohere's shape.
fn results(scores: &[f64]) -> String {
    let results: Vec<Value> =
        scores.iter().enumerate().map(|(index, score)| json!({"index": index, "relevance_score": score})).collect();
    json!({"id": "1", "results": results}).to_string()
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn asks_in_the_shape_of_cohere_and_jina() {
    let server = LlmServer::start([Answer::status(200, results(&[0.1, 0.9]))]).await;
    let reranker = cohere(&server.base_url());
    assert_eq!(reranker.rerank("why?", &["one", "two"]).await.unwrap(), [0.1, 0.9]);
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /v1/rerank HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].to_lowercase().contains(&format!("authorization: bearer {KEY}\r\n")));
    assert_eq!(
        body(&requests[0]),
        json!({"model": "a-reranker", "query": "why?", "documents": ["one", "two"], "top_n": 2})
    );
    assert!(!reranker.leaves_host());
    assert!(RemoteReranker::new("https://api.example/v2", "m").unwrap().leaves_host());
}

/// As text-embeddings-inference: refuses more than 32 texts, answers best first, the longer the better.
async fn tei(Json(request): Json<Value>) -> Result<Json<Value>, axum::http::StatusCode> {
    let texts = request["texts"].as_array().unwrap();
    if texts.len() > 32 || request["truncate"] != true || request.get("model").is_some() {
        return Err(axum::http::StatusCode::UNPROCESSABLE_ENTITY);
    }
    let length = |text: &Value| text.as_str().unwrap().len() as f64;
    let mut scored: Vec<(usize, f64)> = texts.iter().map(length).enumerate().collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Json(scored.into_iter().map(|(index, score)| json!({"index": index, "score": score})).collect()))
}

#[tokio::test]
async fn asks_text_embeddings_inference_for_no_more_than_it_takes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, Router::new().route("/rerank", post(tei))).await });
    let reranker = RemoteReranker::text_embeddings_inference(&url).unwrap();
    let texts: Vec<String> = (0..75).map(|length| "x".repeat(length * 7 % 75)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let lengths: Vec<f32> = texts.iter().map(|text| text.len() as f32).collect();
    assert_eq!(reranker.rerank("why?", &texts).await.unwrap(), lengths);
    serving.abort();
}

#[tokio::test]
async fn late_failing_or_senseless_the_fused_order_stands() {
    let fused = retriever(&MENU).await.retrieve(QUESTION).await.unwrap();
    let list = json!([{"index": 0, "score": 1.0}, {"index": 1, "score": 2.0}, {"index": 3, "score": 3.0}]);
    let refusal = format!(r#"{{"message": "invalid token {KEY}"}}"#);
    for (answer, said) in [
        (Answer::status(500, "out of memory"), "out of memory"),
        (Answer::status(401, refusal), "rerank.api_key_file"),
        (Answer::status(422, format!("cannot read {QUESTION}")), "repeats what was sent"),
        (Answer::status(422, "cannot read something else"), "cannot read something else"),
        (Answer::status(404, r#"{"detail": "Not Found"}"#), "needs a /v1 or /v2"),
        (Answer::status(302, "").with_header("location", "http://localhost:1/"), "redirect"),
        (Answer::status(200, "<html></html>"), "web page"),
        (Answer::status(200, "{}"), "endpoint for reranking"),
        (Answer::status(200, results(&[0.5, 0.6])), "without a score for 1 of 3"),
        (Answer::status(200, list.to_string()), "a score for passage 3; there are 3"),
        (Answer::status(200, results(&[0.5, 0.6, 0.7]).replace("0.7", "NaN")), "endpoint for reranking"),
        (Answer::status(200, results(&[0.5, 0.6, 0.7]).replace("0.7", "1e300")), "finite number"),
        (Answer::status(200, " ".repeat(1 << 20)), "more than scores can need"),
        (Answer::Reset, "hung up"),
        (Answer::Raw(b"no http at all\r\n\r\n".to_vec()), "hung up"),
    ] {
        let server = LlmServer::start([answer]).await;
        let retriever = retriever(&MENU).await.with_reranker(cohere(&server.base_url()));
        let found = retriever.retrieve(QUESTION).await.unwrap();
        assert_eq!((kinds(&found), ids(&found)), (vec!["rerank_failed"], ids(&fused)), "{said}");
        let told = serde_json::to_string(&found.degradations).unwrap();
        assert!(told.contains(said), "{said}: {told}");
        assert!(!told.contains(KEY) && !told.contains("/v1/rerank"), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_costs_no_more_than_the_deadline() {
    for answer in [Answer::BlackHole, Answer::HeadOnly, Answer::Trickle] {
        let server = LlmServer::start([answer]).await;
        let retriever = retriever(&MENU).await.with_reranker(cohere(&server.base_url()));
        let options = RetrieveOptions::default().with_deadline(Duration::from_millis(400));
        let start = std::time::Instant::now();
        let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!((kinds(&found), found.hits.len()), (vec!["rerank_deadline"], 3));
    }
    // By itself, a reranker waits no longer than it was told to.
    let server = LlmServer::start([Answer::BlackHole]).await;
    let reranker = cohere(&server.base_url()).with_timeout(Duration::from_millis(50));
    assert!(matches!(reranker.rerank("why?", &["one"]).await, Err(RerankError::Deadline { .. })));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let reranker = Arc::new(cohere("http://127.0.0.1:9/v1"));
    let found = retriever(&MENU).await.with_reranker(reranker).retrieve(QUESTION).await.unwrap();
    let [Degradation::Rerank(error)] = &found.degradations[..] else { panic!("{:?}", found.degradations) };
    assert!(error.to_string().contains("at 127.0.0.1:9 refused the connection"), "{error}");
}

#[test]
fn what_cannot_be_set_up_is_named_and_no_key_is_printed() {
    for (made, setting) in [
        (RemoteReranker::new("localhost:8080", "m"), "rerank.url"),
        (RemoteReranker::new("http://user:secret@host", "m"), "rerank.url"),
        (RemoteReranker::new("http://localhost", " "), "rerank.model"),
        (
            RemoteReranker::text_embeddings_inference("http://localhost").unwrap().with_api_key(" \n".into()),
            "rerank.api_key",
        ),
        (
            RemoteReranker::text_embeddings_inference("http://localhost").unwrap().with_api_key("a b".into()),
            "rerank.api_key",
        ),
    ] {
        let error = made.unwrap_err();
        assert!(matches!(&error, RerankError::Setup { setting: named, .. } if *named == setting), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert!(!format!("{:?}", cohere("http://localhost")).contains(KEY));
}
