//! The way in: passages are written, looked up and deleted. What is acknowledged is durable.

use std::{collections::HashSet, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::timeout_at;
use utoipa::{
    ToSchema,
    openapi::{Array, ArrayBuilder, ObjectBuilder, SchemaFormat, schema::Type},
};
use uuid::Uuid;

use crate::{
    ranking::{Passage, PointId},
    search::{Filter, check_field},
    server::{
        admission::Admitted,
        body::{Size, Wire},
        problem::{Problem, ProblemBody},
        reply::ReplyPoint,
        sidecar::{Collection, Sidecar},
    },
};

/// The most passages, or ids, in one request.
const MOST: usize = 1_000;

/// Passages to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteRequest {
    /// Which collection; may be left out where there is only one. It is made if it is not there yet.
    collection: Option<String>,
    /// The passages; one of the same id is replaced.
    #[schema(max_items = 1000)]
    passages: Vec<WrittenPassage>,
    /// Whether to let the engine tidy up afterwards, as at the end of a large import.
    #[serde(default)]
    optimize: bool,
}

/// A passage to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPassage {
    /// Its id: any text.
    #[schema(pattern = r"\S")]
    id: String,
    /// The document's title. It is embedded before the text.
    #[serde(default)]
    title: String,
    /// Its text.
    text: String,
    /// The document that it was cut from; its own id if it is a whole document.
    document_id: Option<String>,
    /// Its place there, counted from 0.
    #[serde(default)]
    #[schema(value_type = u64, maximum = 4_294_967_295_u64)]
    position: u32,
    /// Further fields, for filters and display.
    #[serde(default)]
    payload: Map<String, Value>,
}

/// What was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    /// Passages embedded and stored.
    indexed: u64,
    /// Passages that the store already held unchanged.
    unchanged: u64,
    /// Of those embedded, how many are longer than the model reads; their ends cannot be found by it.
    truncated: u64,
}

/// Which passages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Which collection; may be left out where there is only one.
    collection: Option<String>,
    /// Ids of passages, as they were given.
    #[serde(default)]
    #[schema(max_items = 1000)]
    ids: Vec<String>,
    /// Ids of points: what the store calls the passages.
    #[serde(default)]
    #[schema(schema_with = uuids)]
    points: Vec<Uuid>,
    /// All passages that match, in Qdrant's JSON form. Only to delete.
    #[schema(value_type = Option<Object>)]
    filter: Option<Filter>,
}

fn uuids() -> Array {
    let uuid = SchemaFormat::Custom("uuid".to_owned());
    ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)))
        .max_items(Some(MOST))
        .build()
}

/// Passages, by the ids of their points.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Fetched {
    /// Those that are there, in the order asked for.
    pub(crate) passages: Vec<ReplyPoint>,
}

/// That it is done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acknowledged {
    /// Always true.
    acknowledged: bool,
}

impl Wire for WriteRequest {
    const SIZE: Size = Size::Texts;
}

impl Wire for Which {
    const SIZE: Size = Size::Texts;
}

/// Write passages.
///
/// They are embedded and stored; those that are stored unchanged are left as they are. The answer comes when all of them
/// are on disk.
#[utoipa::path(
    post, path = "/v1/passages", tag = "passages", request_body = WriteRequest,
    responses((status = OK, body = Written), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn write(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<WriteRequest>,
) -> Result<Json<Written>, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    tenant.check_may_write()?;
    let collection = sidecar.collection(&tenant, body.collection.as_deref())?;
    let passages = checked(body.passages)?;
    let work = async {
        let report = sidecar.indexer(collection).add(passages).await?;
        if body.optimize {
            collection.store.optimize().await?;
        }
        Ok(Json(Written { indexed: report.indexed, unchanged: report.skipped, truncated: report.truncated }))
    };
    timeout_at(deadline.at(), work).await.map_err(|_| Problem::deadline())?
}

