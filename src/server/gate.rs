//! How many requests are worked on at once: a bounded queue that says "not now" rather than growing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{problem::Problem, settings::Limits};

/// How long a caller should stay away who found the queue full.
const COME_BACK: Duration = Duration::from_millis(500);

/// The door to the work: so many inside, so many before it.
#[derive(Debug)]
pub(super) struct Gate {
    inside: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    longest_wait: Duration,
}

/// A place inside, until it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            inside: Arc::new(Semaphore::new(limits.concurrent.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most_waiting: limits.waiting,
            longest_wait: limits.wait(),
        }
    }

    /// Waits for a place, in the order of arrival. Dropping the future gives the place in the queue up.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<Place, Problem> {
        if let Ok(place) = self.inside.clone().try_acquire_owned() {
            return Ok(place);
        }
        let Some(_waiting) = Waiting::join(self) else {
            return Err(shed("queue_full", "more requests are waiting than the queue holds"));
        };
        let patience = Instant::now() + self.longest_wait;
        match timeout_at(patience.min(deadline), self.inside.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ if deadline <= patience => Err(Problem::deadline()),
            _ => Err(shed("queue_wait", "there was no place for it in time")),
        }
    }
}

fn shed(reason: &'static str, detail: &str) -> Problem {
    metrics::counter!("asktwice_rejected_total", "reason" => reason).increment(1);
    Problem::overloaded(detail).retry_after(COME_BACK)
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(gate: &'a Gate) -> Option<Self> {
        let join = |waiting| (waiting < gate.most_waiting).then_some(waiting + 1);
        gate.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, join).ok()?;
        Some(Self(&gate.waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(concurrent: usize, waiting: usize) -> Gate {
        let mut limits = Limits::default();
        (limits.concurrent, limits.waiting) = (concurrent, waiting);
        Gate::new(&limits)
    }

    fn in_ms(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once_and_a_long_wait_in_time() {
        let gate = gate(1, 1);
        let inside = gate.enter(in_ms(9_000)).await.unwrap();
        let start = Instant::now();
        let (first, second) = tokio::join!(gate.enter(in_ms(9_000)), gate.enter(in_ms(9_000)));
        assert_eq!(second.unwrap_err().status.as_u16(), 503);
        assert_eq!(first.unwrap_err().status.as_u16(), 503);
        assert_eq!(start.elapsed(), Limits::default().wait());
        let late = gate.enter(in_ms(50)).await.unwrap_err();
        assert_eq!(late.status.as_u16(), 504);
        drop(inside);
        assert!(gate.enter(in_ms(50)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_makes_room() {
        let gate = gate(1, 1);
        let inside = gate.enter(in_ms(9_000)).await.unwrap();
        for _ in 0..100 {
            let gone = tokio::time::timeout(Duration::from_millis(1), gate.enter(in_ms(9_000))).await;
            assert!(gone.is_err());
        }
        let (next, ()) = tokio::join!(gate.enter(in_ms(9_000)), async { drop(inside) });
        assert!(next.is_ok());
    }
}
