//! What a gate would save: the language model is not asked where the question's own dense and lexical legs agree, and what
//! that costs in quality, for a sweep of the agreement from which it is skipped.

use std::fmt;

use serde::Serialize;

use super::{
    Configuration, Searches,
    bootstrap::{self, Delta},
    runs::Run,
};

/// A gate at one agreement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GateStep {
    /// The model is skipped where the question's own legs agree at least so much; the value for `rewrite.gate`.
    pub agreement: f64,
    /// The share of calls that are saved.
    pub saved: f64,
    /// nDCG@10.
    pub ndcg_at_10: f64,
    /// By how much that is better than always asking.
    pub delta: Delta,
}

/// A sweep for one set of rewrites. Its `Display` is a table for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gate {
    /// Which rewrites.
    pub rewrites: String,
    /// From never asking to always asking.
    pub steps: Vec<GateStep>,
}

/// Which shares of the questions are skipped.
const SAVED: [f64; 9] = [1.0, 0.9, 0.75, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0];

impl Searches {
    /// Measures a gate for each companion. Empty where the questions have one leg only: then nothing can agree.
    #[must_use]
    pub fn gate(&self, configuration: &Configuration) -> Vec<Gate> {
        let agreements: Vec<Option<f64>> =
            self.questions.iter().map(|question| question.agreement(configuration, Run::Asked)).collect();
        if agreements.iter().all(Option::is_none) {
            return vec![];
        }
        let agreements: Vec<f64> = agreements.into_iter().map(Option::unwrap_or_default).collect();
        let asked = self.ndcg(configuration, Run::Asked);
        let sweep = |companion: usize| {
            let fused = self.ndcg(configuration, Run::Fused(companion));
            let steps = SAVED.iter().map(|saved| step(threshold(&agreements, *saved), &agreements, &asked, &fused));
            Gate { rewrites: self.companions[companion].clone(), steps: steps.collect() }
        };
        (0..self.companions.len()).map(sweep).collect()
    }
}

/// The agreement above which a share of the questions lies.
fn threshold(agreements: &[f64], share: f64) -> f64 {
    let mut sorted = agreements.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let above = share * sorted.len() as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    let above = above.round() as usize;
    match above {
        0 => 1.0,
        above => sorted.get(above - 1).copied().unwrap_or_default(),
    }
}

fn step(agreement: f64, agreements: &[f64], asked: &[f64], fused: &[f64]) -> GateStep {
    // As in a retrieval: the model is asked where the legs agree less.
    let skipped: Vec<bool> = agreements.iter().map(|own| agreement < 1.0 && *own >= agreement).collect();
    let gated: Vec<f64> = skipped
        .iter()
        .zip(asked.iter().zip(fused))
        .map(|(skip, (asked, fused))| if *skip { *asked } else { *fused })
        .collect();
    GateStep {
        agreement,
        saved: bootstrap::mean(skipped.iter().map(|skip| f64::from(u8::from(*skip)))),
        ndcg_at_10: bootstrap::mean(gated.iter().copied()),
        delta: Delta::between(fused, &gated),
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "gate, {}", self.rewrites)?;
        writeln!(f, "{:>12}  {:>11}  {:>7}  nDCG@10 − always asking (95 %)", "rewrite.gate", "calls saved", "nDCG@10")?;
        for step in &self.steps {
            let (agreement, saved) = (step.agreement, 100.0 * step.saved);
            writeln!(f, "{agreement:>12.3}  {saved:>9.0} %  {:>7.4}  {}", step.ndcg_at_10, step.delta)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_skips_where_the_legs_agree_most() {
        let agreements = [0.9, 0.1, 0.5, 0.3];
        let (asked, fused) = ([1.0, 0.0, 0.5, 0.5], [0.5, 1.0, 1.0, 0.5]);
        let half = step(threshold(&agreements, 0.5), &agreements, &asked, &fused);
        assert_eq!((half.agreement, half.saved), (0.5, 0.5));
        // The first and the third question keep what they find alone.
        assert_eq!(half.ndcg_at_10, (1.0 + 1.0 + 0.5 + 0.5) / 4.0);
        let always = step(threshold(&agreements, 0.0), &agreements, &asked, &fused);
        assert_eq!((always.agreement, always.saved, always.delta), (1.0, 0.0, Delta::default()));
        let never = step(threshold(&agreements, 1.0), &agreements, &asked, &fused);
        assert_eq!((never.saved, never.ndcg_at_10), (1.0, 0.5));
    }
}
