//! One question's way through the steps, on one screen: the only file that knows their order.
//!
//! ```text
//! asked      encode ─► search ─────────────┐
//! rewritten  rewrite ─► encode ─► search ──┴─► weigh ─► fuse ─► (rerank) ─► fetch
//! ```

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, OnceLock},
};

use futures::{FutureExt as _, channel::mpsc, future::join_all};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    FeedbackUse, Matched, Parts,
    budget::Budget,
    found::{Found, Rewritten, Searched},
};
use crate::{
    embed::cosine,
    error::Error,
    event::Event,
    fuse,
    options::{Legs, RetrieveOptions, RewriteChoice},
    question::Question,
    ranking::Hit,
    retrieval::{AskedOnly, Degradation, Origin, Retrieval, Step, Timing, Variant},
    rewrite::{Failure, Rejection, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, counters},
    search::{Channel, Filter},
};

/// How many rewrites are searched with at most; more would only drown the question.
const MOST_REWRITES: usize = 8;

/// One call under way.
pub(super) struct Call<'a> {
    pub(super) parts: &'a Parts,
    pub(super) options: &'a RetrieveOptions,
    pub(super) question: &'a Question,
    pub(super) budget: Budget,
    pub(super) filter: Option<Arc<Filter>>,
    /// The question's own embedding, once it is there: rewrites are compared with it.
    pub(super) asked_vector: OnceLock<Vec<f32>>,
    /// What the question's own legs came to, once they have ended.
    asked_ended: watch::Sender<Option<AskedEnded>>,
    pub(super) timings: Mutex<Vec<Timing>>,
    /// Who wants to hear what is known before the end.
    pub(super) news: Option<mpsc::UnboundedSender<Event>>,
}

