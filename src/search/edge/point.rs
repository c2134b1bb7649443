//! Our ids and passages as the engine's, and back.

use std::collections::HashMap;

use qdrant_edge::{
    Payload, PointId as EngineId, PointStructPersisted, Record, ScoredPoint, VectorPersisted, VectorStructPersisted,
};

use super::fault::Fault;
use crate::{
    ranking::{Passage, PointId, Scored},
    search::{Channel, StoreError, layout},
};

pub(super) fn to_engine(id: PointId) -> EngineId {
    match id {
        PointId::Number(number) => EngineId::NumId(number),
        PointId::Uuid(uuid) => EngineId::Uuid(uuid),
    }
}

pub(super) fn from_engine(id: EngineId) -> PointId {
    match id {
        EngineId::NumId(number) => PointId::Number(number),
        EngineId::Uuid(uuid) => PointId::Uuid(uuid),
    }
}

pub(super) fn scored(point: &ScoredPoint) -> Scored {
    Scored { id: from_engine(point.id), score: point.score }
}

/// A passage and its vector as a point. A number that is not one would poison every search, so it is refused.
pub(super) fn written(passage: &Passage, vector: Vec<f32>, place: &str) -> Result<PointStructPersisted, StoreError> {
    if !vector.iter().all(|number| number.is_finite()) {
        let problem = format!("the vector of passage {:?} holds a number that is not finite", passage.id);
        return Err(StoreError::Request { place: place.to_owned(), problem });
    }
    Ok(PointStructPersisted {
        id: to_engine(passage.point_id()),
        vector: VectorStructPersisted::Named(HashMap::from([(
            Channel::Dense.name().to_owned(),
            VectorPersisted::Dense(vector),
        )])),
        payload: Some(Payload(layout::to_payload(passage, place)?)),
    })
}

/// A stored point as one to be stored again.
pub(super) fn copied(record: Record) -> Result<PointStructPersisted, Fault> {
    let vector =
        record.vector.ok_or_else(|| Fault::damage(format!("point {} has no vector", from_engine(record.id))))?;
    Ok(PointStructPersisted { id: record.id, vector: vector.into(), payload: record.payload })
}
