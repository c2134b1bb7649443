//! Writing: only into collections of our own making, and acknowledged only when the server has stored it.

use std::time::Duration;

use async_trait::async_trait;
use qdrant_client::qdrant::{
    CreateCollection, CreateFieldIndexCollection, DeletePoints, FieldType, PointsIdsList, PointsSelector, UpsertPoints,
    points_selector::PointsSelectorOneOf,
};

use super::{QdrantStore, batch, connection::Budget, convert, describe};
use crate::{
    embed::Identity,
    ranking::{Passage, PointId},
    search::{
        Channels, Filter, PayloadKind, StoreError, Successor, VectorStoreWriter, Vectors, check_quantization,
        check_writer, layout,
    },
};

/// How many ids one deletion names.
const DELETED_AT_ONCE: usize = 10_000;

impl QdrantStore {
    /// What this collection takes, if it may be written: it is there and of our own making.
    async fn check_writable(&self) -> Result<Channels, StoreError> {
        self.refuse_adopted()?;
        self.channels(self.budget(Duration::MAX)).await
    }

    pub(super) fn refuse_adopted(&self) -> Result<(), StoreError> {
        if self.adopted.is_none() {
            return Ok(());
        }
        Err(self.connection.request("an adopted collection is only read; index into a collection of asktwice's own"))
    }

    async fn create(&self, identity: &Identity, budget: Budget) -> Result<(), StoreError> {
        let (vectors, sparse) = describe::vectors(identity.dimension, self.quantization);
        let request = CreateCollection {
            collection_name: self.collection.clone(),
            vectors_config: Some(vectors),
            sparse_vectors_config: Some(sparse),
            metadata: describe::metadata(identity),
            timeout: Some(budget.seconds()),
            ..CreateCollection::default()
        };
        self.connection.call(budget, |client| async move { client.create_collection(request).await }).await.map(drop)
    }

    async fn delete_selected(&self, which: PointsSelectorOneOf) -> Result<(), StoreError> {
        let budget = self.budget(Duration::MAX);
        let request = DeletePoints {
            collection_name: self.collection.clone(),
            wait: Some(true),
            points: Some(PointsSelector { points_selector_one_of: Some(which) }),
            timeout: Some(budget.seconds()),
            ..DeletePoints::default()
        };
        self.connection.call(budget, |client| async move { client.delete_points(request).await }).await.map(drop)
    }
}

#[async_trait]
impl VectorStoreWriter for QdrantStore {
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError> {
        self.refuse_adopted()?;
        let budget = self.budget(Duration::MAX);
        let mut created = Ok(());
        let mut info = self.describe(budget).await?;
        if info.is_none() {
            // Another process may create it at the same moment, and the client may send a call twice: what counts is
            // what is there afterwards. A server that forgets metadata shows here too.
            created = self.create(identity, budget).await;
            info = self.describe(budget).await?;
        }
        let Some(info) = info else {
            return created.and_then(|()| Err(self.connection.garbled("no collection after creating it")));
        };
        self.learn(&info);
        let place = &self.connection.place;
        info.identity.as_ref().map_or(Ok(()), |stored| check_writer(stored, identity, place))?;
        check_quantization(info.quantization, self.quantization, place)?;
        // A strict server, such as Qdrant Cloud's, filters on indexed fields only, and documents are deleted by theirs.
        self.index_payload(layout::DOCUMENT_ID, PayloadKind::Keyword).await
    }

    async fn upsert(&self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        let (channels, place) = (self.check_writable().await?, &self.connection.place);
        for (passage, vectors) in &passages {
            channels.check_written(passage, vectors, place)?;
        }
        for points in batch::of(passages, &self.connection)? {
            // Each message has a budget of its own: together they may take as long as there are passages.
            let budget = self.budget(Duration::MAX);
            let request = UpsertPoints {
                collection_name: self.collection.clone(),
                wait: Some(true),
                points,
                timeout: Some(budget.seconds()),
                ..UpsertPoints::default()
            };
            let sent = self.connection.call(budget, |client| async move { client.upsert_points(request).await }).await;
            if let Err(error) = sent {
                let check = |now: Channels| now.check_dimension(channels.dimension, place);
                return Err(self.explain(error, budget, check).await);
            }
        }
        Ok(())
    }

    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        self.check_writable().await?;
        for ids in ids.chunks(DELETED_AT_ONCE) {
            let ids = ids.iter().map(|id| convert::to_id(*id)).collect();
            self.delete_selected(PointsSelectorOneOf::Points(PointsIdsList { ids })).await?;
        }
        Ok(())
    }

    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        let filter = self.convert(filter)?;
        self.check_writable().await?;
        self.delete_selected(PointsSelectorOneOf::Filter(filter)).await
    }

    async fn index_payload(&self, key: &str, kind: PayloadKind) -> Result<(), StoreError> {
        self.check_writable().await?;
        let kind = match kind {
            PayloadKind::Keyword => FieldType::Keyword,
            PayloadKind::Integer => FieldType::Integer,
            PayloadKind::Float => FieldType::Float,
            PayloadKind::Bool => FieldType::Bool,
            PayloadKind::Datetime => FieldType::Datetime,
            PayloadKind::Text => FieldType::Text,
        };
        let budget = self.budget(Duration::MAX);
        let request = CreateFieldIndexCollection {
            collection_name: self.collection.clone(),
            wait: Some(true),
            field_name: key.to_owned(),
            field_type: Some(kind.into()),
            timeout: Some(budget.seconds()),
            ..CreateFieldIndexCollection::default()
        };
        self.connection.call(budget, |client| async move { client.create_field_index(request).await }).await.map(drop)
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        // A server optimises by itself, in the background and to its own settings, and has no call to hurry it.
        Ok(())
    }

    async fn successor(&self, identity: &Identity) -> Result<Successor, StoreError> {
        self.begin_successor(identity).await
    }
}
