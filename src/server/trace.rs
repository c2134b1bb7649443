//! The trace that a request belongs to (W3C Trace Context): its span names it, and with the feature `otlp` is a part of it.

use axum::http::HeaderMap;

use crate::trace::{PARENT, STATE, TraceContext};

/// The trace that the head of a request names, if it names a valid one.
pub(super) fn of(headers: &HeaderMap) -> Option<TraceContext> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::new(header(PARENT)?, header(STATE))
}

/// Puts a request's span into its trace.
pub(super) fn adopt(span: &tracing::Span, trace: &TraceContext) {
    span.record("trace_id", trace.trace_id()).record("parent_span_id", trace.parent_id());
    #[cfg(feature = "otlp")]
    {
        use tracing_opentelemetry::OpenTelemetrySpanExt as _;
        let fields = trace.clone().fields().collect::<std::collections::HashMap<_, _>>();
        let context = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&fields));
        // Fails only where no spans are collected.
        let _ = span.set_parent(context);
    }
}
