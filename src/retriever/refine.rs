//! From fused points to hits: rerank, spread, group, choose, and fetch what is needed for each. Its order is that of
//! [`crate::refine`]; whatever goes wrong in an optional step leaves the order of the step before, and is told.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt as _, future::try_join_all};
use tokio::time::Instant;

use super::{
    LEG_TIMEOUT,
    call::{Call, until},
};
use crate::{
    error::Error,
    fuse::Fused,
    options::RerankChoice,
    ranking::{Hit, Passage, PointId},
    refine::{self, Group, Mmr},
    rerank::{self, RerankError, Reranker},
    retrieval::{Degradation, Step},
    search::{Filter, MAX_PAGE, ScrollRequest},
};

/// A fused point on its way to becoming a hit.
pub(super) struct Candidate {
    pub(super) fused: Fused,
    /// What the reranker said of it.
    pub(super) reranked: Option<f32>,
    /// What it says, once that was needed.
    pub(super) passage: Option<Passage>,
}

/// What refining a call's fused points comes to.
pub(super) struct Refining<'a, 'b> {
    call: &'a Call<'b>,
    pub(super) candidates: Vec<Candidate>,
    /// How many were deleted between search and fetch.
    missing: usize,
    pub(super) degradations: Vec<Degradation>,
}

impl<'a, 'b> Refining<'a, 'b> {
    /// The fused points; `at_hand` are hits whose passages need not be fetched again.
    pub(super) fn new(call: &'a Call<'b>, fused: Vec<Fused>, at_hand: &[Hit]) -> Self {
        let passage = |id| Some(at_hand.iter().find(|hit| hit.point == id)?.passage.clone());
        let candidate = |fused: Fused| Candidate { passage: passage(fused.id), fused, reranked: None };
        let candidates = fused.into_iter().map(candidate).collect();
        Self { call, candidates, missing: 0, degradations: vec![] }
    }

