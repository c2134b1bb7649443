//! What one call may choose, beside the question itself; and what it may not.

mod legs;

use std::{sync::Arc, time::Duration};

pub use self::legs::{ChannelWeights, Depths, Legs, UnknownLegs};
use crate::{
    error::Error,
    fuse::Fuse,
    refine::{Group, MOST_NEIGHBOURS, Mmr, Selection, Threshold},
    rewrite::RewriteKind,
    search::{Channel, Filter},
};

/// Which rewrites a call wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RewriteChoice {
    /// Those that the rewriter is set up for.
    #[default]
    Usual,
    /// None: the question as asked only.
    None,
    /// These kinds.
    Kinds(Vec<RewriteKind>),
}

/// Whether the fused hits are reranked, where the retriever has a reranker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RerankChoice {
    /// As many of the best as the retriever is set up for.
    #[default]
    Usual,
    /// None: the fused order.
    None,
    /// So many of the best. What is below them stays below them.
    Depth(usize),
}

/// What one call may choose.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetrieveOptions {
    /// How many hits come back at most.
    pub limit: usize,
    /// How many of the best hits are passed over, for paging.
    pub offset: usize,
    /// How deep each leg searches.
    pub depth: usize,
    /// Which legs search otherwise, whatever the limit is.
    pub depths: Depths,
    /// Only passages that match may be found.
    pub filter: Option<Filter>,
    /// How long the whole call may take. Without one, only the rewriter is bounded.
    pub deadline: Option<Duration>,
    /// Which rewrites to ask for.
    pub rewrite: RewriteChoice,
    /// Which channels to search; the retriever's own choice if `None`.
    pub legs: Option<Legs>,
    /// How the rankings become one; the retriever's own fusion if `None`.
    pub fusion: Option<Arc<dyn Fuse>>,
    /// The scores that a passage has to reach.
    pub threshold: Threshold,
    /// Whether the fused hits are reranked.
    pub rerank: RerankChoice,
    /// Whether hits are spread over what there is to say.
    pub mmr: Option<Mmr>,
    /// Whether hits are grouped by document; `limit` and `offset` then count documents.
    pub group: Option<Group>,
    /// How many passages before and after each hit, in its document, are listed beside it. Only such as may be found:
    /// the filter holds for them, too.
    pub neighbours: u32,
    /// Which of their own fields the passages come back with.
    pub payload: Selection,
    /// Whether each hit says why it stands where it does.
    pub explain: bool,
}

impl Default for RetrieveOptions {
    fn default() -> Self {
        Self {
            limit: 10,
            offset: 0,
            depth: 100,
            depths: Depths::default(),
            filter: None,
            deadline: None,
            rewrite: RewriteChoice::default(),
            legs: None,
            fusion: None,
            threshold: Threshold::default(),
            rerank: RerankChoice::default(),
            mmr: None,
            group: None,
            neighbours: 0,
            payload: Selection::default(),
            explain: false,
        }
    }
}

impl RetrieveOptions {
    /// Sets how many hits come back at most.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how many of the best hits are passed over.
    #[must_use]
    pub fn with_offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Sets how deep each leg searches.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Sets which legs search otherwise than [`depth`](Self::depth) says.
    #[must_use]
    pub fn with_depths(mut self, depths: Depths) -> Self {
        self.depths = depths;
        self
    }

    /// Sets what may be found.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets how long the whole call may take.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Searches with the question as asked only.
    #[must_use]
    pub fn without_rewrite(mut self) -> Self {
        self.rewrite = RewriteChoice::None;
        self
    }

