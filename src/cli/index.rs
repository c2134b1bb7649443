//! `asktwice index`: files become passages in the store.

use std::{cell::Cell, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

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
    embed::{Bm25, Embedder as _, SparseEncoder as _},
    index::{IndexError, Indexer, Progress, Report},
    search::{Succession, VectorStoreWriter},
};

/// What the shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// How often progress is told where there is no terminal to draw a bar in.
const TOLD_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Index {
    /// Files (.jsonl, .ndjson, .md, .markdown, .txt) or folders of them; of a BEIR folder, corpus.jsonl is read.
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// Remove from the collection what these sources hold no more, and all that is not from them.
    #[arg(long, conflicts_with = "server")]
    sync: bool,
    /// Fill a new collection with these sources alone, and put it in the place of the old one when it is whole. Questions
    /// are answered from the old one until then. A run that was cut off goes on.
    #[arg(long, conflicts_with = "server")]
    rebuild: bool,
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
        } else if self.rebuild {
            rebuild(settings, &self.sources).await?
        } else {
            let store = parts::store(&settings.store)?;
            let indexer = indexer(&parts::embedder(settings)?, settings.bm25.encoder()?, store);
            run(if self.sync { indexer.with_sync() } else { indexer }, &self.sources, tokens).await?
        };
        if self.json {
            say(serde_json::to_string_pretty(&report)?)?;
        }
        Ok(tell(&report, self.sync, self.rebuild))
    }
}

/// Fills a successor of the collection, which takes over if all was read.
async fn rebuild(settings: &Settings, sources: &[PathBuf]) -> anyhow::Result<Report> {
    let (embedder, encoder) = (parts::embedder(settings)?, settings.bm25.encoder()?);
    let identity = embedder.identity().clone().with_bm25(encoder.identity());
    let successor = parts::successor(&settings.store, &identity).await?;
    let indexer = indexer(&embedder, encoder, successor.store()).with_sync();
    let report = run(indexer, sources, settings.index.passage_tokens).await?;
    if report.is_whole() {
        tell_succession(successor.take_over().await?);
    } else if !report.interrupted {
        eprintln!(
            "asktwice: the old collection stays: not all of the sources could be read; mend or take out what is named \
             below, and the same command goes on from here"
        );
    }
    Ok(report)
}

pub(super) fn tell_succession(succession: Succession) {
    match succession {
        Succession::Pending => eprintln!(
            "the new collection is whole; another process has the old one open and takes over when it is asked the next \
             time, or, if its model is another, when it is started the next time"
        ),
        _ => eprintln!("the new collection has taken over"),
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
    run(indexer(embedder, encoder, store), sources, passage_tokens).await
}

fn indexer(embedder: &AnyEmbedder, encoder: Bm25, store: Arc<dyn VectorStoreWriter>) -> Indexer {
    let indexer = Indexer::new(Arc::new(embedder.clone()), store).with_sparse_encoder(encoder);
    match &embedder.token_counter {
        Some(counter) => indexer.with_token_counter(Arc::clone(counter)),
        None => indexer,
    }
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
    let told = Cell::new(Duration::ZERO);
    let report = indexer
        .run(sources, |progress| {
            if !bar.is_hidden() {
                show(&bar, progress);
            } else if progress.elapsed >= told.get() + TOLD_EVERY {
                told.set(progress.elapsed);
                eprintln!("{}", line(progress));
            }
        })
        .await;
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
    bar.set_length(progress.bytes_total);
    bar.set_position(progress.bytes_done);
    bar.set_message(rates(progress));
}

fn rates(progress: &Progress) -> String {
    let seconds = progress.elapsed.as_secs_f64().max(f64::EPSILON);
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = |count: u64| count as f64 / seconds;
    format!(
        "{} passages new, {} unchanged, {:.0} docs/s, {:.0} passages/s, {:.0} tokens/s",
        progress.indexed,
        progress.skipped,
        rate(progress.documents),
        rate(progress.indexed),
        rate(progress.tokens)
    )
}

/// The same as the bar says, for a log.
fn line(progress: &Progress) -> String {
    let percent = 100 * progress.bytes_done / progress.bytes_total.max(1);
    let left = progress.remaining().map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
    format!("{percent} %: {}{left}", rates(progress))
}

/// Says on standard error what was done and what was not; the exit code is that of a success only if all was.
fn tell(report: &Report, sync: bool, rebuild: bool) -> ExitCode {
    for problem in &report.problems.first {
        eprintln!("asktwice: not indexed: {problem}");
    }
    let mut said = vec![format!("{} passages indexed", report.indexed), format!("{} unchanged", report.skipped)];
    let counts = [
        (report.deleted, "stale ones deleted"),
        (report.removed, "removed that the sources hold no more"),
        (report.truncated, "longer than the model reads (their ends cannot be found)"),
        (report.ignored_files, "files of other kinds left aside"),
        (report.problems.count, "problems: what they name was NOT indexed"),
    ];
    said.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    eprintln!(
        "{} in {:.1} s: {:.0} docs/s, {:.0} passages/s, {:.0} tokens/s",
        said.join(", "),
        report.took.as_secs_f64(),
        report.documents_per_second(),
        report.passages_per_second(),
        report.tokens_per_second()
    );
    if report.interrupted {
        let state = if rebuild { "the old collection answers as before" } else { "what was indexed can be searched" };
        eprintln!("interrupted; {state}, and the same command goes on from here");
        return ExitCode::from(INTERRUPTED);
    }
    if sync && !rebuild && !report.is_whole() {
        eprintln!("nothing was removed: what could not be read is not gone");
    }
    if report.problems.count > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
