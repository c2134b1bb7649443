//! A local cross-encoder: worker threads that own a session each and take pairs from one bounded queue.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

use async_trait::async_trait;
use futures::future::try_join_all;
use ort::environment::Environment;
use tokio::sync::oneshot;

use super::{
    RerankError, Reranker,
    cross_encoder::{CrossEncoder, Folder, unusable},
};
use crate::embed::{EmbedError, library, scheduling::on_computing_thread};

/// How many pairs may wait; each waits for its turn at one of the workers.
const QUEUE: usize = 1_024;

/// Reranks on the CPU with a local ONNX cross-encoder, such as those of the `ms-marco` and `bge-reranker` families.
/// Cheap to clone; clones share the workers, which end with the last clone.
#[derive(Clone)]
pub struct OnnxReranker {
    queue: async_channel::Sender<Job>,
}

/// How an [`OnnxReranker`] runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OnnxRerankerOptions {
    /// The shared library of ONNX Runtime; see [`library::find`].
    pub library: PathBuf,
    /// How many pairs are scored at the same time. Each worker has a session of its own, about the size of the ONNX file.
    pub workers: usize,
    /// How many threads work on one pair.
    pub threads: usize,
}

impl Default for OnnxRerankerOptions {
    fn default() -> Self {
        // The passages of a question are many: a core for each is better than all cores for one after the other.
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Self { library: library::find(), workers, threads: 1 }
    }
}

/// A pair to score, and where its score goes.
struct Job {
    question: Arc<str>,
    passage: String,
    reply: oneshot::Sender<Result<f32, RerankError>>,
}

impl OnnxReranker {
    /// Opens a cross-encoder's folder with the default options.
    ///
    /// # Errors
    /// See [`open_with`](Self::open_with).
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, RerankError> {
        Self::open_with(folder, &OnnxRerankerOptions::default())
    }

    /// Opens a cross-encoder's folder: `tokenizer.json`, `config.json`, and an ONNX file (`model.onnx` or an 8-bit one)
    /// beside them or in `onnx/`. Blocks until every worker has loaded its session.
    ///
    /// # Errors
    /// [`RerankError::Model`] says what is missing or wrong, and what to do.
    pub fn open_with(folder: impl AsRef<Path>, options: &OnnxRerankerOptions) -> Result<Self, RerankError> {
        let path = folder.as_ref();
        on_computing_thread(|| Self::open_here(path, options))?
    }

    /// Opens the folder and starts the workers; their threads are scheduled as this one is.
    fn open_here(path: &Path, options: &OnnxRerankerOptions) -> Result<Self, RerankError> {
        let (folder, onnx) = Folder::open(path)?;
        let (folder, onnx): (_, Arc<[u8]>) = (Arc::new(folder), onnx.into());
        let environment = library::load(&options.library)?;
        let (queue, jobs) = async_channel::bounded(QUEUE);
        let opening: Vec<_> = (0..options.workers.max(1))
            .map(|_| {
                let (folder, onnx) = (Arc::clone(&folder), Arc::clone(&onnx));
                spawn(environment.clone(), onnx, folder, options.threads.max(1), jobs.clone())
            })
            .collect();
        for opened in opening {
            opened.recv().unwrap_or_else(|_| Err(unusable(path, "it crashed while opening".to_owned())))?;
        }
        Ok(Self { queue })
    }
}

impl fmt::Debug for OnnxReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxReranker").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}

/// Starts a worker; the receiver hears how opening its session went.
fn spawn(
    environment: Environment,
    onnx: Arc<[u8]>,
    folder: Arc<Folder>,
    threads: usize,
    jobs: async_channel::Receiver<Job>,
) -> mpsc::Receiver<Result<(), EmbedError>> {
    let (ready, opened) = mpsc::channel();
    thread::spawn(move || {
        let model = CrossEncoder::open(&environment, &onnx, &folder, threads);
        // The bytes of the file would otherwise stay for as long as the worker lives.
        drop(onnx);
        match model {
            Ok(model) => {
                let _ = ready.send(Ok(()));
                work(model, &jobs);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
    opened
}

/// Takes pairs from the queue until the last reranker is dropped.
fn work(mut model: CrossEncoder<'_>, jobs: &async_channel::Receiver<Job>) {
    while let Ok(Job { question, passage, reply }) = jobs.recv_blocking() {
        // Nobody waits for it any more: do not start.
        if reply.is_closed() {
            continue;
        }
        // A panic over one pair must not take the worker, and every later pair, with it.
        let score = catch_unwind(AssertUnwindSafe(|| model.score(&question, &passage)));
        let _ = reply.send(score.unwrap_or_else(|_| Err(crashed())));
    }
}

fn crashed() -> RerankError {
    RerankError::failed("crashed; the log above says where")
}

#[async_trait]
impl Reranker for OnnxReranker {
    async fn rerank(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let question: Arc<str> = question.into();
        try_join_all(passages.iter().map(async |passage| {
            let (reply, score) = oneshot::channel();
            let job = Job { question: Arc::clone(&question), passage: (*passage).to_owned(), reply };
            self.queue.send(job).await.map_err(|_| crashed())?;
            score.await.unwrap_or_else(|_| Err(crashed()))
        }))
        .await
    }

    fn leaves_host(&self) -> bool {
        false
    }
}
