//! How long each step took lately.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::retrieval::Step;

/// How many of the latest runs of a step are remembered.
const REMEMBERED: usize = 64;

/// The latest durations of each step.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Step, Latest>>);

#[derive(Debug, Default)]
struct Latest {
    took: Vec<Duration>,
    /// Where the next one goes, once as many as are remembered are there.
    next: usize,
}

impl Pace {
    /// Notes a run that ended with a result.
    pub(super) fn note(&self, step: Step, took: Duration) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = steps.entry(step).or_default();
        if latest.took.len() < REMEMBERED {
            latest.took.push(took);
        } else {
            latest.took[latest.next] = took;
            latest.next = (latest.next + 1) % REMEMBERED;
        }
    }

    /// The 95th percentile of the latest runs; zero if the step never ran.
    pub(super) fn p95(&self, step: Step) -> Duration {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = steps.get(&step) else { return Duration::ZERO };
        let mut took = latest.took.clone();
        drop(steps);
        let rank = (took.len() * 95).div_ceil(100).saturating_sub(1);
        if took.is_empty() { Duration::ZERO } else { *took.select_nth_unstable(rank).1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_that_of_the_latest_runs() {
        let pace = Pace::default();
        assert_eq!(pace.p95(Step::Embed), Duration::ZERO);
        for took in 1..=20 {
            pace.note(Step::Embed, Duration::from_millis(took));
        }
        assert_eq!(pace.p95(Step::Embed), Duration::from_millis(19));
        assert_eq!(pace.p95(Step::Search), Duration::ZERO);
        for _ in 0..REMEMBERED {
            pace.note(Step::Embed, Duration::from_millis(3));
        }
        assert_eq!(pace.p95(Step::Embed), Duration::from_millis(3));
    }
}
