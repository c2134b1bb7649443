//! The pipeline: how the parts are put together, and the calls that a program makes. One question's way through the
//! steps is in `call.rs`, the only file that knows their order.
//!
//! The question's own legs start at once and never wait for the rewriter; the rewrite's legs run beside them. Whatever
//! happens to the rewrite, the caller gets at least what the plain question finds, and is told what was lost.

mod budget;
mod call;
mod finish;
mod found;
mod legs;
mod pace;
mod refine;
mod rewriting;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::{FutureExt as _, TryStreamExt as _, channel::mpsc};
use tokio::time::Instant;
use tracing::Instrument as _;

pub use self::budget::LEG_TIMEOUT;
use self::{call::Call, pace::Pace};
use crate::{
    embed::{Embedder, SparseEncoder},
    error::Error,
    evaluate::Calibration,
    event::{Event, Events},
    fuse::{Fuse, Fusion, Weighting},
    options::{ChannelWeights, Legs, RetrieveOptions, Scope},
    question::Question,
    rerank::{DEFAULT_RERANK_DEADLINE, DEFAULT_RERANK_DEPTH, Reranker},
    retrieval::Retrieval,
    rewrite::{Feedback, LeastCosines, Rewriter},
    search::{CollectionInfo, StoreError, VectorStore},
    trace,
};

/// How long the rewriter may take when nothing else is said.
pub const DEFAULT_REWRITE_DEADLINE: Duration = Duration::from_millis(800);

/// Searches with a question and its rewrite at the same time. Cheap to clone; clones share everything.
///
/// See the [crate's page](crate) for an example that runs.
#[derive(Debug, Clone)]
pub struct Retriever {
    parts: Arc<Parts>,
}

/// When feedback is searched with.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum FeedbackUse {
    /// Where there is no rewrite: none is set, none is wanted, or it was lost.
    InsteadOfRewrite(Feedback),
    /// Always.
    Always(Feedback),
}

#[derive(Debug, Clone)]
struct Parts {
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    sparse: Option<Arc<dyn SparseEncoder>>,
    rewriter: Option<Arc<dyn Rewriter>>,
    rewrite_deadline: Duration,
    least_cosines: LeastCosines,
    weighting: Weighting,
    channel_weights: ChannelWeights,
    legs: Legs,
    fusion: Arc<dyn Fuse>,
    reranker: Option<Arc<dyn Reranker>>,
    rerank_depth: usize,
    rerank_deadline: Duration,
    feedback: Option<FeedbackUse>,
    gate: Option<f64>,
    calibration: Option<Arc<Calibration>>,
    scope: Scope,
    pace: Arc<Pace>,
    /// Which channels the collection can answer, once it was found to be filled by this embedder's passage side.
    matched: Arc<RwLock<Option<Known>>>,
}

/// How long what is known of a collection is relied on before it is looked at again, beside a question and not before it:
/// another collection may have taken over its name.
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// What is known, and since when.
#[derive(Debug, Clone, Copy)]
struct Known {
    matched: Matched,
    since: Instant,
}

/// What is known of the collection.
#[derive(Debug, Clone, Copy)]
struct Matched {
    /// Whether its lexical vectors are there and can be searched with.
    bm25: bool,
}

