//! When an endpoint is left alone: because it asked for it, or because it failed too often. A pure state machine: it
//! is told what time it is and what happened, and never looks or waits.
//!
//! Closed: every call goes through. After so many failures in a row, or when most calls of late failed, it opens: no
//! call goes through for a while. Then one call may try (half open). If it works, the circuit closes; if not, it opens
//! for twice as long.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// When an endpoint is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// How many failures in a row open the circuit.
    pub failures: u32,
    /// The window in which the share of failures is looked at.
    pub window: Duration,
    /// How many calls there have to be in the window before their share counts.
    pub window_calls: usize,
    /// For how long the circuit opens the first time; each time that it opens again at once, twice as long.
    pub first_pause: Duration,
    /// The longest pause, also of one that the endpoint asks for.
    pub longest_pause: Duration,
}

impl Default for BreakerOptions {
    /// 5 in a row, or fewer than half of at least 20 within 10 s working; from 1 s up to 30 s.
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(10),
            window_calls: 20,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// The longest pause that an endpoint is granted when it asks for one.
const LONGEST_WANTED_PAUSE: Duration = Duration::from_mins(1);
/// Each pause is this much longer or shorter at most, so that many programs do not come back at once.
const JITTER: f64 = 0.2;

/// Why a call may not go through, and for how much longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The endpoint asked to be left alone.
    Paused(Duration),
    /// It failed too often.
    Open(Duration),
}

/// The state of one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    options: BreakerOptions,
    state: State,
    /// Until when the endpoint wants to be left alone.
    paused: Option<Instant>,
    in_a_row: u32,
    /// When each call of late ended, and whether it failed.
    recent: VecDeque<(Instant, bool)>,
    /// How often it has opened since it last closed.
    openings: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One call tries.
    HalfOpen,
}

impl Breaker {
    pub(super) fn new(options: BreakerOptions) -> Self {
        let recent = VecDeque::new();
        Self { options, state: State::Closed, paused: None, in_a_row: 0, recent, openings: 0 }
    }

