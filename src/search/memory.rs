//! A store in plain memory: exact search, nothing kept. For tests, examples and a few thousand passages.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{CollectionInfo, Filter, PayloadKind, Search, StoreError, VectorStore, VectorStoreWriter};
use crate::{
    embed::Identity,
    ranking::{Passage, PointId, Ranking, Scored},
};

/// An exact store in memory. Searches compare with every passage; passages are lost with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    collection: RwLock<Collection>,
}

#[derive(Debug, Default)]
struct Collection {
    identity: Option<Identity>,
    points: HashMap<PointId, (Passage, Vec<f32>)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Collection> {
        self.collection.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Collection> {
        self.collection.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collection {
    fn dimension(&self) -> Result<usize, StoreError> {
        let identity = self.identity.as_ref().ok_or_else(|| StoreError::Missing { place: PLACE.to_owned() })?;
        Ok(identity.dimension)
    }

    fn check_dimension(&self, given: usize) -> Result<(), StoreError> {
        let stored = self.dimension()?;
        if stored == given {
            return Ok(());
        }
        Err(StoreError::Dimension { place: PLACE.to_owned(), stored, given })
    }
}

const PLACE: &str = "the in-memory store";

#[async_trait]
impl VectorStore for MemoryStore {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        let collection = self.read();
        collection.check_dimension(search.vector.len())?;
        let matches = |passage: &Passage| match &search.filter {
            Some(filter) => filter.matches(passage, &fields(passage)),
            None => true,
        };
        let found = collection
            .points
            .iter()
            .filter(|(_, (passage, _))| matches(passage))
            .map(|(id, (_, vector))| Scored { id: *id, score: cosine(&search.vector, vector) })
            .collect();
        Ok(Ranking::new(found).top(search.depth))
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        let collection = self.read();
        Ok(ids.iter().filter_map(|id| collection.points.get(id).map(|(passage, _)| (*id, passage.clone()))).collect())
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        let collection = self.read();
        let describe = |identity: &Identity| {
            CollectionInfo::new(collection.points.len() as u64, identity.dimension, Some(identity.clone()))
        };
        Ok(collection.identity.as_ref().map(describe))
    }
}

#[async_trait]
impl VectorStoreWriter for MemoryStore {
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError> {
        let mut collection = self.write();
        match collection.identity.as_ref().map(|stored| stored.difference(identity)) {
            Some(Some(difference)) => Err(StoreError::Identity { place: PLACE.to_owned(), difference }),
            Some(None) => Ok(()),
            None => {
                collection.identity = Some(identity.clone());
                Ok(())
            }
        }
    }

    async fn upsert(&self, passages: Vec<(Passage, Vec<f32>)>) -> Result<(), StoreError> {
        let mut collection = self.write();
        for (_, vector) in &passages {
            collection.check_dimension(vector.len())?;
        }
        collection.points.extend(passages.into_iter().map(|(passage, vector)| (passage.point_id(), (passage, vector))));
        Ok(())
    }

    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        self.write().points.retain(|id, _| !ids.contains(id));
        Ok(())
    }

    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        self.write().points.retain(|_, (passage, _)| !filter.matches(passage, &fields(passage)));
        Ok(())
    }

    async fn index_payload(&self, _key: &str, _kind: PayloadKind) -> Result<(), StoreError> {
        Ok(())
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The fields that a filter sees: the caller's own, and the passage's text, title, document and position.
fn fields(passage: &Passage) -> Map<String, Value> {
    let mut fields = passage.payload.clone();
    fields.insert("text".into(), passage.text.clone().into());
    fields.insert("title".into(), passage.title.clone().into());
    fields.insert("document_id".into(), passage.document_id.clone().into());
    fields.insert("position".into(), passage.position.into());
    fields
}

/// The cosine similarity of two vectors; 0 if either has no length.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}
