//! OpenAI's interface, to the letter.

use serde_json::{Value, json};

use super::Setup;
use crate::support::{embedder::vector, http::Request};

const SEARCH: &str = "/v1/vector_stores/help/search";

#[tokio::test]
async fn a_search_answers_exactly_as_published() {
    let sidecar = Setup::new().await.rewriter("charged twice", 0).start().await;
    let body = json!({
        "query": "late order", "rewrite_query": true, "max_num_results": 2,
        "ranking_options": {"ranker": "auto", "score_threshold": 0.0},
        "filters": {"type": "ne", "key": "topic", "value": "nothing"},
    });
    let page = Request::post(SEARCH, &body).send(sidecar.address).await.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&page), ["object", "search_query", "data", "has_more", "next_page"]);
    assert_eq!(page["object"], "vector_store.search_results.page");
    assert_eq!(page["search_query"], json!(["late order", "charged twice"]));
    assert_eq!((&page["has_more"], &page["next_page"]), (&json!(false), &Value::Null));
    let hits = page["data"].as_array().unwrap();
    assert_eq!(hits.len(), 2);
    for hit in hits {
        assert_eq!(keys(hit), ["file_id", "filename", "score", "attributes", "content"]);
        assert!((0.0..=1.0).contains(&hit["score"].as_f64().unwrap()), "{hit}");
        assert!(hit["attributes"].as_object().unwrap().values().all(|value| !value.is_array()), "{hit}");
        assert_eq!(hit["content"][0]["type"], "text");
    }
    assert_eq!(hits[0]["attributes"]["words"], 4);
}

#[tokio::test]
async fn other_ways_to_put_a_question_are_searched_beside_it() {
    let sidecar = Setup::new().await.rewriter("never asked", 60_000).start().await;
    let body = json!({"query": ["late order", "charged twice", "missing items"], "rewrite_query": true});
    let page = Request::post(SEARCH, &body).send(sidecar.address).await.json();
    assert_eq!(page["search_query"], body["query"]);
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
    let plain = Request::post(SEARCH, &json!({"query": "late order"})).send(sidecar.address).await.json();
    assert_eq!(plain["search_query"], json!(["late order"]));
}

#[tokio::test]
async fn thresholds_and_filters_leave_out_what_does_not_fit() {
    let sidecar = Setup::new().await.start().await;
    let search = async |body: Value| Request::post(SEARCH, &body).send(sidecar.address).await.json();
    let best = search(json!({"query": "late order", "ranking_options": {"score_threshold": 1.0}})).await;
    assert_eq!(best["data"].as_array().unwrap().len(), 1, "{best}");
    let either = json!({"type": "or", "filters": [
        {"type": "eq", "key": "topic", "value": "delivery"}, {"type": "in", "key": "words", "value": [99, "x"]}
    ]});
    let found = search(json!({"query": "order", "filters": either})).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["file_id"], "late");
}

