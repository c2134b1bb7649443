//! One question's way through the steps, on one screen: the only file that knows their order.
//!
//! ```text
//! asked      encode ─► search ─────────────┐
//! rewritten  rewrite ─► encode ─► search ──┴─► weigh ─► fuse ─► (rerank) ─► fetch
//! ```

use std::{
    future::pending,
    sync::{Arc, Mutex, OnceLock},
};

use futures::{FutureExt as _, channel::mpsc};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    FeedbackUse, Matched, Parts,
    budget::Budget,
    found::{Found, Rewritten, Searched},
};
use crate::{
    error::Error,
    event::Event,
    fuse,
    options::{Legs, RetrieveOptions, RewriteChoice},
    question::Question,
    ranking::Hit,
    retrieval::{Origin, Retrieval, Step, Timing, Variant},
    search::{Channel, Filter},
};

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
pub(super) struct AskedEnded {
    /// How much they agree; `None` if fewer than two answered, or there is no gate that wants to know.
    pub(super) agreement: Option<f64>,
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
        let (rewritten, (asked, own_hits)) = tokio::join!(
            // The longest way first: the model is asked before the cores are busy with the question's embedding, which that
            // holds up by a tenth of a millisecond. The other way about, the request waits for one or two.
            biased;
            self.rewritten(&channels),
            self.asked(&channels),
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

    /// Waits for the question's own legs to end.
    pub(super) async fn asked_ended(&self) -> AskedEnded {
        let mut ended = self.asked_ended.subscribe();
        // Cannot fail: the sender lives as long as the call.
        let ended = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        ended.unwrap_or(AskedEnded { agreement: None })
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
