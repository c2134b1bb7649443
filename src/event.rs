//! What a retrieval tells while it runs: the question's own hits at once, each variant as it comes, the fused hits, and
//! at the end the whole account. [`Retriever::stream`](crate::Retriever::stream) yields these;
//! [`Retriever::retrieve`](crate::Retriever::retrieve) is the last of them.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt as _, Stream, channel::mpsc, future::BoxFuture};
use serde::Serialize;

use crate::{
    error::Error,
    ranking::Hit,
    retrieval::{Retrieval, Variant},
    search::Channel,
};

/// One piece of news of a retrieval under way.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// What the question as asked found by itself: an answer that can be used already.
    Asked {
        /// The hits, best first.
        hits: Vec<Hit>,
    },
    /// A rewrite, or feedback, was searched with.
    Variant {
        /// What was searched with.
        variant: Variant,
        /// How many passages each of its legs found.
        found: Vec<Found>,
    },
    /// What all legs found, fused.
    Fused {
        /// The hits, best first.
        hits: Vec<Hit>,
        /// What differs from the question's own hits.
        changes: Vec<RankChange>,
    },
    /// The whole account; always the last event.
    Done {
        /// The account.
        retrieval: Box<Retrieval>,
    },
}

/// How much a leg found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Found {
    /// The channel that was searched.
    pub channel: Channel,
    /// How many passages.
    pub passages: usize,
}

/// A passage that stands elsewhere, or only, among the fused hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RankChange {
    /// The passage's id.
    pub id: String,
    /// Its rank among the question's own hits, counted from 1; `None` if it was not there.
    pub asked: Option<usize>,
    /// Its rank among the fused hits, counted from 1; `None` if it fell out.
    pub fused: Option<usize>,
}

/// What has changed from the question's own hits to the fused ones.
pub(crate) fn changes(asked: &[String], fused: &[Hit]) -> Vec<RankChange> {
    let rank_before = |id: &str| asked.iter().position(|asked| asked == id).map(|at| at + 1);
    let moved = fused.iter().enumerate().filter_map(|(at, hit)| {
        let (asked, fused) = (rank_before(&hit.passage.id), Some(at + 1));
        (asked != fused).then(|| RankChange { id: hit.passage.id.clone(), asked, fused })
    });
    let fallen = asked.iter().filter(|id| fused.iter().all(|hit| hit.passage.id != **id));
    let fallen = fallen.map(|id| RankChange { id: id.clone(), asked: rank_before(id), fused: None });
    moved.chain(fallen).collect()
}

/// A retrieval under way, as a stream of its events. An error is the last item. Dropping it gives up the searches.
pub struct Events {
    heard: mpsc::UnboundedReceiver<Event>,
    work: Option<BoxFuture<'static, Result<Retrieval, Error>>>,
    ended: Option<Result<Retrieval, Error>>,
}

impl Events {
    pub(crate) fn new(
        heard: mpsc::UnboundedReceiver<Event>,
        work: BoxFuture<'static, Result<Retrieval, Error>>,
    ) -> Self {
        Self { heard, work: Some(work), ended: None }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("running", &self.work.is_some()).finish_non_exhaustive()
    }
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(work) = &mut self.work
            && let Poll::Ready(ended) = work.poll_unpin(context)
        {
            // Dropping the work drops its sender, so that the news that is left can be told to its end.
            self.work = None;
            self.ended = Some(ended);
        }
        match Pin::new(&mut self.heard).poll_next(context) {
            Poll::Ready(Some(event)) => Poll::Ready(Some(Ok(event))),
            // Nobody will tell anything any more, but the account is still to come.
            Poll::Ready(None) if self.work.is_some() => Poll::Pending,
            Poll::Ready(None) => {
                let done = |retrieval| Event::Done { retrieval: Box::new(retrieval) };
                Poll::Ready(self.ended.take().map(|ended| ended.map(done)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
