//! Whether a difference is more than luck: the paired bootstrap over questions (Efron and Tibshirani, "An Introduction
//! to the Bootstrap", 1993; for retrieval: Sakai, SIGIR 2006). Pure, and the same every time: its seed is fixed.

use std::fmt;

use serde::Serialize;

use super::random::SplitMix64;

/// How many times the questions are drawn anew.
const RESAMPLES: usize = 10_000;
/// The share of the resampled means beyond each end of a 95 % interval.
const TAIL: f64 = 0.025;
/// Any number; fixed, so that a comparison gives the same interval each time.
const SEED: u64 = 0x6173_6b74_7769_6365;

/// A mean difference per question and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Delta {
    /// The mean over the questions.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Delta {
    /// Compares two runs over the same questions: what `run` is better than `base`, question by question.
    #[must_use]
    pub fn between(base: &[f64], run: &[f64]) -> Self {
        let differences: Vec<f64> = run.iter().zip(base).map(|(run, base)| run - base).collect();
        if differences.iter().all(|difference| *difference == 0.0) {
            return Self::default();
        }
        let mut random = SplitMix64::new(SEED);
        let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resampled_mean(&differences, &mut random)).collect();
        means.sort_unstable_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "250")]
        #[expect(clippy::cast_precision_loss, reason = "10,000")]
        let beyond = (RESAMPLES as f64 * TAIL) as usize;
        Self { mean: mean(differences.iter().copied()), low: means[beyond], high: means[RESAMPLES - 1 - beyond] }
    }

    /// Whether the interval leaves out 0, so that the difference is unlikely to be luck.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

impl fmt::Display for Delta {
    /// The mean, and the interval in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.4} [{:+.4}, {:+.4}]", self.mean, self.low, self.high)
    }
}

/// The mean; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

fn resampled_mean(differences: &[f64], random: &mut SplitMix64) -> f64 {
    mean((0..differences.len()).map(|_| differences[random.below(differences.len())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_runs_do_not_differ() {
        assert_eq!(Delta::between(&[0.1, 0.9], &[0.1, 0.9]), Delta::default());
        assert_eq!(Delta::between(&[], &[]), Delta::default());
    }

    #[test]
    fn the_same_gain_everywhere_has_no_spread() {
        let delta = Delta::between(&[0.25, 0.5, 0.0], &[0.5, 0.75, 0.25]);
        assert_eq!((delta.mean, delta.low, delta.high), (0.25, 0.25, 0.25));
        assert!(delta.is_clear());
    }

    #[test]
    fn the_interval_is_that_of_the_normal_approximation() {
        // 400 questions, half of them won and half lost by 1: the mean's standard error is 1 / 20.
        let base = vec![0.5; 400];
        let run: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 1.5 } else { -0.5 }).collect();
        let delta = Delta::between(&base, &run);
        assert!(delta.mean.abs() < 1e-12);
        assert!((delta.low + 1.96 / 20.0).abs() < 0.006, "{delta:?}");
        assert!((delta.high - 1.96 / 20.0).abs() < 0.006, "{delta:?}");
        assert!(!delta.is_clear());
    }
}