/// Look passages up by their ids.
#[utoipa::path(
    post, path = "/v1/passages/fetch", tag = "passages", request_body = Which,
    responses((status = OK, body = Fetched), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn fetch(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<Which>,
) -> Result<Json<Fetched>, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    // A tenant's filter would have to hold here too, and an id says nothing about it.
    tenant.check_may_write()?;
    let collection = sidecar.collection(&tenant, body.collection.as_deref())?;
    if body.filter.is_some() {
        return Err(Problem::field("filter", "passages are looked up by id"));
    }
    let points = points(&body)?;
    let fetched = timeout_at(deadline.at(), collection.store.fetch(&points)).await.map_err(|_| Problem::deadline())?;
    let fetched = match fetched {
        Err(crate::search::StoreError::Missing { .. }) => vec![],
        other => other?,
    };
    Ok(Json(Fetched { passages: fetched.into_iter().map(ReplyPoint::from).collect() }))
}

/// Delete passages, by id or by filter.
///
/// An id that is not there is passed over. The answer comes when the deletion is on disk.
#[utoipa::path(
    delete, path = "/v1/passages", tag = "passages", request_body = Which,
    responses((status = OK, body = Acknowledged), (status = "default", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn delete(
    State(sidecar): State<Arc<Sidecar>>,
    asked: Admitted<Which>,
) -> Result<Json<Acknowledged>, Problem> {
    let Admitted { tenant, body, deadline, place: _place } = asked;
    tenant.check_may_write()?;
    let collection = sidecar.collection(&tenant, body.collection.as_deref())?;
    timeout_at(deadline.at(), remove(collection, &body)).await.map_err(|_| Problem::deadline())??;
    Ok(Json(Acknowledged { acknowledged: true }))
}

async fn remove(collection: &Collection, which: &Which) -> Result<(), Problem> {
    match &which.filter {
        None => Ok(collection.store.delete(&points(which)?).await?),
        Some(_) if !which.ids.is_empty() || !which.points.is_empty() => {
            Err(Problem::field("filter", "send ids or a filter, not both"))
        }
        Some(filter) => {
            filter.check().map_err(|error| Problem::field("filter", error))?;
            if *filter == Filter::default() {
                return Err(Problem::field("filter", "it is empty, and would delete everything"));
            }
            Ok(collection.store.delete_matching(filter).await?)
        }
    }
}

fn points(which: &Which) -> Result<Vec<PointId>, Problem> {
    let points = which.points.iter().copied().map(PointId::Uuid);
    let points: Vec<PointId> = which.ids.iter().map(|id| PointId::of(id)).chain(points).collect();
    match points.len() {
        1..=MOST => Ok(points),
        count => Err(Problem::field("ids", format!("{count} of them; send 1 to {MOST}"))),
    }
}

fn checked(passages: Vec<WrittenPassage>) -> Result<Vec<Passage>, Problem> {
    if passages.len() > MOST {
        return Err(Problem::field("passages", format!("{} of them; send {MOST} at most", passages.len())));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = passages.iter().find(|passage| !seen.insert(&passage.id)) {
        return Err(Problem::field("passages", format!("{:?} is there twice", twice.id)));
    }
    passages.into_iter().enumerate().map(|(index, passage)| passage.checked(index)).collect()
}

impl WrittenPassage {
    fn checked(self, index: usize) -> Result<Passage, Problem> {
        let Self { id, title, text, document_id, position, payload } = self;
        let refuse = |field: &str, problem: &str| Err(Problem::field(format!("passages[{index}].{field}"), problem));
        if id.trim().is_empty() {
            return refuse("id", "it is empty");
        }
        // A title alone is something to be found.
        if text.trim().is_empty() && title.trim().is_empty() {
            return refuse("text", "it is empty");
        }
        for (name, value) in &payload {
            if let Err(problem) = check_field(value) {
                return refuse(&format!("payload.{name}"), &problem);
            }
        }
        let document_id = document_id.unwrap_or_else(|| id.clone());
        Ok(Passage::new(id, text).with_title(title).cut_from(document_id, position).with_payload(payload))
    }
}
