//! The trace that a request belongs to (W3C Trace Context): its span names it, and with the feature `otlp` is a part of it.

use axum::http::HeaderMap;

const TRACE_PARENT: &str = "traceparent";

/// Puts a request's span into the trace that its head names, if it names a valid one.
pub(super) fn adopt(span: &tracing::Span, headers: &HeaderMap) {
    let header = headers.get(TRACE_PARENT).and_then(|value| value.to_str().ok());
    if let Some((trace, parent)) = header.and_then(trace_parent) {
        span.record("trace_id", trace).record("parent_span_id", parent);
        #[cfg(feature = "otlp")]
        otlp::adopt(span, headers);
    }
}

/// The trace and the span that a `traceparent` header names (W3C Trace Context), if it is a valid one.
fn trace_parent(header: &str) -> Option<(&str, &str)> {
    let mut parts = header.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hexadecimal = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let names = |text: &str, length: usize| hexadecimal(text, length) && text.bytes().any(|byte| byte != b'0');
    // Later versions may say more; the first says exactly this.
    let whole = version != "00" || parts.next().is_none();
    let good = hexadecimal(version, 2) && version != "ff" && whole && hexadecimal(flags, 2);
    (good && names(trace, 32) && names(parent, 16)).then_some((trace, parent))
}

#[cfg(feature = "otlp")]
mod otlp {
    use axum::http::HeaderMap;
    use opentelemetry::propagation::Extractor;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    struct Head<'a>(&'a HeaderMap);

    impl Extractor for Head<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key).and_then(|value| value.to_str().ok())
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(axum::http::HeaderName::as_str).collect()
        }
    }

    pub(super) fn adopt(span: &tracing::Span, headers: &HeaderMap) {
        let context = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Head(headers)));
        // Fails only where no spans are collected.
        let _ = span.set_parent(context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_traces_are_taken_over() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        assert_eq!(trace_parent(&format!("00-{trace}-{span}-01")), Some((trace, span)));
        assert_eq!(trace_parent(&format!("01-{trace}-{span}-01-more")), Some((trace, span)));
        let zeros = "0".repeat(32);
        let bad = [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{zeros}-{span}-01"),
            format!("00-{trace}-{}-01", &zeros[..16]),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}x-{span}-01"),
        ];
        for header in bad {
            assert_eq!(trace_parent(&header), None, "{header}");
        }
    }
}