    /// Asks for these kinds of rewrite.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl Into<Vec<RewriteKind>>) -> Self {
        self.rewrite = RewriteChoice::Kinds(kinds.into());
        self
    }

    /// Sets which channels are searched, for this call.
    #[must_use]
    pub fn with_legs(mut self, legs: Legs) -> Self {
        self.legs = Some(legs);
        self
    }

    /// Sets how the rankings become one, for this call.
    #[must_use]
    pub fn with_fusion(mut self, fusion: impl Fuse + 'static) -> Self {
        self.fusion = Some(Arc::new(fusion));
        self
    }

    /// Sets the scores that a passage has to reach.
    #[must_use]
    pub fn with_threshold(mut self, threshold: Threshold) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets whether the fused hits are reranked.
    #[must_use]
    pub fn with_rerank(mut self, rerank: RerankChoice) -> Self {
        self.rerank = rerank;
        self
    }

    /// Spreads the hits over what there is to say.
    #[must_use]
    pub fn with_mmr(mut self, mmr: Mmr) -> Self {
        self.mmr = Some(mmr);
        self
    }

    /// Groups the hits by document.
    #[must_use]
    pub fn with_group(mut self, group: Group) -> Self {
        self.group = Some(group);
        self
    }

    /// Lists so many passages before and after each hit beside it.
    #[must_use]
    pub fn with_neighbours(mut self, count: u32) -> Self {
        self.neighbours = count;
        self
    }

    /// Sets which of their own fields the passages come back with.
    #[must_use]
    pub fn with_payload(mut self, payload: Selection) -> Self {
        self.payload = payload;
        self
    }

    /// Has each hit say why it stands where it does.
    #[must_use]
    pub fn with_explanation(mut self) -> Self {
        self.explain = true;
        self
    }

    /// Refuses what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |setting: &str, problem: String| Err(Error::Settings { setting: setting.to_owned(), problem });
        if self.limit == 0 {
            return refuse("limit", "at least one hit has to be asked for".to_owned());
        }
        let wanted = self.limit.saturating_add(self.offset);
        if self.depth < wanted {
            return refuse("depth", format!("{} is less than the {wanted} hits of limit and offset", self.depth));
        }
        if let Some(depth) = self.depths.problem() {
            return refuse(depth, "a leg that searches 0 deep finds nothing; leave the channel out instead".to_owned());
        }
        if matches!(&self.rewrite, RewriteChoice::Kinds(kinds) if kinds.is_empty()) {
            return refuse("rewrite", "name at least one kind of rewrite, or ask for none".to_owned());
        }
        if let Some(Err(error)) = self.filter.as_ref().map(Filter::check) {
            return refuse("filter", error.to_string());
        }
        self.refining_problem(wanted).map_or(Ok(()), |(option, problem)| refuse(option, problem))
    }

    /// Says which choice of what happens after fusion contradicts itself or another one, and why.
    fn refining_problem(&self, wanted: usize) -> Option<(&'static str, String)> {
        if let Some(problem) = self.threshold.problem() {
            return Some(problem);
        }
        let unsearched =
            |channel| self.threshold.of(channel).is_some() && self.legs.is_some_and(|legs| !legs.include(channel));
        if unsearched(Channel::Dense) {
            return Some(("threshold.dense", "no dense leg is searched; leave it out, or search hybrid".to_owned()));
        }
        if unsearched(Channel::Bm25) {
            return Some(("threshold.bm25", "no bm25 leg is searched; leave it out, or search hybrid".to_owned()));
        }
        if self.rerank == RerankChoice::Depth(0) {
            return Some(("rerank", "at least one hit has to be reranked, or ask for no reranking".to_owned()));
        }
        if let Some(Mmr { diversity, candidates }) = self.mmr {
            if !(0.0..=1.0).contains(&diversity) {
                return Some(("mmr.diversity", format!("{diversity} is not from 0 (as fused) to 1 (nothing twice)")));
            }
            if candidates < wanted {
                let problem = format!("{candidates} is less than the {wanted} hits of limit and offset to be chosen");
                return Some(("mmr.candidates", problem));
            }
        }
        if self.group.is_some_and(|group| group.passages == 0) {
            return Some(("group", "at least one passage of each document has to be asked for".to_owned()));
        }
        if self.neighbours > MOST_NEIGHBOURS {
            return Some(("neighbours", format!("{} is more than {MOST_NEIGHBOURS}", self.neighbours)));
        }
        self.payload.problem().map(|problem| ("payload", problem))
    }
}

/// What the caller may not choose: set by whoever owns the process, for the sidecar from the caller's key.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Scope {
    /// On whose behalf; rewrites are not shared between tenants.
    pub tenant: String,
    /// Only passages that match may be found, whatever the caller's own filter says.
    pub filter: Option<Filter>,
    /// Whether questions must not leave this host, so that no rewriter elsewhere is asked.
    pub local_only: bool,
}

impl Scope {
    /// A tenant that may find everything.
    pub fn new(tenant: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), ..Self::default() }
    }

    /// Sets what may be found at all.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Keeps questions on this host.
    #[must_use]
    pub fn local_only(mut self) -> Self {
        self.local_only = true;
        self
    }

    /// What may be found: the scope's filter outermost, the caller's own inside it.
    pub(crate) fn narrow(&self, own: Option<&Filter>) -> Option<Filter> {
        match (&self.filter, own) {
            (None, own) => own.cloned(),
            (Some(mandatory), None) => Some(mandatory.clone()),
            (Some(mandatory), Some(own)) => Some(mandatory.clone().and(own.clone())),
        }
    }
}
