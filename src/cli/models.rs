//! `asktwice models`: list, download, verify models and make them fast.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;

use super::{parts, say};
use crate::{
    config::Settings,
    embed::{
        DEFAULT_HUB, FileState, Hub, HubError, Int8Kernel, OptimizeOptions, Precision, Pulled, Source, Wanted,
        catalogue, catalogue_table, optimize, verify,
    },
};

/// Where models are kept unless one says otherwise.
const FOLDER: &str = ".asktwice/models";

#[derive(Debug, Args)]
pub(super) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the models that are known by name.
    List(List),
    /// Download a model from a hub, as the variables of Hugging Face's own tools say (see docs/models.md).
    Pull(Pull),
    /// Compare a model's folder with its manifest.
    Verify(Verify),
    /// Fuse a model's operators and bring its weights to int8; refused if the vectors then stray too far.
    Optimize(Optimize),
}

#[derive(Debug, Args)]
struct List {
    /// Print the table as it stands in docs/models.md.
    #[arg(long)]
    markdown: bool,
}

#[derive(Debug, Args)]
struct Pull {
    /// A name of `asktwice models list`, or a repository: OWNER/NAME.
    #[arg(value_name = "NAME")]
    wanted: String,
    /// A branch, a tag or a commit of the repository.
    #[arg(long, default_value = "main")]
    revision: String,
    /// The ONNX file in the repository, where its name is an unusual one.
    #[arg(long)]
    file: Option<String>,
    /// The SHA-256 that the ONNX file has to have.
    #[arg(long)]
    sha256: Option<String>,
    /// The folder to make [.asktwice/models/NAME].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Use no network: say whether the model is here, and intact.
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
struct Verify {
    /// The model's folder [embed.model].
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Optimize {
    /// The model's folder [embed.model].
    folder: Option<PathBuf>,
    /// The smallest cosine between a text's fp32 and int8 vectors that is accepted.
    #[arg(long, default_value_t = OptimizeOptions::default().least_cosine)]
    least_cosine: f32,
    /// Make a file for every CPU, also where this one could do with more exact weights.
    #[arg(long)]
    portable: bool,
}

impl Models {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(command) => command.run(),
            Command::Pull(command) => command.run(settings).await,
            Command::Verify(command) => command.run(settings),
            Command::Optimize(command) => command.run(settings),
        }
    }
}

