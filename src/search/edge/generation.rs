//! One generation: a shard of qdrant-edge in a folder of its own. The only file that calls the engine.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParamsBuilder, EdgeVectorParamsBuilder,
    FieldIndexOperations, JsonPath, Modifier, NamedQuery, PayloadFieldSchema, PayloadSchemaType, PointInsertOperations,
    PointOperations, PointStructPersisted, QueryEnum, QueryRequest, ScoredPoint, ScoringQuery, ScrollRequest,
    UpdateOperation, VectorInternal, WalOptions, WithPayloadInterface, WithVector,
};

use super::{
    fault::{Fault, guard},
    folder::{bytes_on_disk, sync_tree},
    numbering::{self, PROBE},
    point,
};
use crate::{
    ranking::{Passage, PointId, Ranking},
    search::{Channel, Filter, PayloadKind, layout},
};

/// The engine's log grows in files of this many bytes. Nothing is ever read from it, so they are small.
const LOG_FILE_BYTES: usize = 1 << 20;
/// How many points a compaction copies at a time.
const COPIED_AT_ONCE: usize = 256;
const LOG: &str = "wal";
/// Where a log is put that cannot be opened; it goes with its generation.
const LOG_ASIDE: &str = "wal.unreadable";

/// A shard, open.
#[derive(Debug)]
pub(super) struct Generation {
    path: PathBuf,
    shard: EdgeShard,
    /// How many writes the engine numbered.
    writes: AtomicU64,
}

impl Generation {
    /// An empty generation, on disk when this returns.
    pub(super) fn create(path: &Path, dimension: usize) -> Result<Self, Fault> {
        fs::create_dir(path).map_err(|error| Fault::io("creating a generation", error))?;
        let shard = guard("creating a generation", || EdgeShard::new(path, config(dimension)))?;
        let generation = Self { path: path.to_owned(), shard, writes: AtomicU64::new(0) };
        generation.index(layout::DOCUMENT_ID, PayloadKind::Keyword)?;
        generation.settle()?;
        Ok(generation)
    }

    /// Opens a generation. If its log cannot be opened, it is opened with a new one: the log is never replayed, so no
    /// acknowledged write is in it that is not in the segments too.
    pub(super) fn load(path: &Path, dimension: usize) -> Result<Self, Fault> {
        let load = || guard("opening the collection", || EdgeShard::load(path, Some(config(dimension))));
        let shard = load().or_else(|fault| {
            let (log, aside) = (path.join(LOG), path.join(LOG_ASIDE));
            let _ = fs::remove_dir_all(&aside);
            if fs::rename(&log, &aside).is_err() {
                return Err(fault);
            }
            load().map_err(|_| {
                let _ = fs::remove_dir_all(&log).and_then(|()| fs::rename(&aside, &log));
                fault
            })
        });
        let writes = AtomicU64::new(numbering::remembered(path));
        Ok(Self { path: path.to_owned(), shard: shard.map_err(Fault::as_damage)?, writes })
    }

    pub(super) fn writes_remembered(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    pub(super) fn count_from(&self, writes: u64) {
        self.writes.store(writes, Ordering::Relaxed);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes the log's files are long.
    pub(super) fn log_bytes(&self) -> u64 {
        let files = fs::read_dir(self.path.join(LOG)).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
    }

    /// How many bytes the points and their indexes take up on disk.
    pub(super) fn data_bytes(&self) -> u64 {
        bytes_on_disk(&self.path).saturating_sub(bytes_on_disk(&self.path.join(LOG)))
    }

    pub(super) fn upsert(&self, points: Vec<PointStructPersisted>) -> Result<(), Fault> {
        let points = PointInsertOperations::PointsList(points);
        self.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(points)))
    }

    pub(super) fn delete(&self, ids: &[PointId]) -> Result<(), Fault> {
        let ids = ids.iter().copied().map(point::to_engine).collect();
        self.update(UpdateOperation::PointOperation(PointOperations::DeletePoints { ids }))
    }

    pub(super) fn delete_probe(&self) -> Result<(), Fault> {
        self.update(UpdateOperation::PointOperation(PointOperations::DeletePoints { ids: vec![PROBE] }))
    }

    pub(super) fn holds_probe(&self) -> Result<bool, Fault> {
        guard("fetching", || self.shard.retrieve(&[PROBE], Some(false.into()), None)).map(|found| !found.is_empty())
    }

