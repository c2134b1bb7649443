//! The embedder that people use. A text that is alone gets all cores; when several are to be embedded, each gets a core
//! of its own. The sessions for the one and the other share their weights; texts wait in one queue.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use async_trait::async_trait;
use futures::future::try_join_all;
use ort::{environment::Environment, session::Session};
use tokio::sync::oneshot;

use super::{
    EmbedError, Embedder, Embedding, Identity, Provider, Role, library,
    model::ModelFolder,
    onnx::{Encoder, Model, Tokens, settings},
    precision::Precision,
    queue::{Job, Queue, Text},
    scheduling::{crashed, not_started, on_computing_thread},
    shared::SharedOnnx,
};
use crate::spans;

/// Embeds on the CPU with a local ONNX model. Cheap to clone; clones share the workers, which end with the last clone.
#[derive(Debug, Clone)]
pub struct OnnxEmbedder {
    crew: Arc<Crew>,
}

/// How an [`OnnxEmbedder`] runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OnnxOptions {
    /// The shared library of ONNX Runtime; see [`library::find`].
    pub library: PathBuf,
    /// Which of the folder's ONNX files to use.
    pub precision: Precision,
    /// What the model calculates on.
    pub provider: Provider,
    /// How many threads may work at the same time, all of them on one text if it is the only one; 0: one per core.
    pub threads: usize,
    /// How many texts are embedded at the same time when there are so many, sharing the threads; 0: one per thread.
    pub workers: usize,
}

impl Default for OnnxOptions {
    fn default() -> Self {
        let (precision, provider) = (Precision::default(), Provider::default());
        Self { library: library::find(), precision, provider, threads: 0, workers: 0 }
    }
}

/// The workers' common ground. Dropping it sends them home.
#[derive(Debug)]
struct Crew {
    queue: Arc<Queue>,
    plan: Arc<Plan>,
    workers: Vec<thread::JoinHandle<()>>,
}

/// The sessions: the wide one for a text that is alone, and what the workers open theirs from.
#[derive(Debug)]
struct Plan {
    encoder: Arc<Encoder>,
    provider: Provider,
    wide: Mutex<Model>,
    /// A single worker needs no session but the wide one.
    narrow: Option<Narrow>,
    /// How many questions of the same length are embedded together.
    most: usize,
}

/// What several workers open sessions of their own from.
#[derive(Debug)]
struct Narrow {
    environment: Environment,
    onnx: SharedOnnx,
    workers: usize,
    threads: usize,
}

impl OnnxEmbedder {
    /// Opens a model's folder with the default options: int8, all cores.
    ///
    /// # Errors
    /// See [`open_with`](Self::open_with).
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, EmbedError> {
        Self::open_with(folder, &OnnxOptions::default())
    }

    /// Opens a model's folder. Blocks until the first session is loaded: some 100 ms. The workers open theirs when
    /// several texts are to be embedded for the first time.
    ///
    /// # Errors
    /// [`EmbedError::Library`] or [`EmbedError::Model`] say what is missing or wrong, and what to do;
    /// [`EmbedError::Inference`] if no thread can be started.
    pub fn open_with(folder: impl Into<PathBuf>, options: &OnnxOptions) -> Result<Self, EmbedError> {
        let folder = folder.into();
        on_computing_thread(|| Self::open_here(folder, options))?
    }

    /// Opens the first session and starts the workers; all threads of both are scheduled as this one is.
    fn open_here(folder: PathBuf, options: &OnnxOptions) -> Result<Self, EmbedError> {
        let plan = Arc::new(Plan::new(folder, options)?);
        let mut crew = Crew { queue: Arc::default(), plan, workers: vec![] };
        for _ in 0..crew.plan.workers() {
            let (queue, plan) = (Arc::clone(&crew.queue), Arc::clone(&crew.plan));
            let worker = thread::Builder::new().name("embed".to_owned()).spawn(move || work(&plan, &queue));
            crew.workers.push(worker.map_err(|error| not_started(&error))?);
        }
        Ok(Self { crew: Arc::new(crew) })
    }

    /// How many tokens a text has, however long it is.
    #[must_use]
    pub fn count_tokens(&self, text: &str) -> usize {
        self.crew.plan.encoder.count(text)
    }

    /// What the model calculates on: what the options asked for, or the CPU where that was not to be had.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.crew.plan.provider
    }
}

impl OnnxOptions {
    fn threads(&self) -> usize {
        match self.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    fn workers(&self) -> usize {
        match self.workers {
            0 => self.threads(),
            workers => workers,
        }
    }
}

impl Plan {
    fn new(folder: PathBuf, options: &OnnxOptions) -> Result<Self, EmbedError> {
        let folder = ModelFolder::open(folder)?;
        let (onnx, path) = folder.onnx_and_path(options.precision)?;
        // The tokenizer takes as long to read as a session to open, so it is read meanwhile.
        let encoder = thread::spawn(move || Encoder::open(folder).map(Arc::new));
        let encoder = || encoder.join().map_err(|_| crashed())?;
        let environment = library::load(&options.library)?;
        if let Some(session) = accelerated(&environment, &onnx, options) {
            let (encoder, provider) = (encoder()?, options.provider);
            let wide = Model::new(session, Arc::clone(&encoder))?;
            let most = wide.most_together(options.precision);
            return Ok(Self { encoder, provider, wide: Mutex::new(wide), narrow: None, most });
        }
        let opened = SharedOnnx::new(onnx, &path).and_then(|onnx| {
            let session = onnx.open(settings(&environment, Provider::Cpu, options.threads())?)?;
            Ok((onnx, session))
        });
        let encoder = encoder()?;
        let (onnx, session) = opened.map_err(|error| encoder.refuse(&error))?;
        let wide = Model::new(session, Arc::clone(&encoder))?;
        let most = wide.most_together(options.precision);
        let narrow = Narrow::new(environment, onnx, options);
        Ok(Self { encoder, provider: Provider::Cpu, wide: Mutex::new(wide), narrow, most })
    }

