//! What is said when there is no answer: one type, in the form that the route's callers understand. That is RFC 9457 on
//! our own routes, OpenAI's on theirs, Dify's on its one.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    embed::EmbedError,
    error::{Error, ErrorKind},
    index::IndexError,
    retrieval::Report,
    search::StoreError,
};

/// Tells the clients of OpenAI whether another attempt makes sense.
pub(super) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// How long to wait before it, in milliseconds; `Retry-After` knows only seconds.
pub(super) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How long a caller should stay away from a part that is down.
const COME_BACK: Duration = Duration::from_secs(1);

/// Why there is no answer. Handlers return it; the outermost layer renders it for the route.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// A word for programs.
    pub(super) code: &'static str,
    /// What any caller may read.
    detail: String,
    /// What the owner may read besides: where it happened, and what the part itself said.
    cause: Option<Box<str>>,
    /// Which part of the request is meant.
    param: Option<Box<str>>,
    /// Whether the same request may succeed later; `None` if nobody knows.
    retry: Option<bool>,
    after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why there is no answer, in the form of RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// Always `about:blank`: `code` tells the problems apart.
    r#type: &'static str,
    /// What the status means.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// A word for programs.
    code: &'static str,
    /// The id under which the log tells more.
    request_id: String,
    /// The field that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// After how many milliseconds the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// Whose form an error has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Native,
    OpenAi,
    Dify,
}

impl Form {
    /// The form of a route.
    pub(super) fn of(path: &str) -> Self {
        let openai = ["/v1/vector_stores", "/v1/embeddings", "/v1/models"];
        if openai
            .iter()
            .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        {
            return Self::OpenAi;
        }
        if path == "/retrieval" { Self::Dify } else { Self::Native }
    }
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        // What is wrong with a request stays wrong.
        let retry = status.is_client_error().then_some(false);
        let (detail, headers) = (detail.into(), vec![]);
        Self { status, code, detail, cause: None, param: None, retry, after: None, headers }
    }

    /// The request cannot be answered as it is.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// One field of the request cannot be used.
    pub(super) fn field(name: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        let name = name.into();
        let problem = Self::invalid(format!("{name}: {detail}"));
        Self { param: Some(name.into()), ..problem }
    }

    pub(super) fn no_collection(name: &str) -> Self {
        let detail = format!("there is no collection {name:?}; GET /v1/collections lists them");
        Self::new(StatusCode::NOT_FOUND, "no_collection", detail)
    }

    pub(super) fn no_model(name: &str, known: &str) -> Self {
        let problem = Self::field("model", format!("there is no {name:?} here, only {known:?}"));
        Self { status: StatusCode::NOT_FOUND, code: "model_not_found", ..problem }
    }

    pub(super) fn deadline() -> Self {
        let detail = "it was not done in time; allow it more (deadline_ms, X-Request-Timeout-Ms)";
        Self { retry: Some(false), ..Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline", detail) }
    }

    pub(super) fn overloaded(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(COME_BACK)
    }

    /// Nothing that a caller could do better.
    pub(super) fn internal(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }

    /// Says that the same request may succeed later, and when.
    pub(super) fn retry_after(mut self, wait: Duration) -> Self {
        (self.retry, self.after) = (Some(true), Some(wait));
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The whole of it, for the log.
    pub(super) fn told(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.detail)
    }

    /// What a caller may read: all of it only if the caller owns the process.
    pub(super) fn detail(&self, owner: bool) -> &str {
        if owner { self.told() } else { &self.detail }
    }

    /// The same inside of an answer that has already begun.
    pub(super) fn within_answer(&self, owner: bool) -> Value {
        let mut described = json!({"status": self.status.as_u16(), "code": self.code, "detail": self.detail(owner)});
        if let Some(after) = self.after_ms() {
            described["retry_after_ms"] = after.into();
        }
        described
    }

    /// After how many milliseconds the same request may succeed.
    fn after_ms(&self) -> Option<u64> {
        self.after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1))
    }

    /// The same for a language model that called a tool: what is wrong, and whether to try again.
    #[cfg(feature = "mcp")]
    pub(super) fn advice(&self, owner: bool) -> String {
        let detail = self.detail(owner);
        match self.after_ms() {
            Some(after) => format!("{detail}; the same call may succeed in {after} ms"),
            None => detail.to_owned(),
        }
    }

    pub(super) fn render(self, form: Form, request_id: &str, owner: bool) -> Response {
        let body = match form {
            Form::Native => self.native(request_id, owner),
            Form::OpenAi => self.openai(owner),
            Form::Dify => self.dify(owner),
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if form == Form::Native {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        }
        if let Some(retry) = self.retry {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(if retry { "true" } else { "false" }));
        }
        if let Some(milliseconds) = self.after_ms() {
            headers.insert(RETRY_AFTER_MS, milliseconds.into());
            headers.insert(header::RETRY_AFTER, milliseconds.div_ceil(1_000).into());
        }
        headers.extend(self.headers);
        response
    }

    fn native(&self, request_id: &str, owner: bool) -> Value {
        json!(ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail(owner).to_owned(),
            code: self.code,
            request_id: request_id.to_owned(),
            param: self.param.as_deref().map(str::to_owned),
            retry_after_ms: self.after_ms(),
        })
    }

    fn openai(&self, owner: bool) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        json!({"error": {"message": self.detail(owner), "type": kind, "param": self.param, "code": self.code}})
    }

    fn dify(&self, owner: bool) -> Value {
        // The numbers that Dify's documentation suggests; for the rest, the status.
        let code = match self.code {
            "no_key" => 1_001,
            "bad_key" => 1_002,
            "no_collection" | "collection_missing" => 2_001,
            _ => self.status.as_u16(),
        };
        json!({"error_code": code, "error_msg": self.detail(owner)})
    }
}