/// What the rewriting may want to know of the question's own legs.
#[derive(Debug, Clone, Copy)]
struct AskedEnded {
    /// How much they agree; `None` if fewer than two answered, or there is no gate that wants to know.
    agreement: Option<f64>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        parts: &'a Parts,
        options: &'a RetrieveOptions,
        question: &'a Question,
        news: Option<mpsc::UnboundedSender<Event>>,
    ) -> Self {
        let budget = Budget::new(Instant::now(), options.deadline, parts.rewrite_deadline, &parts.pace);
        let mut call = Self {
            parts,
            options,
            question,
            budget,
            filter: parts.scope.narrow(options.filter.as_ref()).map(Arc::new),
            asked_vector: OnceLock::new(),
            asked_ended: watch::Sender::new(None),
            timings: Mutex::default(),
            news,
        };
        if call.reranker().is_some() {
            call.budget = call.budget.with_rerank(parts.rerank_deadline, &parts.pace);
        }
        call
    }

    /// Runs the whole call.
    #[tracing::instrument(name = "retrieve", skip_all, fields(limit = self.options.limit, depth = self.options.depth))]
    pub(super) async fn run(self) -> Result<Retrieval, Error> {
        let matched = until(self.budget.legs_end(), self.parts.check_match()).await;
        let channels = self.channels(matched.ok_or_else(|| self.late())??)?;
        let ((asked, own_hits), rewritten) = tokio::join!(
            // Polled in this order: the question's own embedding is queued before the rewriter is even asked.
            self.asked(&channels),
            self.rewritten(&channels),
        );
        let feedback = self.feedback(&asked, &rewritten).await;
        let mut found = Found::default();
        found.add(asked);
        found.add_rewritten(rewritten);
        if let Some(searched) = feedback {
            found.add(searched);
        }
        let outcome = found.outcome()?;
        self.finish(found, outcome, own_hits).await
    }

    /// Which channels this call searches.
    fn channels(&self, matched: Matched) -> Result<Vec<Channel>, Error> {
        let legs = self.options.legs.unwrap_or(self.parts.legs);
        if legs == Legs::Bm25 && !matched.bm25 {
            let problem = "this collection, or this retriever, has no lexical vectors; index into a new collection, or \
                           search its embeddings (dense)";
            return Err(Error::Settings { setting: "legs".to_owned(), problem: problem.to_owned() });
        }
        // A remote embedder would see the question.
        let stays = !(self.parts.scope.local_only && self.parts.embedder.leaves_host());
        let can = |channel| if channel == Channel::Bm25 { matched.bm25 } else { stays };
        let channels = [Channel::Dense, Channel::Bm25].into_iter();
        let channels: Vec<Channel> = channels.filter(|channel| legs.include(*channel) && can(*channel)).collect();
        if channels.is_empty() {
            let problem = "this caller's questions must not leave this host, and the embedder is elsewhere; search words \
                           (bm25), or embed with a local model";
            return Err(Error::Settings { setting: "legs".to_owned(), problem: problem.to_owned() });
        }
        Ok(channels)
    }

    /// Searches with the question as it was asked. Where somebody listens, or a rewrite is waited for, its own hits are
    /// made complete meanwhile: whatever happens later, they are there.
    async fn asked(&self, channels: &[Channel]) -> (Searched, Vec<Hit>) {
        let searched = self.search_with(Variant::asked(self.question.text()), channels, pending()).await;
        // Only the gate asks for it.
        let agreement = self.parts.gate.and_then(|_| fuse::agreement(&searched.weighted(self.parts.channel_weights)));
        self.asked_ended.send_replace(Some(AskedEnded { agreement }));
        let is_waiting = self.parts.rewriter.is_some() && self.options.rewrite != RewriteChoice::None;
        let hits = if is_waiting || self.news.is_some() { self.own_hits(&searched).await } else { vec![] };
        (searched, hits)
    }

    /// Asks for rewrites and searches with each of them.
    async fn rewritten(&self, channels: &[Channel]) -> Rewritten {
        let rewriter = match self.rewriter().await {
            Ok(rewriter) => rewriter,
            Err(reason) => return Rewritten::Skipped(reason),
        };
        let asking = self.rewrite(rewriter, channels);
        let (rewrites, left_out) = match self.timed(Step::Rewrite, Some(Origin::Rewrite), asking).await {
            Ok(rewrites) if self.budget.has_time_for_legs(Instant::now()) => rewrites,
            Ok(_) => return Rewritten::Lost(RewriteError::Deadline { deadline: self.budget.reply_time() }),
            Err(error) => return Rewritten::Lost(error),
        };
        let legs = join_all(rewrites.into_iter().map(|rewrite| self.rewrite_legs(rewrite, channels))).await;
        let (mut searched, mut lost) = (vec![], vec![]);
        if left_out > 0 {
            lost.push(Degradation::TooMany { left_out });
        }
        for leg in legs {
            match leg {
                Ok(found) => searched.push(found),
                Err(degradation) => lost.push(degradation),
            }
        }
        Rewritten::Searched(searched, lost)
    }

    /// Who rewrites; or why nobody does.
    async fn rewriter(&self) -> Result<&Arc<dyn Rewriter>, AskedOnly> {
        let rewriter = self.parts.rewriter.as_ref().ok_or(AskedOnly::NoRewriter)?;
        if self.options.rewrite == RewriteChoice::None {
            return Err(AskedOnly::NotWanted);
        }
        if self.parts.scope.local_only && rewriter.leaves_host() {
            return Err(AskedOnly::LocalOnly);
        }
        if let Some(gate) = self.parts.gate
            && !self.may_be_replaced()
            && self.asked_ended().await.agreement.is_some_and(|agreement| agreement >= gate)
        {
            return Err(AskedOnly::Agreed);
        }
        Ok(rewriter)
    }

    /// Whether a rewrite may say what the question as asked leaves out, so that nothing follows from how well the
    /// question's own legs agree.
    fn may_be_replaced(&self) -> bool {
        let replaces = |kind: RewriteKind| kind.profile().replaces && kind.is_of_use(self.question);
        match &self.options.rewrite {
            RewriteChoice::Kinds(kinds) => kinds.iter().copied().any(replaces),
            // Which kinds are usual is the rewriter's to know.
            _ => RewriteKind::ALL.into_iter().any(replaces),
        }
    }

    /// Waits for the question's own legs to end.
    async fn asked_ended(&self) -> AskedEnded {
        let mut ended = self.asked_ended.subscribe();
        // Cannot fail: the sender lives as long as the call.
        let ended = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        ended.unwrap_or(AskedEnded { agreement: None })
    }

    /// Asks the rewriter for what can be searched with through these channels; late, failed, crashed and empty replies
    /// are all the same to the question: lost, and told. Also says how many rewrites were left out because there are too
    /// many.
    async fn rewrite(
        &self,
        rewriter: &Arc<dyn Rewriter>,
        channels: &[Channel],
    ) -> Result<(Vec<Rewrite>, usize), RewriteError> {
        let searchable = |kind: RewriteKind| channels.iter().any(|channel| kind.is_for(*channel));
        let mut request = RewriteRequest::new(self.question.clone()).with_tenant(&self.parts.scope.tenant);
        if let RewriteChoice::Kinds(kinds) = &self.options.rewrite {
            let kinds: Vec<RewriteKind> = kinds.iter().copied().filter(|kind| searchable(*kind)).collect();
            if kinds.is_empty() {
                return Err(RewriteError::NotNeeded);
            }
            request = request.with_kinds(kinds);
        }
        request.deadline = self.budget.reply_end();
        // What a stranger's reply does to a rewriter must not reach the question.
        let reply = AssertUnwindSafe(rewriter.rewrite(&request)).catch_unwind();
        match until(self.budget.reply_end(), reply).await {
            Some(Ok(rewrites)) => {
                let mut rewrites = rewrites?.rewrites;
                let any = !rewrites.is_empty();
                rewrites.retain(|rewrite| searchable(rewrite.kind));
                if any && rewrites.is_empty() { Err(RewriteError::NotNeeded) } else { usable(rewrites, self.question) }
            }
            Some(Err(_)) => Err(RewriteError::because(Failure::Crashed, "crashed; the log says where")),
            None => Err(RewriteError::Deadline { deadline: self.budget.reply_time() }),
        }
    }

    /// A rewrite's legs. They may take as long as the question's own, but hold up the answer no longer than agreed.
    async fn rewrite_legs(&self, rewrite: Rewrite, channels: &[Channel]) -> Result<Searched, Degradation> {
        let (kind, strayed) = (rewrite.kind, rewrite.strayed);
        let variant = Variant::rewrite(rewrite);
        let channels: Vec<Channel> = channels.iter().copied().filter(|channel| kind.is_for(*channel)).collect();
        let overdue = async {
            match self.budget.rewrite_end() {
                Some(end) => sleep_until(end).await,
                None => pending().await,
            }
            self.asked_ended().await;
        };
        let overdue = overdue.shared();
        let chat = async {
            tokio::select! {
                biased;
                vector = self.chat_vector(kind) => vector,
                () = overdue.clone() => None,
            }
        };
        let (mut searched, chat) = tokio::join!(self.search_with(variant, &channels, overdue.clone()), chat);
        let question = chat.as_ref().or(self.asked_vector.get());
        searched.cosine = question.zip(searched.vector.as_ref()).and_then(|(a, b)| cosine(a, b));
        searched.strayed = strayed;
        self.check_strayed(&searched)?;
        self.tell(|| Event::Variant { variant: searched.variant.clone(), found: searched.found() });
        Ok(searched)
    }

    /// Searches with a vector made of what the question found first, where that is wanted.
    async fn feedback(&self, asked: &Searched, rewritten: &Rewritten) -> Option<Searched> {
        let feedback = match self.parts.feedback? {
            FeedbackUse::Always(feedback) => feedback,
            FeedbackUse::InsteadOfRewrite(feedback) if !rewritten.has_legs() => feedback,
            FeedbackUse::InsteadOfRewrite(_) => return None,
        };
        let first: Vec<_> = asked.ranking(Channel::Dense)?.ids().take(feedback.top()).collect();
        let fetching = until(Some(self.legs_end()), self.parts.store.vectors(&first)).map(|vectors| match vectors {
            Some(vectors) => vectors.map_err(Error::from),
            None => Err(self.late()),
        });
        let vectors: Vec<Vec<f32>> = match self.timed(Step::Fetch, Some(Origin::Feedback), fetching).await {
            Ok(vectors) => vectors.into_iter().map(|(_, vector)| vector).collect(),
            Err(error) => {
                let variant = Variant::feedback(vec![]);
                return Some(Searched::new(variant, None, vec![(Channel::Dense, Err(error))]));
            }
        };
        let vector = feedback.vector(asked.vector.as_deref()?, &vectors)?;
        let searched = self.search_with(Variant::feedback(vector), &[Channel::Dense], pending()).await;
        self.tell(|| Event::Variant { variant: searched.variant.clone(), found: searched.found() });
        Some(searched)
    }

    /// It was not done within the caller's deadline.
    pub(super) fn late(&self) -> Error {
        Error::Deadline { deadline: self.budget.whole() }
    }

    /// Tells news to who wants to hear it.
    pub(super) fn tell(&self, news: impl FnOnce() -> Event) {
        if let Some(listener) = &self.news {
            // Who has gone misses nothing.
            let _ = listener.unbounded_send(news());
        }
    }
}