    fn workers(&self) -> usize {
        self.narrow.as_ref().map_or(1, |narrow| narrow.workers)
    }

    /// Embeds the texts of a turn. If that fails, each is tried by itself: one must not fail because of another.
    fn embed_each(&self, jobs: &[Job], alone: bool, own: &mut Option<Model>) -> Vec<Result<Embedding, EmbedError>> {
        let mut attempt = |jobs: &[Job]| {
            let embed = AssertUnwindSafe(|| self.embed(jobs, alone, own));
            // A panic over one text must not take the worker, and every later text, with it.
            catch_unwind(embed).unwrap_or_else(|_| Err(crashed()))
        };
        match attempt(jobs) {
            Ok(embedded) => embedded.into_iter().map(Ok).collect(),
            Err(error) if jobs.len() == 1 => vec![Err(error)],
            Err(_) => {
                let by_itself = |job| attempt(std::slice::from_ref(job))?.pop().ok_or_else(crashed);
                jobs.iter().map(by_itself).collect()
            }
        }
    }

    /// Embeds texts of the same number of tokens: one that is alone with the wide session, others with the worker's
    /// own, which is opened when it is needed for the first time.
    fn embed(&self, jobs: &[Job], alone: bool, own: &mut Option<Model>) -> Result<Vec<Embedding>, EmbedError> {
        let tokens = jobs.iter().map(|job| self.tokens(&job.text)).collect::<Result<Vec<_>, _>>()?;
        let Some(narrow) = self.narrow.as_ref().filter(|_| !alone) else {
            return self.wide.lock().unwrap_or_else(PoisonError::into_inner).embed_alike(&tokens);
        };
        let own = match own {
            Some(own) => own,
            None => own.insert(narrow.open(Arc::clone(&self.encoder))?),
        };
        own.embed_alike(&tokens)
    }

    fn tokens<'a>(&self, text: &'a Text) -> Result<Cow<'a, Tokens>, EmbedError> {
        match text {
            Text::Question(tokens) => Ok(Cow::Borrowed(tokens)),
            Text::Passage(text) => self.encoder.encode(Role::Passage, text).map(Cow::Owned),
        }
    }
}

impl Narrow {
    /// `None` if there is one worker only.
    fn new(environment: Environment, onnx: SharedOnnx, options: &OnnxOptions) -> Option<Self> {
        let (threads, workers) = (options.threads(), options.workers());
        let narrow = Self { environment, onnx, workers, threads: (threads / workers).max(1) };
        (workers > 1).then_some(narrow)
    }

    fn open(&self, encoder: Arc<Encoder>) -> Result<Model, EmbedError> {
        let session =
            settings(&self.environment, Provider::Cpu, self.threads).and_then(|settings| self.onnx.open(settings));
        Model::new(session.map_err(|error| encoder.refuse(&error))?, encoder)
    }
}

/// A session on the accelerator that the options name; none if they name the CPU, or if it is not to be had.
fn accelerated(environment: &Environment, onnx: &[u8], options: &OnnxOptions) -> Option<Session> {
    let provider = options.provider;
    if provider == Provider::Cpu {
        return None;
    }
    let opened = settings(environment, provider, options.threads()).and_then(|mut b| b.commit_from_memory(onnx));
    opened.inspect_err(|error| tracing::warn!(%provider, %error, "no such accelerator; the CPU does the work")).ok()
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue.close();
        if self.plan.provider == Provider::Cpu {
            return;
        }
        // An accelerator's driver goes when the program ends, and a session that is given back later aborts it.
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

/// Does one turn after the other until the last embedder is dropped.
fn work(plan: &Plan, queue: &Queue) {
    let mut own = None;
    while let Some(turn) = queue.next(plan.most, plan.workers()) {
        let embedded = plan.embed_each(&turn.jobs, turn.alone, &mut own);
        turn.end(embedded);
    }
}

impl OnnxEmbedder {
    /// Passages wait for a place in the queue; questions are refused when it is full, because nobody waits that long.
    async fn embed_all(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let Crew { queue, plan, .. } = &*self.crew;
        let single = texts.len() == 1;
        let mut replies = Vec::with_capacity(texts.len());
        for text in texts {
            let (reply, embedded) = oneshot::channel();
            match role {
                Role::Passage => queue.hand_in(Job { text: Text::Passage(text), single, reply }).await,
                Role::Query => {
                    let text = Text::Question(plan.encoder.encode(role, &text)?);
                    queue.ask(Job { text, single, reply })?;
                }
            }
            replies.push(async { embedded.await.unwrap_or_else(|_| Err(crashed())) });
        }
        try_join_all(replies).await
    }
}

#[async_trait]
impl Embedder for OnnxEmbedder {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        spans::embeddings(self.identity(), None, self.embed_all(role, texts)).await
    }

    fn identity(&self) -> &Identity {
        self.crew.plan.encoder.folder().identity()
    }
}
