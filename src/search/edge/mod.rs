//! The embedded engine: Qdrant's own, in this process, on a folder of its own. A search runs on the blocking pool, a
//! write on the one writer's thread; what a write acknowledges is on disk.
//!
//! One process at a time can open a folder. A reader takes the lock as well: the engine writes even when it only opens.

mod fault;
mod folder;
mod footprint;
mod generation;
mod journal;
mod log;
mod numbering;
mod operation;
mod options;
mod point;
mod read;
mod shape;
mod slot;
mod succession;
mod writer;

pub use footprint::Footprint;
pub use options::EdgeOptions;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task,
};

use self::{
    fault::Fault,
    slot::{Live, Slot},
    writer::{Job, Writer},
};
use super::{
    Channels, CollectionInfo, Filter, PayloadKind, ScrollPage, ScrollRequest, Search, StoreError, Successor,
    VectorStore, VectorStoreWriter, Vectors,
};
use crate::{
    embed::Identity,
    ranking::{Passage, PointId, Ranking},
    spans,
};

/// How many writes wait before a caller waits too.
const WAITING_WRITES: usize = 16;
/// How often a store looks whether another process has made a collection, or a successor of its own.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A collection in a folder, in this process. Clones share it; the last one dropped closes it and waits for that.
#[derive(Debug, Clone)]
pub struct EdgeStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    options: EdgeOptions,
    place: String,
    slot: Arc<Slot>,
    reads: Arc<Semaphore>,
    /// When a collection was last looked for.
    looked: Mutex<Instant>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl EdgeStore {
    /// Opens the collection in a folder. If there is none, nothing is created: [`VectorStoreWriter::prepare`] does.
    /// One that another process makes later is opened by a read, about a second after that process is done with it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open, [`StoreError::Unusable`] if it is damaged or of
    /// another layout.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_with(folder, EdgeOptions::default())
    }

    /// Opens the collection in a folder with options of one's own.
    ///
    /// # Errors
    /// As [`EdgeStore::open`].
    pub fn open_with(folder: impl Into<PathBuf>, options: EdgeOptions) -> Result<Self, StoreError> {
        let folder = folder.into();
        let place = folder.display().to_string();
        let slot = Arc::new(Slot::default());
        let reads = Arc::new(Semaphore::new(options.concurrent_reads.clamp(1, Semaphore::MAX_PERMITS)));
        let writer = Writer::open(folder.clone(), options.clone(), slot.clone())?;
        let (jobs, queue) = mpsc::channel(WAITING_WRITES);
        let thread = thread::Builder::new().name("edge-writer".into()).spawn(move || writer.run(queue));
        let thread = thread.map_err(|error| Fault::io("starting the writer's thread", error).at(&place))?;
        let looked = Mutex::new(Instant::now());
        let (jobs, writer) = (Some(jobs), Some(thread));
        Ok(Self { inner: Arc::new(Inner { folder, options, place, slot, reads, looked, jobs, writer }) })
    }

    /// Begins a successor of the collection in a folder that another process has open, as
    /// [`VectorStoreWriter::successor`] does where this process has.
    ///
    /// # Errors
    /// As [`EdgeStore::open`]; [`StoreError::Unusable`] if one is complete and waits for that process.
    pub async fn successor_beside(
        folder: impl AsRef<Path>,
        options: EdgeOptions,
        identity: &Identity,
    ) -> Result<Successor, StoreError> {
        succession::begin(folder.as_ref(), &options, None, identity).await
    }

    /// Copies the collection into a new generation, which shortens the engine's log. It happens by itself when due.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], for one if the disk has no room for the copy; the collection is as it was.
    pub async fn compact(&self) -> Result<(), StoreError> {
        let place = self.inner.place.clone();
        self.write(move |writer| writer.compact().map_err(|fault| fault.at(&place))).await
    }

    /// What is built over the dense vectors and what they take up, read from the engine's files; `None` if there is no
    /// collection.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if they cannot be read.
    pub async fn footprint(&self) -> Result<Option<Footprint>, StoreError> {
        let place = self.inner.place.clone();
        self.read(move |live| live.generation.footprint().map_err(|fault| fault.at(&place))).await
    }

    /// Runs a read on the blocking pool; `None` if there is no collection.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Live) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        if self.inner.is_look_due() {
            self.look().await?;
        }
        let closed = |_| self.stopped();
        let permit = self.inner.reads.clone().acquire_owned().await.map_err(closed)?;
        let slot = self.inner.slot.clone();
        // The permit moves into the closure: a read whose caller has gone still runs, and still counts.
        let task = task::spawn_blocking(move || {
            let read = slot.live().map(|live| work(&live)).transpose();
            drop(permit);
            read
        });
        let mut task = AbortOnDrop(task);
        (&mut task.0).await.map_err(|error| StoreError::Unavailable {
            place: self.inner.place.clone(),
            problem: "a read was broken off".into(),
            source: Some(error.into()),
        })?
    }

    /// Opens a collection, or takes over a successor, that another process has made.
    async fn look(&self) -> Result<(), StoreError> {
        if self.inner.slot.live().is_none() {
            return self.write(Writer::look_again).await;
        }
        if succession::is_complete(&self.inner.folder)
            && let Some(jobs) = &self.inner.jobs
        {
            // No read waits for it, and if the writer is busy, the next look will do.
            let _busy = jobs.try_send(Box::new(Writer::succeed_if_alike));
        }
        Ok(())
    }

    /// Runs a read of a collection that must be there; the work gets its place, for messages.
    async fn read_collection<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Live, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.inner.place.clone();
        self.read(move |live| work(live, &place)).await?.ok_or_else(|| self.missing())
    }

    /// Runs a write on the writer's thread. One whose caller has gone before it began is left out.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |writer| {
            if !reply.is_closed() {
                let _ = reply.send(work(writer));
            }
        });
        let jobs = self.inner.jobs.as_ref().ok_or_else(|| self.stopped())?;
        jobs.send(job).await.map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())?
    }

    fn missing(&self) -> StoreError {
        StoreError::Missing { place: self.inner.place.clone() }
    }

    fn stopped(&self) -> StoreError {
        let problem = "the writer failed on this; what was acknowledged before is safe; try again".into();
        StoreError::Unavailable { place: self.inner.place.clone(), problem, source: None }
    }
}

