//! The whole pipeline on one screen, and the only file that knows its order.
//!
//! The question's own leg starts at once and never waits for the rewriter; the rewrite's legs run beside it. Whatever
//! happens to the rewrite, the caller gets at least what the plain question finds, and is told what was lost.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::join_all};
use tokio::{
    sync::{OnceCell, watch},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    embed::{EmbedError, Embedder},
    error::Error,
    fuse::{Explanation, Fuse, Fused, Fusion, Weighted, explain},
    options::RetrieveOptions,
    question::Question,
    ranking::{Hit, Passage, PointId, Ranking},
    retrieval::{Degradation, Leg, Origin, Outcome, Retrieval, Step, Timing, Variant},
    rewrite::{Rewrite, RewriteError, RewriteRequest, Rewriter},
    search::{Channel, DEFAULT_SEARCH_TIMEOUT, Filter, Search, VectorStore},
};

/// How long the rewriter may take when nothing else is said.
pub const DEFAULT_REWRITE_DEADLINE: Duration = Duration::from_millis(800);
/// How long a leg may take when the caller set no deadline.
pub const LEG_TIMEOUT: Duration = DEFAULT_SEARCH_TIMEOUT;
/// How many rewrites are searched with at most; more would only drown the question.
const MOST_REWRITES: usize = 8;
/// The part of a caller's deadline that is kept for fusing and fetching: a tenth, at most this.
const LONGEST_FINISH: Duration = Duration::from_millis(25);

/// Searches with a question and its rewrite at the same time. Cheap to clone; clones share everything.
///
/// See the [crate's page](crate) for an example that runs.
#[derive(Debug, Clone)]
pub struct Retriever {
    parts: Arc<Parts>,
}

#[derive(Debug, Clone)]
struct Parts {
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    rewriter: Option<Arc<dyn Rewriter>>,
    rewrite_deadline: Duration,
    rewrite_weight: f64,
    fusion: Arc<dyn Fuse>,
    /// Set once the collection was found to be filled by this embedder's passage side.
    matched: Arc<OnceCell<()>>,
}

impl Parts {
    /// Checks, at the first question, that the embedder's vectors may be compared with the collection's.
    async fn check_match(&self) -> Result<(), Error> {
        if self.matched.initialized() {
            return Ok(());
        }
        // The search itself says best what is missing.
        let Some(info) = self.store.info().await? else { return Ok(()) };
        info.accepts(self.embedder.identity())?;
        // Another call may have been faster.
        let _ = self.matched.set(());
        Ok(())
    }
}

impl Retriever {
    /// A retriever without a rewriter, with reciprocal rank fusion.
    pub fn new(embedder: impl Embedder + 'static, store: impl VectorStore + 'static) -> Self {
        let parts = Parts {
            embedder: Arc::new(embedder),
            store: Arc::new(store),
            rewriter: None,
            rewrite_deadline: DEFAULT_REWRITE_DEADLINE,
            rewrite_weight: 1.0,
            fusion: Arc::new(Fusion::default()),
            matched: Arc::default(),
        };
        Self { parts: Arc::new(parts) }
    }

    /// Sets who rewrites the questions.
    #[must_use]
    pub fn with_rewriter(mut self, rewriter: impl Rewriter + 'static) -> Self {
        Arc::make_mut(&mut self.parts).rewriter = Some(Arc::new(rewriter));
        self
    }

    /// Sets how long the rewrite may hold up the answer, its embedding and search included. What comes later is lost,
    /// and the retrieval says so.
    #[must_use]
    pub fn with_rewrite_deadline(mut self, deadline: Duration) -> Self {
        Arc::make_mut(&mut self.parts).rewrite_deadline = deadline;
        self
    }

    /// Sets how much a rewrite's leg counts in the fusion; the question's own counts 1.
    #[must_use]
    pub fn with_rewrite_weight(mut self, weight: f64) -> Self {
        Arc::make_mut(&mut self.parts).rewrite_weight = weight;
        self
    }

    /// Sets how the rankings become one.
    #[must_use]
    pub fn with_fusion(mut self, fusion: impl Fuse + 'static) -> Self {
        Arc::make_mut(&mut self.parts).fusion = Arc::new(fusion);
        self
    }

