//! How often something may happen: a bucket of tokens that fills by the minute.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// A bucket that holds a minute's worth of tokens and is full at first.
#[derive(Debug)]
pub(super) struct Bucket {
    per_minute: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Instant,
}

/// What was left after a token was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) per_minute: u32,
    /// How many more would have been given.
    pub(super) remaining: u32,
    /// When the bucket is full again.
    pub(super) full_in: Duration,
    /// `None` if a token was given; else how long until there is one.
    pub(super) wait: Option<Duration>,
}

impl Bucket {
    /// `None`, if the number is 0, stands for a bucket that never gets empty.
    pub(super) fn new(per_minute: u32) -> Option<Self> {
        let state = State { tokens: f64::from(per_minute), at: Instant::now() };
        (per_minute > 0).then(|| Self { per_minute, state: Mutex::new(state) })
    }

    /// Takes a token if there is one.
    pub(super) fn take(&self) -> Level {
        self.draw(1.0)
    }

    /// Looks, and takes none.
    pub(super) fn look(&self) -> Level {
        self.draw(0.0)
    }

    fn draw(&self, wanted: f64) -> Level {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, capacity) = (Instant::now(), f64::from(self.per_minute));
        let per_second = capacity / MINUTE.as_secs_f64();
        let filled = state.tokens + now.duration_since(state.at).as_secs_f64() * per_second;
        *state = State { tokens: filled.min(capacity), at: now };
        let given = state.tokens >= wanted;
        if given {
            state.tokens -= wanted;
        }
        let until = |tokens: f64| Duration::from_secs_f64((tokens - state.tokens).max(0.0) / per_second);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
        let remaining = state.tokens as u32;
        Level {
            per_minute: self.per_minute,
            remaining,
            full_in: until(capacity),
            wait: (!given).then(|| until(wanted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_a_minutes_worth_and_then_as_time_passes() {
        let bucket = Bucket::new(60).unwrap();
        let given = (0..100).filter(|_| bucket.take().wait.is_none()).count();
        assert_eq!(given, 60);
        let empty = bucket.take();
        assert_eq!((empty.remaining, empty.wait), (0, Some(Duration::from_secs(1))));
        assert_eq!((bucket.look().remaining, bucket.look().wait), (0, None));
        tokio::time::advance(Duration::from_secs(2)).await;
        let level = bucket.take();
        assert_eq!((level.remaining, level.wait, level.full_in), (1, None, Duration::from_secs(59)));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(bucket.take().remaining, 59);
        assert!(Bucket::new(0).is_none());
    }
}
