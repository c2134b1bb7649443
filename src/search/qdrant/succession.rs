//! A successor on a server: a collection of its own, called after the alias that it is to take over and a number, such as
//! `notes-000002`. One call lets the alias name it instead of the old one.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use qdrant_client::qdrant::{CreateAlias, DeleteCollection};

use super::{QdrantStore, connection::Budget, is_collection_name};
use crate::{
    embed::Identity,
    search::{StoreError, Succession, Successor, TakeOver, VectorStoreWriter},
};

impl QdrantStore {
    pub(super) async fn begin_successor(&self, identity: &Identity) -> Result<Successor, StoreError> {
        self.refuse_adopted()?;
        let budget = self.budget(Duration::MAX);
        let old = self.alias_target(budget).await?;
        if old.is_none() && self.exists(budget).await? {
            let name = &self.collection;
            return Err(self.connection.request(format!(
                "`{name}` is a collection, and a server can only switch an alias; rebuild into a new name, such as \
                 `{name}-live`, which then is an alias from its first day, and let whoever searches use that name"
            )));
        }
        let number = old.as_deref().and_then(|old| self.number(old)).unwrap_or(0) + 1;
        let name = format!("{}-{number:06}", self.collection);
        if !is_collection_name(&name) {
            return Err(self.connection.unusable("its name is too long to be continued by a number"));
        }
        let new = self.named(name);
        match new.prepare(identity).await {
            // Begun for a passage side, or a quantisation, that is not wanted any more.
            Err(StoreError::Identity { .. } | StoreError::Quantization { .. }) => {
                new.drop_collection(budget).await?;
                new.prepare(identity).await?;
            }
            other => other?,
        }
        let step = QdrantTakeOver { alias: self.clone(), new: new.clone(), old };
        Ok(Successor::new(Arc::new(new), step))
    }

    /// Another collection of the same server.
    fn named(&self, collection: String) -> Self {
        let mut connection = self.connection.clone();
        connection.place = connection.place_of(&collection);
        Self { connection, collection, channels: Arc::default(), ..self.clone() }
    }

    /// The number of a collection that was a successor for this alias.
    fn number(&self, collection: &str) -> Option<u64> {
        let number = collection.strip_prefix(&self.collection)?.strip_prefix('-')?;
        (number.len() >= 6).then(|| number.parse().ok())?
    }

    /// Which collection the alias names; `None` if there is no such alias.
    async fn alias_target(&self, budget: Budget) -> Result<Option<String>, StoreError> {
        let listed = self.connection.call(budget, |client| async move { client.list_aliases().await }).await?;
        let ours = listed.aliases.into_iter().find(|alias| alias.alias_name == self.collection);
        Ok(ours.map(|alias| alias.collection_name))
    }

    async fn exists(&self, budget: Budget) -> Result<bool, StoreError> {
        let name = self.collection.clone();
        self.connection.call(budget, |client| async move { client.collection_exists(name).await }).await
    }

    async fn drop_collection(&self, budget: Budget) -> Result<(), StoreError> {
        let request = DeleteCollection { collection_name: self.collection.clone(), timeout: Some(budget.seconds()) };
        self.connection.call(budget, |client| async move { client.delete_collection(request).await }).await.map(drop)
    }
}

#[derive(Debug)]
struct QdrantTakeOver {
    alias: QdrantStore,
    new: QdrantStore,
    old: Option<String>,
}

#[async_trait]
impl TakeOver for QdrantTakeOver {
    async fn take_over(self: Box<Self>) -> Result<Succession, StoreError> {
        let Self { alias, new, old } = *self;
        let budget = alias.budget(Duration::MAX);
        let now = alias.alias_target(budget).await?;
        if now != old && now.as_ref() != Some(&new.collection) {
            return Err(alias
                .connection
                .request("another rebuild has taken over meanwhile; give the same command again"));
        }
        // A server replaces the alias under one lock if it is there already.
        let request = CreateAlias { alias_name: alias.collection.clone(), collection_name: new.collection.clone() };
        let sent = alias.connection.call(budget, |client| async move { client.create_alias(request).await }).await;
        if let Err(error) = sent {
            // An answer that was lost is no failure of the switch.
            let target = alias.alias_target(alias.budget(Duration::MAX)).await;
            if !target.is_ok_and(|target| target.as_ref() == Some(&new.collection)) {
                return Err(error);
            }
        }
        *alias.channels.write().unwrap_or_else(PoisonError::into_inner) = None;
        // One that somebody else named is somebody else's to delete.
        if let Some(old) = old.filter(|old| alias.number(old).is_some())
            && let Err(error) = alias.named(old.clone()).drop_collection(alias.budget(Duration::MAX)).await
        {
            tracing::warn!(collection = old, %error, "the old collection could not be deleted; nothing searches it");
        }
        Ok(Succession::Done)
    }
}