impl IntoResponse for Problem {
    /// Only the status: the outermost layer finds the problem in the response and renders it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = Report(&error).to_string();
        let problem = match (&error, error.kind()) {
            (Error::Embed(EmbedError::Overloaded { .. }), _) => Self::overloaded("too many texts wait to be embedded"),
            (Error::Embed(_), _) => Self::internal("embed_failed", "the text could not be embedded"),
            (Error::Search(error), _) => Self::store(error),
            (_, ErrorKind::Invalid) => return Self::invalid(told),
            (_, ErrorKind::Deadline) => Self::deadline(),
            (_, ErrorKind::Setup) => Self::internal("setup", "the sidecar is not set up rightly"),
            (_, ErrorKind::Unavailable) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a part is down").retry_after(COME_BACK)
            }
        };
        Self { cause: Some(told.into()), ..problem }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<IndexError> for Problem {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Embed { source, .. } => source.into(),
            IndexError::Store { source, .. } => source.into(),
            other => Self::internal("index", &other.to_string()),
        }
    }
}

impl From<EmbedError> for Problem {
    fn from(error: EmbedError) -> Self {
        Error::from(error).into()
    }
}

impl Problem {
    /// A store's error names its address or folder, which is nobody's business but the owner's.
    fn store(error: &StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => {
                Self::new(StatusCode::NOT_FOUND, "collection_missing", "the collection holds nothing yet")
            }
            // Speaks of the request alone.
            StoreError::Request { problem, .. } => Self::invalid(problem.clone()),
            StoreError::Timeout { .. } => Self::deadline(),
            StoreError::Key { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "store_key", "the store does not accept the sidecar's key")
            }
            StoreError::Locked { .. } | StoreError::Unavailable { .. } => {
                let detail = "the store cannot be reached, or failed";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail).retry_after(COME_BACK)
            }
            StoreError::Identity { .. } | StoreError::Dimension { .. } | StoreError::Unusable { .. } => {
                Self::internal("store_unusable", "the collection cannot be used with this model")
            }
            StoreError::Quantization { .. } => {
                let detail = "the collection's vectors are compressed in another way than the sidecar is set to";
                Self::internal("store_unusable", detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_goes_by_the_route() {
        let forms = [
            ("/v1/retrieve", Form::Native),
            ("/v1/vector_stores", Form::OpenAi),
            ("/v1/vector_stores/a/search", Form::OpenAi),
            ("/v1/vector_storesx", Form::Native),
            ("/v1/embeddings", Form::OpenAi),
            ("/retrieval", Form::Dify),
            ("/", Form::Native),
        ];
        for (path, form) in forms {
            assert_eq!(Form::of(path), form, "{path}");
        }
    }

    #[test]
    fn only_the_owner_hears_where_the_store_is() {
        let error = StoreError::Timeout { place: "http://secret:6334".to_owned(), timeout: Duration::from_secs(1) };
        let problem = Problem::from(error);
        assert_eq!((problem.status.as_u16(), problem.retry), (504, Some(false)));
        assert!(problem.detail(true).contains("secret") && !problem.detail(false).contains("secret"));
    }

    #[test]
    fn who_is_sent_away_hears_for_how_long() {
        let response =
            Problem::overloaded("full").retry_after(Duration::from_millis(1_200)).render(Form::Native, "r", false);
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!((header("retry-after"), header("retry-after-ms"), header("x-should-retry")), ("2", "1200", "true"));
        assert_eq!(header("content-type"), "application/problem+json");
    }
}
