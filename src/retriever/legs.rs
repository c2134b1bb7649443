//! The legs of a variant: encode it for each channel and search, all at the same time; and the account of when each
//! step ran.

use std::sync::{OnceLock, PoisonError};

use futures::future::join_all;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    LEG_TIMEOUT,
    call::{Call, until},
    found::Searched,
};
use crate::{
    embed::EmbedError,
    error::Error,
    ranking::Ranking,
    retrieval::{Content, Degradation, Origin, Step, Timing, Variant},
    rewrite::{Rejection, RewriteKind, counters},
    search::{Channel, Search, SearchVector},
};

impl Call<'_> {
    /// Searches with a variant through each channel, at the same time: its words need no embedding and start at once.
    /// When `overdue` is over, each leg that is not in yet is lost.
    pub(super) async fn search_with(
        &self,
        variant: Variant,
        channels: &[Channel],
        overdue: impl Future<Output = ()> + Clone,
    ) -> Searched {
        let vector = OnceLock::new();
        let legs = join_all(channels.iter().map(async |channel| {
            let end = self.legs_end();
            let leg = tokio::select! {
                biased;
                leg = until(Some(end), self.leg(&variant, *channel, &vector, end)) => leg,
                () = overdue.clone() => Some(Err(Error::Deadline { deadline: self.parts.rewrite_deadline })),
            };
            (*channel, leg.unwrap_or_else(|| Err(self.late())))
        }));
        let legs = legs.await;
        Searched::new(variant, vector.into_inner(), legs)
    }

    /// Until when a leg is waited for that starts now.
    pub(super) fn legs_end(&self) -> Instant {
        self.budget.legs_end().unwrap_or_else(|| Instant::now() + LEG_TIMEOUT)
    }

    /// Encodes a variant for a channel and searches with it; leaves its embedding in `vector`.
    async fn leg(
        &self,
        variant: &Variant,
        channel: Channel,
        vector: &OnceLock<Vec<f32>>,
        end: Instant,
    ) -> Result<Ranking, Error> {
        let encoded = match (channel, &variant.content, &self.parts.sparse) {
            (Channel::Bm25, Content::Text(text), Some(sparse)) => {
                SearchVector::Sparse(sparse.encode(variant.role, text))
            }
            (_, Content::Text(text), _) => {
                let embedded = self.timed(Step::Embed, Some(variant.origin), self.embed(variant, text)).await?;
                if variant.origin == Origin::Asked {
                    let _ = self.asked_vector.set(embedded.clone());
                }
                let _ = vector.set(embedded.clone());
                SearchVector::Dense(embedded)
            }
            (_, Content::Vector(vector), _) => SearchVector::Dense(vector.clone()),
        };
        let timeout = end.saturating_duration_since(Instant::now());
        let depth = self.options.depths.of(variant.origin, channel, self.options.depth);
        let mut search = Search::new(encoded, depth).with_timeout(timeout);
        search.filter.clone_from(&self.filter);
        let ranking = self.timed(Step::Search, Some(variant.origin), self.parts.store.search(search)).await?;
        Ok(self.options.threshold.leg(channel, ranking.top(depth)))
    }

    async fn embed(&self, variant: &Variant, text: &str) -> Result<Vec<f32>, EmbedError> {
        let embedded = self.parts.embedder.embed(variant.role, vec![text.to_owned()]).await?;
        let none = || EmbedError::inference("it returned no vector");
        Ok(embedded.into_iter().next().ok_or_else(none)?.vector)
    }

    /// The embedding of the question with its chat, for the kind of rewrite that is compared with both; `None` for the
    /// others, and where it could not be embedded.
    pub(super) async fn chat_vector(&self, kind: RewriteKind) -> Option<Vec<f32>> {
        let text = kind.measured_from(self.question);
        if text == self.question.text() {
            return None;
        }
        self.embed(&Variant::asked(""), &text).await.ok()
    }

    /// Refuses a rewrite whose embedding is too far from the question's. Where one of the two was not embedded, nothing
    /// is known against it.
    pub(super) fn check_strayed(&self, searched: &Searched) -> Result<(), Degradation> {
        let (Some(kind), Some(cosine)) = (searched.variant.kind, searched.cosine) else { return Ok(()) };
        let least = self.parts.least_cosines.of(kind);
        if cosine >= least {
            return Ok(());
        }
        counters::rejected(&[Rejection::TooFar]);
        Err(Degradation::Strayed { kind, cosine, least })
    }

    /// Runs a step and notes when; a step that fails or is given up is noted as not completed.
    pub(super) async fn timed<T, E>(
        &self,
        step: Step,
        origin: Option<Origin>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = span(step, origin);
        let mut running = Running { call: self, step, origin, started: Instant::now(), completed: false };
        let result = work.instrument(span).await;
        running.completed = result.is_ok();
        result
    }
}

/// A step's span. What is asked for it at a model or a store has spans of its own inside.
fn span(step: Step, origin: Option<Origin>) -> tracing::Span {
    let name = step.name();
    tracing::debug_span!("step", name, origin = origin.map(Origin::name), otel.name = name)
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
        let took = self.started.elapsed();
        if self.completed {
            self.call.parts.pace.note(self.step, took);
        }
        let labels = [("step", self.step.name()), ("origin", self.origin.map_or("all", Origin::name))];
        metrics::histogram!("asktwice_step_seconds", &labels).record(took);
        let timing = Timing {
            step: self.step,
            origin: self.origin,
            start: self.started - self.call.budget.start(),
            took,
            completed: self.completed,
        };
        self.call.timings.lock().unwrap_or_else(PoisonError::into_inner).push(timing);
    }
}
