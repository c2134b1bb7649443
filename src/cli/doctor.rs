//! `asktwice doctor`: every part is tried, one by one, and each failure comes with its remedy.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;

use super::{chain, holder, parts, say};
use crate::{
    config::Settings,
    embed::{Embedder as _, Head, ModelFolder, Role, library},
    question::Question,
    rewrite::{RewriteRequest, Rewriter as _},
    search::{Quantization, VectorStore as _},
};

/// How long the language model may take for its first words.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Doctor {}

impl Doctor {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let checks = [
            ("library", library(settings)),
            ("model", model(settings).await),
            ("store", store(settings).await),
            ("llm", llm(settings).await),
        ];
        let mut well = true;
        for (name, found) in checks {
            match found {
                Ok(found) => say(format!("ok    {name:<8} {found}"))?,
                Err(error) => {
                    well = false;
                    say(format!("FAIL  {name:<8} {}", chain(&error)))?;
                }
            }
        }
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

fn library(settings: &Settings) -> anyhow::Result<String> {
    if !settings.embed.url.is_empty() {
        return Ok("not needed: the model runs behind embed.url".to_owned());
    }
    let path = parts::library(settings);
    library::load(&path)?;
    Ok(format!("{}, {}", path.display(), library::version()))
}

/// Embeds a text for real: a model can load and still fail on its first text.
async fn model(settings: &Settings) -> anyhow::Result<String> {
    let embedder = parts::embedder(settings)?;
    let start = Instant::now();
    let embedded = embedder.embed(Role::Query, vec!["Is anybody there?".to_owned()]).await?;
    let dimension = embedded.first().map_or(0, |embedding| embedding.vector.len());
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let identity = embedder.identity();
    // The URL itself may hold a secret.
    let remote = !settings.embed.url.is_empty();
    let how = if remote { "behind embed.url".to_owned() } else { settings.embed.precision.to_string() };
    Ok(format!("{}, {how}, dimension {dimension}, a first text in {milliseconds:.1} ms", identity.model))
}

/// Asks the store what it holds, and whether this model may search it.
async fn store(settings: &Settings) -> anyhow::Result<String> {
    let url = &settings.store.url;
    let collection = &settings.store.collection;
    let opened = parts::store(&settings.store);
    if let Err(error) = &opened
        && parts::is_locked(error)
        && let Some(who) = parts::folder(&settings.store, collection).and_then(|folder| holder::of(&folder))
    {
        return Ok(format!("{url}, {who}"));
    }
    let Some(info) = opened?.info().await? else {
        return Ok(format!("{url}, no collection {collection:?} yet; `asktwice index` makes it"));
    };
    // Whether the model itself is sound is another check's business.
    let model = if settings.embed.url.is_empty() {
        ModelFolder::open(&settings.embed.model).ok().map(|model| model.identity().clone())
    } else {
        Some(parts::remote(&settings.embed)?.identity().clone())
    };
    if let Some(model) = model {
        let head = Some(&settings.embed.head).filter(|path| !path.as_os_str().is_empty());
        let head = head.map(|path| Head::read(path, &model)).transpose()?;
        info.accepts(&head.map_or_else(|| model.clone(), |head| head.identity(&model)))?;
    }
    let (stored, wanted) = (info.quantization, settings.store.quantization()?);
    let compressed = if stored == Quantization::None { String::new() } else { format!(", quantization {stored}") };
    let other = if stored == wanted {
        String::new()
    } else {
        format!("; store.quantization is {wanted}, so that nothing can be indexed into it")
    };
    Ok(format!(
        "{url}, {} passages in {collection:?}, {} in the approximate index{compressed}{other}",
        info.passages, info.indexed_vectors
    ))
}

/// Asks the language model for a rewrite, and gives it time: a model that was idle may have to be loaded first.
async fn llm(settings: &Settings) -> anyhow::Result<String> {
    let rewrite = &settings.rewrite;
    if let Some(recorded) = rewrite.recorded()? {
        parts::rewriter(rewrite)?;
        return Ok(format!("rewrites are replayed from {}", recorded.file.display()));
    }
    let Some(llm) = parts::llm(rewrite)? else {
        return Ok("none is set; questions are searched as asked only (set rewrite.url and rewrite.model)".to_owned());
    };
    let start = Instant::now();
    let request = RewriteRequest::new(Question::new("wheres my food??")?);
    let llm = llm.with_timeout(PATIENCE);
    let rewrites = llm.rewrite(&request).await?;
    let (took, deadline) = (start.elapsed(), rewrite.deadline());
    if !rewrite.fallbacks.is_empty() {
        // A fallback that answers would hide what is wrong with the one before it.
        llm.check().await?;
    }
    let first = rewrites.texts().next().unwrap_or_default();
    let late = if took > deadline {
        format!(", which is later than rewrite.deadline_ms ({} ms) allows; was it still loading?", deadline.as_millis())
    } else {
        String::new()
    };
    Ok(format!("{}, {first:?} in {} ms{late}", rewrite.model, took.as_millis()))
}
