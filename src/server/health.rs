//! Whether the process lives, and whether it is ready. Only what a question needs counts: the model has embedded a
//! text, the stores have answered lately, and the end has not been asked for. The language model does not matter.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::sidecar::Sidecar;
use crate::{embed::Role, retrieval::Report};

/// How often the parts are looked after.
const EVERY: Duration = Duration::from_secs(5);
/// How often, as long as they are not all well.
const EVERY_WHEN_ILL: Duration = Duration::from_millis(500);
/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How old an answer of a store may be.
const LATELY: Duration = Duration::from_secs(15);

/// What is known of the parts. Settings that are read again do not reset it.
#[derive(Debug, Default)]
pub(super) struct Health {
    draining: AtomicBool,
    embedded: AtomicBool,
    answered: Mutex<BTreeMap<String, Instant>>,
}

/// What is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct State {
    pub(super) ready: bool,
    draining: bool,
    embedder: bool,
    /// Whether each store has answered lately, by its collection.
    stores: BTreeMap<String, bool>,
}

impl Health {
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The state of a sidecar.
    pub(super) fn state(&self, sidecar: &Sidecar) -> State {
        let (draining, embedder) = (self.is_draining(), self.embedded.load(Ordering::Acquire));
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |name: &String| answered.get(name).is_some_and(|at| at.elapsed() <= LATELY);
        let stores: BTreeMap<_, _> = sidecar.collections.keys().map(|name| (name.clone(), lately(name))).collect();
        let ready = !draining && embedder && stores.values().all(|well| *well);
        State { ready, draining, embedder, stores }
    }

    /// Looks after the parts once.
    async fn look(&self, sidecar: &Sidecar) {
        if !self.embedded.load(Ordering::Acquire) {
            let embed = sidecar.embedder.embed(Role::Query, vec!["Is anybody there?".to_owned()]);
            match timeout(PATIENCE, embed).await {
                Ok(Ok(_)) => self.embedded.store(true, Ordering::Release),
                Ok(Err(error)) => tracing::warn!(problem = %Report(&error), "the model does not embed"),
                Err(_) => tracing::warn!("the model takes longer than {PATIENCE:?} for a text"),
            }
        }
        let stores = sidecar.collections.values().map(|collection| async {
            // One that is not there yet answers too.
            match timeout(PATIENCE, collection.store.info()).await {
                Ok(Ok(_)) => self.note_answer(&collection.name),
                Ok(Err(error)) => {
                    tracing::warn!(collection = collection.name, problem = %Report(&error), "the store failed");
                }
                Err(_) => tracing::warn!(collection = collection.name, "the store did not answer in {PATIENCE:?}"),
            }
        });
        futures::future::join_all(stores).await;
    }

    fn note_answer(&self, collection: &str) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(collection.to_owned(), Instant::now());
    }
}

/// Looks after the parts of whatever sidecar is current, for ever.
pub(super) async fn watch(current: impl Fn() -> std::sync::Arc<Sidecar>) {
    loop {
        let sidecar = current();
        sidecar.health.look(&sidecar).await;
        let ready = sidecar.health.state(&sidecar).ready;
        drop(sidecar);
        sleep(if ready { EVERY } else { EVERY_WHEN_ILL }).await;
    }
}
