//! The command line: one file per command. What is typed becomes [`Settings`], the settings
//! become parts, and the parts do the work; nothing here is needed by who uses the library.

#![allow(clippy::print_stderr, reason = "the command line is what prints")]

mod adapt;
mod ask;
mod backup;
mod calibrate;
mod compare_models;
mod corpus;
mod demo;
mod doctor;
mod eval;
mod holder;
mod import_model;
mod index;
mod judged;
mod mcp;
mod models;
mod parts;
mod recall;
mod remote;
mod serve;
mod telemetry;
mod timeline;
mod tune;

use std::{collections::HashMap, io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::{
    backup::BackupError,
    config::{Settings, SettingsError},
    embed::{EmbedError, HeadError, HubError},
    error::{Error, ErrorKind},
    evaluate::{CalibrationError, ChoiceError, DatasetError, EvaluateError},
    index::IndexError,
    rerank::RerankError,
    rewrite::{LlmError, PromptError, RecordedError},
    search::StoreError,
};

/// Search with the question and its rewritten version at the same time, and fuse what both find.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
struct Global {
    /// A file of settings; without it asktwice.toml is read if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any setting, such as --set search.depth=50; see config/default.toml for all of them.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the passages are: edge:FOLDER or `http://HOST:6334` [store.url].
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// The collection's name [store.collection].
    #[arg(long, global = true, value_name = "NAME")]
    collection: Option<String>,
    /// What the embedder calculates with: auto, int8 or fp32 [embed.precision].
    #[arg(long, global = true, value_name = "PRECISION")]
    precision: Option<String>,
    /// The base URL of an OpenAI-compatible endpoint that rewrites questions [rewrite.url].
    #[arg(long, global = true, value_name = "URL")]
    llm: Option<String>,
    /// The language model's name there [rewrite.model].
    #[arg(long, global = true, value_name = "NAME")]
    model: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask a question.
    Ask(ask::Ask),
    /// Index files: JSON lines, Markdown, plain text, BEIR folders.
    Index(index::Index),
    /// Write a collection, vectors included, to a file.
    Export(backup::Export),
    /// Fill a collection from such a file, in either engine.
    Import(backup::Import),
    /// Measure the question alone, its rewrite alone and both fused, on judged questions.
    Eval(eval::Eval),
    /// Learn a small correction of the model's question embeddings from judged questions.
    Adapt(adapt::Adapt),
    /// Choose fusion, weights, depth and legs by judged questions, cross-validated.
    Tune(tune::Tune),
    /// Measure several models on the same judged questions: quality, milliseconds, memory.
    CompareModels(compare_models::CompareModels),
    /// Learn from judged questions how sure a retrieval may be of itself.
    Calibrate(calibrate::Calibrate),
    /// Serve questions over HTTP, for chat apps.
    Serve(serve::Serve),
    /// Offer asking and remembering as tools to a language model, over standard input and output (MCP).
    Mcp(mcp::Mcp),
    /// Check the library, the model, the store and the language model, one by one.
    Doctor(doctor::Doctor),
    /// Show the main job on the help-centre corpus that comes with the program.
    Demo(demo::Demo),
    /// Turn a published BERT checkpoint (safetensors) into a model folder.
    ImportModel(import_model::ImportModel),
    /// List, download, verify models and make them fast.
    Models(models::Models),
}

/// Runs the program on the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(code) => code,
        // Who reads has heard enough, as in `asktwice ask … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("asktwice: {}", chain(&error));
            exit_code(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let flags = match &cli.command {
        Command::Serve(serve) => serve.flags(),
        _ => vec![],
    };
    let settings = cli.global.settings(&flags)?;
    let serves = matches!(cli.command, Command::Serve(_) | Command::Mcp(_));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    {
        // What sends spans lives on the runtime.
        let _inside = runtime.enter();
        telemetry::start(serves.then_some(&settings.server));
    }
    let code = runtime.block_on(async {
        match cli.command {
            Command::Ask(command) => command.run(&settings).await,
            Command::Index(command) => command.run(&settings).await,
            Command::Export(command) => command.run(&settings).await,
            Command::Import(command) => command.run(&settings).await,
            Command::Eval(command) => command.run(&settings).await,
            Command::Adapt(command) => command.run(&settings).await,
            Command::Tune(command) => command.run(&settings).await,
            Command::CompareModels(command) => command.run(&settings).await,
            Command::Calibrate(command) => command.run(&settings).await,
            Command::Serve(command) => command.run(&cli.global, &settings).await,
            Command::Mcp(command) => command.run(&cli.global, &settings).await,
            Command::Doctor(command) => command.run(&settings).await,
            Command::Demo(command) => command.run(&settings).await,
            Command::ImportModel(command) => command.run(&settings),
            Command::Models(command) => command.run(&settings).await,
        }
    });
    // A search or a rewrite that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    code
}

impl Global {
    /// The settings, with further flags of the command's own.
    fn settings(&self, flags: &[String]) -> Result<Settings, SettingsError> {
        let (file, environment, flags) = self.layers(flags);
        Settings::load(file.as_deref(), environment, &flags)
    }

    /// The same settings, to be shown.
    fn effective(&self, flags: &[String]) -> Result<serde_json::Value, SettingsError> {
        let (file, environment, flags) = self.layers(flags);
        Settings::effective(file.as_deref(), environment, &flags)
    }

    fn layers(&self, flags: &[String]) -> (Option<PathBuf>, HashMap<String, String>, Vec<String>) {
        let named = [
            ("store.url", &self.store),
            ("store.collection", &self.collection),
            ("embed.precision", &self.precision),
            ("rewrite.url", &self.llm),
            ("rewrite.model", &self.model),
        ];
        let named = named.into_iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")));
        let flags = self.set.iter().cloned().chain(named).chain(flags.iter().cloned()).collect();
        let default = PathBuf::from("asktwice.toml");
        let file = self.config.clone().or_else(|| default.exists().then_some(default));
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        (file, environment, flags)
    }
}

/// Writes to standard output; a closed pipe is an error and not a panic.
fn say(text: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.downcast_ref::<std::io::Error>().is_some_and(broken)
}

/// An error with its causes, in one line.
fn chain(error: &anyhow::Error) -> String {
    crate::retrieval::Report(error.as_ref()).to_string()
}

/// 2: asked for something that cannot be done. 3: the set-up is wrong. 4: a part is down. 5: too late. 1: the rest.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let kind = error.chain().find_map(|cause| {
        let of_crate = cause.downcast_ref::<Error>().map(Error::kind);
        let of_embedder = cause.downcast_ref::<EmbedError>().map(EmbedError::kind);
        let of_hub = cause.downcast_ref::<HubError>().map(HubError::kind);
        let of_store = cause.downcast_ref::<StoreError>().map(StoreError::kind);
        let of_index = cause.downcast_ref::<IndexError>().map(IndexError::kind);
        let of_backup = cause.downcast_ref::<BackupError>().map(BackupError::kind);
        let of_reranker = cause.downcast_ref::<RerankError>().map(RerankError::kind);
        let of_evaluation = cause.downcast_ref::<EvaluateError>().map(EvaluateError::kind);
        let invalid = cause.is::<SettingsError>()
            || cause.is::<DatasetError>()
            || cause.is::<CalibrationError>()
            || cause.is::<ChoiceError>()
            || cause.is::<HeadError>()
            || cause.is::<LlmError>()
            || cause.is::<PromptError>()
            || cause.is::<RecordedError>();
        let of_settings = invalid.then_some(ErrorKind::Invalid);
        of_crate
            .or(of_embedder)
            .or(of_hub)
            .or(of_store)
            .or(of_index)
            .or(of_backup)
            .or(of_reranker)
            .or(of_evaluation)
            .or(of_settings)
    });
    ExitCode::from(match kind {
        Some(ErrorKind::Invalid) => 2,
        Some(ErrorKind::Setup) => 3,
        Some(ErrorKind::Unavailable) => 4,
        Some(ErrorKind::Deadline) => 5,
        None => 1,
    })
}
