//! `asktwice index`: files become passages in the store.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::{
    parts::{self, AnyEmbedder},
    remote::Remote,
    say,
};
use crate::{
    config::Settings,
    embed::Bm25,
    index::{IndexError, Indexer, Progress, Report},
    search::VectorStoreWriter,
};

/// What the shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub(super) struct Index {
    /// Files (.jsonl, .ndjson, .md, .markdown, .txt) or folders of them; of a BEIR folder, corpus.jsonl is read.
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Index through a sidecar, such as `http://127.0.0.1:8080`, which embeds and stores.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl Index {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let tokens = settings.index.passage_tokens;
        let report = if let Some(url) = &self.server {
            let remote = Remote::new(url, settings)?;
            let indexer = Indexer::new(remote.embedder().await?, Arc::new(remote));
            run(indexer, &self.sources, tokens).await?
        } else {
            let store = parts::store(&settings.store)?;
            let embedder = parts::embedder(settings)?;
            index(&embedder, settings.bm25.encoder()?, store, &self.sources, tokens).await?
        };
        if self.json {
            say(serde_json::to_string_pretty(&report)?)?;
        }
        Ok(tell(&report))
    }
}

/// Indexes on this machine.
pub(super) async fn index(
    embedder: &AnyEmbedder,
    encoder: Bm25,
    store: Arc<dyn VectorStoreWriter>,
    sources: &[PathBuf],
    passage_tokens: usize,
) -> Result<Report, IndexError> {
    let mut indexer = Indexer::new(Arc::new(embedder.clone()), store).with_sparse_encoder(encoder);
    if let Some(counter) = &embedder.token_counter {
        indexer = indexer.with_token_counter(Arc::clone(counter));
    }
    run(indexer, sources, passage_tokens).await
}

/// Runs with a progress bar; Ctrl-C finishes the batches under way and ends the run.
async fn run(indexer: Indexer, sources: &[PathBuf], passage_tokens: usize) -> Result<Report, IndexError> {
    let mut indexer = indexer.with_stop(stop_on_ctrl_c());
    if passage_tokens > 0 {
        indexer = indexer.with_passage_tokens(passage_tokens);
    }
    let bar = ProgressBar::new(0);
    // The template is a constant; if it were wrong, the default bar would serve.
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let report = indexer.run(sources, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    report
}

/// Becomes true at the first Ctrl-C. A second one, or one when nothing is being indexed any more, ends the process.
fn stop_on_ctrl_c() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if *stop.borrow() || stop.send(true).is_err() {
                std::process::exit(INTERRUPTED.into());
            }
            eprintln!("\nasktwice: finishing what is under way; Ctrl-C again ends at once");
        }
    });
    stopped
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let seconds = progress.elapsed.as_secs_f64().max(f64::EPSILON);
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = |count: u64| count as f64 / seconds;
    bar.set_length(progress.bytes_total);
    bar.set_position(progress.bytes_done);
    let (docs, tokens) = (rate(progress.indexed), rate(progress.tokens));
    bar.set_message(format!(
        "{} new, {} unchanged, {docs:.0} docs/s, {tokens:.0} tokens/s",
        progress.indexed, progress.skipped
    ));
}

/// Says on standard error what was done and what was not; the exit code is that of a success only if all was.
fn tell(report: &Report) -> ExitCode {
    for problem in &report.problems.first {
        eprintln!("asktwice: not indexed: {problem}");
    }
    let mut said = vec![format!("{} passages indexed", report.indexed), format!("{} unchanged", report.skipped)];
    let counts = [
        (report.deleted, "stale ones deleted"),
        (report.truncated, "longer than the model reads (their ends cannot be found)"),
        (report.ignored_files, "files of other kinds left aside"),
        (report.problems.count, "problems: what they name was NOT indexed"),
    ];
    said.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    eprintln!(
        "{} in {:.1} s: {:.0} docs/s, {:.0} tokens/s",
        said.join(", "),
        report.took.as_secs_f64(),
        report.passages_per_second(),
        report.tokens_per_second()
    );
    if report.interrupted {
        eprintln!("interrupted; what was indexed can be searched, and the same command goes on from here");
        return ExitCode::from(INTERRUPTED);
    }
    if report.problems.count > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
