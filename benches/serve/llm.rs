//! A language model's server as a script: it finds the question in the prompt, whoever wrote that, and answers with the
//! rewrite that was recorded for it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use serde_json::{Value, json};

use super::Settings;

/// What stands before the question in the prompts of LangChain and LlamaIndex; ours gives it a line of its own.
const BEFORE: [&str; 2] = ["Original question: ", "Query: "];

type Rewrites = Arc<HashMap<String, String>>;

/// `rewrites=FILE`, an object from question to rewrite. Answers below `/MILLISECONDS/v1` after so long.
pub(super) async fn serve(settings: &Settings) {
    let file = std::fs::read_to_string(settings.text("rewrites")).expect("rewrites");
    let rewrites: HashMap<String, String> = serde_json::from_str(&file).expect("rewrites");
    let rewrites: Rewrites =
        Arc::new(rewrites.into_iter().map(|(question, rewrite)| (key(&question), rewrite)).collect());
    let router = Router::new().route("/{latency}/v1/chat/completions", post(complete)).with_state(rewrites);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// A question by its letters and digits: who writes a prompt may tidy the rest.
fn key(question: &str) -> String {
    question.chars().filter(|c| c.is_alphanumeric()).collect()
}

async fn complete(Path(latency): Path<u64>, State(rewrites): State<Rewrites>, Json(body): Json<Value>) -> Json<Value> {
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let prompts = body["messages"].as_array().into_iter().flatten().filter_map(|message| message["content"].as_str());
    let rewrite = prompts.flat_map(str::lines).find_map(|line| {
        let after = BEFORE.iter().find_map(|before| line.split_once(before)).map_or(line, |(_, rest)| rest);
        rewrites.get(&key(after))
    });
    let rewrite = rewrite.expect("a prompt with a question that has a rewrite");
    // Whoever holds it to a schema with a key for each kind gets that.
    let content = match body["response_format"]["json_schema"]["schema"]["required"].as_array() {
        Some(keys) => {
            let pairs = keys.iter().filter_map(|key| Some((key.as_str()?.to_owned(), json!(rewrite))));
            Value::Object(pairs.collect()).to_string()
        }
        None => rewrite.clone(),
    };
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "recorded",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }))
}
