//! One generation: a shard of qdrant-edge in a folder of its own, its life and its changes. All calls into the engine go
//! through it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use qdrant_edge::{EdgeShard, OperationResult, PayloadFieldSchema, UpdateOperation};

use super::{
    fault::{Fault, guard},
    folder::{COLLECTION, bytes_on_disk, sync_folder, sync_tree},
    footprint::Footprint,
    log, numbering, operation,
    shape::Shape,
};
use crate::search::{PayloadKind, Quantization, layout};

/// A compaction's copy closes and shortens its log when it is longer than this many bytes.
const COPIED_LOG_BYTES: u64 = 16 << 20;
/// Where a log is put that cannot be opened; it goes with its generation.
const LOG_ASIDE: &str = "wal.unreadable";

/// A file that is there while a generation is being optimized.
const OPTIMIZING: &str = "optimizing";

/// A file that says at which write a generation was last optimized, and how.
const OPTIMIZED: &str = "optimized";

/// A shard, open.
#[derive(Debug)]
pub(super) struct Generation {
    path: PathBuf,
    shape: Shape,
    /// Always there until it is dropped.
    shard: Option<EdgeShard>,
    /// How many writes the engine numbered.
    writes: AtomicU64,
}

impl Generation {
    /// An empty generation, on disk when this returns.
    pub(super) fn create(path: &Path, shape: Shape) -> Result<Self, Fault> {
        fs::create_dir(path).map_err(|error| Fault::io("creating a generation", error))?;
        let shard = guard("creating a generation", || EdgeShard::new(path, shape.config()))?;
        let generation = Self::new(path, shape, shard);
        generation.update(operation::index(layout::DOCUMENT_ID, PayloadKind::Keyword)?)?;
        generation.settle()?;
        Ok(generation)
    }

    /// Opens a generation. If its log cannot be opened, it is opened with a new one: the log is never replayed, so no
    /// acknowledged write is in it that is not in the segments too.
    pub(super) fn load(path: &Path, shape: Shape) -> Result<Self, Fault> {
        if let Err(error) = log::shorten(path) {
            tracing::warn!(path = %path.display(), %error, "the engine's log cannot be shortened");
        }
        let load = || guard("opening the collection", || EdgeShard::load(path, Some(shape.config())));
        let shard = load().or_else(|fault| {
            let (log, aside) = (path.join(log::NAME), path.join(LOG_ASIDE));
            let _ = fs::remove_dir_all(&aside);
            if fs::rename(&log, &aside).is_err() {
                return Err(fault);
            }
            load().map_err(|_| {
                let _ = fs::remove_dir_all(&log).and_then(|()| fs::rename(&aside, &log));
                fault
            })
        });
        let generation = Self::new(path, shape, shard.map_err(Fault::into_damage)?);
        generation.count_from(numbering::remembered(path));
        Ok(generation)
    }

    fn new(path: &Path, shape: Shape, shard: EdgeShard) -> Self {
        Self { path: path.to_owned(), shape, shard: Some(shard), writes: AtomicU64::new(0) }
    }

    /// Calls the engine; its panics become faults.
    pub(super) fn call<T>(&self, step: &str, work: impl FnOnce(&EdgeShard) -> OperationResult<T>) -> Result<T, Fault> {
        let shard = self.shard.as_ref().ok_or_else(|| Fault::bug("the generation is closed"))?;
        guard(step, || work(shard))
    }

