//! `asktwice eval`: the question alone, its rewrite alone and both fused, measured on judged questions.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::{
    corpus::{self, Corpus},
    say,
};
use crate::{
    config::Settings,
    evaluate::{Configuration, Dataset, DatasetError, Evaluation, Evaluator, Rewrites},
    fuse::{Fusion, Weighting},
    rewrite::Limits,
};

#[derive(Debug, Args)]
pub(super) struct Eval {
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/test.tsv.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Recorded rewrites: lines of {"_id": …, "rewrites": […]}.
    #[arg(long, value_name = "FILE")]
    rewrites: Option<PathBuf>,
    /// Which judgements to use: qrels/SPLIT.tsv.
    #[arg(long, default_value = "test")]
    split: String,
    /// Which channels to search.
    #[arg(long, value_enum, default_value_t = Legs::Dense)]
    legs: Legs,
    /// A fusion to measure: rrf, rrf:K, intersection or intersection:strict; may be given several times [fuse.method].
    #[arg(long)]
    fusion: Vec<Fusion>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

/// The channels that are searched.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Legs {
    /// Embeddings.
    Dense,
}

impl Eval {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let Legs::Dense = self.legs;
        let dataset = Dataset::open(&self.data, &self.split)?;
        let rewrites = self.rewrites.as_ref().map(Rewrites::open).transpose()?.unwrap_or_default();
        let (evaluation, complete) = self.measure(settings, &dataset, &rewrites).await?;
        if self.json {
            say(serde_json::to_string_pretty(&evaluation)?)?;
            for note in &evaluation.notes {
                eprintln!("asktwice: note: {note}");
            }
        } else {
            say(evaluation)?;
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Indexes the corpus, unless it is, and measures; the second value says whether the whole corpus is indexed.
    async fn measure(
        &self,
        settings: &Settings,
        dataset: &Dataset,
        rewrites: &Rewrites,
    ) -> anyhow::Result<(Evaluation, bool)> {
        let Corpus { embedder, store, complete } = corpus::indexed(settings, &self.data).await?;
        let evaluator = Evaluator::new(Arc::new(embedder), store)
            .with_depth(settings.search.depth.try_into().context("search.depth")?)
            .with_cleaner(Arc::new(|rewrites, question| {
                // What the recording rewriter does: expansions of many words are rewrites, too.
                Limits::expansion().clean_all(rewrites, question).rewrites
            }));
        if let Some(file) = self.rewrites.clone()
            && !evaluator.has_rewrites(dataset, rewrites)
        {
            return Err(DatasetError::NoRewrite { file }.into());
        }
        let bar = ProgressBar::new(dataset.questions.len() as u64);
        let configurations = self.configurations(settings)?;
        let evaluation =
            evaluator.run(dataset, rewrites, &configurations, |done, _| bar.set_position(done as u64)).await;
        bar.finish_and_clear();
        Ok((evaluation?, complete))
    }

    /// The settings' own fusion under the name `default`, or those named, under their own.
    fn configurations(&self, settings: &Settings) -> anyhow::Result<Vec<Configuration>> {
        let configurations = if self.fusion.is_empty() {
            vec![Configuration::new("default", settings.fuse.fusion()?)]
        } else {
            self.fusion.iter().map(|fusion| Configuration::new(fusion.to_string(), *fusion)).collect()
        };
        // One weight for all rewrites; an evaluation that weighs each as a retrieval does is on its way.
        let Weighting::Fixed(weight) = settings.rewrite.weight else { return Ok(configurations) };
        Ok(configurations.into_iter().map(|configuration| configuration.with_rewrite_weight(weight)).collect())
    }
}
