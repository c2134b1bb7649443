//! The result: mean measures per run, as JSON for programs and as a table for people.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{
    Configuration, JudgedQuestion, Searches,
    bootstrap::{self, Delta},
    runs::{Cost, Measures, Run},
    searches::SearchedQuestion,
};

/// The mean measures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunMeasures {
    /// The configuration's name.
    pub configuration: String,
    /// `asked`, `rewrite` or `fused`.
    pub name: &'static str,
    /// Which rewrites it was searched with; `None` for the question alone.
    pub rewrites: Option<String>,
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
    /// How many questions have a better nDCG@10 than `asked`.
    pub wins: usize,
    /// How many have the same.
    pub ties: usize,
    /// How many have a worse one.
    pub losses: usize,
    /// How often a language model was asked, or would have been where its rewrites were recorded.
    pub llm_calls: usize,
    /// How long the language model took, a question, in milliseconds; 0 where its rewrites were recorded.
    pub llm_milliseconds: f64,
    /// How long embedding and searching took, a question, in milliseconds: all of the run's variants one after the
    /// other, while other questions were under way.
    pub search_milliseconds: f64,
}

/// One question's nDCG@10 in every run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuestionMeasures {
    /// The question's id.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// nDCG@10, in the order of [`Evaluation::runs`].
    pub ndcg_at_10: Vec<f64>,
}

/// The result. Its `Display` is a table for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// For each configuration, the run `asked`, then `rewrite` and `fused` for each set of rewrites.
    pub runs: Vec<RunMeasures>,
    /// Question by question.
    pub questions: Vec<QuestionMeasures>,
    /// What the numbers do not say by themselves, such as questions without a rewrite.
    pub notes: Vec<String>,
    /// What the milliseconds of a question hold.
    #[serde(skip)]
    pub(super) timed: &'static str,
}

impl Evaluation {
    pub(super) fn new(searches: &Searches, configurations: &[Configuration]) -> Self {
        let mut questions: Vec<QuestionMeasures> =
            searches.questions.iter().map(|searched| QuestionMeasures::new(&searched.judged)).collect();
        let mut runs = vec![];
        for configuration in configurations {
            let asked = measure(searches, configuration, Run::Asked);
            for (run, name) in runs_of(searches.companions.len()) {
                let measured = if run == Run::Asked { asked.clone() } else { measure(searches, configuration, run) };
                for (question, measures) in questions.iter_mut().zip(&measured) {
                    question.ndcg_at_10.push(measures.ndcg_at_10);
                }
                runs.push(RunMeasures {
                    configuration: configuration.name.clone(),
                    name,
                    rewrites: companion(run).map(|companion| searches.companions[companion].clone()),
                    llm_calls: cost(searches, run).calls,
                    llm_milliseconds: cost(searches, run).milliseconds,
                    search_milliseconds: bootstrap::mean(searches.questions.iter().map(|q| milliseconds(took(q, run)))),
                    ..RunMeasures::of(&asked, &measured)
                });
            }
        }
        let timed = "embedding and searching, a question, without the language model";
        Self { runs, questions, notes: searches.notes.clone(), timed }
    }
}

impl QuestionMeasures {
    /// A question that was not measured yet.
    pub(super) fn new(judged: &JudgedQuestion) -> Self {
        Self { id: judged.id.clone(), question: judged.text.clone(), ndcg_at_10: vec![] }
    }
}

/// The runs of one configuration.
fn runs_of(companions: usize) -> impl Iterator<Item = (Run, &'static str)> {
    let with = (0..companions).flat_map(|at| [(Run::Companion(at), "rewrite"), (Run::Fused(at), "fused")]);
    std::iter::once((Run::Asked, "asked")).chain(with)
}

fn companion(run: Run) -> Option<usize> {
    match run {
        Run::Asked => None,
        Run::Companion(companion) | Run::Fused(companion) => Some(companion),
    }
}

