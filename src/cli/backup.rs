//! `asktwice export` and `asktwice import`: a collection as one file, and back into any store.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{index::tell_succession, parts};
use crate::{
    backup::{self, Backup},
    config::Settings,
};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file that `asktwice export` has written. It is checked from end to end before anything is stored.
    file: PathBuf,
    /// Fill a new collection with the file alone, and put it in the place of the old one when it is whole. Without it, the
    /// file's passages are added to the collection, in the place of those of the same ids.
    #[arg(long)]
    rebuild: bool,
}

impl Export {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let store = parts::store(&settings.store)?;
        let total = store.info().await?.map_or(0, |info| info.passages);
        let (bar, began) = (bar(total), Instant::now());
        let passages = backup::export(&*store, &self.file, |done| bar.set_position(done)).await?;
        bar.finish_and_clear();
        let bytes = std::fs::metadata(&self.file).context("the file that was just written")?.len();
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let megabytes = bytes as f64 / 1e6;
        let (file, seconds) = (self.file.display(), began.elapsed().as_secs_f64());
        eprintln!("{passages} passages in {file}: {megabytes:.1} MB, in {seconds:.1} s");
        Ok(ExitCode::SUCCESS)
    }
}

impl Import {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let began = Instant::now();
        let backup = Backup::open(&self.file).await?;
        for setting in backup.unknown_settings() {
            eprintln!("asktwice: the setting `{setting}` in it is of another version, and is not restored");
        }
        let here = settings.store.quantization()?.to_string();
        if let Some(there) = backup.quantization().filter(|there| *there != here) {
            eprintln!(
                "asktwice: the exported collection had store.quantization = {there}, and here it is {here}; give `--set \
                 store.quantization={there}` to have it as it was"
            );
        }
        let bar = bar(backup.passages());
        if self.rebuild {
            let successor = parts::successor(&settings.store, backup.identity()).await?;
            backup.import_alone(&*successor.store(), |done| bar.set_position(done)).await?;
            bar.finish_and_clear();
            tell_succession(successor.take_over().await?);
        } else {
            let store = parts::store(&settings.store)?;
            backup.import(&*store, |done| bar.set_position(done)).await?;
            bar.finish_and_clear();
        }
        let model = &backup.identity().model;
        eprintln!("{} passages of {model} imported in {:.1} s", backup.passages(), began.elapsed().as_secs_f64());
        Ok(ExitCode::SUCCESS)
    }
}

fn bar(passages: u64) -> ProgressBar {
    let bar = ProgressBar::new(passages);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {pos} passages, {per_sec}  {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