    pub(super) fn delete_matching(&self, filter: &Filter) -> Result<(), Fault> {
        let filter = point::filter_to_engine(filter)?;
        self.update(UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter)))
    }

    /// Indexes a payload field, unless it is indexed this way already.
    pub(super) fn index(&self, key: &str, kind: PayloadKind) -> Result<(), Fault> {
        let wrong = |()| Fault::request(format!("{key:?} does not name a payload field"));
        let field: JsonPath = key.parse().map_err(wrong)?;
        let kind = schema(kind);
        let indexed = guard("describing", || Ok(self.shard.info().payload_schema.remove(&field)))?;
        if indexed.is_some_and(|index| index.data_type == kind) {
            return Ok(());
        }
        self.create_index(field, kind.into())
    }

    fn create_index(&self, field_name: JsonPath, schema: PayloadFieldSchema) -> Result<(), Fault> {
        let index = CreateIndex { field_name, field_schema: Some(schema) };
        self.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index)))
    }

    fn update(&self, operation: UpdateOperation) -> Result<(), Fault> {
        guard("writing", || self.shard.update(operation))?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Forces all updates to disk. Only this makes them survive a crash: the log is not replayed.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        guard("writing to disk", || {
            self.shard.flush();
            Ok(())
        })?;
        numbering::remember(&self.path, self.writes_remembered())
    }

    /// Merges segments and builds the approximate index; takes as long as that takes.
    pub(super) fn optimize(&self) -> Result<(), Fault> {
        guard("optimizing", || self.shard.optimize())?;
        self.flush()
    }

    /// Flushes, and forces the names of new files to disk too.
    fn settle(&self) -> Result<(), Fault> {
        self.flush()?;
        sync_tree(&self.path).map_err(|error| Fault::io("writing to disk", error))
    }

    /// Copies every point and index into a new generation with a log of its own; it is on disk when this returns.
    pub(super) fn copy_to(&self, path: &Path, dimension: usize) -> Result<Self, Fault> {
        let copy = Self::create(path, dimension)?;
        let info = guard("describing", || Ok(self.shard.info()))?;
        for (field, index) in info.payload_schema {
            let schema = index.params.map_or(index.data_type.into(), PayloadFieldSchema::FieldParams);
            copy.create_index(field, schema)?;
        }
        let copied = self.copy_points(&copy)?;
        if copy.count()? != copied {
            return Err(Fault::damage("a compaction lost points; the old generation stays"));
        }
        copy.flush()?;
        if info.indexed_vectors_count > 0 {
            copy.optimize()?;
        }
        copy.settle()?;
        Ok(copy)
    }

    fn copy_points(&self, copy: &Self) -> Result<u64, Fault> {
        let mut copied = 0;
        let mut offset = None;
        loop {
            let request = ScrollRequest {
                offset,
                limit: Some(COPIED_AT_ONCE),
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: WithVector::Bool(true),
                ..ScrollRequest::default()
            };
            let (mut records, next) = guard("copying", || self.shard.scroll(request))?;
            records.retain(|record| record.id != PROBE);
            copied += records.len() as u64;
            copy.upsert(records.into_iter().map(point::copied).collect::<Result<_, _>>()?)?;
            offset = next;
            if offset.is_none() {
                return Ok(copied);
            }
        }
    }

    /// The points nearest to a vector, on the calling thread.
    pub(super) fn search(&self, vector: Vec<f32>, depth: usize, filter: Option<&Filter>) -> Result<Ranking, Fault> {
        let nearest = NamedQuery::new(VectorInternal::Dense(vector), Channel::Dense.name());
        let request = QueryRequest {
            prefetches: vec![],
            query: Some(ScoringQuery::Vector(QueryEnum::Nearest(nearest))),
            filter: filter.map(point::filter_to_engine).transpose()?,
            score_threshold: None,
            limit: depth,
            offset: 0,
            params: None,
            with_vector: WithVector::Bool(false),
            with_payload: WithPayloadInterface::Bool(false),
        };
        let found = self.query(request)?;
        Ok(Ranking::new(found.iter().map(point::scored).collect()).top(depth))
    }

    pub(super) fn query(&self, request: QueryRequest) -> Result<Vec<ScoredPoint>, Fault> {
        guard("searching", || self.shard.query(request))
    }

    pub(super) fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, Fault> {
        let wanted: Vec<_> = ids.iter().copied().map(point::to_engine).collect();
        let records = guard("fetching", || self.shard.retrieve(&wanted, Some(true.into()), Some(false.into())))?;
        let read = |record: qdrant_edge::Record| {
            (point::from_engine(record.id), layout::from_payload(record.payload.unwrap_or_default().0))
        };
        let found: HashMap<_, _> = records.into_iter().map(read).collect();
        Ok(ids.iter().filter_map(|id| found.get(id).map(|passage| (*id, passage.clone()))).collect())
    }

    pub(super) fn count(&self) -> Result<u64, Fault> {
        let request = CountRequest { filter: None, exact: true };
        let count = guard("counting", || self.shard.count(request))?;
        Ok(count as u64 - u64::from(self.holds_probe()?))
    }
}

fn config(dimension: usize) -> EdgeConfig {
    let log = WalOptions { segment_capacity: LOG_FILE_BYTES, ..WalOptions::default() };
    EdgeConfig::builder()
        .vector(Channel::Dense.name(), EdgeVectorParamsBuilder::new(dimension, Distance::Cosine).build())
        .sparse_vector(Channel::Bm25.name(), EdgeSparseVectorParamsBuilder::new().modifier(Modifier::Idf).build())
        .wal_options(log)
        .build()
}

fn schema(kind: PayloadKind) -> PayloadSchemaType {
    match kind {
        PayloadKind::Keyword => PayloadSchemaType::Keyword,
        PayloadKind::Integer => PayloadSchemaType::Integer,
        PayloadKind::Float => PayloadSchemaType::Float,
        PayloadKind::Bool => PayloadSchemaType::Bool,
        PayloadKind::Datetime => PayloadSchemaType::Datetime,
        PayloadKind::Text => PayloadSchemaType::Text,
    }
}
