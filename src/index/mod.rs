//! The way in: files become documents, documents passages, passages points of a store.
//!
//! Reading runs on a thread of its own and hands over batches; several batches are embedded and stored at the same
//! time, and never more than that is in memory. What is stored unchanged is skipped, so that a run that was stopped,
//! or failed, goes on where it was when it is run again. Passages that the sources hold no more stay, unless the run is to
//! make the store their mirror.

mod chunk;
mod corrected;
mod lines;
mod read;
mod report;
mod source;
mod sync;
mod work;

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Instant};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};

pub use chunk::{DEFAULT_PASSAGE_TOKENS, TokenCounter};
pub use corrected::correct;
pub use report::{IndexError, KEPT_PROBLEMS, Problem, Problems, Progress, Report};
pub use source::fingerprint;

pub(crate) use sync::remove_others;

use self::{
    chunk::Chunker,
    read::{Batch, Reader},
    source::Found,
    work::{Done, Failure, Work},
};
use crate::{
    embed::{Embedder, SparseEncoder},
    ranking::{Passage, PointId},
    search::{PayloadKind, StoreError, VectorStoreWriter},
};

/// How many passages are embedded and stored at a time when nothing else is said.
pub const DEFAULT_BATCH_SIZE: usize = 32;

/// Fills a store from files: `.jsonl` and `.ndjson` (one document per line), `.md`, `.markdown` and `.txt` (one
/// document per file, cut into passages), folders of them, and BEIR's folders, of which only `corpus.jsonl` is read.
///
/// A file's id is its path as it was named, continued below a folder (`notes-2023/todo.md`); a line without an id is
/// called after its file and its number (`notes.jsonl:7`). What has the same id in a later run replaces the earlier, so
/// name sources the same way each time, from the same folder.
///
/// ```
/// # use std::sync::Arc;
/// # use asktwice::{Embedder, VectorStoreWriter, index::{IndexError, Indexer}};
/// # async fn example(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStoreWriter>) -> Result<(), IndexError> {
/// let report = Indexer::new(embedder, store).run(&["notes".into()], |_| {}).await?;
/// println!("{} passages indexed, {} unchanged", report.indexed, report.skipped);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Indexer {
    embedder: Arc<dyn Embedder>,
    sparse: Option<Arc<dyn SparseEncoder>>,
    store: Arc<dyn VectorStoreWriter>,
    batch_size: usize,
    concurrency: usize,
    chunker: Chunker,
    sync: bool,
    stop: Option<watch::Receiver<bool>>,
}

