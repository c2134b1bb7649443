//! Embedders behind an OpenAI-compatible endpoint: what is asked, what is answered, and every way in which that fails.

use std::{
    fs,
    time::{Duration, Instant},
};

use asktwice::{
    EmbedError, Embedder, ErrorKind,
    embed::{RemoteEmbedder, Role},
};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{
    self,
    embedder::vector,
    http_server::{HttpServer, Reply, Request},
    llm_server::{Answer, LlmServer},
};

/// The dimension of `support::embedder::vector`.
const DIMENSION: usize = 64;
/// Far longer than anything here takes.
const BOUND: Duration = Duration::from_secs(20);

fn remote(url: &str) -> RemoteEmbedder {
    RemoteEmbedder::new(url, "words", DIMENSION).unwrap().with_timeout(BOUND)
}

fn asked(request: &Request) -> Vec<String> {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    serde_json::from_value(body["input"].clone()).unwrap()
}

/// Answers as an endpoint does, last text first.
fn answer(request: &Request) -> Reply {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let items = asked(request).into_iter().enumerate().map(|(index, text)| {
        let vector = vector(&text);
        let base64 = base64::engine::general_purpose::STANDARD
            .encode(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());
        let embedding = if body["encoding_format"] == "base64" { json!(base64) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<_> = items.rev().collect();
    let usage = json!({"prompt_tokens": 6 * data.len(), "total_tokens": 6 * data.len()});
    Reply::new(200, json!({"object": "list", "data": data, "model": body["model"], "usage": usage}).to_string())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("order number {n}")).collect()
}

#[tokio::test]
async fn texts_go_in_batches_and_come_back_in_order() {
    let server = HttpServer::start(answer).await;
    let url = format!("{}/v1/", server.url());
    let key = "sk-hunter2";
    let embedder = remote(&url).with_batch(10).with_prefixes("q: ", "p: ").with_api_key(key.into()).unwrap();
    let embeddings = embedder.embed(Role::Passage, texts(25)).await.unwrap();
    assert_eq!(embeddings.len(), 25);
    for (text, embedding) in texts(25).iter().zip(&embeddings) {
        assert_eq!(embedding.vector, vector(&format!("p: {text}")));
        assert_eq!((embedding.tokens, embedding.truncated), (6, false));
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.target, "/v1/embeddings");
        assert_eq!(request.header("authorization"), Some("Bearer sk-hunter2"));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!((&body["model"], &body["encoding_format"]), (&json!("words"), &json!("float")));
    }
    embedder.embed(Role::Query, vec![String::new()]).await.unwrap();
    // Some servers refuse a text of nothing.
    assert_eq!(asked(&server.requests()[3]), ["q:  "]);
    assert_eq!(embedder.embed(Role::Query, vec![]).await.unwrap(), []);
    let identity = embedder.identity();
    assert_eq!((identity.model.as_str(), identity.dimension), ("words", DIMENSION));
    assert_eq!(identity.passage_prefix, "p: ");
    // The same model elsewhere fills the same space.
    let elsewhere = remote("https://elsewhere.example/v1").with_prefixes("q: ", "p: ");
    assert_eq!(identity.difference(elsewhere.identity()), None);
    assert!(identity.difference(remote(&url).identity()).is_some());
    assert!(elsewhere.leaves_host() && !embedder.leaves_host());
    assert!(!format!("{embedder:?} {identity:?}").contains("hunter2"));
}

#[tokio::test]
async fn base64_is_understood_and_fields_can_be_changed() {
    let server = HttpServer::start(answer).await;
    let fields = json!({"encoding_format": "base64", "dimensions": 64});
    let embedder = remote(&server.url()).with_parameters(fields.as_object().unwrap().clone());
    let embeddings = embedder.embed(Role::Query, texts(3)).await.unwrap();
    assert_eq!(embeddings[2].vector, vector("order number 2"));
    let body: Value = serde_json::from_str(&server.requests()[0].body).unwrap();
    assert_eq!((&body["encoding_format"], &body["dimensions"]), (&json!("base64"), &json!(64)));
}

fn good() -> Answer {
    let item = json!({"index": 0, "embedding": vector("a")});
    Answer::status(200, json!({"data": [item]}).to_string())
}

async fn embed_one(url: &str) -> Result<Vec<f32>, EmbedError> {
    let mut embeddings = remote(url).embed(Role::Query, vec!["a".to_owned()]).await?;
    Ok(embeddings.remove(0).vector)
}

#[tokio::test]
async fn one_retry_heals_what_passes() {
    let faults = [
        Answer::status(503, ""),
        Answer::status(500, "{}"),
        Answer::status(429, ""),
        Answer::Reset,
        Answer::Raw(vec![]),
    ];
    for fault in faults {
        let server = LlmServer::start([fault.clone(), good()]).await;
        assert_eq!(embed_one(&server.base_url()).await.unwrap(), vector("a"), "{fault:?}");
        assert_eq!(server.requests().len(), 2);
        let server = LlmServer::start([fault.clone(), fault.clone(), good()]).await;
        let error = embed_one(&server.base_url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault:?}: {error}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it_if_there_is_any() {
    let busy = |seconds: &str| Answer::status(429, "{}").with_header("retry-after", seconds);
    let server = LlmServer::start([busy("1"), good()]).await;
    let started = Instant::now();
    embed_one(&server.base_url()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    let server = LlmServer::start([busy("3600"), good()]).await;
    let started = Instant::now();
    let error = embed_one(&server.base_url()).await.unwrap_err();
    assert!(error.to_string().contains("asked too often"), "{error}");
    assert!(started.elapsed() < BOUND && server.requests().len() == 1);
}

#[tokio::test]
async fn what_lasts_is_not_retried_and_says_what_to_do() {
    let said = |message: &str| json!({"error": {"message": message}}).to_string();
    let cases = [
        (Answer::status(401, said("no such key as sk-hunter2hunter2")), "embed.api_key_file"),
        (Answer::status(404, "404 page not found"), "check embed.model"),
        (Answer::status(400, said("too many inputs")), "too many inputs"),
        (Answer::status(413, ""), "smaller embed.batch"),
        (Answer::status(429, json!({"error": {"code": "insufficient_quota"}}).to_string()), "quota is used up"),
        (Answer::status(302, "").with_header("location", "http://127.0.0.1:1/"), "not followed"),
        (Answer::status(200, "<html></html>"), "does embed.url need a /v1"),
        (Answer::status(200, r#"{"data": []}"#), "0 vectors for 1 texts"),
        (Answer::status(200, r#"{"data": [{"index": 0, "embedding": [1, 2, 3]}]}"#), "check embed.dimension"),
        (Answer::status(200, " ".repeat(1 << 20)), "sent more than"),
    ];
    for (answer, part) in cases {
        let server = LlmServer::start([answer]).await;
        let error = embed_one(&server.base_url()).await.unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Setup, "{error}");
        assert_eq!(server.requests().len(), 1, "{part}");
    }
    let server = LlmServer::start([Answer::status(422, said("cannot read: Jane Roe has gout"))]).await;
    let embedding = remote(&server.base_url()).embed(Role::Query, vec!["Jane Roe has gout?".to_owned()]).await;
    let error = embedding.unwrap_err().to_string();
    assert!(error.contains("repeats what was sent") && !error.contains("Jane"), "{error}");
}

#[tokio::test]
async fn silence_is_bounded_and_places_that_cannot_be_reached_are_named() {
    let timeout = Duration::from_millis(300);
    for answer in [Answer::BlackHole, Answer::HeadOnly, Answer::Trickle] {
        let server = LlmServer::start([answer]).await;
        let started = Instant::now();
        let embedder = remote(&server.base_url()).with_timeout(timeout);
        let error = embedder.embed(Role::Query, vec!["a".to_owned()]).await.unwrap_err();
        assert!(error.to_string().contains("did not answer within 300 ms"), "{error}");
        assert!(started.elapsed() < BOUND);
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = embed_one(&format!("http://{closed}/v1")).await.unwrap_err();
    assert!(error.to_string().contains(&format!("{closed} refused the connection")), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_without_repeating_it() {
    for url in ["localhost", "ftp://host", "http://user:hunter2@host/v1", "http://host/v1#hunter2"] {
        let error = RemoteEmbedder::new(url, "m", 3).unwrap_err().to_string();
        assert!(error.starts_with("embed.url") && !error.contains("hunter2"), "{error}");
    }
    assert!(RemoteEmbedder::new("http://host/v1", " ", 3).unwrap_err().to_string().starts_with("embed.model"));
    assert!(RemoteEmbedder::new("http://host/v1", "m", 0).unwrap_err().to_string().starts_with("embed.dimension"));
    for key in ["", " \n", "hunter2 two", "hunter2\nX-Evil: 1"] {
        let error = remote("http://localhost/v1").with_api_key(key.into()).unwrap_err().to_string();
        assert!(error.starts_with("embed.api_key") && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_indexes_and_asks_through_an_endpoint() {
    let server = HttpServer::start(answer).await;
    let home = tempfile::tempdir().unwrap();
    let articles = ["late orders come by courier", "missing items are refunded"];
    let lines: String = articles
        .iter()
        .enumerate()
        .map(|(n, text)| format!("{}\n", json!({"_id": n.to_string(), "text": text})))
        .collect();
    fs::write(home.path().join("articles.jsonl"), lines).unwrap();
    fs::write(home.path().join("key"), "sk-hunter2\n").unwrap();
    let run_as = |model: &str, arguments: &[&str]| {
        let mut command = support::asktwice();
        command.current_dir(home.path()).args(arguments);
        let settings = [format!("url={}", server.url()), format!("model={model}"), format!("dimension={DIMENSION}")];
        for setting in settings.into_iter().chain(["api_key_file=key".to_owned()]) {
            command.arg("--set").arg(format!("embed.{setting}"));
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let run = |arguments: &[&str]| run_as("words", arguments);
    let (code, _, error) = run(&["index", "articles.jsonl"]);
    assert_eq!(code, Some(0), "{error}");
    let (code, out, error) = run(&["ask", "my items are missing", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let retrieval: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(retrieval["hits"][0]["passage"]["id"], "1");
    let (_, out, error) = run(&["doctor"]);
    assert!(out.contains("behind embed.url") && out.contains("not needed"), "{out}{error}");
    assert!(server.requests().iter().all(|request| request.header("authorization") == Some("Bearer sk-hunter2")));
    // Vectors of another model are not searched.
    let (code, _, error) = run_as("other", &["ask", "x"]);
    assert!(code == Some(3) && error.contains("model weights"), "{code:?} {error}");
}
