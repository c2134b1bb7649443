//! The open connections: how many there may be, and which one goes when there are too many. That is the one which has
//! waited longest for a request, so that silent connections, however many, keep nobody out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Since when it waits for a request; `None` while one is answered.
    idle: Option<Instant>,
    evicted: Arc<Notify>,
}

/// One open connection; it is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    connections: Arc<Connections>,
    number: u64,
    evicted: Arc<Notify>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// Takes a connection in, at the cost of an idle one if need be; `None` if all are busy.
    pub(super) fn open(self: &Arc<Self>) -> Option<Connection> {
        let evicted = Arc::new(Notify::new());
        let number = self.with(|open| {
            if open.by_number.len() >= self.most && !open.evict_longest_idle() {
                return None;
            }
            open.next += 1;
            let entry = Entry { idle: Some(Instant::now()), evicted: evicted.clone() };
            open.by_number.insert(open.next, entry);
            metrics::gauge!("asktwice_connections").increment(1.0);
            Some(open.next)
        })?;
        Some(Connection { connections: self.clone(), number, evicted })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> T) -> T {
        work(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    fn evict_longest_idle(&mut self) -> bool {
        let idle = self.by_number.iter().filter_map(|(number, entry)| Some((entry.idle?, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(entry) = self.by_number.remove(&number) {
            entry.evicted.notify_one();
            metrics::gauge!("asktwice_connections").decrement(1.0);
            metrics::counter!("asktwice_rejected_total", "reason" => "idle_connection").increment(1);
        }
        true
    }
}

impl Connection {
    /// Ends when the connection has to make room.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Notes that a request is answered now, until the result is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.note(None);
        Busy { connections: self.connections.clone(), number: self.number }
    }

    fn note(&self, idle: Option<Instant>) {
        note(&self.connections, self.number, idle);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let removed = self.connections.with(|open| open.by_number.remove(&self.number));
        if removed.is_some() {
            metrics::gauge!("asktwice_connections").decrement(1.0);
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        note(&self.connections, self.number, Some(Instant::now()));
    }
}

fn note(connections: &Connections, number: u64, idle: Option<Instant>) {
    connections.with(|open| {
        if let Some(entry) = open.by_number.get_mut(&number) {
            entry.idle = idle;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_goes_and_a_busy_one_stays() {
        let connections = Connections::new(3);
        let open = || connections.open();
        let first = open().unwrap();
        let second = open().unwrap();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let third = open().unwrap();
        let busy = first.busy();
        let fourth = open().unwrap();
        assert!(second.evicted().now_or_never().is_some() && first.evicted().now_or_never().is_none());
        let (_third, _fourth) = (third.busy(), fourth.busy());
        assert!(open().is_none());
        drop(busy);
        assert!(open().is_some() && first.evicted().now_or_never().is_some());
        drop((second, first));
    }
}