    /// Answers a question with the default options.
    ///
    /// # Errors
    /// See [`retrieve_with`](Self::retrieve_with).
    pub async fn retrieve(&self, question: &str) -> Result<Retrieval, Error> {
        self.retrieve_with(question, &RetrieveOptions::default()).await
    }

    /// Answers a question. Dropping the future gives up its searches and its rewrite.
    ///
    /// # Errors
    /// [`Error`] only if no leg answered at all; whatever else fails is in [`Retrieval::degradations`].
    #[tracing::instrument(name = "retrieve", skip_all, fields(limit = options.limit, depth = options.depth))]
    pub async fn retrieve_with(&self, question: &str, options: &RetrieveOptions) -> Result<Retrieval, Error> {
        let question = Question::new(question)?;
        options.check()?;
        let call = Call::start(&self.parts, options);
        let (asked, rewritten) = tokio::join!(
            // Polled in this order: the question's own embedding is queued before the rewriter is even asked.
            call.asked(&question),
            call.rewritten(&question),
        );
        call.finish(asked, rewritten).await
    }
}

/// A variant and what it found.
type LegResult = (Variant, Result<Ranking, Error>);

/// One call under way.
struct Call<'a> {
    parts: &'a Parts,
    options: &'a RetrieveOptions,
    filter: Option<Arc<Filter>>,
    start: Instant,
    /// Becomes true when the question's own leg has ended, well or not.
    asked_done: watch::Sender<bool>,
    timings: Mutex<Vec<Timing>>,
}

impl<'a> Call<'a> {
    fn start(parts: &'a Parts, options: &'a RetrieveOptions) -> Self {
        let filter = options.filter.clone().map(Arc::new);
        Self {
            parts,
            options,
            filter,
            start: Instant::now(),
            asked_done: watch::Sender::new(false),
            timings: Mutex::default(),
        }
    }

    /// Searches with the question as it was asked.
    async fn asked(&self, question: &Question) -> LegResult {
        let leg = self.leg(Variant::asked(question.text())).await;
        self.asked_done.send_replace(true);
        leg
    }

    /// Asks for rewrites and searches with each of them. An empty list: none was wanted.
    async fn rewritten(&self, question: &Question) -> Result<Vec<LegResult>, RewriteError> {
        let Some(rewriter) = self.parts.rewriter.as_ref().filter(|_| self.options.rewrite) else {
            return Ok(vec![]);
        };
        let rewrites = self.timed(Step::Rewrite, Some(Origin::Rewrite), self.ask(rewriter, question)).await?;
        let variant = |rewrite| Variant { weight: self.parts.rewrite_weight, ..Variant::rewrite(rewrite) };
        Ok(join_all(rewrites.into_iter().map(|rewrite| self.rewrite_leg(variant(rewrite)))).await)
    }

    /// Asks the rewriter; late, failed, crashed and empty replies are all the same to the question: lost, and told.
    async fn ask(&self, rewriter: &Arc<dyn Rewriter>, question: &Question) -> Result<Vec<Rewrite>, RewriteError> {
        let request = RewriteRequest::new(question.clone());
        let bound = [self.rewrite_bound(), self.legs_bound()].into_iter().flatten().min();
        // What a stranger's reply does to a rewriter must not reach the question.
        let reply = AssertUnwindSafe(rewriter.rewrite(&request)).catch_unwind();
        match until(bound, reply).await {
            Some(Ok(rewrites)) => usable(rewrites?.rewrites, question),
            Some(Err(_)) => Err(RewriteError::failed("crashed; the log says where")),
            None => {
                let deadline = bound.map_or(Duration::MAX, |bound| bound.saturating_duration_since(self.start));
                Err(RewriteError::Deadline { deadline })
            }
        }
    }

    /// A rewrite's leg. It may take as long as the question's own, but holds up the answer no longer than agreed.
    async fn rewrite_leg(&self, variant: Variant) -> LegResult {
        let overdue = async {
            match self.rewrite_bound() {
                Some(bound) => sleep_until(bound).await,
                None => pending().await,
            }
            // Cannot fail: the sender lives as long as the call.
            let _ = self.asked_done.subscribe().wait_for(|done| *done).await;
        };
        tokio::select! {
            biased;
            leg = self.leg(variant.clone()) => leg,
            () = overdue => (variant, Err(Error::Deadline { deadline: self.parts.rewrite_deadline })),
        }
    }