    /// Makes what becomes hits of what was fused.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        self.rerank().await?;
        self.diversify().await;
        self.choose().await?;
        if self.missing > 0 {
            self.degradations.push(Degradation::Deleted { missing: self.missing });
        }
        Ok(())
    }

    /// Has the reranker, if there is one, put the best into its order.
    async fn rerank(&mut self) -> Result<(), Error> {
        let Some((reranker, depth)) = self.call.reranker() else { return Ok(()) };
        let count = self.fetch_first(depth).await?;
        let first = &mut self.candidates[..count];
        if first.is_empty() {
            return Ok(());
        }
        let texts = first.iter().filter_map(|candidate| Some(candidate.passage.as_ref()?.embedded_text()));
        let texts: Vec<String> = texts.collect();
        match self.call.timed(Step::Rerank, None, self.call.scores(reranker, &texts)).await {
            Ok(scores) => {
                first.iter_mut().zip(scores).for_each(|(candidate, score)| candidate.reranked = Some(score));
                // Stable: equal scores stay in the fused order.
                first.sort_by(|a, b| b.reranked.partial_cmp(&a.reranked).unwrap_or(std::cmp::Ordering::Equal));
            }
            Err(error) => self.degradations.push(Degradation::Rerank(error)),
        }
        Ok(())
    }

    /// Spreads the best over what there is to say, where that is wanted.
    async fn diversify(&mut self) {
        let Some(Mmr { diversity, candidates }) = self.call.options.mmr else { return };
        let pool = candidates.min(self.candidates.len());
        let ids: Vec<PointId> = self.candidates[..pool].iter().map(|candidate| candidate.fused.id).collect();
        let vectors = match self.call.fetched(self.call.parts.store.vectors(&ids)).await {
            Ok(vectors) => vectors.into_iter().collect::<HashMap<PointId, Vec<f32>>>(),
            Err(error) => {
                self.degradations.push(Degradation::Diversity(Box::new(error)));
                return;
            }
        };
        let vectors: Vec<Option<&[f32]>> = ids.iter().map(|id| vectors.get(id).map(Vec::as_slice)).collect();
        let order = refine::diversify(&self.relevances(pool), &vectors, diversity);
        let mut pooled: Vec<Option<Candidate>> = self.candidates.drain(..pool).map(Some).collect();
        let spread: Vec<Candidate> = order.into_iter().filter_map(|at| pooled[at].take()).collect();
        self.candidates.splice(0..0, spread);
    }

    /// How relevant the first candidates are: by the reranker's scores where there are any, where whatever it did not
    /// read counts as its last; otherwise as they were fused.
    fn relevances(&self, count: usize) -> Vec<f64> {
        let first = &self.candidates[..count];
        let last = first.iter().filter_map(|candidate| candidate.reranked).reduce(f32::min);
        let relevance = |candidate: &Candidate| match last {
            Some(last) => f64::from(candidate.reranked.unwrap_or(last)),
            None => candidate.fused.normalised,
        };
        first.iter().map(relevance).collect()
    }

    /// Leaves those that become hits, with their passages: grouped where that is wanted, behind the offset, no more than
    /// the limit.
    pub(super) async fn choose(&mut self) -> Result<(), Error> {
        let (offset, limit) = (self.call.options.offset, self.call.options.limit);
        if let Some(group) = self.call.options.group {
            return self.choose_grouped(group, offset, limit).await;
        }
        self.candidates.drain(..offset.min(self.candidates.len()));
        self.candidates.truncate(limit);
        self.fetch_first(limit).await.map(drop)
    }

    /// Fetches passages until every document that is wanted has as many as are wanted, or there are no more.
    async fn choose_grouped(&mut self, group: Group, offset: usize, limit: usize) -> Result<(), Error> {
        // Twice as many as are needed if each is of another document: one fetch is mostly enough.
        let mut wanted = group.full(offset.saturating_add(limit)).saturating_mul(2);
        loop {
            let known = self.fetch_first(wanted).await?;
            let passages = self.candidates[..known].iter().filter_map(|candidate| candidate.passage.as_ref());
            let documents: Vec<&str> = passages.map(|passage| passage.document_id.as_str()).collect();
            let chosen = group.choose(&documents, offset, limit);
            if chosen.len() == group.full(limit) || known == self.candidates.len() {
                let mut left: Vec<Option<Candidate>> = self.candidates.drain(..).map(Some).collect();
                self.candidates = chosen.into_iter().filter_map(|at| left[at].take()).collect();
                return Ok(());
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    /// Fetches the passages of the first `count` candidates that have none yet, once; a point that is gone is left out.
    /// Returns how many candidates at the front have a passage now.
    async fn fetch_first(&mut self, count: usize) -> Result<usize, Error> {
        let count = count.min(self.candidates.len());
        let unknown = self.candidates[..count].iter().filter(|candidate| candidate.passage.is_none());
        let ids: Vec<PointId> = unknown.map(|candidate| candidate.fused.id).collect();
        if ids.is_empty() {
            return Ok(count);
        }
        let fetched = self.call.fetched(self.call.parts.store.fetch(&ids)).await?;
        let mut passages: HashMap<PointId, Passage> = fetched.into_iter().collect();
        let mut first: Vec<Candidate> = self.candidates.drain(..count).collect();
        for candidate in first.iter_mut().filter(|candidate| candidate.passage.is_none()) {
            candidate.passage = passages.remove(&candidate.fused.id);
        }
        first.retain(|candidate| candidate.passage.is_some());
        let known = first.len();
        self.missing += count - known;
        self.candidates.splice(0..0, first);
        Ok(known)
    }
}

impl Call<'_> {
    /// Who reranks, and how many; nobody where none is set or wanted, or where what is asked must not leave this host.
    pub(super) fn reranker(&self) -> Option<(&Arc<dyn Reranker>, usize)> {
        let reranker = self.parts.reranker.as_ref()?;
        let depth = match self.options.rerank {
            RerankChoice::None => return None,
            RerankChoice::Usual => self.parts.rerank_depth,
            RerankChoice::Depth(depth) => depth,
        };
        let allowed = !(self.parts.scope.local_only && reranker.leaves_host());
        allowed.then_some((reranker, depth))
    }

    /// What the reranker says; late, failed, crashed and senseless scores are all the same to the answer.
    async fn scores(&self, reranker: &Arc<dyn Reranker>, passages: &[String]) -> Result<Vec<f32>, RerankError> {
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        let now = Instant::now();
        let end = self.budget.rerank_end(now);
        let scores = AssertUnwindSafe(reranker.rerank(self.question.text(), &passages)).catch_unwind();
        match until(end, scores).await {
            Some(Ok(scores)) => rerank::checked(scores?, passages.len()),
            Some(Err(_)) => Err(RerankError::failed("crashed; the log says where")),
            None => Err(RerankError::Deadline { waited: now.elapsed() }),
        }
    }

    /// Fetches something from the store, by the end of the call.
    async fn fetched<T, E: Into<Error>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
        let end = self.budget.end().or_else(|| Instant::now().checked_add(LEG_TIMEOUT));
        let fetched = until(end, self.timed(Step::Fetch, None, work)).await;
        fetched.ok_or_else(|| self.late())?.map_err(Into::into)
    }

    /// Puts beside each hit what stands before and after it, where that is wanted.
    pub(super) async fn add_neighbours(&self, hits: &mut [Hit]) -> Result<(), Degradation> {
        let count = self.options.neighbours;
        if count == 0 || hits.is_empty() {
            return Ok(());
        }
        let wanted = refine::Wanted::around(hits.iter().map(|hit| &hit.passage), count);
        let filters = wanted.filters(self.filter.as_deref());
        let found = self.fetched(try_join_all(filters.into_iter().map(|filter| self.all_matching(filter)))).await;
        let found = found.map_err(|error| Degradation::Neighbours(Box::new(error)))?.concat();
        for hit in hits {
            hit.neighbours = refine::neighbours_of(&hit.passage, &found, count);
            hit.neighbours.iter_mut().for_each(|passage| self.options.payload.apply(passage));
        }
        Ok(())
    }

    /// Every passage that matches, read page by page.
    async fn all_matching(&self, filter: Filter) -> Result<Vec<Passage>, Error> {
        let mut request = ScrollRequest::new(MAX_PAGE).with_filter(filter);
        let mut found = vec![];
        loop {
            let page = self.parts.store.scroll(request.clone()).await?;
            // Deletions may shorten a page, but hardly to the half: no need to hear that there is no other.
            let next = page.next.filter(|_| page.points.len() > MAX_PAGE / 2);
            found.extend(page.points.into_iter().map(|point| point.passage));
            match next {
                Some(last) => request = request.after(last),
                None => return Ok(found),
            }
        }
    }
}
