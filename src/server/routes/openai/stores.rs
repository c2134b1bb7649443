//! `GET /v1/vector_stores` and `/v1/vector_stores/{id}`: our collections.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::ErrorBody;
use crate::server::{
    admission::Caller,
    problem::Problem,
    routes::collections::info,
    sidecar::{Collection, Sidecar},
    tenant::Tenant,
};

/// The most entries on a page, as published.
const MOST: usize = 100;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct ListQuery {
    /// How many at most.
    #[serde(default = "twenty")]
    #[param(minimum = 1, maximum = 100)]
    limit: usize,
    /// `asc` or `desc`, by the name.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// The last one of the page before.
    after: Option<String>,
    /// The first one of the page behind.
    before: Option<String>,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    #[default]
    Desc,
}

fn twenty() -> usize {
    20
}

/// A page of vector stores, as OpenAI publishes it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct StoreList {
    /// Always `list`.
    object: &'static str,
    data: Vec<Store>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// A vector store, as OpenAI publishes it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct Store {
    /// The collection's name.
    id: String,
    /// Always `vector_store`.
    object: &'static str,
    /// Always 0: nobody notes it.
    created_at: u64,
    /// The collection's name.
    name: String,
    /// Always 0: nobody measures it.
    usage_bytes: u64,
    /// The passages.
    file_counts: FileCounts,
    /// `completed`, or `in_progress` while it cannot be searched.
    status: &'static str,
    expires_after: Option<Value>,
    expires_at: Option<u64>,
    last_active_at: Option<u64>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// How many passages there are.
#[derive(Debug, Serialize, ToSchema)]
struct FileCounts {
    in_progress: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    total: u64,
}

/// List the collections (OpenAI: list vector stores).
#[utoipa::path(
    get, path = "/v1/vector_stores", tag = "openai", params(ListQuery),
    responses((status = OK, body = StoreList), (status = "default", body = ErrorBody))
)]
pub(in crate::server) async fn list(
    State(sidecar): State<Arc<Sidecar>>,
    Caller(tenant): Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<StoreList>, Problem> {
    let Query(query) = query.map_err(|error| Problem::invalid(error.body_text()))?;
    if !(1..=MOST).contains(&query.limit) {
        return Err(Problem::field("limit", format!("{} is not from 1 to {MOST}", query.limit)));
    }
    let mut visible: Vec<_> = sidecar.visible(&tenant).collect();
    if query.order == Order::Desc {
        visible.reverse();
    }
    let place = |name: &Option<String>| name.as_ref().map(|name| visible.iter().position(|one| one.name == *name));
    let from = place(&query.after).flatten().map_or(0, |at| at + 1);
    let to = place(&query.before).flatten().unwrap_or(visible.len()).max(from);
    let page = &visible[from..to];
    let shown = &page[..page.len().min(query.limit)];
    let data = join_all(shown.iter().map(|collection| store(collection, &tenant))).await;
    Ok(Json(StoreList {
        object: "list",
        first_id: data.first().map(|store| store.id.clone()),
        last_id: data.last().map(|store| store.id.clone()),
        has_more: page.len() > shown.len(),
        data,
    }))
}

/// Describe a collection (OpenAI: retrieve vector store).
#[utoipa::path(
    get, path = "/v1/vector_stores/{vector_store_id}", tag = "openai",
    params(("vector_store_id" = String, Path, description = "A collection's name")),
    responses((status = OK, body = Store), (status = "default", body = ErrorBody))
)]
pub(in crate::server) async fn one(
    State(sidecar): State<Arc<Sidecar>>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
) -> Result<Json<Store>, Problem> {
    let collection = sidecar.collection(&tenant, Some(&id))?;
    Ok(Json(store(collection, &tenant).await))
}

async fn store(collection: &Collection, tenant: &Tenant) -> Store {
    let info = info(collection).await.ok().flatten();
    // Who may see a part only must not learn how much there is in all.
    let total = info.as_ref().filter(|_| tenant.filter.is_none()).map_or(0, |info| info.passages);
    Store {
        id: collection.name.clone(),
        object: "vector_store",
        created_at: 0,
        name: collection.name.clone(),
        usage_bytes: 0,
        file_counts: FileCounts { in_progress: 0, completed: total, failed: 0, cancelled: 0, total },
        status: if info.is_some() { "completed" } else { "in_progress" },
        expires_after: None,
        expires_at: None,
        last_active_at: None,
        metadata: Map::new(),
    }
}
