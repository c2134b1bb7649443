//! OpenAI's interface, exactly as published, for clients that speak it already: searching a vector store, listing
//! vector stores, embeddings, models. Ours are the names of collections and of the model.

pub(super) mod embeddings;
pub(super) mod filters;
pub(super) mod models;
pub(super) mod search;
pub(super) mod stores;

use serde::Serialize;
use utoipa::ToSchema;

/// An error, in OpenAI's form.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct ErrorBody {
    error: ErrorDetail,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// What it is, and what to do.
    message: String,
    /// The kind of error.
    r#type: String,
    /// The field that is meant.
    param: Option<String>,
    /// A word for programs.
    code: Option<String>,
}
