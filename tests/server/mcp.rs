//! The Model Context Protocol: tools over HTTP and over byte streams, with messages written by hand.

use std::{sync::Arc, time::Duration};

use asktwice::{search::MemoryStore, server::serve_mcp};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};

use super::{Running, Setup};
use crate::support::http::{Request, Response};

/// A version of the protocol with a handshake.
const OLD: &str = "2025-06-18";
/// The first version without one: each message says which it is.
const NEW: &str = "2026-07-28";

fn message(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn call(tool: &str, arguments: &Value) -> Value {
    message("tools/call", &json!({"name": tool, "arguments": arguments}))
}

fn post(message: &Value) -> Request {
    let request = Request::post("/mcp", message).header("accept", "application/json, text/event-stream");
    request.header("mcp-protocol-version", OLD)
}

/// What a tool answers, over HTTP.
async fn called(sidecar: &Running, key: Option<&str>, tool: &str, arguments: Value) -> Value {
    let request = post(&call(tool, &arguments));
    let request = key.into_iter().fold(request, Request::key);
    let answer = request.send(sidecar.address).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["result"].clone()
}

/// The texts of what a tool answers.
fn texts(result: &Value) -> Vec<&str> {
    let content = result["content"].as_array().unwrap_or_else(|| panic!("{result}"));
    content.iter().map(|block| block["text"].as_str().unwrap()).collect()
}

/// The ids of what `retrieve` found.
fn found(result: &Value) -> Vec<&str> {
    let hits = result["structuredContent"]["hits"].as_array().unwrap_or_else(|| panic!("{result}"));
    hits.iter().map(|hit| hit["id"].as_str().unwrap()).collect()
}

fn names(answer: &Response) -> Vec<String> {
    let tools = answer.json()["result"]["tools"].as_array().unwrap().clone();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_client_of_before_shakes_hands_and_finds_the_tools() {
    let sidecar = Setup::new().await.start().await;
    let client = json!({"name": "test", "version": "1"});
    let hello = json!({"protocolVersion": OLD, "capabilities": {}, "clientInfo": client});
    let request =
        Request::post("/mcp", &message("initialize", &hello)).header("accept", "application/json, text/event-stream");
    let answer = request.send(sidecar.address).await;
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None), "{}", answer.text());
    let result = &answer.json()["result"];
    assert_eq!((&result["protocolVersion"], &result["serverInfo"]["name"]), (&json!(OLD), &json!("asktwice")));
    let ready = post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).send(sidecar.address).await;
    assert_eq!(ready.status, 202);
    let listed = post(&message("tools/list", &json!({}))).send(sidecar.address).await;
    assert_eq!(names(&listed), ["retrieve", "qdrant-find", "qdrant-store"]);
    let tools = &listed.json()["result"]["tools"];
    // With one collection there is none to choose.
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["question"]));
    assert!(tools[0]["inputSchema"]["properties"]["collection"].is_null());
    assert_eq!(tools[0]["annotations"]["readOnlyHint"], true);
    assert_eq!(tools[0]["outputSchema"]["type"], "object");
    assert_eq!(tools[2]["annotations"]["readOnlyHint"], false);
}

#[tokio::test]
async fn a_client_of_now_just_calls() {
    let sidecar = Setup::new().await.start().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "retrieve", "arguments": {"question": "late order", "limit": 1}, "_meta": meta});
    let request = Request::post("/mcp", &message("tools/call", &params))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", NEW)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "retrieve");
    let answer = request.send(sidecar.address).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(found(&answer.json()["result"]), ["late"]);
}

#[tokio::test]
async fn retrieve_says_what_it_found_in_words_and_in_fields() {
    let sidecar = Setup::new().await.rewriter("an order charged twice", 0).start().await;
    let result = called(&sidecar, None, "retrieve", json!({"question": "late order", "limit": 2})).await;
    assert_eq!(result["isError"], false);
    let fields = &result["structuredContent"];
    assert_eq!(found(&result), ["late", "twice"]);
    assert_eq!((&fields["outcome"], &fields["degradations"]), (&json!("full"), &json!([])));
    assert_eq!(fields["searched_with"], json!(["late order", "an order charged twice"]));
    assert_eq!(fields["hits"][0]["payload"]["topic"], "delivery");
    let words = texts(&result)[0];
    assert!(words.starts_with("2 passages, best first. Searched also with: an order charged twice"), "{words}");
    assert!(words.contains("(id late, score ") && words.contains(")\nlate order courier map\n"), "{words}");

    let delivery = json!({"must": [{"key": "topic", "match": {"value": "delivery"}}]});
    let chosen = json!({"question": "charged", "filter": delivery, "rewrite": [], "collection": "help"});
    assert_eq!(found(&called(&sidecar, None, "retrieve", chosen).await), ["late"]);
}

