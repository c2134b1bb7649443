//! What the sidecar serves: the collections, who may ask for them, and what is borne.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    gate::Gate,
    guard::Guard,
    health::Health,
    problem::Problem,
    settings::ServerSettings,
    tenant::{Tenant, Tenants},
};
use crate::{
    embed::{Embedder, SparseEncoder},
    error::Error,
    index::Indexer,
    options::RetrieveOptions,
    retriever::Retriever,
    search::VectorStoreWriter,
};

/// Renders what was measured, for `/metrics`.
type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that requests are answered from. It does not change while it serves; new settings make a new one.
pub struct Sidecar {
    pub(super) settings: ServerSettings,
    pub(super) embedder: Arc<dyn Embedder>,
    sparse: Option<Arc<dyn SparseEncoder>>,
    pub(super) collections: BTreeMap<String, Arc<Collection>>,
    pub(super) defaults: RetrieveOptions,
    pub(super) shown: Value,
    pub(super) tenants: Tenants,
    pub(super) guard: Guard,
    pub(super) gate: Gate,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Option<Metrics>,
}

/// A collection on offer.
#[derive(Debug)]
pub(super) struct Collection {
    /// The name that callers use.
    pub(super) name: String,
    pub(super) retriever: Retriever,
    pub(super) store: Arc<dyn VectorStoreWriter>,
}

impl std::fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sidecar").field("settings", &self.settings).field("collections", &self.collections).finish()
    }
}

impl Sidecar {
    /// A sidecar without collections. Reads the tenants' keys.
    ///
    /// # Errors
    /// [`Error::Settings`] names the setting that contradicts itself, is careless, or whose file cannot be read.
    pub fn new(settings: ServerSettings, embedder: Arc<dyn Embedder>) -> Result<Self, Error> {
        settings.check()?;
        Ok(Self {
            tenants: Tenants::read(&settings)?,
            guard: Guard::new(&settings),
            gate: Gate::new(&settings.limits),
            settings,
            embedder,
            sparse: None,
            collections: BTreeMap::new(),
            defaults: RetrieveOptions::default(),
            shown: Value::Null,
            health: Arc::default(),
            metrics: None,
        })
    }

    /// Waits for the rewrites that run in the background of any collection; returns how many were given up.
    pub(super) async fn drain_rewrites(&self, timeout: Duration) -> usize {
        let drains = self.collections.values().map(|collection| collection.retriever.drain(timeout));
        futures::future::join_all(drains).await.into_iter().sum()
    }

    /// Adds a collection under the name that callers use. The store is the one that the retriever searches.
    #[must_use]
    pub fn with_collection(
        mut self,
        name: impl Into<String>,
        retriever: Retriever,
        store: Arc<dyn VectorStoreWriter>,
    ) -> Self {
        let name = name.into();
        let collection = Collection { name: name.clone(), retriever, store };
        self.collections.insert(name, Arc::new(collection));
        self
    }

    /// Sets what makes the lexical vectors of passages that are written.
    #[must_use]
    pub fn with_sparse_encoder(mut self, encoder: impl SparseEncoder + 'static) -> Self {
        self.sparse = Some(Arc::new(encoder));
        self
    }

    /// Sets what a request gets that chooses nothing.
    #[must_use]
    pub fn with_defaults(mut self, defaults: RetrieveOptions) -> Self {
        self.defaults = defaults;
        self
    }

    /// Sets which settings callers may read. Any caller reads them: they must hold no secret and no address.
    #[must_use]
    pub fn with_shown_settings(mut self, shown: Value) -> Self {
        self.shown = shown;
        self
    }

    /// Sets who renders what was measured; without it there is no `/metrics`.
    #[must_use]
    pub fn with_metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(render));
        self
    }

    /// What writes passages into a collection.
    pub(super) fn indexer(&self, collection: &Collection) -> Indexer {
        let indexer = Indexer::new(self.embedder.clone(), collection.store.clone());
        match &self.sparse {
            Some(encoder) => indexer.with_sparse_encoder(encoder.clone()),
            None => indexer,
        }
    }

    /// The collections that a tenant may see.
    pub(super) fn visible(&self, tenant: &Tenant) -> impl Iterator<Item = &Arc<Collection>> {
        self.collections.values().filter(|collection| tenant.may_see(&collection.name))
    }

    /// The collection that a request names; where there is only one, it need not. One that the tenant may not see is
    /// not told from one that is not there.
    pub(super) fn collection(&self, tenant: &Tenant, name: Option<&str>) -> Result<&Arc<Collection>, Problem> {
        let mut visible = self.visible(tenant);
        match name {
            Some(name) => {
                visible.find(|collection| collection.name == name).ok_or_else(|| Problem::no_collection(name))
            }
            None => match (visible.next(), visible.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(Problem::no_collection("")),
                _ => Err(Problem::field("collection", "there are several; name one")),
            },
        }
    }
}
