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

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::trace::outgoing;

    #[test]
    fn what_is_passed_on_names_the_span_that_asks() {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
        let _collecting = tracing::subscriber::set_default(subscriber);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::new(parent, Some("vendor=1")).unwrap();
        let span = tracing::info_span!("request", trace_id = tracing::field::Empty);
        adopt(&span, &trace);
        let fields: HashMap<String, String> = span.in_scope(outgoing).into_iter().collect();
        let passed_on = TraceContext::new(&fields[PARENT], None).unwrap();
        assert_eq!(passed_on.trace_id(), trace.trace_id());
        assert_ne!(passed_on.parent_id(), trace.parent_id());
        assert_eq!(fields[STATE], "vendor=1");
        assert!(outgoing().is_empty());
    }
}
