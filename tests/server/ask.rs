//! Our own way to ask, health, and what every answer carries.

use serde_json::{Value, json};

use super::{Setup, filled, ids, ready};
use crate::support::{
    failing::{Failing, Moody, Trouble},
    http::{Connection, Request},
};

#[tokio::test]
async fn a_question_is_answered_with_an_account_of_how() {
    let sidecar = Setup::new().await.rewriter("charged twice", 0).start().await;
    let request = Request::post("/v1/retrieve", &json!({"question": "late food", "limit": 2}));
    let answer = request.header("x-request-id", "my-id.1").send(sidecar.address).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("my-id.1")));
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.contains("embed-asked;dur=") && timing.contains("total;dur="), "{timing}");
    let body = answer.json();
    assert_eq!(body["hits"].as_array().unwrap().len(), 2);
    assert_eq!(body["outcome"], json!({"kind": "full"}));
    let rewrite = &body["variants"][1];
    assert_eq!(
        (&rewrite["origin"], &rewrite["kind"], &rewrite["text"]),
        (&json!("rewrite"), &json!("paraphrase"), &json!("charged twice"))
    );
    let found = &body["hits"][0]["found_by"][0];
    assert!(found["rank"].is_u64() && found["contribution"].is_f64(), "{found}");
}

#[tokio::test]
async fn what_may_be_chosen_has_its_effect() {
    let sidecar = Setup::new().await.rewriter("missing items", 0).start().await;
    let ask = async |choices: Value| {
        let mut body = json!({"question": "charged twice"});
        body.as_object_mut().unwrap().extend(choices.as_object().unwrap().clone());
        Request::post("/v1/retrieve", &body).send(sidecar.address).await.json()
    };
    assert_eq!(ids(&ask(json!({"limit": 1, "rewrite": false})).await), ["twice"]);
    let all = ask(json!({"rewrite": false})).await;
    assert_eq!((all["variants"].as_array().unwrap().len(), ids(&all)[0]), (1, "twice"));
    let strict = ask(json!({"rewrite": false, "threshold": {"normalised": 1.0}})).await;
    assert_eq!(ids(&strict), ["twice"]);
    let bare = ask(json!({"rewrite": false, "payload": {"include": ["topic"]}})).await;
    assert_eq!(bare["hits"][0]["passage"]["payload"], json!({"topic": "refunds"}));
    let grouped = ask(json!({"rewrite": false, "group": 1, "mmr": {"diversity": 0.5}, "legs": "dense"})).await;
    assert_eq!(ids(&grouped).len(), 3);
    let second = ask(json!({"limit": 1, "offset": 1, "rewrite": false})).await;
    assert_eq!(ids(&second), ids(&all)[1..2]);
    let delivery = json!({"must": [{"key": "topic", "match": {"value": "delivery"}}]});
    assert_eq!(ids(&ask(json!({"filter": delivery})).await), ["late"]);
    let messages = json!([{"role": "user", "content": "late order courier"}]);
    let body = json!({"messages": messages, "limit": 1, "rewrite": false, "collection": "help"});
    let answer = Request::post("/v1/retrieve", &body).send(sidecar.address).await.json();
    assert_eq!(ids(&answer), ["late"]);
}

#[tokio::test]
async fn what_the_legs_found_can_be_had_to_fuse_it_otherwise() {
    let sidecar = Setup::new().await.rewriter("charged twice", 0).start().await;
    let question = json!({"question": "late order", "limit": 1, "explain": true});
    let answer = Request::post("/v1/retrieve", &question).send(sidecar.address).await.json();
    let explanation = &answer["explanation"];
    let (legs, rankings) = (answer["legs"].as_array().unwrap(), explanation["rankings"].as_array().unwrap());
    assert_eq!((legs.len(), rankings.len()), (2, 2));
    assert!(rankings.iter().all(|ranking| ranking.as_array().unwrap().len() == 3), "{rankings:?}");
    let point = |id: &str| asktwice::ranking::PointId::of(id).to_string();
    assert_eq!((&rankings[0][0]["point"], &rankings[1][0]["point"]), (&json!(point("late")), &json!(point("twice"))));
    assert_eq!(explanation["passages"].as_array().unwrap().len(), 3);
    assert_eq!(answer["hits"][0]["without"][0]["variant"], 0);
}

#[tokio::test]
async fn an_explanation_that_cannot_be_fetched_costs_no_answer() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        // The first fetch is that of the hits.
        let store = filled(Failing::new(usize::MAX).with_fetches(2, trouble)).await;
        let sidecar = Setup::new().await.store("stumbles", store).start().await;
        let question = json!({"question": "late order", "collection": "stumbles", "explain": true, "deadline_ms": 500});
        let answer = Request::post("/v1/retrieve", &question).send(sidecar.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!((ids(&answer)[0], &answer["explanation"]), ("late", &Value::Null), "{answer}");
        let lost = &answer["degradations"][0];
        assert_eq!(lost["kind"], "explanation_lost", "{answer}");
        let why = if matches!(trouble, Trouble::Fails) { "disk full" } else { "ms" };
        assert!(lost["message"].as_str().unwrap().contains(why), "{lost}");
    }
}

