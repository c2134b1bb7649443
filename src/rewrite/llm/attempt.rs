//! One call under way, as the breaker sees it.

use std::time::Duration;

use tokio::time::Instant;

use super::{LlmEndpoint, LlmError, breaker::Breaker};

/// An admitted call under way: it tells the breaker how it ended, also if it is given up.
pub(super) struct Attempt<'a> {
    endpoint: &'a LlmEndpoint,
    started: Instant,
    /// After this long a call that has not ended counts as failed; one that is given up earlier shows nothing.
    patience: Duration,
    settled: bool,
}

impl<'a> Attempt<'a> {
    /// A call that starts now.
    pub(super) fn new(endpoint: &'a LlmEndpoint, patience: Duration) -> Self {
        Self { endpoint, started: Instant::now(), patience, settled: false }
    }

    /// Notes how it ended.
    pub(super) fn settle<T>(mut self, result: &Result<T, LlmError>) -> Duration {
        self.settled = true;
        let took = self.started.elapsed();
        match result {
            Err(LlmError::Timeout { .. }) => self.give_up(),
            Err(error) if error.is_endpoints_fault() => {
                self.endpoint.with_breaker(|breaker, now| breaker.failed(now, random()));
            }
            _ => self.endpoint.with_breaker(Breaker::succeeded),
        }
        took
    }

    fn give_up(&self) {
        // A caller's clock may run out a little before ours.
        let waited = self.started.elapsed() >= self.patience.mul_f64(0.9);
        self.endpoint.with_breaker(
            |breaker, now| {
                if waited { breaker.failed(now, random()) } else { breaker.abandoned(now) }
            },
        );
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.give_up();
        }
    }
}

/// A number from 0 to 1 that nobody can foresee.
fn random() -> f64 {
    let [a, b, c, d, ..] = *uuid::Uuid::new_v4().as_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_given_up_early_show_nothing_and_late_ones_fail() {
        let endpoint = LlmEndpoint::new("http://localhost", "m").unwrap();
        let give_up_after = async |wait: u64| {
            endpoint.admit().unwrap();
            let attempt = Attempt::new(&endpoint, Duration::from_secs(10));
            tokio::time::sleep(Duration::from_secs(wait)).await;
            drop(attempt);
        };
        for _ in 0..20 {
            give_up_after(5).await;
        }
        for _ in 0..5 {
            give_up_after(10).await;
        }
        assert!(matches!(endpoint.admit(), Err(LlmError::CircuitOpen { .. })));
    }
}