impl List {
    fn run(&self) -> anyhow::Result<ExitCode> {
        if self.markdown {
            say(catalogue_table().trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        say(format!("{:<38} {:>4} {:>6}  {:<6} {:<10}  languages", "name", "dim", "tokens", "int8", "licence"))?;
        for entry in catalogue() {
            let tokens = entry.max_tokens.map_or_else(|| "?".to_owned(), |tokens| tokens.to_string());
            let int8 = if entry.file(Precision::Int8).is_some() { "yes" } else { "–" };
            let licence = entry.licence.as_deref().unwrap_or("?");
            say(format!(
                "{:<38} {:>4} {tokens:>6}  {int8:<6} {licence:<10}  {}",
                entry.name, entry.dimension, entry.languages
            ))?;
        }
        say(
            "\nint8 of this CPU's kind; where there is none, `asktwice models optimize` makes it. docs/models.md says more.",
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Pull {
    async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let mut wanted = Wanted::new(&self.wanted)?;
        wanted = wanted.with_revision(&self.revision).with_precision(settings.embed.precision);
        if let Some(file) = &self.file {
            wanted = wanted.with_file(file)?;
        }
        if let Some(hash) = &self.sha256 {
            wanted = wanted.with_sha256(hash)?;
        }
        let target = self.to.clone().unwrap_or_else(|| Path::new(FOLDER).join(wanted.name()));
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        }
        let bar = ProgressBar::new(0);
        // The template is a constant; if it were wrong, the default bar would serve.
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let watch = |download: &crate::embed::Download| {
            bar.set_length(download.total);
            bar.set_position(download.done);
            bar.set_message(download.file.clone());
        };
        let offline = self.offline || is_offline();
        let pulled = hub(offline)?.pull(&wanted, &target, &watch).await;
        bar.finish_and_clear();
        tell(&pulled?, settings.embed.precision, offline)
    }
}

/// Says what is where, and what to do with it.
fn tell(pulled: &Pulled, wanted: Precision, offline: bool) -> anyhow::Result<ExitCode> {
    let folder = pulled.folder.display();
    let Source { repository, commit, .. } = &pulled.source;
    let what = match (pulled.is_new, offline) {
        (false, _) => "here already, and intact",
        (true, false) => "downloaded",
        (true, true) => "taken from Hugging Face's cache",
    };
    say(format!("{repository} at {commit}, {}: {what}, in {folder}", pulled.precision))?;
    if pulled.is_new && offline {
        say("No hub was asked: commit and hashes in its manifest are those of what lay there.")?;
    } else if pulled.cached > 0 {
        say(format!("{} of its files were in Hugging Face's cache, as the hub states them.", pulled.cached))?;
    }
    if wanted == Precision::Int8 && pulled.precision == Precision::Fp32 {
        say(format!(
            "It has no int8 file for this CPU; `asktwice models optimize {folder}` makes one, --precision fp32 does without."
        ))?;
    }
    say(format!("Use it with --set embed.model={folder}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the environment forbids the network.
fn is_offline() -> bool {
    variable("HF_HUB_OFFLINE").is_some_and(|value| matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

/// The hub, as the variables of Hugging Face's own tools say.
fn hub(offline: bool) -> anyhow::Result<Hub> {
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_HUB.to_owned());
    let mut hub = Hub::new(&endpoint).context("HF_ENDPOINT")?.with_system_proxy().with_offline(offline);
    if let Some(cache) = variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(home()?.join("hub"))) {
        hub = hub.with_cache(cache);
    }
    Ok(match token() {
        Some(token) => hub.with_token(token).context("HF_TOKEN, or the file that `hf auth login` writes")?,
        None => hub,
    })
}

/// Where Hugging Face's own tools keep what is theirs.
fn home() -> Option<PathBuf> {
    let cache =
        || variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")));
    variable("HF_HOME").map(PathBuf::from).or_else(|| Some(cache()?.join("huggingface")))
}

/// The token: `HF_TOKEN`, or the file that Hugging Face's own login writes.
fn token() -> Option<SecretString> {
    if let Some(token) = variable("HF_TOKEN") {
        return Some(token.into());
    }
    let file = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(home()?.join("token")))?;
    let token = std::fs::read_to_string(file).ok()?;
    (!token.trim().is_empty()).then(|| token.into())
}

/// A variable of the environment that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Verify {
    fn run(&self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let folder = self.folder.as_ref().unwrap_or(&settings.embed.model);
        let found = verify(folder)?;
        let source = found.source.as_ref().map_or_else(String::new, |source| {
            format!(", from {} of {} at {}", source.repository, source.hub, source.commit)
        });
        say(format!("{}{source}", found.name))?;
        for (file, state) in &found.files {
            let state = match state {
                FileState::Intact => "ok",
                FileState::Changed => "CHANGED",
                FileState::Missing => "MISSING",
            };
            say(format!("{state:<8} {file}"))?;
        }
        if found.is_intact() {
            return Ok(ExitCode::SUCCESS);
        }
        let problem = "not every file is what the manifest says; get the model again".to_owned();
        Err(HubError::Folder { folder: folder.display().to_string(), problem }.into())
    }
}

impl Optimize {
    fn run(&self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let folder = self.folder.as_ref().unwrap_or(&settings.embed.model);
        let kernel = if self.portable { Int8Kernel::Avx2 } else { Int8Kernel::detect() };
        let options = OptimizeOptions { least_cosine: self.least_cosine, kernel };
        let made = optimize(folder, &parts::library(settings), &options)?;
        #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        let [products, attentions, tables] = made.quantised;
        let [least, mean] = made.cosines;
        say(format!(
            "{}: {:.1} MB, fp32 has {:.1} MB",
            made.file,
            megabytes(made.bytes),
            megabytes(made.bytes_before)
        ))?;
        say(format!("{products} products, {attentions} attentions and {tables} tables in int8"))?;
        say(format!("cosine to fp32 over the sample texts: {mean:.4} in the mean, {least:.4} at the least"))?;
        Ok(ExitCode::SUCCESS)
    }
}
