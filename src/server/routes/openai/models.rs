//! `GET /v1/models`: the embedder.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorBody;
use crate::server::sidecar::Sidecar;

/// The models, as OpenAI publishes it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct ModelList {
    /// Always `list`.
    object: &'static str,
    data: Vec<Model>,
}

/// A model, as OpenAI publishes it.
#[derive(Debug, Serialize, ToSchema)]
struct Model {
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Always 0: nobody notes it.
    created: u64,
    owned_by: &'static str,
}

/// List the models (OpenAI): the one that embeds.
#[utoipa::path(
    get, path = "/v1/models", tag = "openai",
    responses((status = OK, body = ModelList), (status = "default", body = ErrorBody))
)]
pub(in crate::server) async fn models(State(sidecar): State<Arc<Sidecar>>) -> Json<ModelList> {
    let id = sidecar.embedder.identity().model.clone();
    Json(ModelList { object: "list", data: vec![Model { id, object: "model", created: 0, owned_by: "asktwice" }] })
}
