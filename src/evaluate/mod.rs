//! Whether asking twice helps, on a judged collection: the question alone, its rewrite alone and both fused, over the
//! same searches, with an interval that says whether a difference is more than luck.
//!
//! Every search runs once, however many fusions are compared. A question without a usable rewrite counts with what
//! the question as asked finds, in every run: that is what a caller would get.

mod adapt;
mod adaptation;
mod bootstrap;
mod dataset;
mod legs;
mod measures;
mod random;
mod result;

use std::{num::NonZeroUsize, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};

pub use adapt::{Example, Training, train};
pub use adaptation::{Adaptation, Adapter, FEWEST_QUESTIONS, Gain};
pub use bootstrap::Delta;
pub use dataset::{Dataset, DatasetError, JudgedQuestion, Rewrites};
pub use result::{Evaluation, RunMeasures};

use self::{legs::Legs, result::Measured};
use crate::{
    embed::{EmbedError, Embedder},
    error::ErrorKind,
    fuse::Fuse,
    search::{StoreError, VectorStore},
};

/// How deep each search looks when nothing else is said; recall@100 needs no less.
pub const DEFAULT_DEPTH: usize = 100;

/// A way to fuse, under a name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Configuration {
    /// The name, for the results.
    pub name: String,
    /// How the rankings become one.
    pub fusion: Arc<dyn Fuse>,
    /// How much each rewrite counts; the question as asked counts 1.
    pub rewrite_weight: f64,
}

impl Configuration {
    /// A fusion in which each rewrite counts as much as the question.
    pub fn new(name: impl Into<String>, fusion: impl Fuse + 'static) -> Self {
        Self { name: name.into(), fusion: Arc::new(fusion), rewrite_weight: 1.0 }
    }

    /// Sets how much each rewrite counts.
    #[must_use]
    pub fn with_rewrite_weight(mut self, weight: f64) -> Self {
        self.rewrite_weight = weight;
        self
    }
}

/// Turns what was recorded for a question (the second text) into the rewrites that are searched with.
pub type Cleaner = Arc<dyn Fn(&[String], &str) -> Vec<String> + Send + Sync>;

/// Measures configurations on a dataset whose corpus the store holds.
#[derive(Clone)]
pub struct Evaluator {
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    depth: usize,
    concurrency: NonZeroUsize,
    cleaner: Cleaner,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("store", &self.store).field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl Evaluator {
    /// An evaluator that searches [`DEFAULT_DEPTH`] deep and takes recorded rewrites as they are, trimmed.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStore>) -> Self {
        // Two questions per core: while one is searched, another is embedded.
        let two = NonZeroUsize::MIN.saturating_add(1);
        let concurrency = std::thread::available_parallelism().map_or(two, |cores| cores.saturating_mul(two));
        Self { embedder, store, depth: DEFAULT_DEPTH, concurrency, cleaner: Arc::new(legs::trimmed) }
    }

    /// Sets how deep each search looks. Recall@100 of less than 100 is that of the depth.
    #[must_use]
    pub fn with_depth(mut self, depth: NonZeroUsize) -> Self {
        self.depth = depth.get();
        self
    }

    /// Sets how many questions are under way at the same time.
    #[must_use]
    pub fn with_concurrency(mut self, questions: NonZeroUsize) -> Self {
        self.concurrency = questions;
        self
    }

    /// Sets what a question's recorded rewrites go through before they are searched with: what live ones would.
    #[must_use]
    pub fn with_cleaner(mut self, cleaner: Cleaner) -> Self {
        self.cleaner = cleaner;
        self
    }

    /// Whether any question of the dataset has a rewrite to search with.
    #[must_use]
    pub fn has_rewrites(&self, dataset: &Dataset, rewrites: &Rewrites) -> bool {
        dataset.questions.iter().any(|question| !(self.cleaner)(rewrites.of(&question.id), &question.text).is_empty())
    }

    /// Searches with every question and its rewrites, and measures every configuration on what they find. `progress`
    /// is told how many questions are done, and of how many.
    ///
    /// # Errors
    /// [`EvaluateError`] names the first question that could not be searched: a measurement with holes is none.
    #[tracing::instrument(name = "evaluate", skip_all)]
    pub async fn run(
        &self,
        dataset: &Dataset,
        rewrites: &Rewrites,
        configurations: &[Configuration],
        progress: impl Fn(usize, usize),
    ) -> Result<Evaluation, EvaluateError> {
        let info = self.store.info().await.map_err(|source| EvaluateError::Store { source })?;
        let passages = info.map_or(0, |info| info.passages);
        let legs = Legs { evaluator: self, dataset };
        let total = dataset.questions.len();
        let mut measured: Vec<(usize, Measured)> = stream::iter(dataset.questions.iter().enumerate())
            .map(async |(index, question)| {
                let searched = legs.search(question, rewrites.of(&question.id)).await?;
                Ok::<_, EvaluateError>((index, searched.measure(question, configurations)))
            })
            .buffer_unordered(self.concurrency.get())
            .inspect_ok({
                let mut done = 0;
                move |_| {
                    done += 1;
                    progress(done, total);
                }
            })
            .try_collect()
            .await?;
        // Back into the dataset's order, so that the bootstrap draws the same questions every time.
        measured.sort_by_key(|(index, _)| *index);
        let measured: Vec<Measured> = measured.into_iter().map(|(_, measured)| measured).collect();
        Ok(Evaluation::new(&measured, configurations, notes(dataset, &measured, passages)))
    }
}

/// What the numbers do not say by themselves.
fn notes(dataset: &Dataset, measured: &[Measured], passages: u64) -> Vec<String> {
    let bare = measured.iter().filter(|measured| !measured.rewritten).count();
    let documents = dataset.documents.len();
    let lacking = passages < documents as u64;
    [
        (bare > 0, format!("{bare} questions have no usable rewrite; they count as asked in every run")),
        (lacking, format!("the store holds {passages} passages, fewer than the corpus's {documents} documents")),
        (
            dataset.missing_documents > 0,
            format!("{} relevant documents are not in the corpus; they count as not found", dataset.missing_documents),
        ),
        (
            dataset.missing_questions > 0,
            format!("{} judged questions are not in queries.jsonl; they are left out", dataset.missing_questions),
        ),
    ]
    .into_iter()
    .filter_map(|(applies, note)| applies.then_some(note))
    .collect()
}

/// Why there is no evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A question or a rewrite could not be embedded.
    #[error("the question {question:?} could not be embedded")]
    Embed {
        /// The question's id.
        question: String,
        /// Why.
        #[source]
        source: EmbedError,
    },
    /// A question or a rewrite could not be searched.
    #[error("the question {question:?} could not be searched")]
    Search {
        /// The question's id.
        question: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The store does not say what it holds.
    #[error("the store does not answer")]
    Store {
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl EvaluateError {
    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Embed { source, .. } => source.kind(),
            Self::Search { source, .. } | Self::Store { source } => source.kind(),
        }
    }
}