    /// Whether a call may go through now. Each admitted call is to be told of by [`succeeded`](Self::succeeded),
    /// [`failed`](Self::failed) or [`abandoned`](Self::abandoned).
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Refusal> {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Err(Refusal::Paused(until - now));
        }
        self.paused = None;
        match self.state {
            State::Closed => Ok(()),
            State::Open { until } if until > now => Err(Refusal::Open(until - now)),
            State::Open { .. } => {
                self.state = State::HalfOpen;
                Ok(())
            }
            // How long the other call takes is not known; it is soon over.
            State::HalfOpen => Err(Refusal::Open(Duration::ZERO)),
        }
    }

    /// An admitted call worked.
    pub(super) fn succeeded(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            *self = Self { paused: self.paused, ..Self::new(self.options) };
        }
        self.in_a_row = 0;
        self.note(now, false);
    }

    /// An admitted call failed. `random`, from 0 to 1, spreads the pauses of many programs.
    pub(super) fn failed(&mut self, now: Instant, random: f64) {
        self.in_a_row += 1;
        self.note(now, true);
        let failures = self.recent.iter().filter(|(_, failed)| *failed).count();
        let mostly = self.recent.len() >= self.options.window_calls && failures * 2 > self.recent.len();
        let opens = match self.state {
            State::HalfOpen => true,
            State::Closed => self.in_a_row >= self.options.failures || mostly,
            State::Open { .. } => false,
        };
        if opens {
            let doubled = self.options.first_pause.saturating_mul(1 << self.openings.min(16));
            let spread = 1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0);
            let pause = doubled.min(self.options.longest_pause).mul_f64(spread);
            self.openings += 1;
            self.recent.clear();
            self.state = State::Open { until: now + pause };
        }
    }

    /// An admitted call was given up before it could show anything.
    pub(super) fn abandoned(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open { until: now };
        }
    }

    /// The endpoint asks to be left alone.
    pub(super) fn pause(&mut self, now: Instant, wanted: Duration) {
        let until = now + wanted.min(LONGEST_WANTED_PAUSE);
        self.paused = Some(self.paused.map_or(until, |paused| paused.max(until)));
    }

    /// 0 while closed, 1 while half open, 2 while open, for the metrics.
    pub(super) fn level(&self) -> f64 {
        match self.state {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            State::Open { .. } => 2.0,
        }
    }

    fn note(&mut self, now: Instant, failed: bool) {
        /// So many calls in a window say as much as more would.
        const MOST: usize = 1_000;
        self.recent.push_back((now, failed));
        while self.recent.len() > MOST
            || self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > self.options.window)
        {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: f64 = 0.5;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn failing(breaker: &mut Breaker, now: Instant, times: usize) {
        for _ in 0..times {
            breaker.admit(now).unwrap();
            breaker.failed(now, MIDDLE);
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_working_call_closes_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerOptions::default());
        failing(&mut breaker, now, 4);
        breaker.admit(now).unwrap();
        breaker.succeeded(now);
        failing(&mut breaker, now, 5);
        assert_eq!(breaker.admit(now), Err(Refusal::Open(second(1))));
        assert_eq!(breaker.level(), 2.0);
        let later = now + second(1);
        breaker.admit(later).unwrap();
        assert_eq!(
            (breaker.level(), breaker.admit(later)),
            (1.0, Err(Refusal::Open(Duration::ZERO))),
            "one call tries"
        );
        breaker.succeeded(later);
        assert_eq!(breaker.level(), 0.0);
        failing(&mut breaker, later, 5);
        assert_eq!(breaker.admit(later), Err(Refusal::Open(second(1))), "it starts over");
    }

    #[test]
    fn each_failed_try_doubles_the_pause_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(BreakerOptions::default());
        failing(&mut breaker, now, 5);
        for pause in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(breaker.admit(now), Err(Refusal::Open(second(pause))));
            now += second(pause);
            failing(&mut breaker, now, 1);
        }
    }

    #[test]
    fn a_try_that_shows_nothing_makes_room_for_another() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerOptions::default());
        failing(&mut breaker, now, 5);
        let later = now + second(2);
        breaker.admit(later).unwrap();
        breaker.abandoned(later);
        breaker.admit(later).unwrap();
        breaker.abandoned(now);
    }

    #[test]
    fn mostly_failing_opens_it_but_only_within_the_window() {
        let now = Instant::now();
        let closed_after = |spread: Duration| {
            let mut breaker = Breaker::new(BreakerOptions::default());
            for n in 0..21_u32 {
                let now = now + spread * n;
                if breaker.admit(now).is_err() {
                    return false;
                }
                // Two of three fail, never five in a row.
                if n % 3 == 0 { breaker.succeeded(now) } else { breaker.failed(now, MIDDLE) }
            }
            breaker.level() == 0.0
        };
        assert!(!closed_after(Duration::from_millis(10)));
        assert!(closed_after(second(1)), "older calls do not count");
    }

    #[test]
    fn a_wanted_pause_is_kept_to_a_minute_and_no_shorter_one_ends_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerOptions::default());
        breaker.pause(now, Duration::MAX);
        breaker.pause(now, second(1));
        assert_eq!(breaker.admit(now), Err(Refusal::Paused(second(60))));
        assert_eq!(breaker.admit(now + second(60)), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens, one call at most tries an open circuit, and it is never closed to calls for longer than
        /// the longest pause.
        #[test]
        fn it_always_opens_again(events in prop::collection::vec((0_u8..4, 0_u64..40, 0.0..1.0_f64), 0..200)) {
            let mut now = Instant::now();
            let options = BreakerOptions::default();
            let mut breaker = Breaker::new(options);
            let mut under_way = 0_u32;
            for (what, wait, random) in events {
                now += second(wait);
                match what {
                    0 => {
                        let half_open = breaker.level() == 1.0;
                        if breaker.admit(now).is_ok() {
                            prop_assert!(!half_open);
                            under_way += 1;
                        }
                    }
                    _ if under_way == 0 => {}
                    1 => { breaker.succeeded(now); under_way -= 1; }
                    2 => { breaker.failed(now, random); under_way -= 1; }
                    _ => { breaker.abandoned(now); under_way -= 1; }
                }
            }
            if under_way == 0 {
                now += options.longest_pause.mul_f64(1.0 + JITTER);
                prop_assert!(breaker.admit(now).is_ok());
            }
        }
    }
}
