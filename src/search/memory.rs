//! A store in plain memory: exact search, nothing kept. For tests, examples and a few thousand passages.

mod compare;

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{
    Channels, CollectionInfo, Filter, PayloadKind, ScrollPage, ScrollRequest, Scrolled, Search, SearchVector,
    SparseVector, StoreError, Succession, Successor, TakeOver, VectorStore, VectorStoreWriter, Vectors, check_writer,
    layout, path::Path,
};
use crate::{
    embed::Identity,
    ranking::{Passage, PointId, Ranking, Scored},
};

/// An exact store in memory. Searches compare with every passage; passages are lost with the process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    collection: Arc<RwLock<Collection>>,
}

#[derive(Debug, Default)]
struct Collection {
    identity: Option<Identity>,
    points: BTreeMap<PointId, Point>,
    /// Nothing here is faster for them, but a copy in another store is.
    payload_indexes: BTreeMap<String, PayloadKind>,
}

/// A passage as the engines keep it, so that filters see here what they see there.
#[derive(Debug)]
struct Point {
    payload: Map<String, Value>,
    /// Of length 1, unless it has none.
    dense: Vec<f32>,
    bm25: Option<SparseVector>,
}

impl Point {
    fn matches(&self, filter: &Filter) -> bool {
        let id = self.payload.get(layout::ID).and_then(Value::as_str).unwrap_or_default();
        filter.matches(id, &self.payload)
    }

    fn passage(&self) -> Passage {
        layout::from_payload(self.payload.clone())
    }

    fn vectors(&self) -> Vectors {
        Vectors { dense: self.dense.clone(), bm25: self.bm25.clone() }
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
    fn channels(&self) -> Result<Channels, StoreError> {
        self.identity.as_ref().map(Channels::from).ok_or_else(|| StoreError::Missing { place: PLACE.to_owned() })
    }

    /// What a search compares with.
    fn matching(&self, filter: Option<&Filter>) -> impl Iterator<Item = (PointId, &Point)> {
        let points = self.points.iter().map(|(id, point)| (*id, point));
        points.filter(move |(_, point)| filter.is_none_or(|filter| point.matches(filter)))
    }

    fn search_dense(&self, vector: Vec<f32>, filter: Option<&Filter>) -> Vec<Scored> {
        let vector = compare::normalised(vector);
        let scored = |(id, point): (PointId, &Point)| Scored { id, score: compare::dot(&vector, &point.dense) };
        self.matching(filter).map(scored).collect()
    }

    fn search_bm25(&self, words: SparseVector, filter: Option<&Filter>) -> Vec<Scored> {
        let words = compare::by_rarity(words, self.points.values().filter_map(|point| point.bm25.as_ref()));
        let scored =
            |(id, point): (PointId, &Point)| Some(Scored { id, score: compare::shared(&words, point.bm25.as_ref()?)? });
        self.matching(filter).filter_map(scored).collect()
    }
}

const PLACE: &str = "the in-memory store";

#[async_trait]
impl VectorStore for MemoryStore {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        let collection = self.read();
        collection.channels()?.check_search(&search.vector, PLACE)?;
        let filter = search.filter.as_deref();
        filter.map_or(Ok(()), check)?;
        if search.is_vain() {
            return Ok(Ranking::default());
        }
        let found = match search.vector {
            SearchVector::Dense(vector) => collection.search_dense(vector, filter),
            SearchVector::Sparse(words) => collection.search_bm25(words, filter),
        };
        Ok(Ranking::new(found).top(search.depth))
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        let collection = self.read();
        collection.channels()?;
        Ok(ids.iter().filter_map(|id| Some((*id, collection.points.get(id)?.passage()))).collect())
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        let collection = self.read();
        collection.channels()?;
        Ok(ids.iter().filter_map(|id| Some((*id, collection.points.get(id)?.dense.clone()))).collect())
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        let collection = self.read();
        collection.channels()?;
        let filter = request.filter.as_ref();
        filter.map_or(Ok(()), check)?;
        let from = request.after.map_or(Bound::Unbounded, Bound::Excluded);
        let following = collection.points.range((from, Bound::Unbounded));
        let wanted = following.filter(|(_, point)| filter.is_none_or(|filter| point.matches(filter)));
        let scrolled = |(id, point): (&PointId, &Point)| Scrolled {
            id: *id,
            passage: point.passage(),
            vectors: request.vectors.then(|| point.vectors()),
        };
        Ok(ScrollPage::of(&request, wanted.take(request.size()).map(scrolled).collect()))
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        let collection = self.read();
        let describe = |identity: &Identity| {
            CollectionInfo::new(PLACE, collection.points.len() as u64, identity.dimension, Some(identity.clone()))
                .with_payload_indexes(collection.payload_indexes.clone())
        };
        Ok(collection.identity.as_ref().map(describe))
    }
}

#[async_trait]
impl VectorStoreWriter for MemoryStore {
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError> {
        let mut collection = self.write();
        check_writer(collection.identity.get_or_insert_with(|| identity.clone()), identity, PLACE)
    }

    async fn upsert(&self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        let mut collection = self.write();
        let channels = collection.channels()?;
        let mut points = Vec::with_capacity(passages.len());
        for (passage, vectors) in passages {
            channels.check_written(&passage, &vectors, PLACE)?;
            let payload = layout::to_payload(&passage, PLACE)?;
            let dense = compare::normalised(vectors.dense);
            points.push((passage.point_id(), Point { payload, dense, bm25: vectors.bm25 }));
        }
        collection.points.extend(points);
        Ok(())
    }

    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        let mut collection = self.write();
        collection.channels()?;
        for id in ids {
            collection.points.remove(id);
        }
        Ok(())
    }

    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        let mut collection = self.write();
        collection.channels()?;
        check(filter)?;
        collection.points.retain(|_, point| !point.matches(filter));
        Ok(())
    }

    async fn index_payload(&self, key: &str, kind: PayloadKind) -> Result<(), StoreError> {
        let mut collection = self.write();
        collection.channels()?;
        if Path::parse(key).is_some() {
            collection.payload_indexes.insert(key.to_owned(), kind);
            return Ok(());
        }
        let problem = format!("`{key}` is not the path of a payload field");
        Err(StoreError::Request { place: PLACE.to_owned(), problem })
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn successor(&self, identity: &Identity) -> Result<Successor, StoreError> {
        let new = Self::new();
        new.prepare(identity).await?;
        Ok(Successor::new(Arc::new(new.clone()), Replacement { old: self.clone(), new }))
    }
}

#[derive(Debug)]
struct Replacement {
    old: MemoryStore,
    new: MemoryStore,
}

#[async_trait]
impl TakeOver for Replacement {
    async fn take_over(self: Box<Self>) -> Result<Succession, StoreError> {
        let new = std::mem::take(&mut *self.new.write());
        *self.old.write() = new;
        Ok(Succession::Done)
    }
}

fn check(filter: &Filter) -> Result<(), StoreError> {
    let refuse =
        |error: super::FilterError| StoreError::Request { place: PLACE.to_owned(), problem: error.to_string() };
    filter.check_joined().map_err(refuse)
}
