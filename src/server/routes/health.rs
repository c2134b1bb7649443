//! Health for whoever restarts and routes, and the second listener, which only this host reaches.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::server::{guard::Guard, problem::Form, sidecar::Sidecar};

/// Whether the process lives. It says nothing about the parts: restarting would not mend them.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = OK)))]
pub(super) async fn livez() -> StatusCode {
    StatusCode::OK
}

/// The same as `/livez`.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = OK)))]
pub(super) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Whether questions can be answered: the model has embedded a text, every store has answered lately, and the sidecar is
/// not about to end. The language model does not matter.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses((status = OK), (status = SERVICE_UNAVAILABLE))
)]
pub(super) async fn readyz(State(sidecar): State<Arc<Sidecar>>) -> StatusCode {
    status(sidecar.health.state(&sidecar).ready)
}

fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The routes of the second listener: what was measured, and health in detail.
pub(in crate::server) fn admin(current: impl Fn() -> Arc<Sidecar> + Clone + Send + Sync + 'static) -> Router {
    let (metered, looked_at) = (current.clone(), current);
    let metrics = move || async move {
        let rendered = metered().metrics.as_ref().map(|render| render());
        rendered.map_or_else(|| StatusCode::NOT_FOUND.into_response(), prometheus)
    };
    let ready = move || async move {
        let sidecar = looked_at();
        let state = sidecar.health.state(&sidecar);
        (status(state.ready), Json(state))
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/readyz", get(ready))
        .route("/livez", get(livez))
        .layer(middleware::from_fn(local_only))
}

fn prometheus(rendered: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], rendered).into_response()
}

async fn local_only(request: Request, next: Next) -> Response {
    match Guard::local().check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.render(Form::Native, "", true),
    }
}
