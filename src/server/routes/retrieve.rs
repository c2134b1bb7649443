//! Our own way to ask: in one piece, in steps, or many questions at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::server::{
    admission::{self, Admitted},
    observe,
    pipeline::Call,
    problem::{Problem, ProblemBody},
    reply::Reply,
    sidecar::Sidecar,
    stream::ReplyEvent,
    tenant::Tenant,
    wire::{BatchRequest, RetrieveRequest},
};

/// How many questions of a batch are under way at once: a batch has one place, and must not be everybody's.
const SIDE_BY_SIDE: usize = 4;

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let timing = observe::server_timing(&self.timings, self.took_ms);
        let mut response = Json(&self).into_response();
        response.headers_mut().extend(timing);
        response
    }
}

/// Ask a question.
///
/// Searches with the question and with its rewritten version at the same time, and fuses what both find. What is lost on
/// the way, for one a rewrite that comes too late, is in `degradations`; the status is 200 as long as anything answered.
#[utoipa::path(
    post, path = "/v1/retrieve", tag = "retrieve", request_body = RetrieveRequest,
    responses((status = OK, body = Reply), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn retrieve(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<RetrieveRequest>,
) -> Result<Reply, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    Call::new(&sidecar, &tenant, body.wanted()?, deadline.left()?)?.run().await
}

/// Ask a question, and see the answer come.
///
/// Server-sent events: `asked` with the question's own hits, `variant` for each variant as it arrives, `fused` with the
/// hits of all, `done` with the whole answer; or `error` with a problem.
#[utoipa::path(
    post, path = "/v1/retrieve/stream", tag = "retrieve", request_body = RetrieveRequest,
    responses(
        (status = OK, body = StreamEvent, content_type = "text/event-stream"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn stream(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<RetrieveRequest>,
) -> Result<Response, Problem> {
    let Admitted { tenant, body, deadline, place } = asked;
    let call = Call::new(&sidecar, &tenant, body.wanted()?, deadline.left()?)?;
    let owner = tenant.is_owner();
    let events = call.stream().map(move |event| {
        // The place is given back when the stream ends, or its reader has gone.
        let _place = &place;
        sse(event, owner)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// A server-sent event.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what `sse` writes")]
struct StreamEvent {
    /// `asked`, `variant`, `fused`, `done` or `error`.
    event: String,
    /// A `ReplyEvent` in JSON; of `error` a problem.
    data: String,
}

fn sse(event: Result<ReplyEvent, Problem>, owner: bool) -> Result<axum::response::sse::Event, axum::Error> {
    let new = axum::response::sse::Event::default;
    match event {
        Ok(event) => new().event(event.name()).json_data(&event),
        Err(problem) => new().event("error").json_data(problem.within_answer(owner)),
    }
}

/// The answers to a batch, in the order of the questions.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct BatchReply {
    /// For each question `{"retrieval": …}`, or `{"problem": …}` if it alone could not be answered.
    #[schema(value_type = Vec<Object>)]
    results: Vec<Value>,
}

/// Ask several questions at once.
///
/// A question that cannot be answered is a problem in its place and does not touch the others. Each counts against the
/// key's rate; those above it are such problems, too.
#[utoipa::path(
    post, path = "/v1/retrieve/batch", tag = "retrieve", request_body = BatchRequest,
    responses((status = OK, body = BatchReply), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn batch(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<BatchRequest>,
) -> Result<Response, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    let started = Instant::now();
    // All are counted before the first is asked; the request itself was one.
    let counted = body.checked()?.into_iter().enumerate();
    let counted = counted.map(|(index, request)| if index == 0 { Ok(request) } else { count(&tenant, request) });
    let counted: Vec<_> = counted.collect();
    let one = async |request: Result<RetrieveRequest, Problem>| {
        let request = request?;
        let left = request.deadline_ms.map_or(std::time::Duration::MAX, std::time::Duration::from_millis);
        let call = Call::new(&sidecar, &tenant, request.wanted()?, deadline.left()?.min(left))?;
        call.run().await
    };
    let answers: Vec<Result<Reply, Problem>> = stream::iter(counted).map(one).buffered(SIDE_BY_SIDE).collect().await;
    let took = answers.iter().map(|answer| answer.as_ref().ok().map(|reply| reply.took_ms));
    let timing = observe::batch_timing(took, started.elapsed());
    let results = answers.into_iter().map(|answer| match answer {
        Ok(reply) => json!({ "retrieval": reply }),
        Err(problem) => json!({"problem": problem.within_answer(tenant.is_owner())}),
    });
    let mut response = Json(BatchReply { results: results.collect() }).into_response();
    response.headers_mut().extend(timing);
    Ok(response)
}

/// A further question of a batch, if its tenant may ask it.
fn count(tenant: &Tenant, request: RetrieveRequest) -> Result<RetrieveRequest, Problem> {
    admission::count(tenant).map(|()| request)
}
