//! `asktwice compare-models`: the same judged questions with several models, so that one can choose within a budget.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    corpus::{self, Corpus},
    judged, parts, say,
};
use crate::{
    config::Settings,
    embed::{Embedder as _, Role},
    evaluate::{Dataset, Evaluator, RunMeasures},
};

#[derive(Debug, Args)]
pub(super) struct CompareModels {
    /// The models' folders.
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv. Its corpus is indexed for each model.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which judgements to use: qrels/SPLIT.tsv.
    #[arg(long, default_value = "test")]
    split: String,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    /// Only measure what the one model takes, in this process: what the command asks of a process of its own.
    #[arg(long, hide = true)]
    weigh: bool,
}

/// What a model takes, in a process of its own with one worker.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Weight {
    /// How long opening it took, in milliseconds.
    open_milliseconds: f64,
    /// How long one question took, in milliseconds: the median.
    question_milliseconds: f64,
    /// By how much the process grew while it opened the model and embedded the questions; `None` where the system does
    /// not say.
    bytes: Option<u64>,
}

/// One model's line.
#[derive(Debug, Serialize)]
struct Compared {
    model: String,
    dimension: usize,
    #[serde(flatten)]
    weight: Weight,
    /// By embeddings alone, and by all the channels that the settings name.
    runs: Vec<RunMeasures>,
}

impl CompareModels {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let dataset = Dataset::open(&self.data, &self.split)?;
        if self.weigh {
            let weight = weigh(&with_model(settings, &self.models[0]), &dataset).await?;
            say(serde_json::to_string(&weight)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut compared = vec![];
        for model in &self.models {
            let own = with_model(settings, model);
            let weight = self.weigh_apart(&own, model)?;
            compared.push(self.compare(&own, model, &dataset, weight).await?);
        }
        if self.json {
            say(serde_json::to_string_pretty(&compared)?)?;
        } else {
            say(table(&compared))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn compare(
        &self,
        settings: &Settings,
        model: &Path,
        dataset: &Dataset,
        weight: Weight,
    ) -> anyhow::Result<Compared> {
        let Corpus { embedder, store, .. } = corpus::indexed(settings, &self.data).await?;
        let dimension = embedder.identity().dimension;
        let choice = judged::chosen(settings)?;
        let evaluator = Evaluator::new(Arc::new(embedder), store).with_sparse_encoder(settings.bm25.encoder()?);
        let searches = evaluator.search(dataset, &[], |_| {}).await?;
        let mut dense = choice;
        dense.legs = crate::options::Legs::Dense;
        let evaluation = searches.evaluate(&[dense.named("dense"), choice.named(choice.legs.to_string())]);
        Ok(Compared { model: model.display().to_string(), dimension, weight, runs: evaluation.runs })
    }

    /// Measures a model in a process of its own: what others left in memory must not count.
    fn weigh_apart(&self, settings: &Settings, model: &Path) -> anyhow::Result<Weight> {
        let program = std::env::current_exe().context("this program cannot be found")?;
        let library = format!("embed.library={}", parts::library(settings).display());
        let precision = format!("embed.precision={}", settings.embed.precision);
        let output = Command::new(program)
            .args(["compare-models", "--weigh", "--split", &self.split, "--set", &library, "--set", &precision])
            .arg("--data")
            .arg(&self.data)
            .arg(model)
            .output()
            .context("a process for the model cannot be started")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(
            output.status.success(),
            "{}: {}",
            model.display(),
            said.trim_start_matches("asktwice: ").trim()
        );
        serde_json::from_slice(&output.stdout).context("the process for the model did not say what it measured")
    }
}

fn with_model(settings: &Settings, model: &Path) -> Settings {
    let mut own = settings.clone();
    model.clone_into(&mut own.embed.model);
    own
}

/// Opens the model and embeds each question alone.
async fn weigh(settings: &Settings, dataset: &Dataset) -> anyhow::Result<Weight> {
    let (before, started) = (resident(), Instant::now());
    let embedder = parts::embedder(settings)?;
    let opened = started.elapsed();
    let mut took: Vec<Duration> = vec![];
    for question in &dataset.questions {
        let started = Instant::now();
        embedder.embed(Role::Query, vec![question.text.clone()]).await?;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    Ok(Weight {
        open_milliseconds: opened.as_secs_f64() * 1e3,
        question_milliseconds: median.as_secs_f64() * 1e3,
        bytes: resident().zip(before).map(|(after, before)| after.saturating_sub(before)),
    })
}

/// How much memory this process occupies, in bytes, where Linux says it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn table(compared: &[Compared]) -> String {
    let width = compared.iter().map(|compared| compared.model.chars().count()).chain([5]).max().unwrap_or_default();
    let mut table = format!(
        "{:<width$}  {:>9}  {:>13}  {:>13}  {:>11}  {:>7}  {:>7}\n",
        "model", "dimension", "nDCG@10 dense", "with the rest", "ms/question", "open ms", "MB"
    );
    for Compared { model, dimension, weight, runs } in compared {
        let megabytes = weight.bytes.map_or_else(|| "?".to_owned(), |bytes| (bytes / 1_000_000).to_string());
        let quality = |at: usize| runs.get(at).map_or(f64::NAN, |run| run.ndcg_at_10);
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{model:<width$}  {dimension:>9}  {:>13.4}  {:>13.4}  {:>11.2}  {:>7.0}  {megabytes:>7}",
            quality(0),
            quality(1),
            weight.question_milliseconds,
            weight.open_milliseconds
        );
    }
    table + "ms and MB: one worker in a process of its own, each question alone, the collection aside"
}
