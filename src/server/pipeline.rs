//! From a request to the library and back: the only file of the sidecar that calls the [`Retriever`].

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::{
    problem::Problem,
    reply::{Reply, ReplyDegradation, ReplyExplanation, ReplyHit},
    sidecar::{Collection, Sidecar},
    stream::{ReplyChange, ReplyEvent, ReplyFound},
    tenant::Tenant,
    wire::Refine,
};
use crate::{
    error::Error,
    event::Event,
    fuse::Fusion,
    options::{Depths, Legs, RetrieveOptions, RewriteChoice, Scope},
    question::Question,
    ranking::{PointId, Ranking},
    retrieval::Retrieval,
    retriever::{LEG_TIMEOUT, Retriever},
    rewrite::{Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites},
    search::Filter,
};

/// How much of each leg's ranking may come first, however it is fused; an explanation brings these passages along.
const EXPLAINED: usize = 30;

/// What a request asks for, in the words of no particular interface.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) question: Question,
    /// `None`: the only one.
    pub(super) collection: Option<String>,
    pub(super) filter: Option<Filter>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
    pub(super) depth: Option<usize>,
    pub(super) asking: Asking,
    pub(super) legs: Option<Legs>,
    pub(super) fusion: Option<Fusion>,
    /// What happens after the fusion.
    pub(super) refine: Refine,
    /// Whether the rankings of the legs are wanted too.
    pub(super) explain: bool,
}

/// Where the variants beside the question come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// From the rewriter that is set up.
    AsSetUp,
    /// From nowhere.
    Never,
    /// From the rewriter, in these kinds.
    Kinds(Vec<RewriteKind>),
    /// From the caller.
    Supplied(Vec<String>),
}

impl Wanted {
    /// A question without a choice.
    pub(super) fn new(question: Question) -> Self {
        Self {
            question,
            collection: None,
            filter: None,
            limit: None,
            offset: 0,
            depth: None,
            asking: Asking::AsSetUp,
            legs: None,
            fusion: None,
            refine: Refine::default(),
            explain: false,
        }
    }

    fn options(&mut self, defaults: &RetrieveOptions) -> RetrieveOptions {
        let mut options = defaults.clone();
        (options.limit, options.offset) = (self.limit.unwrap_or(options.limit), self.offset);
        // A larger limit than the settings foresee needs deeper legs, or there would be nothing to fill it with.
        options.depth = self.depth.unwrap_or(options.depth).max(options.limit + options.offset);
        if self.depth.is_some() {
            // Who says how deep to search means every leg.
            options.depths = Depths::default();
        }
        options.filter = self.filter.take();
        options.legs = self.legs.or(options.legs);
        options.explain = self.explain;
        std::mem::take(&mut self.refine).apply(&mut options);
        if let Some(fusion) = self.fusion.take() {
            options.fusion = Some(Arc::new(fusion));
        }
        options
    }
}

/// A question on its way.
#[derive(Debug)]
pub(super) struct Call {
    collection: Arc<Collection>,
    retriever: Retriever,
    question: Question,
    options: RetrieveOptions,
    left: Duration,
    end: Instant,
    owner: bool,
}

impl Call {
    /// Prepares a question of a tenant, for which so much time is left.
    pub(super) fn new(sidecar: &Sidecar, tenant: &Tenant, mut wanted: Wanted, left: Duration) -> Result<Self, Problem> {
        let collection = sidecar.collection(tenant, wanted.collection.as_deref())?.clone();
        if let Some(Err(error)) = wanted.filter.as_ref().map(Filter::check) {
            return Err(Problem::field("filter", error));
        }
        let mut retriever = collection.retriever.clone().with_scope(scope(tenant));
        let mut options = wanted.options(&sidecar.defaults).with_deadline(left);
        match wanted.asking {
            Asking::AsSetUp => {}
            Asking::Never => options.rewrite = RewriteChoice::None,
            Asking::Kinds(kinds) => options.rewrite = RewriteChoice::Kinds(kinds),
            Asking::Supplied(texts) => retriever = retriever.with_rewriter(Supplied(texts)),
        }
        // Before an answer in steps has begun, which could only end with it.
        options.check()?;
        let (question, end, owner) = (wanted.question, Instant::now() + left, tenant.is_owner());
        Ok(Self { collection, retriever, question, options, left, end, owner })
    }

