//! Our ids and passages as the engine's, and back.

use std::collections::HashMap;

use qdrant_edge::{
    Payload, PointId as EngineId, PointStructPersisted, Record, ScoredPoint, VectorInternal, VectorPersisted,
    VectorStructInternal, VectorStructPersisted,
};

use super::fault::Fault;
use crate::{
    ranking::{Passage, PointId, Scored},
    search::{Channel, SparseVector, StoreError, Vectors, layout},
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

/// A passage and its vectors, which were checked, as a point. An empty sparse vector is left out: the engine's count of
/// passages with any word goes wrong when it is replaced by another.
pub(super) fn written(passage: &Passage, vectors: Vectors, place: &str) -> Result<PointStructPersisted, StoreError> {
    let mut named = HashMap::from([(Channel::Dense.name().to_owned(), VectorPersisted::Dense(vectors.dense))]);
    if let Some(SparseVector { indices, values }) = vectors.bm25.filter(|words| !words.is_empty()) {
        let words = qdrant_edge::SparseVector { indices, values };
        named.insert(Channel::Bm25.name().to_owned(), VectorPersisted::Sparse(words));
    }
    Ok(PointStructPersisted {
        id: to_engine(passage.point_id()),
        vector: VectorStructPersisted::Named(named),
        payload: Some(Payload(layout::to_payload(passage, place)?)),
    })
}

/// The vectors of a stored point; `bm25` says whether its collection has that channel. What it does not have is empty.
pub(super) fn vectors(stored: Option<VectorStructInternal>, bm25: bool) -> Vectors {
    let mut vectors = Vectors { bm25: bm25.then(SparseVector::default), ..Vectors::default() };
    let Some(VectorStructInternal::Named(named)) = stored else { return vectors };
    for (name, vector) in named {
        match vector {
            VectorInternal::Dense(dense) if name == Channel::Dense.name() => vectors.dense = dense,
            VectorInternal::Sparse(words) if bm25 && name == Channel::Bm25.name() => {
                vectors.bm25 = Some(SparseVector { indices: words.indices, values: words.values });
            }
            _ => {}
        }
    }
    vectors
}

pub(super) fn passage(payload: Option<Payload>) -> Passage {
    layout::from_payload(payload.unwrap_or_default().0)
}

/// A stored point as one to be stored again.
pub(super) fn copied(record: Record) -> Result<PointStructPersisted, Fault> {
    let vector =
        record.vector.ok_or_else(|| Fault::damage(format!("point {} has no vector", from_engine(record.id))))?;
    Ok(PointStructPersisted { id: record.id, vector: vector.into(), payload: record.payload })
}
