//! Sidecars that others took the place of: what they began is waited for before the server ends.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    Sidecar,
    accept::{Phase, reached},
};

/// How long a replaced sidecar may still rewrite; its rewrites have bounds of their own, which are far shorter.
const LONGEST: Duration = Duration::from_hours(1);

/// The sidecars that were replaced, each until the last of its rewrites has ended.
pub(super) struct Replaced {
    coming: mpsc::UnboundedReceiver<Arc<Sidecar>>,
    ending: JoinSet<usize>,
    phase: watch::Receiver<Phase>,
    /// How long the rewrites of one may take when the server ends.
    last: Duration,
}

impl Replaced {
    pub(super) fn new(
        coming: mpsc::UnboundedReceiver<Arc<Sidecar>>,
        phase: watch::Receiver<Phase>,
        last: Duration,
    ) -> Self {
        Self { coming, ending: JoinSet::new(), phase, last }
    }

    /// Waits for their rewrites, for ever.
    pub(super) async fn watch(&mut self) {
        loop {
            tokio::select! {
                Some(sidecar) = self.coming.recv() => self.end(sidecar),
                Some(_) = self.ending.join_next(), if !self.ending.is_empty() => {}
                else => std::future::pending().await,
            }
        }
    }

    /// Waits for those that are left, now that the server ends; returns how many rewrites were given up.
    pub(super) async fn drain(&mut self) -> usize {
        while let Ok(sidecar) = self.coming.try_recv() {
            self.end(sidecar);
        }
        let mut given_up = 0;
        while let Some(ended) = self.ending.join_next().await {
            given_up += ended.unwrap_or(0);
        }
        given_up
    }

    fn end(&mut self, sidecar: Arc<Sidecar>) {
        let (mut phase, last) = (self.phase.clone(), self.last);
        self.ending.spawn(async move {
            tokio::select! {
                given_up = sidecar.drain_rewrites(LONGEST) => given_up,
                () = reached(&mut phase, Phase::Over) => sidecar.drain_rewrites(last).await,
            }
        });
    }
}
