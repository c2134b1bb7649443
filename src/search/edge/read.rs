//! Reading a generation, on the calling thread: searches, points by id, points one after another.

use std::collections::HashMap;

use qdrant_edge::{
    CountRequest, NamedQuery, PointId as EngineId, PointStructPersisted, QuantizationSearchParams, QueryEnum,
    QueryRequest, Record, ScoredPoint, ScoringQuery, ScrollRequest as EngineScroll, SearchParams as EngineParams,
    SparseVector, VectorInternal, WithPayloadInterface, WithVector,
};

use super::{fault::Fault, generation::Generation, numbering::PROBE, operation, point};
use crate::{
    ranking::{Passage, PointId, Ranking},
    search::{Channel, Filter, ScrollPage, ScrollRequest, Scrolled, SearchParams, SearchVector},
};

/// How many points a compaction copies at a time.
const COPIED_AT_ONCE: usize = 256;

impl Generation {
    /// The points nearest to a vector.
    pub(super) fn search(
        &self,
        vector: SearchVector,
        depth: usize,
        filter: Option<&Filter>,
        params: SearchParams,
    ) -> Result<Ranking, Fault> {
        let found = self.nearest(vector, depth, filter.map(operation::filter).transpose()?, params)?;
        Ok(Ranking::new(found.iter().map(point::scored).collect()).top(depth))
    }

    pub(super) fn nearest(
        &self,
        vector: SearchVector,
        limit: usize,
        filter: Option<qdrant_edge::Filter>,
        SearchParams { exact, rescore, oversampling }: SearchParams,
    ) -> Result<Vec<ScoredPoint>, Fault> {
        let (channel, vector) = match vector {
            SearchVector::Dense(dense) => (Channel::Dense, VectorInternal::Dense(dense)),
            SearchVector::Sparse(words) => {
                let words = SparseVector { indices: words.indices, values: words.values };
                (Channel::Bm25, VectorInternal::Sparse(words))
            }
        };
        let nearest = NamedQuery::new(vector, channel.name());
        let quantization =
            QuantizationSearchParams { ignore: false, rescore: Some(rescore), oversampling: Some(oversampling) };
        let request = QueryRequest {
            prefetches: vec![],
            query: Some(ScoringQuery::Vector(QueryEnum::Nearest(nearest))),
            filter,
            score_threshold: None,
            limit,
            offset: 0,
            params: Some(EngineParams { exact, quantization: Some(quantization), ..EngineParams::default() }),
            with_vector: WithVector::Bool(false),
            with_payload: WithPayloadInterface::Bool(false),
        };
        self.call("searching", |shard| shard.query(request))
    }

    pub(super) fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, Fault> {
        self.retrieve(ids, WithPayloadInterface::Bool(true), WithVector::Bool(false), |record| {
            point::passage(record.payload)
        })
    }

    pub(super) fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, Fault> {
        let dense = WithVector::Selector(vec![Channel::Dense.name().to_owned()]);
        self.retrieve(ids, WithPayloadInterface::Bool(false), dense, |record| {
            point::vectors(record.vector, false).dense
        })
    }

    /// Reads points by id, in the order asked; the engine gives each only once.
    fn retrieve<T: Clone>(
        &self,
        ids: &[PointId],
        payload: WithPayloadInterface,
        vector: WithVector,
        read: impl Fn(Record) -> T,
    ) -> Result<Vec<(PointId, T)>, Fault> {
        let wanted: Vec<_> = ids.iter().copied().map(point::to_engine).collect();
        let records = self.call("fetching", |shard| shard.retrieve(&wanted, Some(payload), Some(vector)))?;
        let found: HashMap<_, _> =
            records.into_iter().map(|record| (point::from_engine(record.id), read(record))).collect();
        Ok(ids.iter().filter_map(|id| found.get(id).map(|found| (*id, found.clone()))).collect())
    }

    /// Some points in the order of their ids; `bm25` says whether the collection has that channel.
    pub(super) fn scroll(&self, request: &ScrollRequest, bm25: bool) -> Result<ScrollPage, Fault> {
        let once = || self.following(request, bm25).map(|points| ScrollPage::of(request, points));
        let page = once()?;
        // Deleted between the engine's two steps, a whole page would look like the end.
        if page.points.is_empty() { once() } else { Ok(page) }
    }

    fn following(&self, request: &ScrollRequest, bm25: bool) -> Result<Vec<Scrolled>, Fault> {
        let filter = request.filter.as_ref().map(operation::filter).transpose()?;
        let from = request.after.map(point::to_engine);
        let (records, _) = self.page(from, request.size_with_first(), filter, request.vectors)?;
        let scrolled = |record: Record| Scrolled {
            id: point::from_engine(record.id),
            passage: point::passage(record.payload),
            vectors: request.vectors.then(|| point::vectors(record.vector, bm25)),
        };
        Ok(records.into_iter().map(scrolled).collect())
    }

    /// Some points as a compaction writes them again, and where the next ones begin.
    pub(super) fn copied(
        &self,
        from: Option<EngineId>,
    ) -> Result<(Vec<PointStructPersisted>, Option<EngineId>), Fault> {
        let (records, next) = self.page(from, COPIED_AT_ONCE, None, true)?;
        Ok((records.into_iter().map(point::copied).collect::<Result<_, _>>()?, next))
    }

    fn page(
        &self,
        from: Option<EngineId>,
        limit: usize,
        filter: Option<qdrant_edge::Filter>,
        vectors: bool,
    ) -> Result<(Vec<Record>, Option<EngineId>), Fault> {
        let request = EngineScroll {
            offset: from,
            limit: Some(limit),
            filter,
            with_payload: Some(WithPayloadInterface::Bool(true)),
            with_vector: WithVector::Bool(vectors),
            ..EngineScroll::default()
        };
        let (mut records, next) = self.call("reading on", |shard| shard.scroll(request))?;
        records.retain(|record| record.id != PROBE);
        Ok((records, next))
    }

    pub(super) fn count(&self) -> Result<u64, Fault> {
        let request = CountRequest { filter: None, exact: true };
        let count = self.call("counting", |shard| shard.count(request))?;
        Ok((count as u64).saturating_sub(self.holds_probe()?.into()))
    }

    pub(super) fn holds_probe(&self) -> Result<bool, Fault> {
        self.call("fetching", |shard| shard.retrieve(&[PROBE], Some(false.into()), None)).map(|found| !found.is_empty())
    }
}
