//! What one call may take: time, and one retry.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The time that a rewrite may take, and its one retry.
pub(super) struct Budget {
    pub(super) start: Instant,
    pub(super) end: Instant,
    retried: AtomicBool,
}

impl Budget {
    /// From now on, until somebody stops waiting if that is earlier.
    pub(super) fn new(timeout: Duration, deadline: Option<Instant>) -> Self {
        /// As good as for ever.
        const DAY: Duration = Duration::from_hours(24);
        let start = Instant::now();
        let end = start + timeout.min(DAY);
        let end = deadline.map_or(end, |deadline| deadline.clamp(start, end));
        Self { start, end, retried: AtomicBool::new(false) }
    }

    /// When half of it is over: what starts later would hardly end in time.
    pub(super) fn half(&self) -> Instant {
        self.start + (self.end - self.start) / 2
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Whether something may be tried once more: one thing, while half of the time is left. Turning to another endpoint
    /// is no retry.
    pub(super) fn grants_retry(&self) -> bool {
        Instant::now() < self.half() && !self.retried.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn budgets_end_with_whoever_waits() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        assert_eq!(Budget::new(second * 4, None).half(), start + second * 2);
        assert_eq!(Budget::new(second * 4, Some(start + second)).end, start + second);
        assert_eq!(Budget::new(second * 4, Some(start + second * 9)).end, start + second * 4);
        assert!(Budget::new(second, Some(start)).is_over());
        assert!(!Budget::new(Duration::MAX, None).is_over());
    }
}
