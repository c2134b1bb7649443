//! `asktwice compare-models`: the same judged questions with several models, so that one can choose within a budget.

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};

use super::{
    corpus::{self, Corpus},
    judged, parts, say,
};
use crate::{
    config::Settings,
    embed::{Embedder as _, Role},
    evaluate::{DEFAULT_DEPTH, Dataset, Delta, Evaluator, RunMeasures},
};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("judged").required(true).args(["data", "questions"])))]
pub(super) struct CompareModels {
    /// The models' folders.
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv. Its corpus is indexed for each model.
    #[arg(long, value_name = "DIR", conflicts_with = "documents")]
    data: Option<PathBuf>,
    /// A file of questions, lines of {"question": …, "answers": [id, …]}, about --documents.
    #[arg(long, value_name = "FILE", requires = "documents")]
    questions: Option<PathBuf>,
    /// What the questions are about: a file or a folder, as `asktwice index` reads them, indexed for each model; may be
    /// given several times. Ids are as that command makes them.
    #[arg(long, value_name = "PATH", requires = "questions")]
    documents: Vec<PathBuf>,
    /// Which judgements to use: qrels/SPLIT.tsv.
    #[arg(long, default_value = "test")]
    split: String,
    /// Name the best model that needs no more than so many milliseconds for a question.
    #[arg(long, value_name = "MS")]
    most_ms: Option<f64>,
    /// Name the best model that needs no more than so many megabytes of memory.
    #[arg(long, value_name = "MB")]
    most_mb: Option<f64>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    /// Only measure what the one model takes, in this process: what the command asks of a process of its own.
    #[arg(long, hide = true)]
    weigh: bool,
}

/// What a model takes, in a process of its own.
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
    /// By how much nDCG@10 with all channels differs from that of the best model within the budget.
    to_best: Option<Delta>,
    #[serde(skip)]
    questions: Vec<f64>,
}

