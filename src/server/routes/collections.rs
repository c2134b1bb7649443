//! What there is to search, and how it is searched.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    retrieval::Report,
    search::CollectionInfo,
    server::{
        admission::Caller,
        problem::ProblemBody,
        sidecar::{Collection, Sidecar},
        tenant::Tenant,
    },
};

/// How long a store may take to describe itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// The collections that the caller may search.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Collections {
    /// In the order of their names.
    pub(crate) collections: Vec<CollectionState>,
}

/// A collection on offer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CollectionState {
    /// What it is called in requests.
    pub(crate) name: String,
    /// How many passages it holds; null if it is not there yet, cannot be asked, or the
    /// caller may see only a part of it.
    pub(crate) passages: Option<u64>,
    /// The dimension of its dense vectors.
    pub(crate) dimension: Option<usize>,
    /// The model that filled it, where that is known.
    pub(crate) model: Option<String>,
    /// Why it cannot be searched; null if it can.
    pub(crate) problem: Option<String>,
}

/// The collections that the caller may search.
#[utoipa::path(
    get, path = "/v1/collections", tag = "about",
    responses((status = OK, body = Collections), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn collections(State(sidecar): State<Arc<Sidecar>>, Caller(tenant): Caller) -> Json<Collections> {
    let states = sidecar.visible(&tenant).map(|collection| state(collection, &tenant));
    Json(Collections { collections: join_all(states).await })
}

async fn state(collection: &Collection, tenant: &Tenant) -> CollectionState {
    let (info, problem) = match info(collection).await {
        Ok(Some(info)) => (Some(info), None),
        Ok(None) => (None, Some("it holds nothing yet".to_owned())),
        Err(problem) => (None, Some(if tenant.is_owner() { problem } else { "it cannot be searched now".to_owned() })),
    };
    CollectionState {
        name: collection.name.clone(),
        // Who may see a part only must not learn how much there is in all.
        passages: info.as_ref().filter(|_| tenant.filter.is_none()).map(|info| info.passages),
        dimension: info.as_ref().map(|info| info.dimension),
        model: info.and_then(|info| info.identity).map(|identity| identity.model),
        problem,
    }
}

/// What a store says of a collection, in time.
pub(super) async fn info(collection: &Collection) -> Result<Option<CollectionInfo>, String> {
    match timeout(PATIENCE, collection.store.info()).await {
        Ok(info) => info.map_err(|error| Report(&error).to_string()),
        Err(_) => Err("the store did not answer in time".to_owned()),
    }
}

/// How the sidecar embeds, searches, rewrites and fuses.
///
/// Only settings that hold no secret and no address.
#[utoipa::path(
    get, path = "/v1/settings", tag = "about",
    responses((status = OK, body = Object), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn settings(State(sidecar): State<Arc<Sidecar>>) -> Json<Value> {
    Json(sidecar.shown.clone())
}
