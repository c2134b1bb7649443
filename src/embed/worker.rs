//! The embedder that people use: worker threads that own a session each and take texts from one bounded queue.

use std::{path::PathBuf, sync::Arc, thread};

use async_trait::async_trait;
use futures::future::try_join_all;
use ort::environment::Environment;
use tokio::sync::oneshot;

use super::{
    EmbedError, Embedder, Embedding, Identity, Role, library,
    model::ModelFolder,
    onnx::{Encoder, Model},
    precision::Precision,
};

/// How many texts may wait; each waits for its turn at one of the workers.
const QUEUE: usize = 1_024;

/// Embeds on the CPU with a local ONNX model. Cheap to clone; clones share the workers, which end with the last clone.
#[derive(Debug, Clone)]
pub struct OnnxEmbedder {
    queue: async_channel::Sender<Job>,
    encoder: Arc<Encoder>,
}

/// How an [`OnnxEmbedder`] runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OnnxOptions {
    /// The shared library of ONNX Runtime; see [`library::find`].
    pub library: PathBuf,
    /// Which of the folder's ONNX files to use.
    pub precision: Precision,
    /// How many texts are embedded at the same time. Each worker has a session of its own, about the size of the
    /// ONNX file.
    pub workers: usize,
    /// How many threads work on one text.
    pub threads: usize,
}

impl Default for OnnxOptions {
    fn default() -> Self {
        let library = library::find();
        Self { library, precision: Precision::default(), workers: cores(), threads: 1 }
    }
}

/// The number of cores that this process may use.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// One text to embed, and where its vector goes.
struct Job {
    role: Role,
    text: String,
    reply: oneshot::Sender<Result<Embedding, EmbedError>>,
}

impl OnnxEmbedder {
    /// Opens a model's folder with the default options: int8, one worker per core.
    ///
    /// # Errors
    /// See [`open_with`](Self::open_with).
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, EmbedError> {
        Self::open_with(folder, &OnnxOptions::default())
    }

    /// Opens a model's folder. Blocks until every worker has loaded its session: some 100 ms.
    ///
    /// # Errors
    /// [`EmbedError::Library`] or [`EmbedError::Model`] say what is missing or wrong, and what to do.
    pub fn open_with(folder: impl Into<PathBuf>, options: &OnnxOptions) -> Result<Self, EmbedError> {
        let folder = ModelFolder::open(folder)?;
        let onnx: Arc<[u8]> = folder.onnx(options.precision)?.into();
        // The tokenizer takes as long to read as a session to open, so it is read meanwhile.
        let encoder = thread::spawn(move || Encoder::open(folder).map(Arc::new));
        let environment = library::load(&options.library)?;
        let encoder = encoder.join().map_err(|_| crashed())??;
        let (queue, jobs) = async_channel::bounded(QUEUE);
        let opening: Vec<_> = (0..options.workers.max(1))
            .map(|_| spawn(environment.clone(), Arc::clone(&onnx), Arc::clone(&encoder), options.threads, jobs.clone()))
            .collect();
        for opened in opening {
            opened.recv().unwrap_or_else(|_| Err(crashed()))?;
        }
        Ok(Self { queue, encoder })
    }

    /// How many tokens a text has, however long it is.
    #[must_use]
    pub fn count_tokens(&self, text: &str) -> usize {
        self.encoder.count(text)
    }
}

/// Starts a worker; the receiver hears how opening its session went.
fn spawn(
    environment: Environment,
    onnx: Arc<[u8]>,
    encoder: Arc<Encoder>,
    threads: usize,
    jobs: async_channel::Receiver<Job>,
) -> std::sync::mpsc::Receiver<Result<(), EmbedError>> {
    let (ready, opened) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let model = Model::open(&environment, &onnx, encoder, threads);
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

/// Takes texts from the queue until the last embedder is dropped.
fn work(mut model: Model, jobs: &async_channel::Receiver<Job>) {
    while let Ok(Job { role, text, reply }) = jobs.recv_blocking() {
        // Nobody waits for it any more: do not start.
        if reply.is_closed() {
            continue;
        }
        let embed = std::panic::AssertUnwindSafe(|| model.embed(role, &text));
        // A panic over one text must not take the worker, and every later text, with it.
        let embedded = std::panic::catch_unwind(embed).unwrap_or_else(|_| Err(crashed()));
        let _ = reply.send(embedded);
    }
}

fn crashed() -> EmbedError {
    EmbedError::Inference { problem: "it crashed; the log above says where".to_owned() }
}

#[async_trait]
impl Embedder for OnnxEmbedder {
    /// Passages wait for a place in the queue; questions are refused when it is full, because nobody waits that long.
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let mut replies = Vec::with_capacity(texts.len());
        for text in texts {
            let (reply, embedded) = oneshot::channel();
            let job = Job { role, text, reply };
            match role {
                Role::Passage => self.queue.send(job).await.map_err(|_| crashed())?,
                Role::Query => self.queue.try_send(job).map_err(|error| match error {
                    async_channel::TrySendError::Full(_) => EmbedError::Overloaded { waiting: self.queue.len() },
                    async_channel::TrySendError::Closed(_) => crashed(),
                })?,
            }
            replies.push(async { embedded.await.unwrap_or_else(|_| Err(crashed())) });
        }
        try_join_all(replies).await
    }

    fn identity(&self) -> &Identity {
        self.encoder.folder().identity()
    }
}
