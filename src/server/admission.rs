//! The way of a request to its handler: whose key it has, how often it may ask, what it says, and when it is its turn.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, FromRequestParts, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    body::{self, Wire},
    bucket::Level,
    deadline::Deadline,
    gate::Place,
    observe,
    problem::Problem,
    routes,
    sidecar::Sidecar,
    tenant::Tenant,
};

/// What a caller may go by that is refused or near to it.
pub(super) const RATE_HEADERS: [HeaderName; 3] = [LIMIT, REMAINING, RESET];
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");

/// Refuses what comes under another name, or from a page of another origin.
pub(super) async fn guard(State(sidecar): State<Arc<Sidecar>>, request: Request, next: Next) -> Response {
    match sidecar.guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets in only who has a key, everywhere but on the few open routes; what is not a route is not open either.
pub(super) async fn authorize(State(sidecar): State<Arc<Sidecar>>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if route.is_some_and(|route| routes::OPEN.contains(&route)) {
        return next.run(request).await;
    }
    let is_page = route.is_some_and(|route| routes::PAGE.contains(&route));
    let tenant = match sidecar.tenants.find(request.headers()) {
        Ok(tenant) => tenant,
        Err(problem) => {
            // A browser asks its user for a password: the key.
            let scheme = if is_page { "Basic realm=\"asktwice\"" } else { "Bearer" };
            return problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme)).into_response();
        }
    };
    tracing::Span::current().record("tenant", &tenant.name);
    if let Err(problem) = count(&tenant) {
        return problem.into_response();
    }
    request.extensions_mut().insert(Arc::clone(&tenant));
    let mut response = next.run(request).await;
    // As it is now: a batch asks more than once.
    response.headers_mut().extend(tenant.level().into_iter().flat_map(rate_headers));
    response
}

/// Counts a question of a tenant, and refuses it if that is one too many.
pub(super) fn count(tenant: &Tenant) -> Result<(), Problem> {
    match tenant.count().filter(|level| level.wait.is_some()) {
        Some(level) => Err(too_often(level)),
        None => Ok(()),
    }
}

fn too_often(level: Level) -> Problem {
    metrics::counter!("asktwice_rejected_total", "reason" => "rate").increment(1);
    let detail = format!("this key may ask {} times a minute", level.per_minute);
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", detail);
    problem = problem.retry_after(level.wait.unwrap_or_default());
    rate_headers(level).into_iter().fold(problem, |problem, (name, value)| problem.with_header(name, value))
}

/// The same names that OpenAI uses.
fn rate_headers(level: Level) -> [(HeaderName, HeaderValue); 3] {
    let reset = HeaderValue::from_str(&format!("{}s", level.full_in.as_secs_f64().ceil()));
    [
        (LIMIT, level.per_minute.into()),
        (REMAINING, level.remaining.into()),
        (RESET, reset.unwrap_or(HeaderValue::from_static("60s"))),
    ]
}

/// Who asks.
pub(super) struct Caller(pub(super) Arc<Tenant>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        of(parts).map(Self)
    }
}

fn of(parts: &Parts) -> Result<Arc<Tenant>, Problem> {
    let tenant = parts.extensions.get::<Arc<Tenant>>().cloned();
    // A route that is open must not ask who its caller is.
    tenant.ok_or_else(|| Problem::internal("no_tenant", "nobody asked for a key on this route"))
}

/// A request that has been read, and whose turn it is.
pub(super) struct Admitted<T> {
    pub(super) tenant: Arc<Tenant>,
    pub(super) body: T,
    pub(super) deadline: Deadline,
    /// Given back when it is dropped.
    pub(super) place: Place,
}

impl<T: Wire> FromRequest<Arc<Sidecar>> for Admitted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, sidecar: &Arc<Sidecar>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let tenant = of(&parts)?;
        let limits = &sidecar.settings.limits;
        let arrived = observe::arrived(&parts);
        let deadline = Deadline::of(&parts.headers, arrived, limits)?;
        // The body first: one that trickles in must not hold a place.
        let body: T = body::read(&parts.headers, body, limits).await?;
        let deadline = deadline.or_earlier(arrived, body.deadline_ms());
        let place = sidecar.gate.enter(deadline.at()).await?;
        Ok(Self { tenant, body, deadline, place })
    }
}
