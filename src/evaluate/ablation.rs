//! Every fusion with every weighting on every set of rewrites, in one table: what the defaults were chosen by, and what a
//! user can choose by on their own questions.

use std::fmt;

use serde::Serialize;

use super::{
    Choice, Searches,
    bootstrap::{self, Delta},
    runs::Run,
};
use crate::fuse::{Fusion, Weighting};

/// One fusion with one weighting.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AblationRow {
    /// The fusion.
    pub fusion: Fusion,
    /// The weighting.
    pub weight: Weighting,
    /// nDCG@10 of the question alone.
    pub asked: f64,
    /// What each set of rewrites makes of it.
    pub fused: Vec<Compared>,
}

/// One set of rewrites, fused with the question.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Compared {
    /// nDCG@10 of question and rewrites.
    pub ndcg_at_10: f64,
    /// By how much that is better than the question alone.
    pub delta: Delta,
}

/// The result. Its `Display` is a table for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ablation {
    /// The names of the sets of rewrites.
    pub rewrites: Vec<String>,
    /// Fusion by fusion, each with every weighting.
    pub rows: Vec<AblationRow>,
    /// Over how many questions.
    pub questions: usize,
}

/// The weightings that are compared: half a vote, a whole one, and by what can be seen of a rewrite.
const WEIGHTINGS: [Weighting; 3] = [Weighting::Fixed(0.5), Weighting::Fixed(1.0), Weighting::Adaptive];

impl Searches {
    /// Measures every fusion with the weights ½, 1 and adaptive; depth and legs are those of `base`. `progress` is told
    /// how many of how many fusions are done.
    #[must_use]
    pub fn ablation(&self, base: Choice, fusions: &[Fusion], progress: impl Fn(usize)) -> Ablation {
        let mut rows = vec![];
        for (done, fusion) in fusions.iter().enumerate() {
            let fusion = *fusion;
            let asked = self.ndcg(&Choice { fusion, ..base }.named(""), Run::Asked);
            for weight in WEIGHTINGS {
                let configuration = Choice { fusion, weight, ..base }.named("");
                let compared = |companion| {
                    let fused = self.ndcg(&configuration, Run::Fused(companion));
                    let ndcg_at_10 = bootstrap::mean(fused.iter().copied());
                    Compared { ndcg_at_10, delta: Delta::between(&asked, &fused) }
                };
                let fused = (0..self.companions.len()).map(compared).collect();
                rows.push(AblationRow { fusion, weight, asked: bootstrap::mean(asked.iter().copied()), fused });
            }
            progress(done + 1);
        }
        Ablation { rewrites: self.companions.clone(), rows, questions: self.questions() }
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fusions = self.rows.iter().map(|row| row.fusion.to_string().chars().count());
        let width = fusions.max().unwrap_or_default().max("fusion".len());
        // nDCG@10, two spaces, and a delta.
        let column = self.rewrites.iter().map(|name| name.chars().count()).max().unwrap_or_default().max(33);
        write!(f, "{:<width$}  {:<8}  {:>6}", "fusion", "weight", "asked")?;
        self.rewrites.iter().try_for_each(|name| write!(f, "  {name:<column$}"))?;
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "{:<width$}  {:<8}  {:>6.4}", row.fusion.to_string(), row.weight.to_string(), row.asked)?;
            for compared in &row.fused {
                let text = format!("{:.4}  {}", compared.ndcg_at_10, compared.delta);
                write!(f, "  {text:<column$}")?;
            }
            writeln!(f)?;
        }
        write!(f, "nDCG@10 over {} questions, and by how much question and rewrites are better than ", self.questions)?;
        writeln!(f, "the question alone (95 %)")
    }
}
