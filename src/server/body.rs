//! The body of a request: JSON in its own bytes, of a bearable size, in time, and with no field that nobody knows.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::rejection::JsonRejection,
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{problem::Problem, settings::Limits};
use crate::retrieval::Report;

/// Which limit a body has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// A question.
    Question,
    /// Passages, or texts to embed.
    Texts,
}

/// What a route takes in its body.
pub(super) trait Wire: DeserializeOwned + Send {
    const SIZE: Size;

    /// How long the answer may take, in milliseconds, if the body says.
    fn deadline_ms(&self) -> Option<u64> {
        None
    }
}

/// Reads a body.
pub(super) async fn read<T: Wire>(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<T, Problem> {
    parse(&collect(headers, body, T::SIZE, limits).await?)
}

/// Reads the bytes of a body.
pub(super) async fn collect(headers: &HeaderMap, body: Body, size: Size, limits: &Limits) -> Result<Bytes, Problem> {
    check_head(headers)?;
    let most = match size {
        Size::Question => limits.body_bytes,
        Size::Texts => limits.write_bytes,
    };
    match timeout(limits.body(), Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long(most)),
        Ok(Err(_)) => Err(Problem::invalid("the body broke off")),
        Err(_) => {
            let detail = "the body did not arrive in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))
        }
    }
}

/// Nothing is unpacked: a few bytes can stand for gigabytes.
fn check_head(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |code, detail: &str| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail));
    let is_plain = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return refuse("content_encoding", "send the body as it is, without Content-Encoding");
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" {
        return Ok(());
    }
    refuse("content_type", "send JSON, with Content-Type: application/json")
}

fn too_long(most: usize) -> Problem {
    let detail = format!("the body is longer than {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail)
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    // Left to itself the parser takes a list too, field by field.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::invalid("the body is not an object"));
    }
    let describe = |error: &(dyn std::error::Error + 'static)| match error.source() {
        // The outer text says only where in the framework it happened.
        Some(source) => Report(source).to_string(),
        None => error.to_string(),
    };
    match Json::<T>::from_bytes(bytes) {
        Ok(Json(body)) => Ok(body),
        Err(JsonRejection::JsonDataError(error)) => Err(Problem::invalid(describe(&error))),
        Err(error) => {
            let detail = format!("the body is not JSON: {}", describe(&error));
            Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read from JSON")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only read from JSON")]
        limit: u32,
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let deep = "[".repeat(10_000);
        let cases = [
            (r#"{"inner": [{"limit": 1}, {"limt": 2}]}"#, "inner[1].limt: unknown field `limt`"),
            (r#"{"inner": [{"limit": "many"}]}"#, "inner[0].limit: invalid type"),
            (r#"{"inner": [], "inner": []}"#, "duplicate field `inner`"),
            (r#"{"inner": []} x"#, "the body is not JSON: trailing characters"),
            (r#"{"inner": "#, "the body is not JSON: inner: EOF"),
            (&deep, "not an object"),
        ];
        for (body, expected) in cases {
            let problem = parse::<Outer>(&Bytes::copy_from_slice(body.as_bytes())).unwrap_err();
            assert!(problem.told().contains(expected), "{}: {}", &body[..body.len().min(60)], problem.told());
        }
    }
}
