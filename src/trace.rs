//! The trace that a call belongs to (W3C Trace Context): who begins a call says so once, and every server that is asked
//! on its way hears of it: language models, embedders and rerankers in their headers, Qdrant in its metadata.
//!
//! It goes with the task and not with the arguments, because no step has to know of it. Work that moves to another task
//! is carried there.

use std::future::Future;

tokio::task_local! {
    static CURRENT: Option<TraceContext>;
}

/// The header that names the trace and the calling span.
pub(crate) const PARENT: &str = "traceparent";
/// The header with what tracing systems add of their own.
pub(crate) const STATE: &str = "tracestate";
/// The longest `tracestate` that is passed on; the recommendation asks for at least this much.
const LONGEST_STATE: usize = 512;

/// The trace of a caller, as its headers `traceparent` and `tracestate` name it (<https://www.w3.org/TR/trace-context/>).
///
/// ```
/// # use asktwice::trace::TraceContext;
/// let trace = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None).unwrap();
/// assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(TraceContext::new("nonsense", None).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// A trace; `None` if `traceparent` is not valid. A `tracestate` that no header can carry is left out.
    #[must_use]
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        is_valid(traceparent).then(|| {
            let sendable = |state: &&str| {
                (1..=LONGEST_STATE).contains(&state.len()) && state.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            };
            Self { parent: traceparent.to_owned(), state: tracestate.filter(sendable).map(str::to_owned) }
        })
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.part(1)
    }

    /// The calling span's id: 16 hexadecimal digits.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        self.part(2)
    }

    fn part(&self, place: usize) -> &str {
        self.parent.split('-').nth(place).unwrap_or_default()
    }

    /// Does work as a part of this trace.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        within(Some(self), work)
    }

    /// The header fields that name it.
    pub fn fields(self) -> impl Iterator<Item = (String, String)> {
        let state = self.state.map(|state| (STATE.to_owned(), state));
        std::iter::once((PARENT.to_owned(), self.parent)).chain(state)
    }

    /// The trace that the current task works for.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }
}

/// Whether this is a `traceparent`: version, trace, span and flags. Later versions may say more, the first says exactly
/// this.
fn is_valid(header: &str) -> bool {
    let mut parts = header.split('-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    let hexadecimal = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let names = |text: &str, length: usize| hexadecimal(text, length) && text.bytes().any(|byte| byte != b'0');
    let whole =
        if version == "00" { parts.next().is_none() } else { header.bytes().all(|byte| byte.is_ascii_graphic()) };
    hexadecimal(version, 2)
        && version != "ff"
        && names(trace, 32)
        && names(parent, 16)
        && hexadecimal(flags, 2)
        && whole
}

/// Work as a part of a trace, or of none.
pub(crate) fn within<F: Future>(trace: Option<TraceContext>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(trace, work)
}

/// Work that stays a part of the current trace in whatever task it is done.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    within(TraceContext::current(), work)
}

/// The header fields for a request to another server: the current span where spans are collected, else the caller's, as
/// it came.
#[cfg(any(feature = "llm", feature = "remote", feature = "qdrant"))]
pub(crate) fn outgoing() -> Vec<(String, String)> {
    #[cfg(feature = "otlp")]
    if let Some(fields) = otlp::outgoing() {
        return fields;
    }
    TraceContext::current().into_iter().flat_map(TraceContext::fields).collect()
}

#[cfg(feature = "otlp")]
mod otlp {
    use std::collections::HashMap;

    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    /// The current span, if there is one that is collected.
    pub(super) fn outgoing() -> Option<Vec<(String, String)>> {
        let context = tracing::Span::current().context();
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut fields = HashMap::new();
        opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut fields));
        // A trace that no system has added to has an empty state.
        Some(fields.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn only_valid_traces_are_taken_over() {
        let good = TraceContext::new(&format!("00-{TRACE}-{SPAN}-01"), Some("vendor=1")).unwrap();
        assert_eq!((good.trace_id(), good.parent_id()), (TRACE, SPAN));
        assert!(TraceContext::new(&format!("01-{TRACE}-{SPAN}-01-more"), None).is_some());
        let zeros = "0".repeat(32);
        let bad = [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("01-{TRACE}-{SPAN}-01-one more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}x-{SPAN}-01"),
        ];
        for header in bad {
            assert_eq!(TraceContext::new(&header, None), None, "{header}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_sent_is_left_out() {
        let long = "x".repeat(LONGEST_STATE + 1);
        for state in ["", "a\nb", "ä", &long] {
            let trace = TraceContext::new(&format!("00-{TRACE}-{SPAN}-01"), Some(state)).unwrap();
            assert_eq!(trace.state, None, "{state}");
        }
    }

    #[tokio::test]
    async fn a_trace_goes_where_its_work_goes() {
        let trace = TraceContext::new(&format!("00-{TRACE}-{SPAN}-01"), Some("vendor=1")).unwrap();
        let here = async { TraceContext::current() };
        assert_eq!(here.await, None);
        let there = trace.clone().scope(async {
            let lost = tokio::spawn(async { TraceContext::current() }).await.unwrap();
            let kept = tokio::spawn(carried(async { TraceContext::current() })).await.unwrap();
            (lost, kept)
        });
        assert_eq!(there.await, (None, Some(trace)));
    }
}
