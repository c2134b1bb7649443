//! Whether asking twice helps, on a user's own judged questions: the question alone, its rewrites alone and both fused,
//! over the same searches, with an interval that says whether a difference is more than luck.
//!
//! An [`Evaluator`] searches every question and what it is asked with beside itself once, through every channel. The
//! [`Searches`] that come of it are measured without searching again: any set of [`Configuration`]s
//! ([`Searches::evaluate`]), every fusion with every weighting ([`Searches::ablation`]), what cross-validation would choose
//! ([`Searches::tune`]), what a gate would save ([`Searches::gate`]), and how sure a retrieval may be of itself
//! ([`Searches::calibrate`]). What an approximate index loses, [`Searches::exactly`] searches once more to say, and answers
//! that somebody else gave are measured as they are ([`Evaluation::of_answers`]). A question without a usable rewrite counts
//! with what the question as asked finds, in every
//! run: that is what a caller would get.

mod ablation;
mod adapt;
mod adaptation;
mod answers;
mod bootstrap;
mod calibrate;
mod configuration;
mod dataset;
mod documents;
mod evaluation;
mod folds;
mod gate;
mod html;
mod measures;
mod random;
mod recall;
mod rewrites;
mod runs;
mod searches;
mod tune;

use std::{num::NonZeroUsize, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};

pub use ablation::{Ablation, AblationRow, Compared};
pub use adapt::{Example, Training, train};
pub use adaptation::{Adaptation, Adapter, FEWEST_QUESTIONS, Gain, MeasuredHead};
pub use answers::{Answer, Answers};
pub use bootstrap::Delta;
pub use calibrate::{Calibration, CalibrationError, LEAST_QUESTIONS, Observation};
pub use configuration::{Choice, ChoiceError, Configuration};
pub use dataset::{Dataset, DatasetError, JudgedQuestion};
pub use evaluation::{Evaluation, QuestionMeasures, RunMeasures};
pub use gate::{Gate, GateStep};
pub use recall::{ExactSearches, Recall};
pub use rewrites::RewriteSet;
pub use runs::Searches;
pub use searches::Companion;
pub use tune::{Grid, Tuning};

use self::{runs::Cost, searches::Searcher};
use crate::{
    embed::{EmbedError, Embedder, SparseEncoder},
    error::ErrorKind,
    rewrite::LeastCosines,
    search::{StoreError, VectorStore},
};

/// How deep each search looks when nothing else is said; recall@100 needs no less.
pub const DEFAULT_DEPTH: usize = 100;

/// Searches with a dataset's questions in a store that holds its corpus.
#[derive(Debug, Clone)]
pub struct Evaluator {
    embedder: Arc<dyn Embedder>,
    sparse: Option<Arc<dyn SparseEncoder>>,
    store: Arc<dyn VectorStore>,
    depth: usize,
    least_cosines: LeastCosines,
    concurrency: NonZeroUsize,
}

