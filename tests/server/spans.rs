//! What is asked of models and stores is told to a collector in the words of OpenTelemetry's conventions.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use asktwice::server::Server;
use serde_json::json;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::{
    Setup,
    trace::{answer, sidecar},
};
use crate::support::{front::Front, http, http_server::HttpServer};

/// A span's fields; the last value of each.
#[derive(Debug, Clone, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// The spans that have ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<Fields>>>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Ended {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }
    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        values.record(context.span(id).unwrap().extensions_mut().get_mut::<Fields>().unwrap());
    }
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let fields = context.span(&id).unwrap().extensions().get::<Fields>().unwrap().clone();
        self.0.lock().unwrap().push(fields);
    }
}

impl Ended {
    /// The spans of this name, of which there must be so many.
    fn named(&self, name: &str, count: usize) -> Vec<Fields> {
        let spans = self.0.lock().unwrap().clone();
        let named: Vec<Fields> =
            spans.iter().filter(|span| span.0.get("otel.name").is_some_and(|one| one == name)).cloned().collect();
        assert_eq!(named.len(), count, "{name}: {spans:#?}");
        named
    }
}

fn assert_fields(span: &Fields, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(span.0.get(name).map(String::as_str), Some(*value), "{name}: {span:?}");
    }
}

#[tokio::test]
async fn what_models_and_stores_are_asked_is_told_by_the_conventions() {
    let ended = Ended::default();
    let _collecting = tracing::subscriber::set_default(tracing_subscriber::registry().with(ended.clone()));
    let (parts, front) = (HttpServer::start(answer).await, Front::start().await);
    let server = Server::bind(sidecar(&parts, &front).await).await.unwrap();
    let (address, handle) = (server.address(), server.handle());
    let running = tokio::spawn(server.run());
    let question = http::Request::post("/v1/retrieve", &json!({"question": "where is my late order?", "limit": 2}));
    for _ in 0..2 {
        assert_eq!(question.send(address).await.status, 200);
    }
    handle.stop();
    running.await.unwrap();
    let port = parts.url().rsplit(':').next().unwrap().to_owned();
    // The second question's rewrite was remembered.
    let chat = &ended.named("chat llm", 1)[0];
    assert_fields(
        chat,
        &[
            ("otel.kind", "client"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "llm"),
            ("gen_ai.usage.input_tokens", "12"),
            ("gen_ai.usage.output_tokens", "7"),
            ("gen_ai.response.finish_reasons", "[\"stop\"]"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
        ],
    );
    assert!(!chat.0.contains_key("error.type"), "{chat:?}");
    let spans = ended.0.lock().unwrap().clone();
    let embedded = spans.iter().find(|span| span.0.get("otel.name").is_some_and(|name| name == "embeddings words"));
    assert_fields(
        embedded.unwrap(),
        &[
            ("gen_ai.operation.name", "embeddings"),
            ("gen_ai.request.model", "words"),
            ("gen_ai.embeddings.dimension.count", "64"),
            ("gen_ai.usage.input_tokens", "1"),
            ("server.port", &port),
        ],
    );
    // The question and its rewrite, twice.
    let query = &ended.named("query help", 4)[0];
    assert_fields(
        query,
        &[
            ("otel.kind", "client"),
            ("db.system.name", "qdrant"),
            ("db.operation.name", "query"),
            ("db.collection.name", "help"),
            ("server.address", "127.0.0.1"),
            ("server.port", front.url.rsplit(':').next().unwrap()),
        ],
    );
}

#[tokio::test]
async fn what_fails_says_so_and_what_asks_nobody_has_no_such_span() {
    let ended = Ended::default();
    let _collecting = tracing::subscriber::set_default(tracing_subscriber::registry().with(ended.clone()));
    // A store in memory, and a rewriter of the test's own.
    let setup = Setup::new().await.rewriter("charged twice", 0).start().await;
    let question = http::Request::post("/v1/retrieve", &json!({"question": "late order"}));
    assert_eq!(question.send(setup.address).await.status, 200);
    let asked = |span: &Fields| span.0.contains_key("db.system.name") || span.0.contains_key("gen_ai.provider.name");
    assert!(!ended.0.lock().unwrap().iter().any(asked));
    let nobody = asktwice::embed::RemoteEmbedder::new("http://127.0.0.1:9", "words", 64).unwrap();
    let role = asktwice::embed::Role::Query;
    asktwice::Embedder::embed(&nobody, role, vec!["late".to_owned()]).await.unwrap_err();
    assert_fields(
        &ended.named("embeddings words", 1)[0],
        &[("error.type", "unavailable"), ("otel.status_code", "ERROR")],
    );
}