impl Indexer {
    /// An indexer that cuts passages to what the model reads, counting tokens by a guess.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStoreWriter>) -> Self {
        let tokens = match embedder.identity().max_tokens {
            0 => DEFAULT_PASSAGE_TOKENS,
            limit => limit,
        };
        // One batch more than there are cores: while some are stored, the embedder's workers stay busy.
        let concurrency = std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1).min(16);
        let prefix = embedder.identity().passage_prefix.clone();
        let chunker = Chunker { tokens, prefix, counter: Arc::new(chunk::guessed_tokens) };
        Self {
            embedder,
            sparse: None,
            store,
            batch_size: DEFAULT_BATCH_SIZE,
            concurrency,
            chunker,
            sync: false,
            stop: None,
        }
    }

    /// Fills the channel `bm25` too, by this encoder. A collection has that channel from its first day or never: an
    /// existing one without it, or of another encoder, is refused.
    #[must_use]
    pub fn with_sparse_encoder(mut self, encoder: impl SparseEncoder + 'static) -> Self {
        self.sparse = Some(Arc::new(encoder));
        self
    }

    /// Sets how many passages are embedded and stored at a time; at least 1.
    #[must_use]
    pub fn with_batch_size(mut self, passages: usize) -> Self {
        self.batch_size = passages.max(1);
        self
    }

    /// Sets how many batches are under way at the same time; at least 1.
    #[must_use]
    pub fn with_concurrency(mut self, batches: usize) -> Self {
        self.concurrency = batches.max(1);
        self
    }

    /// Sets how long a passage may be, in tokens, its title and what the model puts before passages included. Only Markdown and text files are cut.
    #[must_use]
    pub fn with_passage_tokens(mut self, tokens: usize) -> Self {
        self.chunker.tokens = tokens.max(1);
        self
    }

    /// Sets who counts tokens: the model's own tokenizer, so that no passage is longer than the model reads. It is
    /// called from the reading thread, very often.
    #[must_use]
    pub fn with_token_counter(mut self, counter: TokenCounter) -> Self {
        self.chunker.counter = counter;
        self
    }

    /// Makes the store a mirror of the sources: what they hold no more is removed at the end of a run, whoever wrote it
    /// (see [`Report::removed`]). A run that did not read them whole removes nothing: what was not read is not gone.
    #[must_use]
    pub fn with_sync(mut self) -> Self {
        self.sync = true;
        self
    }

    /// Sets who may stop a run: as soon as the value is true, no further batch is begun, those under way are finished,
    /// and the report says that the run was interrupted.
    #[must_use]
    pub fn with_stop(mut self, stop: watch::Receiver<bool>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Indexes files and folders, telling `progress` after every batch. Dropping the future abandons the batches under
    /// way; what the store has acknowledged stays.
    ///
    /// # Errors
    /// [`IndexError`]: a source that was named cannot be read, or the embedder or the store failed; what had been done
    /// is in it. Input that cannot be indexed is no error: the rest is, and [`Report::problems`] names it.
    #[tracing::instrument(name = "index", skip_all)]
    pub async fn run(&self, sources: &[PathBuf], progress: impl Fn(&Progress)) -> Result<Report, IndexError> {
        let mut run = Run::new(progress);
        let sources = sources.to_vec();
        let found = spawn_blocking(move || source::find(&sources)).await;
        let found = found.map_err(|_| run.reader_failed())??;
        self.prepare().await.map_err(|error| run.failed(Failure::Store(error)))?;
        run.begin(&found);
        let read = self.index(found, &mut run).await?;
        if self.sync && run.report.is_whole() {
            let removed = remove_others(&*self.store, &read, |removed| run.report.removed += removed).await;
            removed.map_err(|error| run.failed(Failure::Store(error)))?;
        }
        // Even if nothing was written: what is to be built may have changed.
        if !run.report.interrupted {
            self.store.optimize().await.map_err(|error| run.failed(Failure::Store(error)))?;
        }
        Ok(run.finish())
    }

    /// Indexes passages that the caller has cut already; those that are stored unchanged are skipped. The engine is not
    /// asked to tidy up afterwards.
    ///
    /// # Errors
    /// [`IndexError`] if the embedder or the store failed; what had been done is in it.
    pub async fn add(&self, passages: Vec<Passage>) -> Result<Report, IndexError> {
        let mut run = Run::new(|_| {});
        self.prepare().await.map_err(|error| run.failed(Failure::Store(error)))?;
        let work = self.work();
        for some in passages.chunks(self.batch_size) {
            let (done, result) = work.batch(Batch { passages: some.to_vec(), ..Batch::default() }).await;
            run.add(done);
            result.map_err(|failure| run.failed(failure))?;
        }
        Ok(run.finish())
    }

    fn work(&self) -> Work<'_> {
        Work { embedder: &*self.embedder, sparse: self.sparse.as_ref(), store: &*self.store }
    }

    /// Creates or checks the collection, and makes finding the passages of a document fast.
    async fn prepare(&self) -> Result<(), StoreError> {
        let mut identity = self.embedder.identity().clone();
        identity.bm25 = self.sparse.as_ref().map(|encoder| encoder.identity().to_owned());
        self.store.prepare(&identity).await?;
        self.store.index_payload("document_id", PayloadKind::Keyword).await
    }

    /// Reads, and keeps several batches under way, until the input ends, the caller stops it or a batch fails. Returns
    /// the ids of what was read.
    async fn index(&self, found: Found, run: &mut Run<impl Fn(&Progress)>) -> Result<HashSet<PointId>, IndexError> {
        let (sender, mut batches) = mpsc::channel::<Batch>(1);
        let reader = Reader::new(self.chunker.clone(), self.batch_size, sender);
        let reading = spawn_blocking(move || reader.run(&found.files, found.problems));
        let work = self.work();
        let mut under_way = FuturesUnordered::new();
        let mut stopped = std::pin::pin!(stopped(self.stop.clone()));
        let mut failure = None;
        let mut open = true;
        while open || !under_way.is_empty() {
            tokio::select! {
                biased;
                () = &mut stopped, if open => {
                    run.report.interrupted = true;
                    open = false;
                }
                Some((done, result)) = under_way.next(), if !under_way.is_empty() => {
                    run.add(done);
                    if let Err(error) = result {
                        failure.get_or_insert(error);
                        open = false;
                    }
                }
                batch = batches.recv(), if open && under_way.len() < self.concurrency => match batch {
                    Some(batch) => under_way.push(work.batch(batch)),
                    None => open = false,
                },
            }
        }
        // The reader notices that nobody listens and ends; it must not outlive the run, which owns the source files.
        drop(batches);
        let read = reading.await;
        match failure {
            Some(failure) => Err(run.failed(failure)),
            None => read.map_err(|_| run.reader_failed()),
        }
    }
}

/// Ends when the caller wants the run to stop; never if nobody can want it any more.
async fn stopped(stop: Option<watch::Receiver<bool>>) {
    if let Some(mut stop) = stop
        && stop.wait_for(|stop| *stop).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// A run's account of itself.
struct Run<P> {
    began: Instant,
    report: Report,
    bytes_done: u64,
    bytes_total: u64,
    progress: P,
}

impl<P: Fn(&Progress)> Run<P> {
    fn new(progress: P) -> Self {
        Self { began: Instant::now(), report: Report::default(), bytes_done: 0, bytes_total: 0, progress }
    }

    fn begin(&mut self, found: &Found) {
        self.bytes_total = found.files.iter().map(|file| file.bytes).sum();
        self.report.ignored_files = found.ignored;
        self.add(Done::default());
    }

    /// Takes a batch's account in, and tells the caller.
    fn add(&mut self, done: Done) {
        let report = &mut self.report;
        report.documents += done.documents;
        report.indexed += done.indexed;
        report.skipped += done.skipped;
        report.deleted += done.deleted;
        report.truncated += done.truncated;
        report.tokens += done.tokens;
        report.problems.merge(done.problems);
        self.bytes_done += done.bytes;
        (self.progress)(&Progress {
            documents: report.documents,
            indexed: report.indexed,
            skipped: report.skipped,
            problems: report.problems.count,
            tokens: report.tokens,
            bytes_done: self.bytes_done,
            bytes_total: self.bytes_total,
            elapsed: self.began.elapsed(),
        });
    }

    fn finish(&mut self) -> Report {
        self.report.took = self.began.elapsed();
        std::mem::take(&mut self.report)
    }

    fn failed(&mut self, failure: Failure) -> IndexError {
        let report = Box::new(self.finish());
        match failure {
            Failure::Embed(source) => IndexError::Embed { source, report },
            Failure::Store(source) => IndexError::Store { source, report },
        }
    }

    fn reader_failed(&mut self) -> IndexError {
        IndexError::Reader { report: Box::new(self.finish()) }
    }
}
