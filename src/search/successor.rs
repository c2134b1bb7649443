//! A new collection that is filled while the old one answers, and takes its place in one step.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{StoreError, VectorStoreWriter};

/// A collection that is to succeed another: what is written to it nobody finds, until it takes over. Dropped before, it
/// stays where it is, and the next one of the same passage side goes on with it.
///
/// ```
/// # use asktwice::{VectorStore, VectorStoreWriter, embed::Identity, search::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), asktwice::StoreError> {
/// let store = MemoryStore::new();
/// let successor = store.successor(&Identity::new("a new model", "its weights", 2)).await?;
/// let passage = asktwice::Passage::new("late", "late orders");
/// successor.store().upsert(vec![(passage, vec![0.6, 0.8].into())]).await?;
/// assert!(store.info().await?.is_none());
/// successor.take_over().await?;
/// assert_eq!(store.info().await?.unwrap().passages, 1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Successor {
    store: Arc<dyn VectorStoreWriter>,
    step: Box<dyn TakeOver>,
}

impl Successor {
    /// A successor that is filled through `store` and takes over by `step`.
    pub fn new(store: Arc<dyn VectorStoreWriter>, step: impl TakeOver + 'static) -> Self {
        Self { store, step: Box::new(step) }
    }

    /// What it is filled through.
    #[must_use]
    pub fn store(&self) -> Arc<dyn VectorStoreWriter> {
        Arc::clone(&self.store)
    }

    /// Puts it in the place of the collection that it succeeds: every search finds the old one or the new one, whole.
    /// The old one is deleted.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot do so; searches then go on finding the old one.
    pub async fn take_over(self) -> Result<Succession, StoreError> {
        let Self { store, step } = self;
        // Closed before it moves, where there is something to close.
        drop(store);
        step.take_over().await
    }
}

/// The step by which a [`Successor`] takes the place of what it succeeds.
#[async_trait]
pub trait TakeOver: Debug + Send + Sync {
    /// Does it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot do so; searches then go on finding the old collection.
    async fn take_over(self: Box<Self>) -> Result<Succession, StoreError>;
}

/// How far a take-over came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Succession {
    /// Searches find the new collection.
    Done,
    /// The new collection is whole, and another process has the old one open. That process takes over when it is asked
    /// the next time, or, if its model is another than that of the new collection, when it is started the next time.
    Pending,
}
