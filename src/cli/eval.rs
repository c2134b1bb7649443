//! `asktwice eval`: the question alone, its rewrite alone and both fused, measured on judged questions.

mod answered;

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{
    judged::{self, Judged},
    recall,
    remote::Remote,
    say,
};
use crate::{
    config::Settings,
    evaluate::{Choice, Companion, Configuration, Evaluation, Gate, Searches},
    fuse::Fusion,
    options::Legs,
    rewrite::Feedback,
};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Eval {
    #[command(flatten)]
    judged: Judged,
    /// Which channels to search: dense, bm25 or hybrid [search.legs].
    #[arg(long)]
    legs: Option<Legs>,
    /// A fusion to measure; may be given several times [fuse.method]. --help lists the names.
    #[arg(long, long_help = format!("A fusion to measure; may be given several times [fuse.method]: {}", Fusion::names()))]
    fusion: Vec<Fusion>,
    /// A configuration to measure, such as fast=fusion:rrf:10,weight:0.5,legs:dense,depth:50; what it leaves out is as in
    /// the settings. May be given several times.
    #[arg(long, value_name = "NAME=PARTS")]
    configuration: Vec<String>,
    /// A TOML file of configurations: NAME = "fusion:rrf:10,weight:0.5", one a line.
    #[arg(long, value_name = "FILE")]
    configurations: Option<PathBuf>,
    /// Measure a leg made of the question's own first hits, such as rocchio or average:3, beside the rewrites; may be given
    /// several times.
    #[arg(long)]
    feedback: Vec<Feedback>,
    /// Measure every fusion with the weights ½, 1 and adaptive on every set of rewrites.
    #[arg(long)]
    ablation: bool,
    /// Measure what a gate would save: asking no model where the question's own legs agree.
    #[arg(long)]
    gate: bool,
    /// Measure what the approximate index and each quantisation find of what an exact search finds, how fast and in how
    /// much memory, on copies of the collection's vectors.
    #[arg(long, conflicts_with_all = ["ablation", "gate", "html"])]
    recall: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    /// Write a report with plots to a file that any browser opens.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Measure what a sidecar answers, such as `http://127.0.0.1:8080`, with the documents that it holds. Measured are the
    /// question alone and, if it has a rewriter, with its rewrites; --fusion, --legs and --configuration ask it for
    /// others than its own.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Results<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gates: Vec<Gate>,
}

impl Eval {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let mut base = judged::chosen(settings)?;
        base.legs = self.legs.unwrap_or(base.legs);
        if let Some(url) = &self.server {
            let evaluation = self.answered(&Remote::new(url, settings)?, base).await?;
            self.tell(&evaluation, vec![])?;
            return Ok(ExitCode::SUCCESS);
        }
        let configurations = self.choices(base)?;
        let depth = configurations.iter().map(Configuration::deepest).fold(base.deepest(), usize::max);
        let feedback = self.feedback.iter().copied().map(Companion::Feedback).collect();
        let searched = self.judged.search(settings, depth, feedback).await?;
        if self.recall {
            recall::measure(&searched, settings.store.search_params(), self.json).await?;
        } else if self.ablation {
            self.ablate(&searched.searches, base)?;
        } else {
            self.measure(&searched.searches, &configurations)?;
        }
        Ok(if searched.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn measure(&self, searches: &Searches, configurations: &[Configuration]) -> anyhow::Result<()> {
        let evaluation = searches.evaluate(configurations);
        let gated = configurations.first().filter(|_| self.gate);
        self.tell(&evaluation, gated.map_or(vec![], |configuration| searches.gate(configuration)))
    }

    fn tell(&self, evaluation: &Evaluation, gates: Vec<Gate>) -> anyhow::Result<()> {
        if let Some(file) = &self.html {
            fs::write(file, evaluation.to_html()).with_context(|| format!("{} cannot be written", file.display()))?;
            eprintln!("asktwice: the report is in {}", file.display());
        }
        if self.json {
            for note in &evaluation.notes {
                eprintln!("asktwice: note: {note}");
            }
            return say(serde_json::to_string_pretty(&Results { evaluation, gates })?);
        }
        say(evaluation)?;
        gates.iter().try_for_each(say)
    }

    fn ablate(&self, searches: &Searches, base: Choice) -> anyhow::Result<()> {
        let fusions = if self.fusion.is_empty() { Fusion::all() } else { self.fusion.clone() };
        let bar = ProgressBar::new(fusions.len() as u64);
        let ablation = searches.ablation(base, &fusions, |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        if self.json { say(serde_json::to_string_pretty(&ablation)?) } else { say(ablation) }
    }

    /// The settings' own choice under the name `default`, or those named, under their own.
    fn choices(&self, base: Choice) -> anyhow::Result<Vec<Configuration>> {
        let fusions = self.fusion.iter().map(|fusion| Choice { fusion: *fusion, ..base }.named(fusion.to_string()));
        let mut configurations: Vec<Configuration> = fusions.collect();
        for (name, parts) in self.named()? {
            configurations.push(base.changed(&parts).with_context(|| format!("the configuration {name}"))?.named(name));
        }
        Ok(if configurations.is_empty() { vec![base.named("default")] } else { configurations })
    }

    /// The configurations that are named, as they are written: of the flags, then of the file.
    fn named(&self) -> anyhow::Result<Vec<(String, String)>> {
        let given = |given: &String| {
            let (name, parts) = given.split_once('=').with_context(|| {
                format!("--configuration {given:?} is not of the form NAME=fusion:…,weight:…,legs:…,depth:…")
            })?;
            Ok((name.trim().to_owned(), parts.to_owned()))
        };
        let flags: anyhow::Result<Vec<_>> = self.configuration.iter().map(given).collect();
        Ok(flags?.into_iter().chain(self.configurations.as_ref().map(read).transpose()?.unwrap_or_default()).collect())
    }
}

fn read(file: &PathBuf) -> anyhow::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not of the form NAME = \"fusion:…\"", file.display()))
}
