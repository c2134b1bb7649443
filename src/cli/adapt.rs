//! `asktwice adapt`: learns a small correction of the model's question embeddings from judged questions.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use clap::Args;

use super::{corpus, say};
use crate::{
    config::{Settings, SettingsError},
    evaluate::{Adapter, Dataset, FEWEST_QUESTIONS, Gain},
};

#[derive(Debug, Args)]
pub(super) struct Adapt {
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which judgements to learn from: qrels/SPLIT.tsv.
    #[arg(long, default_value = "train")]
    split: String,
    /// Which judgements to measure on afterwards; they must be of other questions.
    #[arg(long, value_name = "SPLIT")]
    test_split: Option<String>,
    /// Where to write the head; name it in embed.head to use it.
    #[arg(long, default_value = "head.json", value_name = "FILE")]
    out: PathBuf,
}

impl Adapt {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        if !settings.embed.head.as_os_str().is_empty() {
            let problem = "unset it while a new head is learned: one is learned for the bare model".to_owned();
            return Err(SettingsError::Value { setting: "embed.head", problem }.into());
        }
        let dataset = Dataset::open(&self.data, &self.split)?;
        let test = self.test_split.as_ref().map(|split| Dataset::open(&self.data, split)).transpose()?;
        let corpus = corpus::indexed(settings, &self.data).await?;
        let adapter = Adapter::new(Arc::new(corpus.embedder), corpus.store);
        let start = Instant::now();
        let Some(adaptation) = adapter.train(&dataset).await? else {
            say(format!(
                "Nothing learned: at least {FEWEST_QUESTIONS} questions need a right passage that is indexed."
            ))?;
            return Ok(ExitCode::FAILURE);
        };
        let seconds = start.elapsed().as_secs_f64();
        let epochs = adaptation.training.epochs;
        let how = format!("cross-validated on {} ({epochs} epochs, {seconds:.0} s)", self.split);
        say(describe(&how, &adaptation.gain))?;
        say(describe("  the same, each trained without its own answers", &adaptation.gain_on_new))?;
        if let (Some(test), Some(split)) = (&test, &self.test_split) {
            let measured = adapter.measure_head(&adaptation.head, &dataset, test).await?;
            say(describe(split, &measured.all))?;
            say(describe("  about answers of training questions", &measured.known))?;
            say(describe("  about other answers", &measured.new))?;
        }
        if !adaptation.is_of_use() {
            say(
                "The gain's interval does not lie above zero, or questions about new answers lose: no head was written.",
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        adaptation.head.write(&self.out)?;
        let path = self.out.display();
        say(format!("{path} is written; --set embed.head={path} uses it. The collection stays as it is."))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(what: &str, gain: &Gain) -> String {
    let Gain { questions, before, after, delta, .. } = gain;
    format!(
        "{what}: {questions} questions, nDCG@10 of dense search {before:.4} → {after:.4} ({:+.4} [{:+.4}, {:+.4}])",
        delta.mean, delta.low, delta.high
    )
}
