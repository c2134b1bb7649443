//! Who may ask what, on every route.

use std::{collections::BTreeSet, sync::Arc};

use asktwice::{VectorStore as _, search::MemoryStore, server::openapi_json};
use serde_json::{Value, json};

use super::{Running, Setup, articles, ids};
use crate::support::http::{Request, Response};

const ANN: &str = "the-key-of-ann-0001";
const BOB: &str = "the-key-of-bob-0002";

/// What a route is to one of the callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// Open to everybody.
    Open,
    /// The same for everybody who has a key.
    ForKeys,
    /// About a collection: 404 for a tenant that may not see it.
    OfCollection,
    /// As that, and refused to a tenant that may only read.
    Writes,
}

/// Every route, what it is, and a request that it would answer to a tenant that may have everything. A route that is
/// added must be added here too.
fn routes() -> Vec<(&'static str, &'static str, Is, Value)> {
    use Is::{ForKeys, OfCollection, Open, Writes};
    let none = Value::Null;
    let ask = json!({"question": "order", "collection": "help"});
    let passage = json!({"id": "new", "text": "new"});
    vec![
        ("get", "/livez", Open, none.clone()),
        ("get", "/readyz", Open, none.clone()),
        ("get", "/healthz", Open, none.clone()),
        ("get", "/", ForKeys, none.clone()),
        ("get", "/page.css", ForKeys, none.clone()),
        ("get", "/page.js", ForKeys, none.clone()),
        ("get", "/fusion.js", ForKeys, none.clone()),
        ("get", "/openapi.json", ForKeys, none.clone()),
        ("get", "/v1/settings", ForKeys, none.clone()),
        ("get", "/v1/collections", ForKeys, none.clone()),
        ("get", "/v1/vector_stores", ForKeys, none.clone()),
        ("get", "/v1/models", ForKeys, none.clone()),
        ("post", "/v1/embeddings", ForKeys, json!({"input": "x", "model": "hash"})),
        ("post", "/v1/retrieve", OfCollection, ask.clone()),
        ("post", "/v1/retrieve/stream", OfCollection, ask.clone()),
        ("post", "/v1/retrieve/batch", OfCollection, json!({"requests": [ask]})),
        ("get", "/v1/vector_stores/help", OfCollection, none),
        ("post", "/v1/vector_stores/help/search", OfCollection, json!({"query": "order"})),
        (
            "post",
            "/retrieval",
            OfCollection,
            json!({"knowledge_id": "help", "query": "order", "retrieval_setting": {"top_k": 1}}),
        ),
        ("post", "/v1/passages", Writes, json!({"collection": "help", "passages": [passage]})),
        ("post", "/v1/passages/fetch", Writes, json!({"collection": "help", "ids": ["late"]})),
        ("delete", "/v1/passages", Writes, json!({"collection": "help", "ids": ["new"]})),
    ]
}

/// Ann may have everything of `help`, Bob may read `other`, Carol sees refunds only.
async fn tenants() -> Running {
    let refunds = r#"{"must": [{"key": "topic", "match": {"value": "refunds"}}]}"#;
    let tenants = json!({
        "ann": {"key": ANN, "collections": ["help"], "write": true},
        "bob": {"key": BOB, "collections": ["other"]},
        "carol": {"key": "the-key-of-carol-03", "collections": ["help"], "filter": refunds},
        "dave": {"key": "the-key-of-dave-004", "requests_per_minute": 3},
        "erin": {"key": "the-key-of-erin-005", "rewrites_per_minute": 1},
        "fred": {"key": "the-key-of-fred-006", "local_only": true},
    });
    let setup = Setup::new().await.store("other", Arc::new(MemoryStore::new())).rewriter("charged twice", 0);
    setup.settings(json!({ "tenants": tenants })).start().await
}

async fn send(sidecar: &Running, method: &str, path: &str, body: &Value, key: Option<&str>) -> Response {
    let mut request = Request::new(&method.to_uppercase(), path);
    if !body.is_null() {
        request = request.json(body);
    }
    if let Some(key) = key {
        request = request.key(key);
    }
    request.send(sidecar.address).await
}

#[tokio::test]
async fn every_route_knows_its_callers() {
    let sidecar = tenants().await;
    for (method, path, is, body) in routes() {
        let status = async |key| send(&sidecar, method, path, &body, key).await.status;
        let (none, bad, other, own) = (
            status(None).await,
            status(Some("a-key-that-nobody-has")).await,
            status(Some(BOB)).await,
            status(Some(ANN)).await,
        );
        let batch = path.ends_with("/batch");
        let expected = match is {
            Is::Open => (none, none, none, none),
            Is::ForKeys => (401, 401, 200, 200),
            // In a batch each question is refused for itself.
            Is::OfCollection => (401, 401, if batch { 200 } else { 404 }, 200),
            Is::Writes => (401, 401, 403, 200),
        };
        assert_eq!((none, bad, other, own), expected, "{method} {path}");
    }
    let batch = json!({"requests": [{"question": "order", "collection": "help"}]});
    let answer = send(&sidecar, "post", "/v1/retrieve/batch", &batch, Some(BOB)).await.json();
    assert_eq!(answer["results"][0]["problem"]["status"], 404);
}

