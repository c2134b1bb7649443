//! The one thread that changes a collection. qdrant-edge takes its locks with `try_lock().expect()` when it flushes,
//! so two changes at once would panic; here they queue.
//!
//! A write is acknowledged after the flush that carries it, and noted in the journal until then. When a write or flush fails, what the engine holds in
//! memory and what lies on disk may differ: the generation is in doubt, and before the next write it is replaced by
//! a copy. Searches go on meanwhile, on the old generation.

mod succeed;

use std::{fs, path::PathBuf, sync::Arc};

use qdrant_edge::UpdateOperation;
use tokio::sync::mpsc;

use super::{
    EdgeOptions,
    fault::{Fault, guard},
    folder::{Description, Folder},
    generation::Generation,
    journal, operation, point,
    shape::Shape,
    slot::{Live, Slot, retire},
    succession,
};
use crate::{
    embed::Identity,
    ranking::Passage,
    search::{Channels, PayloadKind, Quantization, StoreError, Vectors, check_quantization, check_writer},
};

/// How many passages the engine gets at a time.
const WRITTEN_AT_ONCE: usize = 256;

/// Something to do on the writer's thread.
pub(super) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// What the writer's thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    place: String,
    options: EdgeOptions,
    slot: Arc<Slot>,
    folder: Option<Folder>,
    /// Whether memory and disk may differ.
    in_doubt: bool,
    /// Whether the journal may hold a write.
    unfinished: bool,
    /// Whether the engine was seen to number writes on from where it was.
    numbered: bool,
    /// The log's length below which no compaction is tried again after one failed.
    log_patience: u64,
    /// The passage side of a successor of which it was said that it has to wait.
    said_to_wait: Option<Identity>,
}

