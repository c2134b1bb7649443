//! What can be called. A route and its place in `/openapi.json` come from the same line.

mod collections;
mod dify;
mod health;
mod openai;
mod page;
mod passages;
mod retrieve;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowHeaders, AllowOrigin, CorsLayer},
};
use utoipa::{
    OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    admission, observe,
    problem::{self, Problem},
    sidecar::Sidecar,
};

pub(super) use health::admin;

/// The routes that want no key: they say nothing but yes or no.
pub(super) const OPEN: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// The routes of the page, where a browser asks for the key.
pub(super) const PAGE: [&str; 4] = ["/", "/page.css", "/page.js", "/fusion.js"];

#[derive(OpenApi)]
#[openapi(
    info(title = "asktwice", description = "Retrieval that asks twice: with the question and with its rewritten version, fused."),
    components(schemas(super::problem::ProblemBody, super::stream::ReplyEvent)),
    security(("key" = []))
)]
struct Api;

fn all() -> OpenApiRouter<Arc<Sidecar>> {
    let mut api = Api::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("A tenant's key. None is needed where no tenant is set up.")).build();
    api.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(bearer));
    OpenApiRouter::with_openapi(api)
        .routes(routes!(retrieve::retrieve))
        .routes(routes!(retrieve::stream))
        .routes(routes!(retrieve::batch))
        .routes(routes!(passages::write, passages::delete))
        .routes(routes!(passages::fetch))
        .routes(routes!(collections::collections))
        .routes(routes!(collections::settings))
        .routes(routes!(openai::search::search))
        .routes(routes!(openai::stores::list))
        .routes(routes!(openai::stores::one))
        .routes(routes!(openai::embeddings::embeddings))
        .routes(routes!(openai::models::models))
        .routes(routes!(dify::retrieval))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::healthz))
        .routes(routes!(openapi))
        .routes(routes!(page::html))
        .routes(routes!(page::css))
        .routes(routes!(page::script))
        .routes(routes!(page::fusion))
}

/// `/openapi.json`: what describes all routes.
pub fn openapi_json() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| all().split_for_parts().1.to_json().unwrap_or_default())
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "about", responses((status = OK, content_type = "application/json")))]
async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json()).into_response()
}

/// All routes behind all layers.
pub(super) fn router(sidecar: Arc<Sidecar>) -> Router {
    let router: Router<_> = all().split_for_parts().0;
    #[cfg(feature = "mcp")]
    let router = router.route("/mcp", axum::routing::post(super::mcp::http));
    let mut router = router
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "no_route", "there is nothing here; see /openapi.json")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this route does not take this method")
        })
        .layer(from_fn_with_state(sidecar.clone(), admission::authorize));
    if let Some(cors) = cors(&sidecar) {
        router = router.layer(cors);
    }
    router
        .layer(from_fn_with_state(sidecar.clone(), admission::guard))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::internal("crashed", "it crashed over this request; the log says where").into_response()
        }))
        .layer(from_fn_with_state(sidecar.clone(), observe::observe))
        // Bodies are bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(sidecar)
}

/// Lets the pages of other origins call, if the settings name any.
fn cors(sidecar: &Sidecar) -> Option<CorsLayer> {
    let origins: Vec<_> = sidecar.guard.origins().collect();
    let told = [observe::REQUEST_ID, observe::SERVER_TIMING];
    let retry = [header::RETRY_AFTER, problem::RETRY_AFTER_MS, problem::SHOULD_RETRY];
    let exposed: Vec<_> = told.into_iter().chain(retry).chain(admission::RATE_HEADERS).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            // Whatever the page's client sends: OpenAI's alone has a dozen headers, and the origin is trusted.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed)
    })
}
