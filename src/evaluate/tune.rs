//! What a user's own judged questions would choose: fusion, constant, weights, depth and legs, by cross-validation. Each
//! question is judged with what the others chose, so that the gain that is reported is not that of having looked.

use std::fmt;

use serde::Serialize;

use super::{
    Choice, Searches,
    bootstrap::{self, Delta},
    folds::{self, FOLDS},
    runs::Run,
};
use crate::{
    fuse::{Fusion, Weighting},
    options::Legs,
};

/// What is tried: every combination.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Grid {
    /// The fusions, with their constants.
    pub fusions: Vec<Fusion>,
    /// The weights of rewrites.
    pub weights: Vec<Weighting>,
    /// The channels.
    pub legs: Vec<Legs>,
    /// How deep each leg searches.
    pub depths: Vec<usize>,
}

impl Default for Grid {
    /// Every fusion, those with a constant at several; six weightings; three sets of legs; three depths.
    fn default() -> Self {
        let mut fusions = Fusion::all();
        fusions.extend([1.0, 5.0, 10.0, 20.0].map(|k| Fusion::Rrf { k }));
        fusions.extend([0.3, 0.4, 0.5, 0.6, 0.7].map(|alpha| Fusion::Convex { alpha }));
        let weights = [0.0, 0.25, 0.5, 0.75, 1.0].map(Weighting::Fixed);
        Self {
            fusions,
            weights: [Weighting::Adaptive].into_iter().chain(weights).collect(),
            legs: vec![Legs::Hybrid, Legs::Dense, Legs::Bm25],
            depths: vec![100, 50, 20],
        }
    }
}

impl Grid {
    /// All combinations that `depth` allows. What the grid does not name, the weights of channels and the depths of single
    /// legs, stays as it is in `base`.
    fn choices(&self, base: Choice, depth: usize, has_companion: bool) -> Vec<Choice> {
        let mut choices = vec![base];
        for legs in &self.legs {
            for fusion in &self.fusions {
                for depth in self.depths.iter().filter(|own| **own <= depth) {
                    for weight in &self.weights {
                        choices.push(Choice { fusion: *fusion, weight: *weight, legs: *legs, depth: *depth, ..base });
                    }
                }
            }
        }
        if !has_companion {
            choices.retain(|choice| choice.weight == Weighting::Adaptive || *choice == base);
        }
        choices
    }
}

/// What was chosen, and what it is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tuning {
    /// Which rewrites; `None` for the question alone.
    pub rewrites: Option<String>,
    /// Over how many questions.
    pub questions: usize,
    /// How many choices were tried.
    pub tried: usize,
    /// The choice that was there before.
    pub before: Choice,
    /// nDCG@10 with it.
    pub before_ndcg_at_10: f64,
    /// The best choice over all questions.
    pub chosen: Choice,
    /// nDCG@10 with it on the questions that chose it: too good to be true.
    pub chosen_ndcg_at_10: f64,
    /// nDCG@10 of each question with what the others chose.
    pub tuned_ndcg_at_10: f64,
    /// By how much that is better than before.
    pub gain: Delta,
}

impl Tuning {
    /// What can be recommended: the chosen one, if its cross-validated gain is clearly above 0.
    #[must_use]
    pub fn recommended(&self) -> Option<Choice> {
        (self.gain.low > 0.0).then_some(self.chosen)
    }
}

impl Searches {
    /// Chooses from a grid by five-fold cross-validation, for a companion or for the question alone. `progress` is told
    /// how many of how many choices are measured. `None` if there are fewer questions than folds.
    #[must_use]
    pub fn tune(
        &self,
        companion: Option<usize>,
        base: Choice,
        grid: &Grid,
        progress: impl Fn(usize, usize),
    ) -> Option<Tuning> {
        if self.questions() < FOLDS {
            return None;
        }
        let run = companion.map_or(Run::Asked, Run::Fused);
        let choices = grid.choices(base, self.depth, companion.is_some());
        let measured: Vec<Vec<f64>> = choices
            .iter()
            .enumerate()
            .map(|(at, choice)| {
                progress(at + 1, choices.len());
                self.ndcg(&choice.named(""), run)
            })
            .collect();
        let folds = folds::at_random(self.questions());
        let mut tuned = vec![0.0; self.questions()];
        for fold in 0..FOLDS {
            let best = best(&measured, |question| folds[question] != fold);
            for question in (0..tuned.len()).filter(|question| folds[*question] == fold) {
                tuned[question] = measured[best][question];
            }
        }
        let chosen = best(&measured, |_| true);
        let mean = |values: &[f64]| bootstrap::mean(values.iter().copied());
        Some(Tuning {
            rewrites: companion.map(|companion| self.companions[companion].clone()),
            questions: self.questions(),
            tried: choices.len(),
            before: base,
            before_ndcg_at_10: mean(&measured[0]),
            chosen: choices[chosen],
            chosen_ndcg_at_10: mean(&measured[chosen]),
            tuned_ndcg_at_10: mean(&tuned),
            gain: Delta::between(&measured[0], &tuned),
        })
    }
}

/// The choice with the best sum over the questions that count; of equal ones the first, which is the one that was there.
fn best(measured: &[Vec<f64>], counts: impl Fn(usize) -> bool) -> usize {
    let sum = |values: &Vec<f64>| -> f64 {
        values.iter().enumerate().filter(|(question, _)| counts(*question)).map(|(_, value)| value).sum()
    };
    let sums: Vec<f64> = measured.iter().map(sum).collect();
    // Sums in another order differ in their last digits; such a difference is none.
    (0..sums.len()).fold(0, |best, at| if sums[at] > sums[best] + 1e-9 { at } else { best })
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rewrites = self.rewrites.as_deref().unwrap_or("the question alone");
        writeln!(f, "{rewrites}: {} questions, {} configurations tried", self.questions, self.tried)?;
        writeln!(f, "  before   nDCG@10 {:.4}  {}", self.before_ndcg_at_10, self.before)?;
        writeln!(
            f,
            "  chosen   nDCG@10 {:.4}  {} (on the questions that chose it)",
            self.chosen_ndcg_at_10, self.chosen
        )?;
        writeln!(f, "  tuned    nDCG@10 {:.4}  cross-validated; gain {}", self.tuned_ndcg_at_10, self.gain)?;
        match self.recommended() {
            Some(choice) => write!(f, "  recommended: {choice}"),
            None => write!(f, "  nothing is recommended: the interval of the gain is not above 0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_choices_the_one_that_was_there_stays() {
        let measured = vec![vec![0.1, 0.2], vec![0.2, 0.1], vec![0.3, 0.0], vec![0.0, 0.4]];
        assert_eq!(best(&measured[..3], |_| true), 0);
        assert_eq!(best(&measured, |_| true), 3);
        assert_eq!(best(&measured, |question| question == 0), 2);
    }
}