#[tokio::test]
async fn no_route_is_missing_in_this_table() {
    let api: Value = serde_json::from_str(openapi_json()).unwrap();
    let mut described = BTreeSet::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert((method.clone(), path.replace("{vector_store_id}", "help")));
        }
    }
    let known = routes().into_iter().map(|(method, path, ..)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(described, known);
    // What is no route is as closed as the others.
    let sidecar = tenants().await;
    assert_eq!(send(&sidecar, "get", "/no/such/route", &Value::Null, None).await.status, 401);
    assert_eq!(send(&sidecar, "get", "/no/such/route", &Value::Null, Some(ANN)).await.status, 404);
    assert_eq!(send(&sidecar, "put", "/v1/retrieve", &Value::Null, Some(ANN)).await.status, 405);
    assert_eq!(send(&sidecar, "get", "/metrics", &Value::Null, Some(ANN)).await.status, 404);
}

#[tokio::test]
async fn a_browser_asks_for_the_key_and_a_program_is_told_how_to_send_it() {
    let sidecar = tenants().await;
    let page = send(&sidecar, "get", "/", &Value::Null, None).await;
    assert!(page.header("www-authenticate").unwrap().starts_with("Basic"), "{page:?}");
    let route = send(&sidecar, "post", "/v1/retrieve", &json!({}), None).await;
    assert_eq!((route.header("www-authenticate"), route.json()["code"].as_str()), (Some("Bearer"), Some("no_key")));
    let search = send(&sidecar, "post", "/v1/vector_stores/help/search", &json!({}), Some("wrong")).await;
    assert_eq!(search.json()["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn no_filter_reaches_beyond_a_tenants() {
    let sidecar = tenants().await;
    let late = json!({"key": "topic", "match": {"value": "delivery"}});
    let everything = json!({"must_not": [{"has_id": ["nothing"]}]});
    let filters = [
        Value::Null,
        json!({"must": [late]}),
        json!({"should": [late, everything]}),
        json!({"must_not": [{"key": "topic", "match": {"value": "refunds"}}]}),
        json!({"must_not": [{"must": [everything]}]}),
        json!({"should": [{"must_not": [{"should": [late]}]}, late]}),
        json!({"must": [{"has_id": ["late"]}]}),
        json!({"should": [{"is_empty": {"key": "nothing"}}, {"is_null": {"key": "topic"}}]}),
    ];
    for filter in filters {
        let body = json!({"question": "late order courier map", "filter": filter, "limit": 100});
        let answer = send(&sidecar, "post", "/v1/retrieve", &body, Some("the-key-of-carol-03")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!ids(&answer.json()).contains(&"late"), "{filter}");
    }
    let query = json!({"query": "late order", "filters": {"type": "or", "filters": [
        {"type": "eq", "key": "topic", "value": "delivery"}, {"type": "ne", "key": "topic", "value": "x"}
    ]}});
    let page =
        send(&sidecar, "post", "/v1/vector_stores/help/search", &query, Some("the-key-of-carol-03")).await.json();
    assert!(page["data"].as_array().unwrap().iter().all(|hit| hit["file_id"] != "late") && page["data"][0].is_object());
    let counted = send(&sidecar, "get", "/v1/collections", &Value::Null, Some("the-key-of-carol-03")).await.json();
    assert_eq!(counted["collections"][0]["passages"], Value::Null);
}

#[tokio::test]
async fn who_asks_too_often_waits_and_nobody_else_does() {
    let sidecar = tenants().await;
    let models = async |key| send(&sidecar, "get", "/v1/models", &Value::Null, Some(key)).await;
    for remaining in ["2", "1", "0"] {
        let answer = models("the-key-of-dave-004").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining-requests")), (200, Some(remaining)));
    }
    let refused = models("the-key-of-dave-004").await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (429, Some("true")));
    let wait: u64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
    assert!((1..=20_000).contains(&wait), "{wait}");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(models(ANN).await.status, 200);
}

#[tokio::test]
async fn a_batch_asks_no_more_often_than_its_questions_would() {
    let sidecar = tenants().await;
    let question = json!({"question": "order", "collection": "help", "limit": 1});
    let batch = json!({"requests": vec![question; 64]});
    let answer = send(&sidecar, "post", "/v1/retrieve/batch", &batch, Some("the-key-of-dave-004")).await;
    assert_eq!((answer.status, answer.header("x-ratelimit-remaining-requests")), (200, Some("0")));
    let results = answer.json()["results"].as_array().unwrap().clone();
    let (answered, refused) = results.split_at(3);
    assert!(answered.iter().all(|result| result["retrieval"].is_object()), "{answered:?}");
    for result in refused {
        let problem = &result["problem"];
        assert_eq!((&problem["status"], &problem["code"]), (&json!(429), &json!("rate_limit_exceeded")), "{result}");
        assert!((1..=20_000).contains(&problem["retry_after_ms"].as_u64().unwrap()), "{result}");
    }
    assert_eq!(refused.len(), 61);
    let next = send(&sidecar, "post", "/v1/retrieve", &json!({"question": "x"}), Some("the-key-of-dave-004")).await;
    assert_eq!(next.status, 429);
}

#[tokio::test]
async fn a_question_over_the_rewriters_budget_is_answered_without_it() {
    let sidecar = tenants().await;
    let body = json!({"question": "order", "collection": "help"});
    let mut outcomes = vec![];
    for _ in 0..3 {
        let answer = send(&sidecar, "post", "/v1/retrieve", &body, Some("the-key-of-erin-005")).await;
        assert_eq!(answer.status, 200);
        outcomes.push(answer.json()["outcome"].clone());
    }
    let without = json!({"kind": "asked_only", "reason": "failed"});
    assert_eq!(outcomes, [json!({"kind": "full"}), without.clone(), without]);
}

#[tokio::test]
async fn a_question_that_must_stay_here_is_not_rewritten_elsewhere() {
    let sidecar = tenants().await;
    let body = json!({"question": "order", "collection": "help"});
    let local = send(&sidecar, "post", "/v1/retrieve", &body, Some("the-key-of-fred-006")).await.json();
    assert_eq!(local["outcome"], json!({"kind": "asked_only", "reason": "local_only"}));
    // What the caller itself sends along has not left.
    let query = json!({"query": ["order", "charged twice"]});
    let page =
        send(&sidecar, "post", "/v1/vector_stores/help/search", &query, Some("the-key-of-fred-006")).await.json();
    assert_eq!(page["search_query"], query["query"]);
}

#[tokio::test]
async fn only_the_owner_reads_what_a_part_said() {
    let sidecar = tenants().await;
    let body = json!({"question": "order", "collection": "other"});
    let told = send(&sidecar, "post", "/v1/retrieve", &body, Some(BOB)).await.json();
    assert_eq!(
        (&told["code"], &told["detail"]),
        (&json!("collection_missing"), &json!("the collection holds nothing yet"))
    );
    let owner = Setup::new().await.store("other", Arc::new(MemoryStore::new())).start().await;
    let told = send(&owner, "post", "/v1/retrieve", &body, None).await.json();
    assert!(told["detail"].as_str().unwrap().contains("the in-memory store holds no collection yet"), "{told}");
}

#[tokio::test]
async fn other_names_and_other_pages_are_refused_on_every_route() {
    let sidecar = Setup::new().await.start().await;
    for (method, path, _, body) in routes() {
        let request = Request::new(&method.to_uppercase(), path).json(&body);
        let status = async |request: &Request| request.send(sidecar.address).await.status;
        let rebound = request.clone().header("host", "evil.example:8080");
        assert_eq!(status(&rebound).await, 403, "{method} {path}");
        for origin in ["http://evil.example", "null", "http://localhost:1"] {
            assert_eq!(status(&request.clone().header("origin", origin)).await, 403, "{method} {path} {origin}");
        }
        assert_ne!(status(&request.header("origin", "http://localhost")).await, 403, "{method} {path}");
    }
    let metrics = Request::get("/metrics");
    assert_eq!(metrics.send(sidecar.admin).await.status, 200);
    assert_eq!(metrics.header("host", "evil.example").send(sidecar.admin).await.status, 403);
}

#[tokio::test]
async fn other_origins_may_call_if_the_settings_say_so() {
    let setup = Setup::new().await.settings(json!({"origins": ["https://chat.example"]}));
    let sidecar = setup.start().await;
    let asked = |origin: &str| {
        Request::new("OPTIONS", "/v1/retrieve").header("origin", origin).header("access-control-request-method", "POST")
    };
    let allowed = asked("https://chat.example").send(sidecar.address).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, Some("https://chat.example")));
    let sent = "authorization,content-type,x-stainless-lang,x-request-timeout-ms,traceparent";
    let of_openai = asked("https://chat.example").header("access-control-request-headers", sent);
    let answer = of_openai.send(sidecar.address).await;
    assert_eq!(answer.header("access-control-allow-headers"), Some(sent));
    let asks = Request::post("/v1/retrieve", &json!({"question": "order"})).header("origin", "https://chat.example");
    let answer = asks.send(sidecar.address).await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in [
        "server-timing",
        "x-request-id",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "x-ratelimit-reset-requests",
    ] {
        assert!(exposed.split(',').any(|one| one.trim() == name), "{name}: {exposed}");
    }
    assert_eq!(asked("https://evil.example").send(sidecar.address).await.status, 403);
    let closed = Setup::new().await.start().await;
    let refused = asked("https://chat.example").send(closed.address).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
}

#[tokio::test]
async fn nothing_was_written_by_who_may_not() {
    let store = articles().await;
    let tenants = json!({"reader": {"key": "the-key-of-a-reader"}});
    let sidecar =
        Setup::new().await.store("shared", store.clone()).settings(json!({ "tenants": tenants })).start().await;
    let body = json!({"collection": "shared", "ids": ["late"]});
    assert_eq!(send(&sidecar, "delete", "/v1/passages", &body, Some("the-key-of-a-reader")).await.status, 403);
    assert_eq!(store.info().await.unwrap().unwrap().passages, 3);
}