#[tokio::test]
async fn what_was_lost_is_told() {
    let sidecar = Setup::new().await.rewriter("charged twice", 60_000).start().await;
    let result = called(&sidecar, None, "retrieve", json!({"question": "late order", "deadline_ms": 200})).await;
    assert_eq!((found(&result)[0], &result["structuredContent"]["outcome"]), ("late", &json!("asked_only")));
    assert_eq!(result["structuredContent"]["degradations"][0]["kind"], "rewrite_deadline");
    assert!(texts(&result)[0].contains("Note: rewrite_deadline"), "{result}");
    let header = post(&call("qdrant-find", &json!({"query": "late order"}))).header("x-request-timeout-ms", "200");
    let result = header.send(sidecar.address).await.json()["result"].clone();
    assert_eq!(texts(&result)[0], "Results for the query 'late order'");
    assert_eq!(result["_meta"]["asktwice/degradations"][0]["kind"], "rewrite_deadline");
}

#[tokio::test]
async fn what_is_stored_is_found_in_the_form_of_mcp_server_qdrant() {
    let sidecar = Setup::new().await.store("memory", Arc::new(MemoryStore::new())).start().await;
    let find = async |arguments| called(&sidecar, None, "qdrant-find", arguments).await;
    let nothing = find(json!({"query": "favourite soup", "collection_name": "memory"})).await;
    assert_eq!(texts(&nothing), ["No information found for the query 'favourite soup'"]);
    let store = json!({
        "information": "Ann's favourite soup is tomato",
        "metadata": {"about": "ann"},
        "collection_name": "memory",
    });
    for _ in 0..2 {
        let stored = called(&sidecar, None, "qdrant-store", store.clone()).await;
        assert_eq!(texts(&stored), ["Remembered: Ann's favourite soup is tomato in collection memory"]);
    }
    let other = json!({"information": "Bob likes bread", "metadata": null, "collection_name": "memory"});
    called(&sidecar, None, "qdrant-store", other).await;
    let found = find(json!({"query": "favourite soup", "collection_name": "memory"})).await;
    let entries = [
        "Results for the query 'favourite soup'",
        r#"<entry><content>Ann's favourite soup is tomato</content><metadata>{"about":"ann"}</metadata></entry>"#,
        "<entry><content>Bob likes bread</content><metadata></metadata></entry>",
    ];
    assert_eq!(texts(&found), entries);
    let about = json!({"must": [{"key": "metadata.about", "match": {"value": "ann"}}]});
    let found = find(json!({"query": "bread", "collection_name": "memory", "query_filter": about})).await;
    assert_eq!(texts(&found).len(), 2);
    // A passage that was written otherwise shows all its fields.
    let found = find(json!({"query": "late order", "collection_name": "help"})).await;
    assert!(texts(&found)[1].contains(r#"<metadata>{"topic":"delivery""#), "{found}");
}

#[tokio::test]
async fn a_mistake_is_told_to_who_made_it() {
    let sidecar = Setup::new().await.store("memory", Arc::new(MemoryStore::new())).start().await;
    let cases = [
        ("retrieve", json!({"collection": "help"}), "missing field `question`"),
        ("retrieve", json!({"question": "x", "limt": 1, "collection": "help"}), "unknown field `limt`"),
        ("retrieve", json!({"question": " ", "collection": "help"}), "empty"),
        ("retrieve", json!({"question": "x", "limit": 0, "collection": "help"}), "limit: 0 is not from 1 to 1000"),
        ("retrieve", json!({"question": "x", "rewrite": ["rhyme"], "collection": "help"}), "step-back"),
        ("retrieve", json!({"question": "x"}), "collection: name one; there are: help, memory"),
        ("retrieve", json!({"question": "x", "collection": "hepl"}), "there is no \"hepl\"; there are: help, memory"),
        ("retrieve", json!({"question": "x", "collection": "memory"}), "holds no collection yet"),
        ("qdrant-find", json!({"query": "x", "collection_name": "help", "query_filter": {"mist": []}}), "mist"),
        ("qdrant-store", json!({"information": "", "collection_name": "memory"}), "information: it is empty"),
        (
            "qdrant-store",
            json!({"information": "x", "metadata": {"n": u64::MAX}, "collection_name": "memory"}),
            "metadata",
        ),
        ("qdrant-store", json!({"information": "x"}), "collection_name: name one"),
    ];
    for (tool, arguments, named) in cases {
        let result = called(&sidecar, None, tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        assert!(texts(&result)[0].contains(named), "{tool} {arguments}: {result}");
    }
    // Who calls what is not there has not read the list of tools.
    let unknown = post(&call("search", &json!({}))).send(sidecar.address).await.json();
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

const ANN: &str = "the-key-of-ann-0001";
const CAROL: &str = "the-key-of-carol-03";

async fn tenants() -> Running {
    let refunds = r#"{"must": [{"key": "topic", "match": {"value": "refunds"}}]}"#;
    let tenants = json!({
        "ann": {"key": ANN, "collections": ["help"], "write": true},
        "carol": {"key": CAROL, "collections": ["help"], "filter": refunds},
        "dave": {"key": "the-key-of-dave-004", "requests_per_minute": 1},
    });
    let setup = Setup::new().await.store("other", Arc::new(MemoryStore::new()));
    setup.settings(json!({ "tenants": tenants, "limits": {"write_bytes": 10_000} })).start().await
}

#[tokio::test]
async fn a_tenant_sees_and_may_what_its_key_allows() {
    let sidecar = tenants().await;
    let list = post(&message("tools/list", &json!({})));
    assert_eq!(list.send(sidecar.address).await.status, 401);
    assert_eq!(names(&list.clone().key(ANN).send(sidecar.address).await).len(), 3);
    assert_eq!(names(&list.key(CAROL).send(sidecar.address).await), ["retrieve", "qdrant-find"]);
    // The filter of a request narrows that of the tenant and cannot undo it.
    let anything = json!({"should": [{"key": "topic", "match": {"any": ["delivery", "refunds"]}}]});
    let wide = json!({"question": "late order courier", "filter": anything, "rewrite": []});
    assert_eq!(found(&called(&sidecar, Some(ANN), "retrieve", wide.clone()).await).len(), 3);
    let narrow = called(&sidecar, Some(CAROL), "retrieve", wide).await;
    assert_eq!((found(&narrow).len(), found(&narrow).contains(&"late")), (2, false));
    let find = json!({"query": "late order courier", "query_filter": {"must_not": [{"key": "topic", "match": {"value": "refunds"}}]}});
    assert!(texts(&called(&sidecar, Some(CAROL), "qdrant-find", find).await)[0].starts_with("No information"));
    let refused = called(&sidecar, Some(CAROL), "qdrant-store", json!({"information": "x"})).await;
    assert_eq!(texts(&refused), ["this key may not write"]);
    // What a tenant may not see is not told from what is not there.
    let other = called(&sidecar, Some(ANN), "retrieve", json!({"question": "x", "collection": "other"})).await;
    assert_eq!(texts(&other), ["collection: there is no \"other\"; there are: help"]);
}

#[tokio::test]
async fn it_stands_behind_the_same_guard_as_every_route() {
    let sidecar = tenants().await;
    let list = post(&message("tools/list", &json!({}))).key(ANN);
    let status = async |request: Request| request.send(sidecar.address).await.status;
    assert_eq!(status(list.clone()).await, 200);
    assert_eq!(status(list.clone().header("host", "evil.example")).await, 403);
    assert_eq!(status(list.clone().header("origin", "http://evil.example")).await, 403);
    assert_eq!(status(list.clone().header("content-encoding", "gzip")).await, 415);
    assert_eq!(status(Request::get("/mcp").key(ANN).header("accept", "text/event-stream")).await, 405);
    assert_eq!(status(list.clone().body(" ".repeat(10_001))).await, 413);
    assert_eq!(status(list.body("[".repeat(9_000))).await, 415);
    let often = async || status(post(&message("tools/list", &json!({}))).key("the-key-of-dave-004")).await;
    assert_eq!((often().await, often().await), (200, 429));
}

#[tokio::test]
async fn who_finds_no_place_is_told_when_to_come_back() {
    let setup = Setup::new().await.rewriter("charged twice", 60_000);
    let limits = json!({"concurrent": 1, "waiting": 0});
    let sidecar = setup.settings(json!({ "limits": limits })).start().await;
    let ask = call("retrieve", &json!({"question": "late order"}));
    let mut first = crate::support::http::Connection::open(sidecar.address).await.unwrap();
    first.stream.write_all(&post(&ask).bytes()).await.unwrap();
    let refused = async || {
        let result = called(&sidecar, None, "retrieve", json!({"question": "late", "rewrite": []})).await;
        (result["isError"] == true).then(|| texts(&result)[0].to_owned())
    };
    let mut said = None;
    for _ in 0..100 {
        said = refused().await;
        if said.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let said = said.expect("a refusal");
    assert!(said.contains("more requests are waiting") && said.ends_with("may succeed in 500 ms"), "{said}");
    // A client that goes away gives its place back.
    drop(first);
    for _ in 0..200 {
        if refused().await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place was never given back");
}

#[tokio::test]
async fn an_orderly_end_finishes_what_was_called() {
    let mut sidecar = Setup::new().await.rewriter("charged twice", 700).start().await;
    let ask = post(&call("retrieve", &json!({"question": "late order"})));
    let mut connection = crate::support::http::Connection::open(sidecar.address).await.unwrap();
    connection.stream.write_all(&ask.bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    sidecar.handle.drain();
    let answer = connection.response().await.expect("an answer");
    assert_eq!(answer.json()["result"]["structuredContent"]["outcome"], "full");
    (&mut sidecar.task).await.unwrap();
}

/// A client at the other end of a pair of byte streams.
struct Client {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
}

impl Client {
    async fn send(&mut self, message: &Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn exchange(&mut self, message: &Value) -> Value {
        self.send(message).await;
        let mut line = String::new();
        self.read.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    async fn hello(&mut self) {
        let hello = json!({"protocolVersion": OLD, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let answer = self.exchange(&message("initialize", &hello)).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "asktwice", "{answer}");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }
}

#[tokio::test]
async fn the_same_tools_come_over_a_pair_of_byte_streams() {
    let refunds = r#"{"must": [{"key": "topic", "match": {"value": "refunds"}}]}"#;
    let carol = json!({"key": CAROL, "filter": refunds, "requests_per_minute": 2});
    let sidecar = Setup::new().await.settings(json!({"tenants": {"carol": carol}})).sidecar();
    let (near, far) = duplex(1 << 16);
    let (input, output) = split(far);
    let serving = tokio::spawn(serve_mcp(sidecar, Some("carol"), input, output));
    let (read, write) = split(near);
    let mut client = Client { read: BufReader::new(read), write };
    client.hello().await;
    let listed = client.exchange(&message("tools/list", &json!({}))).await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2);
    let ask = call("retrieve", &json!({"question": "late order courier"}));
    assert_eq!(found(&client.exchange(&ask).await["result"]).len(), 2);
    assert_eq!(found(&client.exchange(&ask).await["result"]).len(), 2);
    let third = client.exchange(&ask).await;
    assert!(texts(&third["result"])[0].contains("may ask 2 times a minute"), "{third}");
    drop(client);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_cannot_be_served_is_an_error() {
    let sidecar = Setup::new().await.sidecar();
    let error = serve_mcp(sidecar, Some("nobody"), tokio::io::empty(), tokio::io::sink()).await.unwrap_err();
    assert!(error.to_string().starts_with("server.tenants.nobody:"), "{error}");
    let sidecar = Setup::new().await.sidecar();
    assert!(serve_mcp(sidecar, None, tokio::io::empty(), tokio::io::sink()).await.is_ok());
}