impl Writer {
    /// Opens what is there, on the calling thread; creates nothing.
    pub(super) fn open(path: PathBuf, options: EdgeOptions, slot: Arc<Slot>) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let mut writer = Self {
            path,
            place,
            options,
            slot,
            folder: None,
            in_doubt: false,
            unfinished: false,
            numbered: false,
            log_patience: 0,
            said_to_wait: None,
        };
        if Folder::holds_collection(&writer.path) {
            writer.attach()?;
        }
        Ok(writer)
    }

    /// Serves jobs until the last handle is gone, then closes the collection.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            let done = guard("a write", || {
                job(&mut self);
                self.compact_if_due();
                Ok(())
            });
            self.in_doubt |= done.is_err();
        }
        self.slot.replace(None).into_iter().for_each(retire);
    }

    /// Locks the folder and opens the collection in it; `false` if there is none.
    fn attach(&mut self) -> Result<bool, StoreError> {
        let folder = Folder::lock(&self.path)?;
        let opened = match self.moved_in(&folder) {
            Ok(Some(live)) => {
                succession::end(&folder, live.generation.path());
                folder.sweep(Some(live.generation.path()));
                Ok(Some(live))
            }
            Ok(None) => self.load(&folder),
            Err(fault) => {
                tracing::warn!(
                    place = self.place,
                    ?fault,
                    "the successor cannot take over; the collection is as it was"
                );
                self.load(&folder)
            }
        };
        let opened = opened.map_err(|fault| fault.at(&self.place))?;
        self.folder = Some(folder);
        let Some(live) = opened else { return Ok(false) };
        self.in_doubt = live.generation.is_half_optimized();
        self.slot.replace(Some(live));
        self.unfinished = journal::exists(&self.path);
        if (self.unfinished || self.in_doubt)
            && let Err(fault) = self.settle(self.options.reserve_bytes / 2)
        {
            tracing::warn!(place = self.place, ?fault, "a write that was cut off cannot be finished yet");
        }
        Ok(true)
    }

    /// Opens a collection that another process made after this store was opened. While that process has it, there is
    /// none yet.
    pub(super) fn look_again(&mut self) -> Result<(), StoreError> {
        if self.folder.is_some() || !Folder::holds_collection(&self.path) {
            return Ok(());
        }
        match self.attach() {
            Ok(true) | Err(StoreError::Locked { .. }) => Ok(()),
            Ok(false) => {
                self.folder = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Closes the collection and lets go of its folder.
    pub(super) fn close(&mut self) {
        self.slot.replace(None).into_iter().for_each(retire);
        self.folder = None;
    }

    fn load(&self, folder: &Folder) -> Result<Option<Live>, Fault> {
        let Some((Description { identity, quantization, .. }, path)) = folder.read()? else { return Ok(None) };
        folder.sweep(Some(&path));
        let generation = Generation::load(&path, self.shape(&identity, quantization))?;
        Ok(Some(Live { identity, generation }))
    }

    /// Creates the collection, or checks that it was made by the same passage side.
    pub(super) fn prepare(&mut self, identity: &Identity) -> Result<(), StoreError> {
        if self.slot.live().is_none() && self.folder.is_none() {
            let created = fs::create_dir_all(&self.path);
            created.map_err(|error| Fault::io("creating the folder", error).at(&self.place))?;
            self.attach()?;
        }
        let Some(live) = self.slot.live() else { return self.create(identity).map_err(|fault| fault.at(&self.place)) };
        check_writer(&live.identity, identity, &self.place)?;
        check_quantization(live.generation.quantization(), self.options.quantization, &self.place)
    }

    fn create(&self, identity: &Identity) -> Result<(), Fault> {
        let Some(folder) = &self.folder else { return Err(Fault::bug("the folder is not locked")) };
        self.check_space(self.options.reserve_bytes)?;
        folder.sweep(None);
        let quantization = self.options.quantization;
        let generation = Generation::create(&folder.next_generation()?, self.shape(identity, quantization))?;
        // In this order: without the first file there is no collection, without the second the only generation counts.
        folder.describe(identity, quantization)?;
        folder.make_current(generation.path())?;
        folder.settle()?;
        self.slot.replace(Some(Live { identity: identity.clone(), generation }));
        Ok(())
    }

    fn shape(&self, identity: &Identity, quantization: Quantization) -> Shape {
        Shape { dimension: identity.dimension, index_above_kib: self.options.index_above_kib, quantization }
    }

    pub(super) fn upsert(&mut self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        let channels = Channels::from(&self.live()?.identity);
        let (mut bytes, mut points) = (0, Vec::with_capacity(passages.len()));
        for (passage, vectors) in passages {
            channels.check_written(&passage, &vectors, &self.place)?;
            bytes += weight(&passage, &vectors);
            points.push(point::written(&passage, vectors, &self.place)?);
        }
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(WRITTEN_AT_ONCE));
            let upsert = operation::upsert(std::mem::replace(&mut points, rest));
            self.change(self.options.reserve_bytes + bytes, upsert).map_err(|fault| fault.at(&self.place))?;
        }
        Ok(())
    }

    /// A change that frees more than it takes; it may use half of the reserve, so that a full store can be emptied.
    pub(super) fn remove(&mut self, deletion: UpdateOperation) -> Result<(), StoreError> {
        self.live()?;
        self.change(self.options.reserve_bytes / 2, deletion).map_err(|fault| fault.at(&self.place))
    }

    /// Indexes a payload field, unless it is indexed this way already.
    pub(super) fn index(&mut self, key: &str, kind: PayloadKind) -> Result<(), StoreError> {
        let live = self.live()?;
        let space = self.options.reserve_bytes + live.generation.data_bytes();
        let indexed = live.generation.is_indexed(key, kind);
        drop(live);
        let done = match indexed {
            Ok(true) => Ok(()),
            Ok(false) => operation::index(key, kind).and_then(|index| self.change(space, index)),
            Err(fault) => Err(fault),
        };
        done.map_err(|fault| fault.at(&self.place))
    }

    /// Merges and indexes, unless nothing was written since that was done last.
    pub(super) fn optimize(&mut self) -> Result<(), StoreError> {
        let live = self.live()?;
        if !self.in_doubt && !self.unfinished && live.generation.is_optimized() {
            return Ok(());
        }
        let space = self.options.reserve_bytes + 2 * live.generation.data_bytes();
        drop(live);
        let done = self.settle(space).and_then(|()| self.on_live(Generation::optimize));
        done.map_err(|fault| fault.at(&self.place))
    }

    /// Makes a change, whole or not at all, and forces it to disk.
    fn change(&mut self, space: u64, operation: UpdateOperation) -> Result<(), Fault> {
        self.settle(space)?;
        journal::begin(&self.path, &operation)?;
        self.unfinished = true;
        let done = self.on_live(|generation| generation.update(operation).and_then(|()| generation.flush()));
        if !done.as_ref().is_err_and(Fault::is_grave) {
            self.forget_unfinished();
        }
        done
    }

    /// Works on the live generation; after a grave fault that is in doubt.
    fn on_live(&mut self, work: impl FnOnce(&Generation) -> Result<(), Fault>) -> Result<(), Fault> {
        let Some(live) = self.slot.live() else { return Err(Fault::request("there is no collection")) };
        let done = work(&live.generation);
        self.in_doubt |= done.as_ref().is_err_and(Fault::is_grave);
        done
    }

    fn forget_unfinished(&mut self) {
        journal::end(&self.path);
        self.unfinished = false;
    }

    /// Makes the collection fit to be written: enough space, a generation without doubt that `CURRENT` durably names,
    /// nothing unfinished.
    fn settle(&mut self, space: u64) -> Result<(), Fault> {
        self.check_space(space)?;
        self.settle_doubt()?;
        if let Some(folder) = &self.folder {
            folder.settle()?;
        }
        if !self.unfinished {
            return Ok(());
        }
        if let Some(operation) = journal::read(&self.path) {
            let done = self.on_live(|generation| generation.update(operation).and_then(|()| generation.flush()));
            // A write that the engine cannot do even now must not stand in the way of all others.
            if done.as_ref().is_err_and(|fault| !fault.lacks_space()) {
                self.forget_unfinished();
            }
            done?;
        }
        self.forget_unfinished();
        Ok(())
    }

    /// Replaces the live generation if writes to it could be lost.
    fn settle_doubt(&mut self) -> Result<(), Fault> {
        if self.in_doubt {
            self.compact()?;
        }
        if !self.numbered && !self.numbers_go_on()? {
            tracing::warn!(place = self.place, "the engine's log was damaged; the collection is copied");
            self.compact()?;
            if !self.numbers_go_on()? {
                return Err(Fault::bug("the engine does not number writes as it should"));
            }
        }
        self.numbered = true;
        Ok(())
    }

    fn numbers_go_on(&mut self) -> Result<bool, Fault> {
        let Some(live) = self.slot.live() else { return Ok(true) };
        live.generation.numbers_go_on().inspect_err(|_| self.in_doubt = true)
    }

    fn live(&self) -> Result<Arc<Live>, StoreError> {
        self.slot.live().ok_or_else(|| StoreError::Missing { place: self.place.clone() })
    }

    /// The engine's files are sparse and written through memory maps: on a full disk such a write kills the process
    /// (SIGBUS) where no error can be caught. So the space is looked for beforehand.
    fn check_space(&self, wanted: u64) -> Result<(), Fault> {
        let free = fs4::available_space(&self.path).map_err(|error| Fault::io("looking for free space", error))?;
        if free < wanted { Err(Fault::space(free, wanted)) } else { Ok(()) }
    }

    /// The engine never shortens its log. Once it is longer than the limit and than the data itself, a copy is
    /// cheaper than the log, and the cost of copying stays in proportion to what was written.
    fn compact_if_due(&mut self) {
        let Some(live) = self.slot.live() else { return };
        let log = live.generation.log_bytes();
        let limit = self.options.log_limit_bytes.max(self.log_patience);
        if log <= limit || log <= live.generation.data_bytes() {
            return;
        }
        drop(live);
        match self.compact() {
            Ok(()) => self.log_patience = 0,
            Err(fault) => {
                tracing::warn!(
                    place = self.place,
                    ?fault,
                    "the engine's log could not be compacted; it goes on growing"
                );
                self.log_patience = log + log / 4;
            }
        }
    }

    /// Replaces the live generation by a copy with a new log.
    pub(super) fn compact(&mut self) -> Result<(), Fault> {
        let (Some(folder), Some(live)) = (&self.folder, self.slot.live()) else { return Ok(()) };
        self.check_space(self.options.reserve_bytes + live.generation.copy_bytes())?;
        let path = folder.next_generation()?;
        let copy = live.generation.copy_to(&path);
        let replaced = copy.and_then(|copy| folder.make_current(copy.path()).map(|()| copy));
        let generation = replaced.inspect_err(|_| folder.sweep(Some(live.generation.path())))?;
        let (path, identity) = (generation.path().to_owned(), live.identity.clone());
        drop(live);
        self.slot.replace(Some(Live { identity, generation })).into_iter().for_each(retire);
        folder.sweep(Some(&path));
        self.in_doubt = false;
        self.numbered = false;
        Ok(())
    }
}

/// An upper bound of the bytes that a passage takes up: in the segment, in the log, and as much again for indexes.
fn weight(passage: &Passage, vectors: &Vectors) -> u64 {
    let payload: usize = passage.payload.values().map(|value| value.to_string().len() + 32).sum();
    let text = passage.id.len() + passage.title.len() + passage.text.len() + passage.document_id.len();
    let words = vectors.bm25.as_ref().map_or(0, |words| words.indices.len());
    4 * (text + payload + vectors.dense.len() * 5 + words * 12 + 512) as u64
}
