//! Which documents passages were cut from. What is judged may be a document, and what is found are passages.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Dataset, JudgedQuestion};
use crate::{
    ranking::PointId,
    search::{StoreError, VectorStore},
};

/// What the store says of passages, asked once for each.
pub(super) struct Documents<'a> {
    store: &'a dyn VectorStore,
    dataset: &'a Dataset,
    cut: Mutex<HashMap<PointId, PointId>>,
}

impl<'a> Documents<'a> {
    /// Nothing is known yet but the dataset's own documents, which were not cut.
    pub(super) fn new(store: &'a dyn VectorStore, dataset: &'a Dataset) -> Self {
        Self { store, dataset, cut: Mutex::default() }
    }

    fn cut(&self) -> MutexGuard<'_, HashMap<PointId, PointId>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document of each passage, in their order.
    pub(super) async fn of(&self, passages: &[PointId]) -> Result<Vec<PointId>, StoreError> {
        let unknown: Vec<PointId> = {
            let cut = self.cut();
            let known = |id: &&PointId| self.dataset.documents.contains(id) || cut.contains_key(id);
            passages.iter().filter(|id| !known(id)).copied().collect()
        };
        if !unknown.is_empty() {
            let fetched = self.store.fetch(&unknown).await?;
            self.cut().extend(fetched.into_iter().map(|(id, passage)| (id, PointId::of(&passage.document_id))));
        }
        let cut = self.cut();
        Ok(passages.iter().map(|id| cut.get(id).copied().unwrap_or(*id)).collect())
    }

    /// The grades of what a question finds: of documents, each where its best passage stands.
    pub(super) async fn grades(&self, question: &JudgedQuestion, found: &[PointId]) -> Result<Vec<u32>, StoreError> {
        let mut seen: HashSet<PointId> = self.dataset.own(question).into_iter().collect();
        let documents = self.of(found).await?.into_iter().filter(|id| seen.insert(*id));
        Ok(documents.map(|id| question.grades.get(&id).copied().unwrap_or_default()).collect())
    }
}