impl Evaluator {
    /// An evaluator that searches [`DEFAULT_DEPTH`] deep, by embeddings alone.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStore>) -> Self {
        // Two questions per core: while one is searched, another is embedded.
        let two = NonZeroUsize::MIN.saturating_add(1);
        let concurrency = std::thread::available_parallelism().map_or(two, |cores| cores.saturating_mul(two));
        let least_cosines = LeastCosines::default();
        Self { embedder, sparse: None, store, depth: DEFAULT_DEPTH, least_cosines, concurrency }
    }

    /// Searches by words, too, if the collection can.
    #[must_use]
    pub fn with_sparse_encoder(mut self, encoder: impl SparseEncoder + 'static) -> Self {
        self.sparse = Some(Arc::new(encoder));
        self
    }

    /// Sets how deep each search looks. Recall@100 of less than 100 is that of the depth.
    #[must_use]
    pub fn with_depth(mut self, depth: NonZeroUsize) -> Self {
        self.depth = depth.get();
        self
    }

    /// Sets how far from the question a rewrite may stray, by kind, as for a
    /// [`Retriever`](crate::Retriever::with_least_cosines).
    #[must_use]
    pub fn with_least_cosines(mut self, least: LeastCosines) -> Self {
        self.least_cosines = least;
        self
    }

    /// Sets how many questions are under way at the same time.
    #[must_use]
    pub fn with_concurrency(mut self, questions: NonZeroUsize) -> Self {
        self.concurrency = questions;
        self
    }

    /// How many questions are under way at the same time.
    #[must_use]
    pub fn concurrency(&self) -> NonZeroUsize {
        self.concurrency
    }

    /// Searches with every question, and with its companions beside it. `progress` is told how many questions are done.
    ///
    /// # Errors
    /// [`EvaluateError`] names the first question that could not be searched: a measurement with holes is none.
    #[tracing::instrument(name = "evaluate", skip_all)]
    pub async fn search(
        &self,
        dataset: &Dataset,
        companions: &[Companion],
        progress: impl Fn(usize),
    ) -> Result<Searches, EvaluateError> {
        let failed = |source| EvaluateError::Store { source };
        let info = self.store.info().await.map_err(failed)?;
        let mut sparse = self.sparse.as_ref();
        if let Some(info) = &info {
            let mismatch = |source| EvaluateError::Mismatch { source };
            info.accepts(self.embedder.identity()).map_err(mismatch)?;
            if let Some(encoder) = sparse {
                sparse = info.accepts_bm25(encoder.identity()).map_err(mismatch)?.then_some(encoder);
            }
        }
        let searcher = Searcher {
            embedder: &self.embedder,
            sparse,
            store: &self.store,
            depth: self.depth,
            least_cosines: &self.least_cosines,
            dataset,
            companions,
        };
        let searched = (0..dataset.questions.len()).map(|place| searcher.question(place));
        let mut done = 0;
        let counted = stream::iter(searched).buffered(self.concurrency.get()).inspect_ok(|_| {
            done += 1;
            progress(done);
        });
        let questions: Vec<_> = counted.try_collect().await?;
        let mut searches = Searches {
            companions: companions.iter().map(Companion::name).collect(),
            notes: vec![],
            depth: self.depth,
            questions,
            costs: companions.iter().map(cost).collect(),
        };
        searches.notes = notes(dataset, companions, &searches, info.map_or(0, |info| info.passages));
        Ok(searches)
    }
}

fn cost(companion: &Companion) -> Cost {
    match companion {
        Companion::Rewrites(set) => Cost {
            calls: set.replies.len(),
            milliseconds: bootstrap::mean(set.replies.iter().map(|reply| reply.took.as_secs_f64() * 1e3)),
        },
        Companion::Feedback(_) => Cost::default(),
    }
}

/// What the numbers do not say by themselves.
fn notes(dataset: &Dataset, companions: &[Companion], searches: &Searches, passages: u64) -> Vec<String> {
    let mut notes = vec![];
    for companion in companions {
        if let Companion::Rewrites(set) = companion
            && let Some((bare, first)) = set.failures()
        {
            let name = &set.name;
            notes.push(format!(
                "{bare} questions have no usable rewrite in {name} and count as asked there; the first: {first}"
            ));
        }
    }
    let documents = dataset.documents.len();
    if dataset.has_corpus && passages < documents as u64 {
        notes.push(format!("the store holds {passages} passages, fewer than the corpus's {documents} documents"));
    }
    notes.extend(dataset.lacks());
    if !dataset.has_corpus {
        notes.extend(searches.never_found());
    }
    notes
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
    /// No question has a rewrite to search with.
    #[error(
        "{set}: none of its rewrites can be searched with and belongs to a judged question ({reason}); recorded ones need \
         the ids of the questions"
    )]
    NoRewrite {
        /// Whose rewrites.
        set: String,
        /// Why the first question has none.
        reason: String,
    },
    /// Something else filled the collection than what the questions are encoded with.
    #[error(transparent)]
    Mismatch {
        /// What differs.
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
            Self::NoRewrite { .. } => ErrorKind::Invalid,
            Self::Embed { source, .. } => source.kind(),
            Self::Search { source, .. } | Self::Mismatch { source } | Self::Store { source } => source.kind(),
        }
    }
}
