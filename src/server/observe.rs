//! What is seen of each request from outside: an id, a span, numbers, and problems in the form of the route. No label
//! and no field holds what a caller wrote, but for an id that was checked.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    problem::{Form, Problem},
    reply::ReplyTiming,
    sidecar::Sidecar,
    trace,
};
use crate::trace::within;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// The longest id that is taken from a caller.
const LONGEST_ID: usize = 128;
/// What a request is counted as whose caller left before the answer; nginx calls it so too.
const CALLER_GONE: u16 = 499;

/// When a request came.
#[derive(Debug, Clone, Copy)]
struct Arrived(Instant);

/// When the request with this head came.
pub(super) fn arrived(head: &Parts) -> Instant {
    head.extensions.get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0)
}

/// The outermost layer.
pub(super) async fn observe(State(sidecar): State<Arc<Sidecar>>, mut request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let form = Form::of(request.uri().path());
    let span = span(&request, &route, &id);
    let trace = trace::of(request.headers());
    if let Some(trace) = &trace {
        trace::adopt(&span, trace);
    }
    request.extensions_mut().insert(Arrived(arrived));
    let mut count = Count { route, arrived, status: CALLER_GONE };
    metrics::gauge!("asktwice_requests_in_flight").increment(1.0);
    let mut response = within(trace, next.run(request).instrument(span.clone())).await;
    let _inside = span.enter();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        tell(&problem);
        response = problem.render(form, &id, sidecar.tenants.is_open());
    }
    count.status = response.status().as_u16();
    let took_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(status = count.status, took_us, "answered");
    finish(response.headers_mut(), &id, sidecar.health.is_draining());
    response
}

/// Counts a request when it ends, also when its caller has gone and the future is dropped.
struct Count {
    route: String,
    arrived: Instant,
    status: u16,
}

impl Drop for Count {
    fn drop(&mut self) {
        let route = std::mem::take(&mut self.route);
        metrics::gauge!("asktwice_requests_in_flight").decrement(1.0);
        metrics::histogram!("asktwice_request_seconds", "route" => route.clone())
            .record(self.arrived.elapsed().as_secs_f64());
        metrics::counter!("asktwice_requests_total", "route" => route, "status" => self.status.to_string())
            .increment(1);
    }
}

/// Logs a problem.
pub(super) fn tell(problem: &Problem) {
    let (status, code, told) = (problem.status.as_u16(), problem.code, problem.told());
    if problem.status.is_server_error() {
        tracing::warn!(status, code, problem = told, "refused");
    } else {
        // What is wrong with a request may be a part of it.
        tracing::debug!(status, code, problem = told, "refused");
    }
}

fn finish(headers: &mut HeaderMap, id: &str, draining: bool) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if draining {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The caller's id for the request, if it is one; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let good = |id: &&str| {
        let fits = (1..=LONGEST_ID).contains(&id.len());
        fits && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(good);
    given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

fn span(request: &Request, route: &str, id: &str) -> tracing::Span {
    let method = request.method().as_str();
    tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        request_id = id,
        tenant = tracing::field::Empty,
        trace_id = tracing::field::Empty,
        parent_span_id = tracing::field::Empty,
    )
}

/// How long the steps took, in the head of the answer (W3C Server Timing).
pub(super) fn server_timing(timings: &[ReplyTiming], took_ms: f64) -> Option<(HeaderName, HeaderValue)> {
    let entry = |timing: &ReplyTiming| {
        let of = timing.origin.map(|of| format!("-{}", of.name())).unwrap_or_default();
        let lost = if timing.completed { "" } else { ";desc=\"lost\"" };
        format!("{}{of};dur={}{lost}", timing.step.name(), timing.took_ms)
    };
    timing(timings.iter().map(entry), took_ms)
}

/// The same for a batch: how long its questions took, as far as they were answered.
pub(super) fn batch_timing(
    took_ms: impl Iterator<Item = Option<f64>>,
    whole: Duration,
) -> Option<(HeaderName, HeaderValue)> {
    let entry = |(number, took): (usize, Option<f64>)| Some(format!("question-{number};dur={}", took?));
    timing((1..).zip(took_ms).filter_map(entry), (whole.as_secs_f64() * 1e6).round() / 1e3)
}

fn timing(entries: impl Iterator<Item = String>, took_ms: f64) -> Option<(HeaderName, HeaderValue)> {
    let value = entries.chain([format!("total;dur={took_ms}")]).collect::<Vec<_>>().join(", ");
    Some((SERVER_TIMING, HeaderValue::from_str(&value).ok()?))
}

/// Describes what is measured, to whoever records it.
pub fn describe_metrics() {
    metrics::describe_counter!("asktwice_requests_total", "Requests by route and status; 499: the caller had gone");
    metrics::describe_histogram!("asktwice_request_seconds", "From the head of a request to that of its answer");
    metrics::describe_gauge!("asktwice_requests_in_flight", "Requests without an answer yet");
    metrics::describe_gauge!("asktwice_connections", "Open connections");
    metrics::describe_counter!("asktwice_rejected_total", "Requests and connections turned away, by reason");
    metrics::describe_counter!("asktwice_tool_calls_total", "Calls of MCP tools, by tool and whether they failed");
    metrics::describe_counter!("asktwice_retrievals_total", "Answers by outcome");
    metrics::describe_counter!("asktwice_degraded_total", "What was lost on the way to an answer, by kind");
    metrics::describe_histogram!("asktwice_step_seconds", "Steps of answers: rewrite, embed, search, fuse, fetch");
}

/// Upper bounds for histograms of durations, in seconds: from a fusion to the longest deadline.
pub const BUCKETS: [f64; 16] =
    [0.000_1, 0.000_3, 0.001, 0.002, 0.003, 0.005, 0.007_5, 0.01, 0.02, 0.05, 0.1, 0.3, 0.8, 2.0, 5.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_callers_are_checked() {
        let id = |given: &str| {
            request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).unwrap())]))
        };
        assert_eq!(id("a-1_B.2"), "a-1_B.2");
        for bad in ["", "a b", "a\tb", "é", &"x".repeat(129)] {
            assert!(Uuid::parse_str(&id(bad)).is_ok(), "{bad}");
        }
    }
}
