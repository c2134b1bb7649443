//! The result: from each question's measures to mean measures per run, as JSON or as a table for people.

use std::fmt;

use serde::Serialize;

use super::{
    Configuration,
    bootstrap::{self, Delta},
    dataset::JudgedQuestion,
    measures::{self, Ideal},
};
use crate::ranking::PointId;

/// One question's measures: for each configuration those of the three runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub(super) rewritten: bool,
    pub(super) runs: Vec<[Measures; 3]>,
}

/// The names of the runs, in their order.
const RUNS: [&str; 3] = ["asked", "rewrite", "fused"];

/// What one ranking is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measures {
    ndcg_at_10: f64,
    mrr_at_10: f64,
    recall_at_10: f64,
    recall_at_100: f64,
}

impl Measures {
    pub(super) fn of(documents: &[PointId], question: &JudgedQuestion, ideal: &Ideal) -> Self {
        let grade = |id: &PointId| question.grades.get(id).copied().unwrap_or_default();
        let grades: Vec<u32> = documents.iter().map(grade).collect();
        Self {
            ndcg_at_10: measures::ndcg(&grades, ideal, 10),
            mrr_at_10: measures::reciprocal_rank(&grades, 10),
            recall_at_10: measures::recall(&grades, ideal, 10),
            recall_at_100: measures::recall(&grades, ideal, 100),
        }
    }
}

/// The mean measures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunMeasures {
    /// The configuration's name.
    pub configuration: String,
    /// `asked`, `rewrite` or `fused`.
    pub name: &'static str,
    /// Over how many questions.
    pub questions: usize,
    /// Normalised discounted cumulative gain of the first 10.
    pub ndcg_at_10: f64,
    /// The mean reciprocal rank of the first relevant of the first 10.
    pub mrr_at_10: f64,
    /// The share of the relevant documents among the first 10.
    pub recall_at_10: f64,
    /// The share of the relevant documents among the first 100.
    pub recall_at_100: f64,
    /// By how much nDCG@10 is better than that of `asked`.
    pub delta_ndcg_at_10: Delta,
}

/// The result: three runs for each configuration. Its `Display` is a table for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// The runs `asked`, `rewrite` and `fused` of each configuration.
    pub runs: Vec<RunMeasures>,
    /// What the numbers do not say by themselves, such as questions without a rewrite.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Evaluation {
    pub(super) fn new(measured: &[Measured], configurations: &[Configuration], notes: Vec<String>) -> Self {
        let mut runs = vec![];
        for (index, configuration) in configurations.iter().enumerate() {
            for (run, name) in RUNS.into_iter().enumerate() {
                let of = |run: usize, measure: fn(&Measures) -> f64| -> Vec<f64> {
                    measured.iter().map(|measured| measure(&measured.runs[index][run])).collect()
                };
                let mean = |measure| bootstrap::mean(of(run, measure).into_iter());
                runs.push(RunMeasures {
                    configuration: configuration.name.clone(),
                    name,
                    questions: measured.len(),
                    ndcg_at_10: mean(|m| m.ndcg_at_10),
                    mrr_at_10: mean(|m| m.mrr_at_10),
                    recall_at_10: mean(|m| m.recall_at_10),
                    recall_at_100: mean(|m| m.recall_at_100),
                    delta_ndcg_at_10: Delta::between(&of(0, |m| m.ndcg_at_10), &of(run, |m| m.ndcg_at_10)),
                });
            }
        }
        Self { runs, notes }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.runs.iter().map(|run| run.configuration.chars().count());
        let width = names.chain(["configuration".len()]).max().unwrap_or_default();
        writeln!(
            f,
            "{:<width$}  {:<7}  {:>9}  {:>7}  {:>6}  {:>9}  {:>10}  nDCG@10 against asked (95 %)",
            "configuration", "run", "questions", "nDCG@10", "MRR@10", "recall@10", "recall@100"
        )?;
        for run in &self.runs {
            write!(f, "{:<width$}  ", run.configuration)?;
            row(run, f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

fn row(run: &RunMeasures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:<7}  {:>9}  {:>7.4}  {:>6.4}  {:>9.4}  {:>10.4}",
        run.name, run.questions, run.ndcg_at_10, run.mrr_at_10, run.recall_at_10, run.recall_at_100
    )?;
    let delta = run.delta_ndcg_at_10;
    match run.name {
        "asked" => writeln!(f),
        _ => writeln!(f, "  {:+.4} [{:+.4}, {:+.4}]", delta.mean, delta.low, delta.high),
    }
}