#[tokio::test]
async fn errors_have_openais_form() {
    let sidecar = Setup::new().await.start().await;
    let cases = [
        (SEARCH, json!({"query": "x", "queery": "y"}), 400, Value::Null, "unknown field `queery`"),
        (SEARCH, json!({"query": 7}), 400, Value::Null, "a text or a list of texts"),
        (SEARCH, json!({"query": []}), 400, json!("query"), "1 to 9"),
        (SEARCH, json!({"query": "x", "max_num_results": 51}), 400, json!("max_num_results"), "1 to 50"),
        (
            SEARCH,
            json!({"query": "x", "ranking_options": {"score_threshold": 2}}),
            400,
            json!("ranking_options.score_threshold"),
            "0 to 1",
        ),
        (SEARCH, json!({"query": "x", "ranking_options": {"ranker": "best"}}), 400, Value::Null, "best"),
        (
            SEARCH,
            json!({"query": "x", "filters": {"type": "like", "key": "a", "value": 1}}),
            400,
            json!("filters.type"),
            "like",
        ),
        ("/v1/vector_stores/other/search", json!({"query": "x"}), 404, Value::Null, "other"),
        ("/v1/embeddings", json!({"input": "x", "model": "gpt"}), 404, json!("model"), "hash"),
        ("/v1/embeddings", json!({"input": [1, 2], "model": "hash"}), 400, Value::Null, "token numbers"),
        ("/v1/embeddings", json!({"input": [], "model": "hash"}), 400, json!("input"), "1 to 2048"),
        ("/v1/embeddings", json!({"input": "x", "model": "hash", "dimensions": 8}), 400, json!("dimensions"), "64"),
    ];
    for (path, body, status, param, said) in cases {
        let answer = Request::post(path, &body).send(sidecar.address).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["param"]), (status, &param), "{body}: {error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{body}: {error}");
        assert!(error["type"] == "invalid_request_error" && error["code"].is_string(), "{error}");
    }
    let lost = Request::get("/v1/vector_stores/help/files").send(sidecar.address).await;
    assert_eq!((lost.status, lost.json()["error"]["code"].as_str()), (404, Some("no_route")));
}

#[tokio::test]
async fn embeddings_come_as_numbers_and_as_bytes() {
    let sidecar = Setup::new().await.start().await;
    let embed = async |body: Value| Request::post("/v1/embeddings", &body).send(sidecar.address).await.json();
    let numbers =
        embed(json!({"input": ["late order", "x"], "model": "hash", "encoding_format": "float", "user": "u"})).await;
    assert_eq!((&numbers["object"], &numbers["model"]), (&json!("list"), &json!("hash")));
    assert_eq!(numbers["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    assert_eq!((&numbers["data"][1]["index"], &numbers["data"][1]["object"]), (&json!(1), &json!("embedding")));
    assert_eq!(numbers["data"][0]["embedding"], json!(vector("late order")));
    let bytes = embed(json!({"input": "late order", "model": "hash", "encoding_format": "base64"})).await;
    let bytes = base64(bytes["data"][0]["embedding"].as_str().unwrap());
    let floats: Vec<f32> = bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(floats, vector("late order"));
}

/// Decodes base64 the long way, so that the test does not share the server's decoder.
fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u32> = text
        .bytes()
        .filter(|byte| *byte != b'=')
        .map(|byte| LETTERS.iter().position(|letter| *letter == byte).unwrap() as u32)
        .collect();
    let mut bytes = vec![];
    for group in bits.chunks(4) {
        let word = group.iter().enumerate().fold(0, |word, (index, six)| word | (six << (18 - 6 * index)));
        bytes.extend((0..group.len() - 1).map(|index| (word >> (16 - 8 * index)) as u8));
    }
    bytes
}

#[tokio::test]
async fn stores_and_models_can_be_listed() {
    let sidecar = Setup::new().await.store("archive", super::articles().await).start().await;
    let get = async |path: &str| Request::get(path).send(sidecar.address).await;
    let list = get("/v1/vector_stores?limit=1&order=asc").await.json();
    assert_eq!(
        (&list["object"], &list["has_more"], &list["last_id"]),
        (&json!("list"), &json!(true), &json!("archive"))
    );
    let next = get("/v1/vector_stores?order=asc&after=archive").await.json();
    assert_eq!((&next["first_id"], &next["has_more"]), (&json!("help"), &json!(false)));
    let one = get("/v1/vector_stores/help").await.json();
    assert_eq!(
        (&one["object"], &one["file_counts"]["total"], &one["status"]),
        (&json!("vector_store"), &json!(3), &json!("completed"))
    );
    assert_eq!(get("/v1/vector_stores/none").await.status, 404);
    assert_eq!(get("/v1/vector_stores?limt=1").await.status, 400);
    assert_eq!(get("/v1/models").await.json()["data"][0]["id"], "hash");
}
