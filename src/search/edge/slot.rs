//! Where searches find the open collection, and where a compaction puts a new generation while they run.

use std::{
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::Duration,
};

use super::generation::Generation;
use crate::embed::Identity;

/// The open collection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) identity: Identity,
    pub(super) generation: Generation,
}

/// Where searches find the open collection, if there is one.
#[derive(Debug, Default)]
pub(super) struct Slot(RwLock<Option<Arc<Live>>>);

impl Slot {
    /// The open collection as it is now.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another in its place; the old one must be retired.
    pub(super) fn replace(&self, live: Option<Live>) -> Option<Arc<Live>> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), live.map(Arc::new))
    }
}

/// Closes a generation once the searches that began before its end are done with it: it closes with a flush, and that
/// must happen on this thread.
pub(super) fn retire(mut live: Arc<Live>) {
    while let Err(still_searched) = Arc::try_unwrap(live).map(drop) {
        live = still_searched;
        thread::sleep(Duration::from_millis(1));
    }
}
