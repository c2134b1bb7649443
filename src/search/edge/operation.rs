//! Changes as the engine takes them.

use qdrant_edge::{
    CreateIndex, FieldIndexOperations, JsonPath, PayloadFieldSchema, PayloadSchemaType, PointId as EngineId,
    PointInsertOperations, PointOperations, PointStructPersisted, UpdateOperation,
};

use super::fault::Fault;
use crate::search::{Filter, PayloadKind};

pub(super) fn upsert(points: Vec<PointStructPersisted>) -> UpdateOperation {
    let points = PointInsertOperations::PointsList(points);
    UpdateOperation::PointOperation(PointOperations::UpsertPoints(points))
}

pub(super) fn delete(ids: Vec<EngineId>) -> UpdateOperation {
    UpdateOperation::PointOperation(PointOperations::DeletePoints { ids })
}

pub(super) fn delete_matching(matching: &Filter) -> Result<UpdateOperation, Fault> {
    Ok(UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter(matching)?)))
}

pub(super) fn index(key: &str, kind: PayloadKind) -> Result<UpdateOperation, Fault> {
    Ok(create_index(field(key)?, schema(kind).into()))
}

pub(super) fn create_index(field_name: JsonPath, schema: PayloadFieldSchema) -> UpdateOperation {
    let index = CreateIndex { field_name, field_schema: Some(schema) };
    UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index))
}

pub(super) fn field(key: &str) -> Result<JsonPath, Fault> {
    key.parse().map_err(|()| Fault::request(format!("{key:?} does not name a payload field")))
}

pub(super) fn filter(filter: &Filter) -> Result<qdrant_edge::Filter, Fault> {
    filter.check_joined().map_err(|error| Fault::request(error.to_string()))?;
    serde_json::from_value(filter.to_engine_json())
        .map_err(|error| Fault::request(format!("the engine does not understand the filter: {error}")))
}

pub(super) fn schema(kind: PayloadKind) -> PayloadSchemaType {
    match kind {
        PayloadKind::Keyword => PayloadSchemaType::Keyword,
        PayloadKind::Integer => PayloadSchemaType::Integer,
        PayloadKind::Float => PayloadSchemaType::Float,
        PayloadKind::Bool => PayloadSchemaType::Bool,
        PayloadKind::Datetime => PayloadSchemaType::Datetime,
        PayloadKind::Text => PayloadSchemaType::Text,
    }
}

/// The kind of an index of ours; `None` for one that only somebody else builds.
pub(super) fn kind(schema: PayloadSchemaType) -> Option<PayloadKind> {
    Some(match schema {
        PayloadSchemaType::Keyword => PayloadKind::Keyword,
        PayloadSchemaType::Integer => PayloadKind::Integer,
        PayloadSchemaType::Float => PayloadKind::Float,
        PayloadSchemaType::Bool => PayloadKind::Bool,
        PayloadSchemaType::Datetime => PayloadKind::Datetime,
        PayloadSchemaType::Text => PayloadKind::Text,
        _ => return None,
    })
}
