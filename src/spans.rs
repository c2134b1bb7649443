//! Spans of what models and stores are asked, by OpenTelemetry's conventions for generative AI and for databases. Each
//! begins where the work is done, so that what is answered from a memory or a recording has none.

use tracing::{Instrument as _, Span, debug_span, field::Empty};

#[cfg(any(feature = "onnx", feature = "remote"))]
use crate::embed::{EmbedError, Embedding, Identity};
#[cfg(any(feature = "edge", feature = "qdrant"))]
use crate::search::StoreError;

/// Where a server is: host and port.
type Place<'a> = (&'a str, u16);

/// Asks a language model. Endpoints are known by the interface that they speak, not by who runs them.
#[cfg(feature = "llm")]
pub(crate) async fn chat<T, E>(
    model: &str,
    server: Option<Place<'_>>,
    word: impl Fn(&E) -> &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = debug_span!(
        "chat",
        otel.name = format!("chat {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = model,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        server.address = server.map(|(host, _)| host),
        server.port = server.map(|(_, port)| port),
        "error.type" = Empty,
    );
    let result = work.instrument(span.clone()).await;
    failed(&span, result.as_ref().err().map(word));
    result
}

/// What a language model said of its reply, in the span that asks it.
#[cfg(feature = "llm")]
pub(crate) fn replied((input, output): (u64, u64), finish: Option<&str>) {
    let span = Span::current();
    for (field, count) in [("gen_ai.usage.input_tokens", input), ("gen_ai.usage.output_tokens", output)] {
        if count > 0 {
            span.record(field, count);
        }
    }
    if let Some(finish) = finish {
        // A list, by the conventions; a field of a span is none.
        span.record("gen_ai.response.finish_reasons", format!("[{finish:?}]"));
    }
}

/// Embeds texts, at a server or here.
#[cfg(any(feature = "onnx", feature = "remote"))]
pub(crate) async fn embeddings(
    identity: &Identity,
    server: Option<Place<'_>>,
    work: impl Future<Output = Result<Vec<Embedding>, EmbedError>>,
) -> Result<Vec<Embedding>, EmbedError> {
    let span = debug_span!(
        "embeddings",
        otel.name = format!("embeddings {}", identity.model),
        otel.kind = if server.is_some() { "client" } else { "internal" },
        otel.status_code = Empty,
        gen_ai.operation.name = "embeddings",
        gen_ai.provider.name = if server.is_some() { "openai" } else { "asktwice" },
        gen_ai.request.model = identity.model,
        gen_ai.embeddings.dimension.count = identity.dimension,
        gen_ai.usage.input_tokens = Empty,
        server.address = server.map(|(host, _)| host),
        server.port = server.map(|(_, port)| port),
        "error.type" = Empty,
    );
    let result = work.instrument(span.clone()).await;
    if let Ok(embeddings) = &result {
        let tokens: usize = embeddings.iter().map(|embedding| embedding.tokens).sum();
        span.record("gen_ai.usage.input_tokens", tokens);
    }
    failed(&span, result.as_ref().err().map(|error| error.kind().word()));
    result
}

/// Asks a collection something: at a Qdrant server, or in its embedded engine.
#[cfg(any(feature = "edge", feature = "qdrant"))]
pub(crate) async fn database<T>(
    operation: &'static str,
    collection: &str,
    server: Option<Place<'_>>,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let span = debug_span!(
        "database",
        otel.name = format!("{operation} {collection}"),
        otel.kind = if server.is_some() { "client" } else { "internal" },
        otel.status_code = Empty,
        db.system.name = "qdrant",
        db.operation.name = operation,
        db.collection.name = collection,
        server.address = server.map(|(host, _)| host),
        server.port = server.map(|(_, port)| port),
        "error.type" = Empty,
    );
    let result = work.instrument(span.clone()).await;
    failed(&span, result.as_ref().err().map(|error| error.kind().word()));
    result
}

fn failed(span: &Span, word: Option<&'static str>) {
    if let Some(word) = word {
        span.record("error.type", word).record("otel.status_code", "ERROR");
    }
}
