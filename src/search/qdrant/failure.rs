//! What went wrong, in our words. A status of the server's is never passed on as it is: its text may hold a key.

use std::{error::Error, time::Duration};

use qdrant_client::QdrantError;
use tonic::{Code, Status};

use super::{StoreError, connection::Connection};

impl Connection {
    pub(super) fn missing(&self) -> StoreError {
        StoreError::Missing { place: self.place.clone() }
    }

    pub(super) fn request(&self, problem: impl Into<String>) -> StoreError {
        StoreError::Request { place: self.place.clone(), problem: problem.into() }
    }

    pub(super) fn unusable(&self, problem: impl Into<String>) -> StoreError {
        StoreError::Unusable { place: self.place.clone(), problem: problem.into(), source: None }
    }

    /// The server answered, but not as Qdrant does.
    pub(super) fn garbled(&self, what: &str) -> StoreError {
        self.unavailable(format!("it answered with {what}; is it really Qdrant?"))
    }

    fn unavailable(&self, problem: String) -> StoreError {
        // No source: the client's errors print the server's text and headers, which may hold a key.
        StoreError::Unavailable { place: self.place.clone(), problem, source: None }
    }
}

/// The same error once more, for another search that it holds for. Nothing is lost: this adapter's errors have no
/// source.
pub(super) fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Missing { place } => StoreError::Missing { place: place.clone() },
        StoreError::Identity { place, difference } => {
            StoreError::Identity { place: place.clone(), difference: difference.clone() }
        }
        StoreError::Dimension { place, stored, given } => {
            StoreError::Dimension { place: place.clone(), stored: *stored, given: *given }
        }
        StoreError::Quantization { place, stored, wanted } => {
            StoreError::Quantization { place: place.clone(), stored: *stored, wanted: *wanted }
        }
        StoreError::Locked { place } => StoreError::Locked { place: place.clone() },
        StoreError::Request { place, problem } => {
            StoreError::Request { place: place.clone(), problem: problem.clone() }
        }
        StoreError::Unusable { place, problem, .. } => {
            StoreError::Unusable { place: place.clone(), problem: problem.clone(), source: None }
        }
        StoreError::Key { place } => StoreError::Key { place: place.clone() },
        StoreError::Unavailable { place, problem, .. } => {
            StoreError::Unavailable { place: place.clone(), problem: problem.clone(), source: None }
        }
        StoreError::Timeout { place, timeout } => StoreError::Timeout { place: place.clone(), timeout: *timeout },
    }
}

/// The client's error as ours.
pub(super) fn translate(connection: &Connection, error: &QdrantError, waited: Duration) -> StoreError {
    match error {
        QdrantError::ResponseError { status } => from_status(connection, status, waited, None),
        QdrantError::ResourceExhaustedError { status, retry_after_seconds } => {
            from_status(connection, status, waited, Some(*retry_after_seconds))
        }
        other => connection.unavailable(connection.shown(&other.to_string())),
    }
}

fn from_status(connection: &Connection, status: &Status, waited: Duration, retry_after: Option<u64>) -> StoreError {
    let said = connection.shown(&in_full(status));
    if said.contains("Index required but not found for") {
        let remedy = "the server only filters on indexed fields: build an index over this one first (index_payload)";
        return connection.request(format!("{said}; {remedy}"));
    }
    if !is_answer(status) {
        return connection.unavailable(unreachable(connection, &said));
    }
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => StoreError::Key { place: connection.place.clone() },
        // The client's own text for a key that is no header value, which repeats the key.
        Code::InvalidArgument if status.message().contains("API key") => {
            StoreError::Key { place: connection.place.clone() }
        }
        Code::InvalidArgument | Code::OutOfRange | Code::AlreadyExists => connection.request(said),
        Code::NotFound => connection.missing(),
        Code::DeadlineExceeded => StoreError::Timeout { place: connection.place.clone(), timeout: waited },
        // Also what an HTTP server says that is not Qdrant's.
        Code::Unimplemented => connection.unusable(format!(
            "the server does not know this call ({said}); asktwice needs Qdrant 1.16 or newer; {}",
            hint(connection)
        )),
        Code::ResourceExhausted => {
            let when = retry_after.map_or(String::new(), |seconds| format!("; it asks to wait {seconds} s"));
            connection.unavailable(format!("it is at its limit: {said}{when}"))
        }
        code => connection.unavailable(format!("it failed ({code:?}): {said}")),
    }
}

/// Whether the server itself said this, rather than the connection to it.
fn is_answer(status: &Status) -> bool {
    status.source().is_none() && !status.message().starts_with("Failed to connect")
}

fn unreachable(connection: &Connection, said: &str) -> String {
    let what = if said.contains("onnection refused") { "the connection was refused" } else { said };
    format!("it cannot be reached: {what}; {}", hint(connection))
}

fn hint(connection: &Connection) -> &'static str {
    if connection.url.ends_with(":6333") {
        "6333 is Qdrant's REST port; asktwice speaks gRPC, usually at port 6334"
    } else {
        "is Qdrant running there, is this its gRPC port (6334), and http or https as the server has it?"
    }
}

/// The status's text with those of its causes, where a connection's failure really stands.
fn in_full(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
