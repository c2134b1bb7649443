//! The page: one document, one style sheet, two scripts, compiled in. It loads nothing from elsewhere, and is not allowed
//! to.

use axum::{
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};

use crate::server::problem::ProblemBody;

/// Everything from here, nothing from elsewhere, no script or style inside the document, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (headers, content).into_response()
}

/// A page to ask on, and to see how the answer came about.
#[utoipa::path(get, path = "/", tag = "page", responses((status = OK, content_type = "text/html"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn html() -> Response {
    file("text/html; charset=utf-8", include_str!("../page/index.html"))
}

/// Its style sheet.
#[utoipa::path(get, path = "/page.css", tag = "page", responses((status = OK, content_type = "text/css"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn css() -> Response {
    file("text/css; charset=utf-8", include_str!("../page/page.css"))
}

/// Its script.
#[utoipa::path(get, path = "/page.js", tag = "page", responses((status = OK, content_type = "text/javascript"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../page/page.js"))
}

/// The fusions of the page.
#[utoipa::path(get, path = "/fusion.js", tag = "page", responses((status = OK, content_type = "text/javascript"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn fusion() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../page/fusion.js"))
}