impl EdgeStore {
    /// The collection's name, for spans: that of its folder.
    fn collection(&self) -> std::borrow::Cow<'_, str> {
        self.inner.folder.file_name().unwrap_or_default().to_string_lossy()
    }
}

#[async_trait]
impl VectorStore for EdgeStore {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        let params = search.params.unwrap_or(self.inner.options.params);
        let searching = self.read_collection(move |live, place| {
            Channels::from(&live.identity).check_search(&search.vector, place)?;
            if search.is_vain() {
                return Ok(Ranking::default());
            }
            let found = live.generation.search(search.vector, search.depth, search.filter.as_deref(), params);
            found.map_err(|fault| fault.at(place))
        });
        spans::database("query", &self.collection(), None, searching).await
    }

    // No `search_batch` of its own: by the default each search is a read on the blocking pool, so they run beside each
    // other on as many processors as `concurrent_reads` allows. One task for all would run them one after another.

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        let ids = ids.to_vec();
        let reading =
            self.read_collection(move |live, place| live.generation.fetch(&ids).map_err(|fault| fault.at(place)));
        spans::database("get", &self.collection(), None, reading).await
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        let ids = ids.to_vec();
        self.read_collection(move |live, place| live.generation.vectors(&ids).map_err(|fault| fault.at(place))).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.read_collection(move |live, place| {
            live.generation.scroll(&request, live.identity.bm25.is_some()).map_err(|fault| fault.at(place))
        })
        .await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        let place = self.inner.place.clone();
        self.read(move |live| {
            let counted = live
                .generation
                .count()
                .and_then(|passages| Ok((passages, live.generation.indexed()?, live.generation.footprint()?.indexed)));
            let (passages, fields, vectors) = counted.map_err(|fault| fault.at(&place))?;
            let identity = live.identity.clone();
            let info = CollectionInfo::new(place.clone(), passages, identity.dimension, Some(identity));
            Ok(info.with_payload_indexes(fields).with_index(live.generation.quantization(), vectors))
        })
        .await
    }
}

#[async_trait]
impl VectorStoreWriter for EdgeStore {
    async fn prepare(&self, identity: &Identity) -> Result<(), StoreError> {
        let identity = identity.clone();
        self.write(move |writer| writer.prepare(&identity)).await
    }

    async fn upsert(&self, passages: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        self.write(move |writer| writer.upsert(passages)).await
    }

    async fn delete(&self, ids: &[PointId]) -> Result<(), StoreError> {
        let ids = ids.iter().copied().map(point::to_engine).collect();
        self.write(move |writer| writer.remove(operation::delete(ids))).await
    }

    async fn delete_matching(&self, filter: &Filter) -> Result<(), StoreError> {
        let deletion = operation::delete_matching(filter).map_err(|fault| fault.at(&self.inner.place))?;
        self.write(move |writer| writer.remove(deletion)).await
    }

    async fn index_payload(&self, key: &str, kind: PayloadKind) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |writer| writer.index(&key, kind)).await
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        self.write(Writer::optimize).await
    }

    async fn successor(&self, identity: &Identity) -> Result<Successor, StoreError> {
        succession::begin(&self.inner.folder, &self.inner.options, Some(self.clone()), identity).await
    }
}

impl Inner {
    /// Whether it is time to look for a collection again; if so, the caller does.
    fn is_look_due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.elapsed() >= LOOK_AGAIN;
        if due {
            *looked = Instant::now();
        }
        due
    }
}

impl Drop for Inner {
    /// Waits for the writer, so that the folder can be opened again when this returns.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A read that has not started when its caller goes must not run.
struct AbortOnDrop<T>(task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