fn measure(searches: &Searches, configuration: &Configuration, run: Run) -> Vec<Measures> {
    let measure = |question: &SearchedQuestion| Measures::of(&question.ranked(configuration, run), &question.judged);
    searches.questions.iter().map(measure).collect()
}

fn cost(searches: &Searches, run: Run) -> Cost {
    companion(run).map_or(Cost::default(), |companion| searches.costs[companion])
}

impl RunMeasures {
    /// The measures of one run beside those of `asked`, without its names and what it cost.
    pub(super) fn of(asked: &[Measures], measured: &[Measures]) -> Self {
        let mean = |measure: fn(&Measures) -> f64| bootstrap::mean(measured.iter().map(measure));
        let ndcg = |measured: &[Measures]| measured.iter().map(|m| m.ndcg_at_10).collect::<Vec<f64>>();
        let (base, own) = (ndcg(asked), ndcg(measured));
        let count = |is: fn(&f64, &f64) -> bool| own.iter().zip(&base).filter(|(own, base)| is(own, base)).count();
        Self {
            configuration: String::new(),
            name: "",
            rewrites: None,
            questions: measured.len(),
            ndcg_at_10: mean(|m| m.ndcg_at_10),
            mrr_at_10: mean(|m| m.mrr_at_10),
            recall_at_10: mean(|m| m.recall_at_10),
            recall_at_100: mean(|m| m.recall_at_100),
            delta_ndcg_at_10: Delta::between(&base, &own),
            wins: count(|own, base| own > base),
            ties: count(|own, base| own.total_cmp(base).is_eq()),
            losses: count(|own, base| own < base),
            llm_calls: 0,
            llm_milliseconds: 0.0,
            search_milliseconds: 0.0,
        }
    }
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn took(question: &SearchedQuestion, run: Run) -> Duration {
    let with = companion(run).map(|companion| &question.companions[companion]);
    let companions = with.into_iter().flatten().map(|searched| searched.took).sum();
    if matches!(run, Run::Companion(_)) { companions } else { question.asked.took + companions }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |names: &mut dyn Iterator<Item = &str>, least: usize| {
            names.map(|name| name.chars().count()).chain([least]).max().unwrap_or_default()
        };
        let named = width(&mut self.runs.iter().map(|run| run.configuration.as_str()), "configuration".len());
        let said = width(&mut self.runs.iter().filter_map(|run| run.rewrites.as_deref()), "rewrites".len());
        writeln!(
            f,
            "{:<named$}  {:<7}  {:<said$}  {:>7}  {:>6}  {:>9}  {:>10}  {:<25}  {:>11}  {:>9}  {:>7}  {:>6}",
            "configuration",
            "run",
            "rewrites",
            "nDCG@10",
            "MRR@10",
            "recall@10",
            "recall@100",
            "nDCG@10 − asked (95 %)",
            "+ / = / −",
            "LLM calls",
            "LLM ms",
            "ms"
        )?;
        for run in &self.runs {
            let rewrites = run.rewrites.as_deref().unwrap_or_default();
            write!(f, "{:<named$}  {:<7}  {rewrites:<said$}  ", run.configuration, run.name)?;
            row(run, f)?;
        }
        let questions = self.questions.len();
        writeln!(
            f,
            "{questions} questions; ms: {}; LLM ms: the language model, a question; 0 if recorded",
            self.timed
        )?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

fn row(run: &RunMeasures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:>7.4}  {:>6.4}  {:>9.4}  {:>10.4}  ",
        run.ndcg_at_10, run.mrr_at_10, run.recall_at_10, run.recall_at_100
    )?;
    let (delta, won) = match run.name {
        "asked" => (String::new(), String::new()),
        _ => (run.delta_ndcg_at_10.to_string(), format!("{} / {} / {}", run.wins, run.ties, run.losses)),
    };
    let (calls, asking) = (run.llm_calls, run.llm_milliseconds);
    writeln!(f, "{delta:<25}  {won:>11}  {calls:>9}  {asking:>7.0}  {:>6.1}", run.search_milliseconds)
}
