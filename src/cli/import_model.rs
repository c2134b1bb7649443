//! `asktwice import-model`: a published BERT checkpoint becomes a model folder.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::parts;
use crate::{config::Settings, embed::import_bert};

#[derive(Debug, Args)]
pub(super) struct ImportModel {
    /// The checkpoint's folder: model.safetensors, config.json, tokenizer.json and sentence-transformers' settings.
    from: PathBuf,
    /// The model folder to make; its name becomes the model's.
    to: PathBuf,
}

impl ImportModel {
    pub(super) fn run(&self, settings: &Settings) -> anyhow::Result<ExitCode> {
        import_bert(&self.from, &self.to, &parts::library(settings))?;
        eprintln!("{} is ready", self.to.display());
        Ok(ExitCode::SUCCESS)
    }
}
