//! A store in plain memory: exact search, nothing kept. For tests, examples and a few thousand passages.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{
    CollectionInfo, Filter, PayloadKind, Search, StoreError, VectorStore, VectorStoreWriter, layout, path::Path,
};
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
    points: HashMap<PointId, Point>,
}

/// A passage as the engines keep it, so that filters see here what they see there.
#[derive(Debug)]
struct Point {
    payload: Map<String, Value>,
    vector: Vec<f32>,
}

impl Point {
    fn matches(&self, filter: &Filter) -> bool {
        let id = self.payload.get(layout::ID).and_then(Value::as_str).unwrap_or_default();
        filter.matches(id, &self.payload)
    }
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
        collection.dimension()?;
        let (depth, filter) = (search.depth, search.filter.clone());
        let vector = search.into_dense(PLACE)?;
        collection.check_dimension(vector.len())?;
        let filter = filter.as_deref();
        filter.map_or(Ok(()), check)?;
        let found = collection
            .points
            .iter()
            .filter(|(_, point)| filter.is_none_or(|filter| point.matches(filter)))
            .map(|(id, point)| Scored { id: *id, score: cosine(&vector, &point.vector) })
            .collect();
        Ok(Ranking::new(found).top(depth))
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        let collection = self.read();
        collection.dimension()?;
        let passage = |id: &PointId| Some((*id, layout::from_payload(collection.points.get(id)?.payload.clone())));
        Ok(ids.iter().filter_map(passage).collect())
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        let collection = self.read();
        let describe = |identity: &Identity| {
            CollectionInfo::new(PLACE, collection.points.len() as u64, identity.dimension, Some(identity.clone()))
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
        collection.dimension()?;
        let mut points = Vec::with_capacity(passages.len());
        for (passage, vector) in passages {
            collection.check_dimension(vector.len())?;
            points.push((passage.point_id(), Point { payload: layout::to_payload(&passage, PLACE)?, vector }));
        }
        collection.points.extend(points);
        Ok(())
    }

    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        let mut collection = self.write();
        collection.dimension()?;
        for id in ids {
            collection.points.remove(id);
        }
        Ok(())
    }

    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        let mut collection = self.write();
        collection.dimension()?;
        check(filter)?;
        collection.points.retain(|_, point| !point.matches(filter));
        Ok(())
    }

    async fn index_payload(&self, key: &str, _kind: PayloadKind) -> Result<(), StoreError> {
        self.read().dimension()?;
        if Path::parse(key).is_some() {
            return Ok(());
        }
        let problem = format!("`{key}` is not the path of a payload field");
        Err(StoreError::Request { place: PLACE.to_owned(), problem })
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn check(filter: &Filter) -> Result<(), StoreError> {
    let refuse =
        |error: super::FilterError| StoreError::Request { place: PLACE.to_owned(), problem: error.to_string() };
    filter.check().map_err(refuse)
}

/// The cosine similarity of two vectors; 0 if either has no length.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}
