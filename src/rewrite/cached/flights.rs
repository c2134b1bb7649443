//! Calls under way: each is made once for all who want the same, runs in a task of its own, and is bounded once nobody
//! waits for it any more.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::Instrument as _;

use super::{Key, Reply, counters, crashed, given_up};
use crate::trace;

/// The calls under way. Clones share them.
#[derive(Clone)]
pub(super) struct Flights {
    shared: Arc<Shared>,
}

struct Shared {
    under_way: Mutex<UnderWay>,
    /// The places of those that nobody waits for.
    background: Arc<Semaphore>,
    /// Rings when a call has ended.
    landed: Notify,
}

#[derive(Default)]
struct UnderWay {
    flights: HashMap<Key, Flight>,
    /// How many there have been: the number of the next.
    begun: u64,
}

/// One call under way.
struct Flight {
    number: u64,
    waiting: usize,
    reply: watch::Receiver<Option<Reply>>,
    /// Set once the task runs.
    task: Option<AbortHandle>,
    /// Rings when nobody waits any more.
    left_alone: Arc<Notify>,
    /// The place that it takes while nobody waits for it.
    place: Option<OwnedSemaphorePermit>,
}

impl Flights {
    /// No calls yet, of which so many may go on without anybody waiting.
    pub(super) fn new(most_background: usize) -> Self {
        let background = Arc::new(Semaphore::new(most_background.min(Semaphore::MAX_PERMITS)));
        Self { shared: Arc::new(Shared { under_way: Mutex::default(), background, landed: Notify::new() }) }
    }

    /// Waits for the call with this key, which is begun if it is not under way. When the last who waits goes away, the
    /// call may go on until it has taken `background` since its start.
    pub(super) async fn board(
        &self,
        key: Key,
        background: Duration,
        ask: impl Future<Output = Reply> + Send + 'static,
    ) -> Reply {
        let mut waiting = self.join(key, background, ask);
        let reply = waiting.reply.wait_for(Option::is_some).await.map(|reply| (*reply).clone());
        reply.ok().flatten().unwrap_or_else(|| Err(given_up()))
    }

    fn join(&self, key: Key, background: Duration, ask: impl Future<Output = Reply> + Send + 'static) -> Waiting {
        let mut under_way = self.shared.lock();
        if let Some(flight) = under_way.flights.get_mut(&key) {
            counters::looked_up("joined");
            flight.waiting += 1;
            flight.place = None;
            let (number, reply) = (flight.number, flight.reply.clone());
            return Waiting { shared: Arc::clone(&self.shared), key, number, background, reply };
        }
        counters::looked_up("miss");
        let number = under_way.begun;
        under_way.begun += 1;
        let (sender, reply) = watch::channel(None);
        let left_alone = Arc::new(Notify::new());
        let alone = Arc::clone(&left_alone);
        let flight = Flight { number, waiting: 1, reply: reply.clone(), task: None, left_alone, place: None };
        under_way.flights.insert(key, flight);
        // A runtime that is shutting down drops the task at once, and its landing takes the lock.
        drop(under_way);
        let landing = Landing { shared: Arc::clone(&self.shared), key, number };
        // In the trace and the span of the first who asks.
        let mut flight = Box::pin(trace::carried(fly(landing, ask, background, alone, sender)).in_current_span());
        // Begun here: the runtime may come to it only after the cores are busy with the question's embedding.
        if flight.as_mut().now_or_never().is_some() {
            return Waiting { shared: Arc::clone(&self.shared), key, number, background, reply };
        }
        let task = tokio::spawn(flight).abort_handle();
        if let Some(flight) = self.shared.lock().flights.get_mut(&key).filter(|flight| flight.number == number) {
            flight.task = Some(task);
        }
        Waiting { shared: Arc::clone(&self.shared), key, number, background, reply }
    }

    /// Waits until no call is under way, at most this long; gives up the rest and returns how many those are. From now
    /// on no call goes on without anybody waiting.
    pub(super) async fn drain(&self, timeout: Duration) -> usize {
        self.shared.background.close();
        let end = Instant::now() + timeout;
        loop {
            let landed = self.shared.landed.notified();
            if self.shared.lock().flights.is_empty() {
                return 0;
            }
            if timeout_at(end, landed).await.is_err() {
                break;
            }
        }
        let left: Vec<Flight> = self.shared.lock().flights.drain().map(|(_, flight)| flight).collect();
        left.iter().filter_map(|flight| flight.task.as_ref()).for_each(AbortHandle::abort);
        left.len()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Takes a call out, if it is still the one with this number.
    fn remove(&mut self, key: &Key, number: u64) -> Option<Flight> {
        let same = self.flights.get(key).is_some_and(|flight| flight.number == number);
        same.then(|| self.flights.remove(key)).flatten()
    }

    fn tell_background(&self) {
        counters::in_background(self.flights.values().filter(|flight| flight.waiting == 0).count());
    }
}

/// Makes the call, and tells all who wait.
async fn fly(
    landing: Landing,
    ask: impl Future<Output = Reply>,
    background: Duration,
    left_alone: Arc<Notify>,
    reply: watch::Sender<Option<Reply>>,
) {
    let overdue = async {
        sleep_until(Instant::now() + background).await;
        loop {
            let left = left_alone.notified();
            if landing.is_left_alone() {
                return;
            }
            left.await;
        }
    };
    let said = tokio::select! {
        biased;
        said = guarded(ask) => said,
        () = overdue => Err(given_up()),
    };
    let result = match &said {
        Ok(_) => "filled",
        Err(error) if error.word() == given_up().word() => "given_up",
        Err(_) => "failed",
    };
    // Nobody is left to hear it if it was in the background.
    let _ = reply.send(Some(said));
    landing.land(result);
}

/// Turns a panic into an error, so that nobody waits for ever.
pub(super) async fn guarded(ask: impl Future<Output = Reply>) -> Reply {
    AssertUnwindSafe(ask).catch_unwind().await.unwrap_or_else(|_| Err(crashed()))
}

/// Takes a call off the list when it ends, also when it is aborted.
struct Landing {
    shared: Arc<Shared>,
    key: Key,
    number: u64,
}

impl Landing {
    fn is_left_alone(&self) -> bool {
        self.shared.lock().flights.get(&self.key).is_none_or(|flight| flight.waiting == 0)
    }

    fn land(self, result: &'static str) {
        if self.is_left_alone() {
            counters::ended_in_background(result);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut under_way = self.shared.lock();
        under_way.remove(&self.key, self.number);
        under_way.tell_background();
        drop(under_way);
        self.shared.landed.notify_waiters();
    }
}

/// Somebody who waits for a call.
struct Waiting {
    shared: Arc<Shared>,
    key: Key,
    number: u64,
    background: Duration,
    reply: watch::Receiver<Option<Reply>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut under_way = self.shared.lock();
        let Some(flight) = under_way.flights.get_mut(&self.key).filter(|flight| flight.number == self.number) else {
            return;
        };
        flight.waiting -= 1;
        // With a reply it is about to land.
        if flight.waiting > 0 || flight.reply.borrow().is_some() {
            return;
        }
        if !self.background.is_zero()
            && let Ok(place) = Arc::clone(&self.shared.background).try_acquire_owned()
        {
            flight.place = Some(place);
            flight.left_alone.notify_one();
            under_way.tell_background();
            return;
        }
        let flight = under_way.remove(&self.key, self.number);
        drop(under_way);
        if let Some(task) = flight.and_then(|flight| flight.task) {
            counters::ended_in_background("given_up");
            task.abort();
        }
    }
}