    /// How many writes it had, as far as it remembers.
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Counts writes from here.
    pub(super) fn count_from(&self, writes: u64) {
        self.writes.store(writes, Ordering::Relaxed);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn quantization(&self) -> Quantization {
        self.shape.quantization
    }

    /// What is built over the dense vectors, and what they take up.
    pub(super) fn footprint(&self) -> Result<Footprint, Fault> {
        Footprint::of(&self.path)
    }

    pub(super) fn log_bytes(&self) -> u64 {
        log::bytes(&self.path)
    }

    /// How many bytes the points and their indexes take up on disk.
    pub(super) fn data_bytes(&self) -> u64 {
        bytes_on_disk(&self.path).saturating_sub(bytes_on_disk(&self.path.join(log::NAME)))
    }

    /// How many bytes a copy of it may take up, its log included.
    pub(super) fn copy_bytes(&self) -> u64 {
        let data = self.data_bytes();
        data + data / 4 + (2 * data).min(2 * COPIED_LOG_BYTES)
    }

    /// Whether a payload field is indexed this way.
    pub(super) fn is_indexed(&self, key: &str, kind: PayloadKind) -> Result<bool, Fault> {
        let field = operation::field(key)?;
        let index = self.call("describing", |shard| Ok(shard.info().payload_schema.remove(&field)))?;
        Ok(index.is_some_and(|index| index.data_type == operation::schema(kind)))
    }

    /// The payload fields that are indexed, and as what.
    pub(super) fn indexed(&self) -> Result<BTreeMap<String, PayloadKind>, Fault> {
        let info = self.call("describing", |shard| Ok(shard.info()))?;
        let indexes = info.payload_schema.into_iter();
        Ok(indexes.filter_map(|(field, index)| Some((field.to_string(), operation::kind(index.data_type)?))).collect())
    }

    /// Makes a change. It survives a crash once flushed.
    pub(super) fn update(&self, operation: UpdateOperation) -> Result<(), Fault> {
        self.call("writing", |shard| shard.update(operation))?;
        // "Unreadable" is the highest number, and stays it.
        self.count_from(self.writes().saturating_add(1));
        Ok(())
    }

    /// Forces all updates to disk. Only this makes them survive a crash: the log is not replayed.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        self.call("writing to disk", |shard| {
            shard.flush();
            Ok(())
        })?;
        numbering::remember(&self.path, self.writes())
    }

    /// Merges segments and builds the approximate index; takes as long as that takes.
    pub(super) fn optimize(&self) -> Result<(), Fault> {
        let mark = self.path.join(OPTIMIZING);
        let marked = fs::write(&mark, "").and_then(|()| sync_folder(&self.path));
        marked.map_err(|error| Fault::io("optimizing", error))?;
        self.call("optimizing", EdgeShard::optimize)?;
        self.settle()?;
        let noted = fs::remove_file(&mark).and_then(|()| fs::write(self.path.join(OPTIMIZED), self.state()));
        noted.map_err(|error| Fault::io("optimizing", error))
    }

    /// Whether nothing was written since it was optimized this way. Only speed hangs on this answer, so that the file
    /// is not forced to disk.
    pub(super) fn is_optimized(&self) -> bool {
        self.writes() != u64::MAX && fs::read_to_string(self.path.join(OPTIMIZED)).is_ok_and(|at| at == self.state())
    }

    fn state(&self) -> String {
        format!("{} {} {}", self.writes(), self.shape.index_above_kib, self.shape.quantization)
    }

    /// Whether it was optimized and that never ended. The engine then opens the merged segments beside those that
    /// they were merged from, and counts every point twice; a copy has each once.
    pub(super) fn is_half_optimized(&self) -> bool {
        self.path.join(OPTIMIZING).exists()
    }

    /// Flushes, and forces the names of new files to disk too.
    fn settle(&self) -> Result<(), Fault> {
        self.flush()?;
        sync_tree(&self.path).map_err(|error| Fault::io("writing to disk", error))
    }

    /// Copies every point and index into a new generation with a log of its own; it is on disk when this returns.
    pub(super) fn copy_to(&self, path: &Path) -> Result<Self, Fault> {
        let mut copy = Self::create(path, self.shape)?;
        let description = self.path.join(COLLECTION);
        if description.exists() {
            let copied = fs::copy(description, path.join(COLLECTION));
            copied.map_err(|error| Fault::io("copying the description", error))?;
        }
        let info = self.call("describing", |shard| Ok(shard.info()))?;
        for (field, index) in info.payload_schema {
            let schema = index.params.map_or(index.data_type.into(), PayloadFieldSchema::FieldParams);
            copy.update(operation::create_index(field, schema))?;
        }
        let mut copied = 0;
        let mut offset = None;
        loop {
            let (points, next) = self.copied(offset)?;
            copied += points.len() as u64;
            copy.update(operation::upsert(points))?;
            if copy.log_bytes() > COPIED_LOG_BYTES {
                copy = copy.reopen()?;
            }
            offset = next;
            if offset.is_none() {
                break;
            }
        }
        if copy.count()? != copied {
            return Err(Fault::bug("a compaction lost points; the old generation stays"));
        }
        if info.indexed_vectors_count > 0 {
            copy.optimize()?;
        }
        copy.reopen()
    }

    /// Closes it and opens it again, which shortens its log.
    fn reopen(self) -> Result<Self, Fault> {
        self.settle()?;
        let (path, shape) = (self.path.clone(), self.shape);
        drop(self);
        Self::load(&path, shape)
    }
}

impl Drop for Generation {
    /// The engine flushes when it is dropped, and panics if it cannot.
    fn drop(&mut self) {
        let shard = self.shard.take();
        let closed = guard("closing a generation", || {
            drop(shard);
            Ok(())
        });
        if let Err(fault) = closed {
            tracing::warn!(path = %self.path.display(), ?fault, "nothing acknowledged is lost");
        }
    }
}