impl CompareModels {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let dataset = match (&self.data, &self.questions) {
            (Some(data), _) => Dataset::open(data, &self.split)?,
            (None, Some(questions)) => Dataset::of_answers(questions)?,
            (None, None) => anyhow::bail!("neither --data nor --questions is given"),
        };
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
        let best = self.best(&compared);
        let of_best = best.map(|best| compared[best].questions.clone());
        for model in &mut compared {
            model.to_best = of_best.as_ref().map(|best| Delta::between(best, &model.questions));
        }
        if self.json {
            say(serde_json::to_string_pretty(&compared)?)?;
        } else {
            say(table(&compared))?;
            self.recommend(best.map(|best| &compared[best]))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The model of the best quality among those that the budget allows.
    fn best(&self, compared: &[Compared]) -> Option<usize> {
        let allowed = |model: &Compared| {
            let in_time = self.most_ms.is_none_or(|most| model.weight.question_milliseconds <= most);
            let megabytes = model.weight.megabytes();
            // What the system does not say is not known to fit.
            in_time && self.most_mb.is_none_or(|most| megabytes.is_some_and(|megabytes| megabytes <= most))
        };
        let allowed = compared.iter().enumerate().filter(|(_, model)| allowed(model));
        allowed.max_by(|(_, a), (_, b)| a.quality(1).total_cmp(&b.quality(1))).map(|(at, _)| at)
    }

    fn recommend(&self, best: Option<&Compared>) -> anyhow::Result<()> {
        if self.most_ms.is_none() && self.most_mb.is_none() {
            return Ok(());
        }
        match best {
            Some(best) => say(format!("best within the budget: {}", best.model)),
            None => say("no model is within the budget"),
        }
    }

    /// What is indexed for each model.
    fn sources(&self) -> Vec<PathBuf> {
        self.data.iter().chain(&self.documents).cloned().collect()
    }

    async fn compare(
        &self,
        settings: &Settings,
        model: &Path,
        dataset: &Dataset,
        weight: Weight,
    ) -> anyhow::Result<Compared> {
        let Corpus { embedder, store, .. } = corpus::indexed(settings, &self.sources()).await?;
        let dimension = embedder.identity().dimension;
        let choice = judged::chosen(settings)?;
        let depth = NonZeroUsize::new(choice.deepest().max(DEFAULT_DEPTH)).context("search.depth")?;
        let evaluator =
            Evaluator::new(Arc::new(embedder), store).with_sparse_encoder(settings.bm25.encoder()?).with_depth(depth);
        let searches = evaluator.search(dataset, &[], |_| {}).await?;
        let mut dense = choice;
        dense.legs = crate::options::Legs::Dense;
        let evaluation = searches.evaluate(&[dense.named("dense"), choice.named(choice.legs.to_string())]);
        for note in &evaluation.notes {
            eprintln!("asktwice: note: {}: {note}", model.display());
        }
        let questions =
            evaluation.questions.iter().filter_map(|question| question.ndcg_at_10.last().copied()).collect();
        let model = model.display().to_string();
        Ok(Compared { model, dimension, weight, runs: evaluation.runs, to_best: None, questions })
    }

    /// Measures a model in a process of its own: what others left in memory must not count.
    fn weigh_apart(&self, settings: &Settings, model: &Path) -> anyhow::Result<Weight> {
        let program = std::env::current_exe().context("this program cannot be found")?;
        let output = Command::new(program)
            .args(["compare-models", "--weigh", "--split", &self.split])
            .args(embedding(settings).iter().flat_map(|setting| ["--set", setting]))
            .args(self.data.iter().flat_map(|data| [Path::new("--data"), data]))
            .args(self.questions.iter().flat_map(|questions| [Path::new("--questions"), questions]))
            .args(self.documents.iter().flat_map(|documents| [Path::new("--documents"), documents]))
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

impl Weight {
    fn megabytes(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        self.bytes.map(|bytes| bytes as f64 / 1e6)
    }
}

impl Compared {
    /// nDCG@10 of a run.
    fn quality(&self, run: usize) -> f64 {
        self.runs.get(run).map_or(f64::NAN, |run| run.ndcg_at_10)
    }
}

fn with_model(settings: &Settings, model: &Path) -> Settings {
    let mut own = settings.clone();
    model.clone_into(&mut own.embed.model);
    own
}

/// The settings that decide how long a local model takes and how much memory, as flags: a process that is started has
/// the environment and the settings' file, but not the flags of this one.
fn embedding(settings: &Settings) -> [String; 6] {
    let embed = &settings.embed;
    [
        format!("embed.library={}", parts::library(settings).display()),
        format!("embed.precision={}", embed.precision),
        format!("embed.provider={}", embed.provider),
        format!("embed.threads={}", embed.threads),
        format!("embed.workers={}", embed.workers),
        format!("embed.head={}", embed.head.display()),
    ]
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
        "{:<width$}  {:>9}  {:>13}  {:>13}  {:>11}  {:>7}  {:>7}  {}\n",
        "model", "dimension", "nDCG@10 dense", "with the rest", "ms/question", "open ms", "MB", "to the best (95 %)"
    );
    for compared in compared {
        let Compared { model, dimension, weight, to_best, .. } = compared;
        let megabytes = weight.megabytes().map_or_else(|| "?".to_owned(), |megabytes| format!("{megabytes:.0}"));
        let to_best = to_best.filter(|delta| *delta != Delta::default()).map_or_else(String::new, |d| d.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{model:<width$}  {dimension:>9}  {:>13.4}  {:>13.4}  {:>11.2}  {:>7.0}  {megabytes:>7}  {to_best}",
            compared.quality(0),
            compared.quality(1),
            weight.question_milliseconds,
            weight.open_milliseconds
        );
    }
    table
        + "ms and MB: each model in a process of its own, set up as the settings' [embed] says, one question after the other, \
           the collection aside"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_weighed_as_it_is_set_up() {
        let set =
            ["embed.threads=3", "embed.workers=2", "embed.provider=cuda", "embed.precision=fp32", "embed.head=h.json"];
        let load = |set: &[String]| Settings::load(None, [].into(), set).unwrap();
        let settings = load(&set.map(str::to_owned));
        let own = load(&embedding(&settings)).embed;
        assert_eq!((own.threads, own.workers, own.head.as_path()), (3, 2, Path::new("h.json")));
        assert_eq!((own.provider, own.precision), (settings.embed.provider, settings.embed.precision));
    }
}