    /// Embeds a variant and searches with it.
    async fn leg(&self, variant: Variant) -> LegResult {
        let bound = self.legs_bound().or_else(|| Instant::now().checked_add(LEG_TIMEOUT));
        let searched = until(bound, self.embed_and_search(&variant, bound)).await;
        let late = || Err(Error::Deadline { deadline: self.options.deadline.unwrap_or(LEG_TIMEOUT) });
        (variant, searched.unwrap_or_else(late))
    }

    async fn embed_and_search(&self, variant: &Variant, bound: Option<Instant>) -> Result<Ranking, Error> {
        let origin = Some(variant.origin);
        let texts = vec![variant.text().to_owned()];
        let embed = self.timed(Step::Embed, origin, self.parts.embedder.embed(variant.role, texts));
        let (embedded, ()) = tokio::try_join!(async { Ok(embed.await?) }, self.parts.check_match())?;
        let none = || EmbedError::Inference { problem: "it returned no vector".to_owned() };
        let vector = embedded.into_iter().next().ok_or_else(none)?.vector;
        let timeout = bound.map_or(LEG_TIMEOUT, |bound| bound.saturating_duration_since(Instant::now()));
        let mut search = Search::dense(vector, self.options.depth).with_timeout(timeout);
        search.filter.clone_from(&self.filter);
        let ranking = self.timed(Step::Search, origin, self.parts.store.search(search)).await?;
        Ok(ranking.top(self.options.depth))
    }

    /// Fuses what the legs found, fetches the passages of the hits and says what was lost.
    async fn finish(
        self,
        asked: LegResult,
        rewritten: Result<Vec<LegResult>, RewriteError>,
    ) -> Result<Retrieval, Error> {
        let mut found = Found::default();
        let asked_error = found.add(asked);
        let mut degradations = vec![];
        match rewritten {
            Ok(legs) => {
                let lost = legs.into_iter().filter_map(|leg| found.add(leg));
                degradations.extend(lost.map(|error| Degradation::leg(Origin::Rewrite, error)));
            }
            Err(error) => degradations.push(Degradation::Rewrite(error)),
        }
        let outcome = found.outcome();
        match asked_error {
            Some(error) if found.legs.is_empty() => return Err(error),
            Some(error) => degradations.insert(0, Degradation::leg(Origin::Asked, error)),
            None => {}
        }
        let (fused, explained) = self.fuse(&found).await;
        let wanted = fused.len();
        let hits = self.fetch(fused, explained).await?;
        if hits.len() < wanted {
            degradations.push(Degradation::Deleted { missing: wanted - hits.len() });
        }
        for degradation in &degradations {
            tracing::warn!(%degradation, "degraded");
        }
        let mut timings = self.timings.into_inner().unwrap_or_else(PoisonError::into_inner);
        timings.sort_by_key(|timing| timing.start);
        let Found { variants, legs, .. } = found;
        Ok(Retrieval { hits, variants, legs, outcome, degradations, timings, took: self.start.elapsed() })
    }

    async fn fuse(&self, found: &Found) -> (Vec<Fused>, Vec<Explanation>) {
        let fusion = self.options.fusion.as_ref().unwrap_or(&self.parts.fusion);
        let weighted: Vec<Weighted<'_>> = found.weighted().collect();
        let fuse = async {
            let fused = fusion.fuse(&weighted, self.options.limit);
            let explained = explain(fusion.as_ref(), &weighted, &fused);
            Ok::<_, Error>((fused, explained))
        };
        self.timed(Step::Fuse, None, fuse).await.unwrap_or_default()
    }

    /// Fetches the passages of the fused points, once. A point that is gone is left out.
    async fn fetch(&self, fused: Vec<Fused>, explained: Vec<Explanation>) -> Result<Vec<Hit>, Error> {
        let ids: Vec<_> = fused.iter().map(|fused| fused.id).collect();
        let deadline = self.options.deadline.unwrap_or(LEG_TIMEOUT);
        let bound = self.options.deadline.map_or_else(Instant::now, |_| self.start).checked_add(deadline);
        let fetch = self.timed(Step::Fetch, None, self.parts.store.fetch(&ids));
        let fetched = until(bound, fetch).await.ok_or(Error::Deadline { deadline })??;
        let mut passages: HashMap<PointId, Passage> = fetched.into_iter().collect();
        let hit = |(Fused { id, score, normalised }, Explanation { found_by, without })| {
            Some(Hit { score, normalised, passage: passages.remove(&id)?, found_by, without })
        };
        Ok(fused.into_iter().zip(explained).filter_map(hit).collect())
    }

