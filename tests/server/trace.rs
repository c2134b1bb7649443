//! A request's trace (W3C Trace Context) reaches every server that is asked for it: the language model, the embedder, the
//! reranker and Qdrant.

use std::sync::Arc;

use asktwice::{
    Embedder, Passage, Retriever, VectorStoreWriter,
    embed::RemoteEmbedder,
    rerank::RemoteReranker,
    rewrite::{CacheOptions, CachedRewriter, LlmRewriter},
    search::QdrantStore,
    server::{Server, ServerSettings, Sidecar, serve_mcp},
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    embedder::vector,
    front::Front,
    http,
    http_server::{HttpServer, Reply, Request},
    llm_server::completion,
};

const STATE: &str = "vendor=opaque";

fn trace(span: char) -> String {
    format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", span.to_string().repeat(16))
}

/// An embedder, a reranker and a language model at one address.
pub(super) fn answer(request: &Request) -> Reply {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let each = |of: &str, item: &dyn Fn(usize, &str) -> Value| -> Value {
        let texts = body[of].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        texts.enumerate().map(|(index, text)| item(index, text)).collect()
    };
    let reply = match request.target.rsplit('/').next().unwrap() {
        "embeddings" => {
            let data = each("input", &|index, text| json!({"index": index, "embedding": vector(text)}));
            json!({"data": data, "usage": {"prompt_tokens": 1}}).to_string()
        }
        "rerank" => {
            let results = each("documents", &|index, _| json!({"index": index, "relevance_score": 0.5}));
            json!({ "results": results }).to_string()
        }
        _ => {
            let mut said: Value = serde_json::from_str(&completion("Where did the courier go with my order?")).unwrap();
            said["usage"] = json!({"prompt_tokens": 12, "completion_tokens": 7});
            said.to_string()
        }
    };
    Reply::new(200, reply)
}

/// A sidecar all of whose parts are elsewhere.
pub(super) async fn sidecar(parts: &HttpServer, front: &Front) -> Sidecar {
    let url = format!("{}/v1", parts.url());
    let embedder: Arc<dyn Embedder> = Arc::new(RemoteEmbedder::new(&url, "words", 64).unwrap());
    let store = Arc::new(QdrantStore::connect(&front.url, "help").unwrap());
    store.prepare(embedder.identity()).await.unwrap();
    let passage = |text: &str| (Passage::new(text, text), vector(text).into());
    store.upsert(vec![passage("late order courier map"), passage("charged twice")]).await.unwrap();
    let rewriter = CachedRewriter::new(LlmRewriter::new(&url, "llm").unwrap(), CacheOptions::default());
    let retriever = Retriever::new(embedder.clone(), store.clone())
        .with_rewriter(rewriter)
        .with_rewrite_deadline(std::time::Duration::from_secs(20))
        .with_reranker(RemoteReranker::new(&url, "reranker").unwrap());
    let mut settings = ServerSettings::default();
    settings.listen = "127.0.0.1:0".parse().unwrap();
    Sidecar::new(settings, embedder).unwrap().with_collection("help", retriever, store)
}

/// Which parts heard of a trace, and what they heard. What the sidecar asks on its own belongs to none.
fn heard(parts: &HttpServer, front: &Front, trace: &str) -> Vec<String> {
    let requests = parts.requests();
    let of_trace = requests.iter().filter(|request| request.header("traceparent") == Some(trace));
    let mut heard: Vec<String> = of_trace.map(|request| request.target.clone()).collect();
    let calls = front.behaviour.lock().unwrap().traces.clone();
    let calls = calls.into_iter().filter(|(_, of)| of.as_deref() == Some(trace)).map(|(method, _)| method.to_owned());
    // Only the first search looks at what kind of collection it is.
    heard.extend(calls.filter(|method| method != "info"));
    heard.sort();
    heard.dedup();
    heard
}

const ALL: [&str; 5] = ["/v1/chat/completions", "/v1/embeddings", "/v1/rerank", "get", "query"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_asked_for_a_request_hears_of_its_trace() {
    let (parts, front) = (HttpServer::start(answer).await, Front::start().await);
    let server = Server::bind(sidecar(&parts, &front).await).await.unwrap();
    let (address, handle) = (server.address(), server.handle());
    let running = tokio::spawn(server.run());
    let ask = |question: &str| json!({"question": question, "limit": 2});
    let tool = json!({"name": "retrieve", "arguments": ask("where is my late order, tool?")});
    let tool = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool});
    let requests = [
        ('1', http::Request::post("/v1/retrieve", &ask("where is my late order?"))),
        ('2', http::Request::post("/v1/retrieve/stream", &ask("where is my late order, stream?"))),
        ('3', http::Request::post("/mcp", &tool).header("accept", "application/json, text/event-stream")),
    ];
    for (span, request) in requests {
        let request = request.header("traceparent", &trace(span)).header("tracestate", STATE);
        let answer = request.send(address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("Where did the courier go"), "{}", answer.text());
        assert_eq!(heard(&parts, &front, &trace(span)), ALL, "{span}");
    }
    let with_state = parts.requests().iter().filter(|request| request.header("tracestate") == Some(STATE)).count();
    assert!(with_state >= 9, "{with_state}");
    // Nobody's trace is nobody's: it does not stick to a connection or a task.
    let before = parts.requests().len();
    let plain = http::Request::post("/v1/retrieve", &ask("and my money?")).header("traceparent", "00-nonsense");
    assert_eq!(plain.send(address).await.status, 200);
    let later = &parts.requests()[before..];
    assert!(!later.is_empty() && later.iter().all(|request| request.header("traceparent").is_none()), "{later:?}");
    handle.stop();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_standard_input_names_its_trace_itself() {
    let (parts, front) = (HttpServer::start(answer).await, Front::start().await);
    let sidecar = sidecar(&parts, &front).await;
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(far);
    let serving = tokio::spawn(serve_mcp(sidecar, None, input, output));
    let client = json!({"name": "test", "version": "1"});
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    let meta = json!({"traceparent": trace('4'), "tracestate": STATE});
    let params = json!({"name": "retrieve", "arguments": {"question": "where is my late order?"}, "_meta": meta});
    let messages = [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}),
    ];
    for message in messages {
        near.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    for _ in 0..500 {
        if heard(&parts, &front, &trace('4')).len() == ALL.len() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(heard(&parts, &front, &trace('4')), ALL);
    drop(near);
    serving.await.unwrap().unwrap();
}
