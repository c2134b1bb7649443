//! What `eval`, `tune` and `calibrate` share: judged questions, what they are rewritten to, and their searches.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use indicatif::ProgressBar;

use super::{
    corpus::{self, Corpus},
    parts::{self, AnyEmbedder},
};
use crate::{
    config::{Settings, SettingsError},
    evaluate::{Choice, Companion, Dataset, Evaluator, RewriteSet, Searches},
    rewrite::{Recorded, RecordedRewriter, Rewriter},
    search::{EdgeStore, VectorStore},
};

/// Recall@100 needs so many.
const LEAST_DEPTH: usize = 100;

/// Judged questions and their rewrites.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("judged").required(true).args(["data", "questions"])))]
pub(super) struct Judged {
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv. Its corpus is indexed and kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file of questions, lines of {"question": …, "answers": [id, …]}, to ask the collection that the settings name.
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Which judgements to use: qrels/SPLIT.tsv; several as train,test.
    #[arg(long, default_value = "test")]
    split: String,
    /// Recorded rewrites, lines of {"_id": …, "rewrites": […]}, and which kind they are; may be given several times.
    /// Without it, the language model that the settings name is asked.
    #[arg(long, value_name = "FILE[:KIND]")]
    pub(super) rewrites: Vec<Recorded>,
}

/// Searches, and whether everything that should be searched is indexed.
pub(super) struct Searched {
    pub(super) searches: Searches,
    pub(super) store: Arc<dyn VectorStore>,
    /// The same, if it is one of the embedded engine.
    pub(super) embedded: Option<Arc<EdgeStore>>,
    pub(super) complete: bool,
}

/// What to search with and in.
struct Parts {
    embedder: AnyEmbedder,
    store: Arc<dyn VectorStore>,
    embedded: Option<Arc<EdgeStore>>,
    complete: bool,
}

impl Judged {
    /// Rewrites and searches every question, `depth` deep or deeper, with `companions` beside its rewrites.
    pub(super) async fn search(
        &self,
        settings: &Settings,
        depth: usize,
        companions: Vec<Companion>,
    ) -> anyhow::Result<Searched> {
        let dataset = self.dataset()?;
        // Before indexing, which may take long: a file of other questions' rewrites shows at once.
        let mut all: Vec<Companion> =
            self.sets(settings, &dataset).await?.into_iter().map(Companion::Rewrites).collect();
        all.extend(companions);
        let Parts { embedder, store, embedded, complete } = self.parts(settings).await?;
        let evaluator = Evaluator::new(Arc::new(embedder), Arc::clone(&store))
            .with_sparse_encoder(settings.bm25.encoder()?)
            .with_least_cosines(settings.rewrite.least_cosine.clone())
            .with_depth(NonZeroUsize::new(depth.max(LEAST_DEPTH)).context("search.depth")?);
        let bar = ProgressBar::new(dataset.questions.len() as u64);
        let searches = evaluator.search(&dataset, &all, |done| bar.set_position(done as u64)).await;
        bar.finish_and_clear();
        Ok(Searched { searches: searches?, store, embedded, complete })
    }

    /// The questions and their judgements.
    pub(super) fn dataset(&self) -> anyhow::Result<Dataset> {
        Ok(match (&self.data, &self.questions) {
            (Some(data), _) => Dataset::open(data, &self.split)?,
            (None, Some(questions)) => Dataset::of_answers(questions)?,
            (None, None) => anyhow::bail!("neither --data nor --questions is given"),
        })
    }

    /// What to search with and in, indexed first where it is a folder.
    async fn parts(&self, settings: &Settings) -> anyhow::Result<Parts> {
        if let Some(data) = &self.data {
            let Corpus { embedder, store, complete } = corpus::indexed(settings, std::slice::from_ref(data)).await?;
            return Ok(Parts { embedder, store: Arc::clone(&store) as _, embedded: Some(store), complete });
        }
        let embedded = parts::embedded(&settings.store)?;
        let store: Arc<dyn VectorStore> = match &embedded {
            Some(store) => Arc::clone(store) as _,
            None => parts::store(&settings.store)?,
        };
        Ok(Parts { embedder: parts::embedder(settings)?, store, embedded, complete: true })
    }

    /// The sets of rewrites: the recorded ones, or what the language model says now.
    async fn sets(&self, settings: &Settings, dataset: &Dataset) -> anyhow::Result<Vec<RewriteSet>> {
        let questions = || dataset.questions.iter().map(|question| (&question.id, &question.text));
        let mut sets = vec![];
        for recorded in &self.rewrites {
            let file = &recorded.file;
            let rewriter = RecordedRewriter::open(recorded)?.for_questions(questions());
            let name = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy();
            sets.push(ask(&name, &rewriter, dataset).await.with_context(|| file.display().to_string())?);
        }
        if self.rewrites.is_empty()
            && let Some(rewriter) = parts::rewriter(&settings.rewrite)?
        {
            let name = if settings.rewrite.model.is_empty() { "recorded" } else { &settings.rewrite.model };
            sets.push(ask(name, &rewriter, dataset).await?);
        }
        Ok(sets)
    }
}

async fn ask(name: &str, rewriter: &dyn Rewriter, dataset: &Dataset) -> anyhow::Result<RewriteSet> {
    // A local model answers one question at a time anyway; a hosted one is not to be overrun.
    let at_once = NonZeroUsize::MIN.saturating_add(3);
    let bar = ProgressBar::new(dataset.questions.len() as u64);
    let set = RewriteSet::ask(name, rewriter, dataset, at_once, |done| bar.set_position(done as u64)).await;
    bar.finish_and_clear();
    Ok(set?)
}

/// What the settings choose.
pub(super) fn chosen(settings: &Settings) -> Result<Choice, SettingsError> {
    let (search, fusion) = (&settings.search, settings.fuse.fusion()?);
    Ok(Choice {
        fusion,
        weight: settings.rewrite.weight,
        legs: search.legs,
        channels: search.channel_weights(),
        depth: search.depth,
        depths: search.depths(),
    })
}