    /// When the legs have to be in, so that fusing and fetching still fit into the caller's deadline, if there is one.
    fn legs_bound(&self) -> Option<Instant> {
        let deadline = self.options.deadline?;
        self.start.checked_add(deadline.saturating_sub((deadline / 10).min(LONGEST_FINISH)))
    }

    /// Until when the rewrite may hold up the answer; `None` if for ever.
    fn rewrite_bound(&self) -> Option<Instant> {
        self.start.checked_add(self.parts.rewrite_deadline)
    }

    /// Runs a step and notes when; a step that fails or is given up is noted as not completed.
    async fn timed<T, E>(
        &self,
        step: Step,
        origin: Option<Origin>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut running = Running { call: self, step, origin, started: Instant::now(), completed: false };
        let result = work.await;
        running.completed = result.is_ok();
        result
    }
}

/// Runs work until a moment, if there is one; `None` if it was not done by then.
async fn until<T>(bound: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match bound {
        Some(bound) => timeout_at(bound, work).await.ok(),
        None => Some(work.await),
    }
}

/// What a rewriter returned, fit to be searched with: tidy, not the question itself, each text once, not too many. A
/// rewriter of the user's own may be careless, and every copy would be a vote.
fn usable(rewrites: Vec<Rewrite>, question: &Question) -> Result<Vec<Rewrite>, RewriteError> {
    let mut seen = HashSet::from([question.text().to_lowercase()]);
    let tidy = rewrites.into_iter().filter_map(|rewrite| {
        let text = Question::new(&rewrite.text).ok()?.text().to_owned();
        Some(Rewrite { text, ..rewrite })
    });
    let usable: Vec<Rewrite> =
        tidy.filter(|rewrite| seen.insert(rewrite.text.to_lowercase())).take(MOST_REWRITES).collect();
    if usable.is_empty() { Err(RewriteError::failed("returned nothing new to search with")) } else { Ok(usable) }
}

/// A step under way: notes its timing when dropped, so also when its future is given up.
struct Running<'a, 'b> {
    call: &'a Call<'b>,
    step: Step,
    origin: Option<Origin>,
    started: Instant,
    completed: bool,
}

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        let timing = Timing {
            step: self.step,
            origin: self.origin,
            start: self.started - self.call.start,
            took: self.started.elapsed(),
            completed: self.completed,
        };
        self.call.timings.lock().unwrap_or_else(PoisonError::into_inner).push(timing);
    }
}

/// What the legs of a call brought back.
#[derive(Default)]
struct Found {
    variants: Vec<Variant>,
    legs: Vec<Leg>,
    rankings: Vec<Ranking>,
}

impl Found {
    /// Takes a leg in; returns its error if it was lost.
    fn add(&mut self, (variant, searched): LegResult) -> Option<Error> {
        self.variants.push(variant);
        match searched {
            Ok(ranking) => {
                let variant = self.variants.len() - 1;
                self.legs.push(Leg { variant, channel: Channel::Dense, found: ranking.len() });
                self.rankings.push(ranking);
                None
            }
            Err(error) => Some(error),
        }
    }

    fn weighted(&self) -> impl Iterator<Item = Weighted<'_>> {
        self.legs.iter().zip(&self.rankings).map(|(leg, ranking)| {
            let weight = self.variants[leg.variant].weight;
            Weighted { ranking, weight, variant: leg.variant, channel: leg.channel }
        })
    }

    fn outcome(&self) -> Outcome {
        let answered = |origin| self.legs.iter().any(|leg| self.variants[leg.variant].origin == origin);
        match (answered(Origin::Asked), answered(Origin::Rewrite)) {
            (true, true) => Outcome::Full,
            (true, false) => Outcome::AskedOnly,
            (false, _) => Outcome::AskedLost,
        }
    }
}

impl Degradation {
    fn leg(origin: Origin, error: Error) -> Self {
        Self::Leg { origin, error: Box::new(error) }
    }
}