impl Parts {
    /// Checks, at the first question, that the embedder's vectors may be compared with the collection's.
    async fn check_match(&self) -> Result<Matched, Error> {
        let known = *self.matched.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known { matched, since }) = known {
            if since.elapsed() > KNOWN_FOR {
                self.remember(Some(matched));
                tokio::spawn(self.clone().look_again());
            }
            return Ok(matched);
        }
        let Some(info) = self.store.info().await? else {
            // Not remembered: it may be there at the next question. The search itself says best what is missing.
            return Ok(Matched { bm25: false });
        };
        let matched = self.matches(&info)?;
        self.remember(Some(matched));
        Ok(matched)
    }

    fn matches(&self, info: &CollectionInfo) -> Result<Matched, StoreError> {
        info.accepts(self.embedder.identity())?;
        let bm25 = self.sparse.as_ref().map(|encoder| info.accepts_bm25(encoder.identity())).transpose()?;
        Ok(Matched { bm25: bm25.unwrap_or(false) })
    }

    /// Looks whether it still is the collection that it was. If not, the next question is told.
    async fn look_again(self) {
        if let Ok(Some(info)) = self.store.info().await {
            self.remember(self.matches(&info).ok());
        }
    }

    fn remember(&self, matched: Option<Matched>) {
        let known = matched.map(|matched| Known { matched, since: Instant::now() });
        *self.matched.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl Retriever {
    /// A retriever without a rewriter: the question as asked, by its embedding and by its words.
    pub fn new(embedder: impl Embedder + 'static, store: impl VectorStore + 'static) -> Self {
        let parts = Parts {
            embedder: Arc::new(embedder),
            store: Arc::new(store),
            sparse: None,
            rewriter: None,
            rewrite_deadline: DEFAULT_REWRITE_DEADLINE,
            least_cosines: LeastCosines::default(),
            weighting: Weighting::default(),
            channel_weights: ChannelWeights::default(),
            legs: Legs::default(),
            fusion: Arc::new(Fusion::default()),
            reranker: None,
            rerank_depth: DEFAULT_RERANK_DEPTH,
            rerank_deadline: DEFAULT_RERANK_DEADLINE,
            feedback: None,
            gate: None,
            calibration: None,
            scope: Scope::default(),
            pace: Arc::default(),
            matched: Arc::default(),
        };
        Self { parts: Arc::new(parts) }
    }

    fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.parts));
        self
    }

    /// Sets who rewrites the questions.
    #[must_use]
    pub fn with_rewriter(self, rewriter: impl Rewriter + 'static) -> Self {
        self.with(|parts| parts.rewriter = Some(Arc::new(rewriter)))
    }

    /// Sets how long the rewrite may hold up the answer, its embedding and search included. What comes later is lost,
    /// and the retrieval says so.
    #[must_use]
    pub fn with_rewrite_deadline(self, deadline: Duration) -> Self {
        self.with(|parts| parts.rewrite_deadline = deadline)
    }

    /// Sets how far from the question a rewrite may stray, by kind. One that is further off is not searched with, and the
    /// retrieval says so.
    #[must_use]
    pub fn with_least_cosines(self, least: LeastCosines) -> Self {
        self.with(|parts| parts.least_cosines = least)
    }

    /// Sets how much a rewrite counts in the fusion; the question's own legs count 1.
    #[must_use]
    pub fn with_weighting(self, weighting: Weighting) -> Self {
        self.with(|parts| parts.weighting = weighting)
    }

    /// Sets how much the legs of each channel count, beside the weight of their variant. Both count 1 otherwise.
    #[must_use]
    pub fn with_channel_weights(self, dense: f64, bm25: f64) -> Self {
        self.with(|parts| parts.channel_weights = ChannelWeights { dense, bm25 })
    }

    /// Sets how the rankings become one.
    #[must_use]
    pub fn with_fusion(self, fusion: impl Fuse + 'static) -> Self {
        self.with(|parts| parts.fusion = Arc::new(fusion))
    }

    /// Sets who reads the best fused passages once more and puts them into a better order.
    #[must_use]
    pub fn with_reranker(self, reranker: impl Reranker + 'static) -> Self {
        self.with(|parts| parts.reranker = Some(Arc::new(reranker)))
    }

    /// Sets how many of the best fused passages are reranked where a call does not say; 50 otherwise.
    #[must_use]
    pub fn with_rerank_depth(self, depth: usize) -> Self {
        self.with(|parts| parts.rerank_depth = depth)
    }

    /// Sets how long reranking may hold up the answer; 1 s otherwise. A caller's own deadline bounds it, too. What comes
    /// later is lost, the fused order stands, and the retrieval says so.
    #[must_use]
    pub fn with_rerank_deadline(self, deadline: Duration) -> Self {
        self.with(|parts| parts.rerank_deadline = deadline)
    }

    /// Sets what turns texts into the vectors of the channel `bm25`; without it, only embeddings are searched.
    #[must_use]
    pub fn with_sparse_encoder(self, encoder: impl SparseEncoder + 'static) -> Self {
        self.with(|parts| {
            parts.sparse = Some(Arc::new(encoder));
            // What was learned of the collection was learned for another encoder.
            parts.matched = Arc::default();
        })
    }

    /// Sets which channels are searched where a call does not say.
    #[must_use]
    pub fn with_legs(self, legs: Legs) -> Self {
        self.with(|parts| parts.legs = legs)
    }

    /// Searches also with a vector made of what the question found first.
    #[must_use]
    pub fn with_feedback(self, feedback: FeedbackUse) -> Self {
        self.with(|parts| parts.feedback = Some(feedback))
    }

    /// Asks for a rewrite only where the question's own dense and lexical legs agree less than this (rank-biased
    /// overlap, from 0 to 1). A rewrite then begins only when both are in. In a chat a rewriter that condenses is always
    /// asked: what the last message alone finds says nothing.
    #[must_use]
    pub fn with_gate(self, agreement: f64) -> Self {
        self.with(|parts| parts.gate = Some(agreement))
    }

    /// Has each retrieval say how likely it is that it found a right answer. The calibration has to be one of this
    /// configuration: these legs, this fusion, this model, this rewriter.
    #[must_use]
    pub fn with_calibration(self, calibration: Calibration) -> Self {
        self.with(|parts| parts.calibration = Some(Arc::new(calibration)))
    }

    /// The same retriever on somebody's behalf. Cheap: a server makes one for each caller.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        self.with(|parts| parts.scope = scope)
    }

    /// Waits, at most this long, for rewrites that still run in the background to fill a cache, and gives up the rest;
    /// returns how many were given up. To be called once, before the program ends.
    pub async fn drain(&self, timeout: Duration) -> usize {
        match &self.parts.rewriter {
            Some(rewriter) => rewriter.drain(timeout).await,
            None => 0,
        }
    }

    /// Answers a question with the default options.
    ///
    /// # Errors
    /// See [`ask`](Self::ask).
    pub async fn retrieve(&self, question: &str) -> Result<Retrieval, Error> {
        self.retrieve_with(question, &RetrieveOptions::default()).await
    }

    /// Answers a question. Dropping the future gives up its searches and its rewrite.
    ///
    /// # Errors
    /// See [`ask`](Self::ask).
    pub async fn retrieve_with(&self, question: &str, options: &RetrieveOptions) -> Result<Retrieval, Error> {
        self.ask(Question::new(question)?, options).await
    }

    /// Answers a question that may have a history: the last event of [`stream`](Self::stream), without the work that
    /// only the earlier ones need.
    ///
    /// # Errors
    /// [`Error`] only if no leg answered at all; whatever else fails is in [`Retrieval::degradations`].
    pub async fn ask(&self, question: Question, options: &RetrieveOptions) -> Result<Retrieval, Error> {
        let mut events = self.events(question, options.clone(), false);
        while let Some(event) = events.try_next().await? {
            if let Event::Done { retrieval } = event {
                return Ok(*retrieval);
            }
        }
        // Every stream ends with the whole account or with an error.
        Err(Error::Deadline { deadline: Duration::ZERO })
    }

    /// Answers a question as a stream: what the question itself found at once, each variant as it comes, the fused
    /// hits, and the whole account. Dropping the stream gives up what is under way.
    #[must_use]
    pub fn stream(&self, question: Question, options: RetrieveOptions) -> Events {
        self.events(question, options, true)
    }

    /// `early`: tell what is known before the end, which costs a fetch of the question's own hits.
    fn events(&self, question: Question, options: RetrieveOptions, early: bool) -> Events {
        let (news, heard) = mpsc::unbounded();
        let parts = Arc::clone(&self.parts);
        let work = async move {
            options.check()?;
            Call::new(&parts, &options, &question, early.then_some(news)).run().await
        };
        // Whoever reads the events may do so elsewhere; what is asked for is still asked for here.
        Events::new(heard, trace::carried(work).in_current_span().boxed())
    }
}