/// Runs work until a moment, if there is one; `None` if it was not done by then.
pub(super) async fn until<T>(end: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match end {
        Some(end) => timeout_at(end, work).await.ok(),
        None => Some(work.await),
    }
}

/// What a rewriter returned, fit to be searched with: tidy, not the question itself, each text once; and how many are too
/// many. A rewriter of the user's own may be careless, and every copy would be a vote.
fn usable(rewrites: Vec<Rewrite>, question: &Question) -> Result<(Vec<Rewrite>, usize), RewriteError> {
    let mut seen = HashSet::from([question.text().to_lowercase()]);
    let tidy = rewrites.into_iter().filter_map(|rewrite| {
        let text = Question::new(&rewrite.text).ok()?.text().to_owned();
        Some(Rewrite { text, ..rewrite })
    });
    let mut of_kind: HashMap<RewriteKind, usize> = HashMap::new();
    let numbered = tidy.filter(|rewrite| seen.insert(rewrite.text.to_lowercase())).map(|rewrite| {
        let number = of_kind.entry(rewrite.kind).or_default();
        *number += 1;
        (*number, rewrite)
    });
    let mut usable: Vec<(usize, Rewrite)> = numbered.collect();
    if usable.is_empty() {
        return Err(RewriteError::failed("returned nothing new to search with"));
    }
    let left_out = usable.len().saturating_sub(MOST_REWRITES);
    if left_out > 0 {
        // The first of every kind before the second of any.
        usable.sort_by_key(|(number, _)| *number);
        usable.truncate(MOST_REWRITES);
        counters::rejected(&vec![Rejection::TooMany; left_out]);
    }
    Ok((usable.into_iter().map(|(_, rewrite)| rewrite).collect(), left_out))
}