#[tokio::test]
async fn a_late_rewrite_costs_nothing_but_itself() {
    let sidecar = Setup::new().await.rewriter("charged twice", 60_000).start().await;
    let question = json!({"question": "late order", "deadline_ms": 200});
    let answer = Request::post("/v1/retrieve", &question).send(sidecar.address).await.json();
    assert_eq!((ids(&answer)[0], &answer["degradations"][0]["kind"]), ("late", &json!("rewrite_deadline")));
}

#[tokio::test]
async fn an_answer_comes_in_steps() {
    let sidecar = Setup::new().await.rewriter("charged twice", 0).start().await;
    let request = Request::post("/v1/retrieve/stream", &json!({"question": "late order"}));
    let answer = request.send(sidecar.address).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = answer.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((names.first(), names.last()), (Some(&"asked"), Some(&"done")));
    assert!(names.contains(&"variant") && names.contains(&"fused"), "{names:?}");
    let last = text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let whole: Value = serde_json::from_str(last).unwrap();
    assert_eq!((ids(&whole).len(), &whole["outcome"]["kind"]), (3, &json!("full")));
}

#[tokio::test]
async fn a_question_of_a_batch_fails_for_itself() {
    let sidecar = Setup::new().await.start().await;
    let requests =
        json!([{"question": "late order", "limit": 1}, {"question": " "}, {"question": "charged", "limit": 1}]);
    let answer = Request::post("/v1/retrieve/batch", &json!({ "requests": requests })).send(sidecar.address).await;
    let timing = answer.header("server-timing").unwrap();
    let times: Vec<&str> = timing.split(", ").filter_map(|entry| entry.split(';').next()).collect();
    assert_eq!(times, ["question-1", "question-3", "total"], "{timing}");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(ids(&results[0]["retrieval"]), ["late"]);
    assert_eq!(results[1]["problem"]["status"], 400);
    assert_eq!(ids(&results[2]["retrieval"]), ["twice"]);
    let none = Request::post("/v1/retrieve/batch", &json!({"requests": []})).send(sidecar.address).await;
    assert_eq!(none.status, 400);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let sidecar = Setup::new().await.start().await;
    let cases = [
        (json!({"question": "x", "limt": 3}), 400, "unknown field `limt`"),
        (json!({"question": "  "}), 400, "it is empty"),
        (json!({"question": "x", "collection": "other"}), 404, "no collection \"other\""),
        (json!({"question": "x", "filter": {"must": [{"key": "a", "range": {}}]}}), 400, "filter: the range of `a`"),
        (json!({"question": "x", "neighbours": 33}), 400, "neighbours: 33 is more than 32"),
        (json!({"question": "x", "mmr": {"diversity": 2}}), 400, "mmr.diversity"),
        (json!({"question": "x", "rerank": 0}), 400, "rerank"),
        (json!([]), 400, "not an object"),
        (json!(["late"]), 400, "not an object"),
    ];
    for (body, status, named) in cases {
        let answer = Request::post("/v1/retrieve", &body).send(sidecar.address).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{body}"
        );
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(named), "{body}: {problem}");
        assert_eq!((&problem["status"], problem["request_id"].is_string()), (&json!(status), true));
    }
}

#[tokio::test]
async fn it_is_ready_when_a_text_was_embedded_and_the_stores_answered() {
    let sidecar = Setup::new().await.start().await;
    assert_eq!(Request::get("/livez").send(sidecar.address).await.status, 200);
    assert_eq!(Request::get("/healthz").send(sidecar.address).await.status, 200);
    ready(sidecar.address).await;
    let state = Request::get("/readyz").send(sidecar.admin).await.json();
    assert_eq!(state, json!({"ready": true, "draining": false, "embedder": true, "stores": {"help": true}}));
    let broken = Setup::new().await.embedder(Moody::new(0, 0)).start().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(Request::get("/readyz").send(broken.address).await.status, 503);
    assert_eq!(Request::get("/livez").send(broken.address).await.status, 200);
}

#[tokio::test]
async fn what_there_is_can_be_listed() {
    let sidecar = Setup::new().await.start().await;
    let listed = Request::get("/v1/collections").send(sidecar.address).await.json();
    let help = json!({"name": "help", "passages": 3, "dimension": 64, "model": "hash", "problem": null});
    assert_eq!(listed, json!({"collections": [help]}));
    let settings = Request::get("/v1/settings").send(sidecar.address).await.json();
    assert_eq!(settings["search"]["limit"], 10);
    let api = Request::get("/openapi.json").send(sidecar.address).await.json();
    assert!(api["paths"]["/v1/retrieve"]["post"]["requestBody"].is_object());
    let schema = &api["components"]["schemas"]["RetrieveRequest"];
    assert_eq!(schema["additionalProperties"], false, "{schema}");
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let sidecar = Setup::new().await.start().await;
    let mut connection = Connection::open(sidecar.address).await.unwrap();
    for _ in 0..3 {
        let question = Request::post("/v1/retrieve", &json!({"question": "late"}));
        assert_eq!(connection.exchange(&question).await.unwrap().status, 200);
    }
}