    /// Answers it.
    pub(super) async fn run(self) -> Result<Reply, Problem> {
        let span = self.span();
        let retrieval = self.retriever.ask(self.question.clone(), &self.options).instrument(span).await?;
        self.reply(retrieval).await
    }

    /// Named by OpenTelemetry's conventions for generative AI.
    fn span(&self) -> tracing::Span {
        let name = &*self.collection.name;
        tracing::info_span!(
            "retrieval",
            otel.name = format!("retrieval {name}"),
            gen_ai.operation.name = "retrieval",
            gen_ai.data_source.id = name,
            gen_ai.request.top_k = self.options.limit,
        )
    }

    /// Answers it in steps.
    pub(super) fn stream(self) -> impl Stream<Item = Result<ReplyEvent, Problem>> {
        let events = self.span().in_scope(|| self.retriever.stream(self.question.clone(), self.options.clone()));
        let call = Arc::new(self);
        events.then(move |event| {
            let call = call.clone();
            async move { call.event(event).await }
        })
    }

    async fn event(&self, event: Result<Event, Error>) -> Result<ReplyEvent, Problem> {
        let hits = |hits: Vec<_>| hits.into_iter().map(ReplyHit::from).collect();
        Ok(match event? {
            Event::Asked { hits: asked } => ReplyEvent::Asked { hits: hits(asked) },
            Event::Variant { variant, found } => {
                let found = found.into_iter().map(ReplyFound::from).collect();
                ReplyEvent::Variant { variant: variant.into(), found }
            }
            Event::Fused { hits: fused, changes } => {
                let changes = changes.into_iter().map(ReplyChange::from).collect();
                ReplyEvent::Fused { hits: hits(fused), changes }
            }
            Event::Done { retrieval } => ReplyEvent::Done(Box::new(self.reply(*retrieval).await?)),
        })
    }

    async fn reply(&self, mut retrieval: Retrieval) -> Result<Reply, Problem> {
        let rankings = std::mem::take(&mut retrieval.rankings);
        let mut reply = Reply::from(retrieval);
        if self.options.explain {
            // The answer is there; it does not depend on its explanation.
            match self.explanation(&rankings).await {
                Ok(explanation) => reply.explanation = Some(explanation),
                Err(error) => reply.degradations.push(ReplyDegradation::explanation(&error)),
            }
        }
        Ok(if self.owner { reply } else { reply.without_causes() })
    }

    /// What the legs found, and the passages that may come first.
    async fn explanation(&self, rankings: &[Ranking]) -> Result<ReplyExplanation, Error> {
        let first = rankings.iter().flat_map(|ranking| ranking.ids().take(EXPLAINED));
        let points: Vec<PointId> = first.collect::<BTreeSet<_>>().into_iter().collect();
        if points.is_empty() {
            return Ok(ReplyExplanation::new(rankings, vec![]));
        }
        let end = self.end.min(Instant::now() + LEG_TIMEOUT);
        let fetched = timeout_at(end, self.collection.store.fetch(&points)).await;
        let passages = fetched.map_err(|_| Error::Deadline { deadline: self.left.min(LEG_TIMEOUT) })??;
        Ok(ReplyExplanation::new(rankings, passages))
    }
}

/// What a tenant's questions may find, and where they may go: no request can widen it.
fn scope(tenant: &Tenant) -> Scope {
    let mut scope = Scope::new(&tenant.name);
    scope.filter.clone_from(&tenant.filter);
    scope.local_only = tenant.local_only;
    scope
}

/// Rewrites that the caller sent along with the question.
#[derive(Debug)]
struct Supplied(Vec<String>);

#[async_trait]
impl Rewriter for Supplied {
    async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let rewrite = |text: &String| Rewrite::new(RewriteKind::Multi, text.clone());
        Ok(self.0.iter().map(rewrite).collect::<Vec<_>>().into())
    }

    fn leaves_host(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_how_deep_to_search_means_every_leg() {
        let own = Depths { bm25: Some(20), ..Depths::default() };
        let defaults = RetrieveOptions::default().with_depths(own);
        let depths = |depth| {
            let mut wanted = Wanted::new(Question::new("late?").unwrap());
            wanted.depth = depth;
            wanted.options(&defaults).depths
        };
        assert_eq!((depths(None), depths(Some(50))), (own, Depths::default()));
    }
}
