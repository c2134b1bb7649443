//! The question never waits for the rewriter, and nobody waits longer than agreed.
//!
//! Times are read from a retrieval's own account and compared with wide margins: the machine is busy with other tests.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use asktwice::{
    Degradation, Embedder, Error, Passage, Ranking, Retrieval, RetrieveOptions, Retriever, RewriteError,
    RewriteRequest, Rewriter, Rewrites, StoreError, VectorStore, VectorStoreWriter,
    embed::{EmbedError, Embedding, Identity, Role},
    ranking::PointId,
    retrieval::{Origin, Step, Timing},
    rewrite::{CacheOptions, CachedRewriter, RecordedRewriter, Rewrite, RewriteKind},
    search::{CollectionInfo, MemoryStore, ScrollPage, ScrollRequest, Search},
};
use async_trait::async_trait;
use tokio::time::sleep;

use crate::support::embedder::{HashEmbedder, vector};

const QUESTION: &str = "why is my bread flat";
const REWRITE: &str = "what makes my bread rise";

/// A store that takes its time.
#[derive(Debug)]
struct SlowStore {
    store: MemoryStore,
    latency: Duration,
}

impl SlowStore {
    async fn new(latency: Duration) -> Self {
        let store = MemoryStore::new();
        store.prepare(HashEmbedder::new().identity()).await.unwrap();
        let texts = ["my bread is flat", "yeast makes bread rise", "what is a question"];
        let passages = texts.map(|text| (Passage::new(text, text), vector(text).into()));
        store.upsert(passages.to_vec()).await.unwrap();
        Self { store, latency }
    }
}

#[async_trait]
impl VectorStore for SlowStore {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        sleep(self.latency).await;
        self.store.search(search).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        self.store.fetch(ids).await
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.store.vectors(ids).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.store.scroll(request).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.store.info().await
    }
}

/// A rewriter that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Rewriter for Silent {
    async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        std::future::pending().await
    }
}

/// An embedder that fails on the question as asked.
#[derive(Debug)]
struct FailsOnTheQuestion(HashEmbedder);

#[async_trait]
impl Embedder for FailsOnTheQuestion {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        if texts.iter().any(|text| text == QUESTION) {
            return Err(EmbedError::Inference { problem: "scripted".to_owned() });
        }
        self.0.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.0.identity()
    }
}

/// What was done, in its order.
type Log = Arc<Mutex<Vec<String>>>;

/// A rewriter that notes that it is asked, and answers at once.
#[derive(Debug)]
struct SaysAtOnce(&'static str, Log);

#[async_trait]
impl Rewriter for SaysAtOnce {
    async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        self.1.lock().unwrap().push(self.0.to_owned());
        Ok(vec![Rewrite::new(RewriteKind::Paraphrase, REWRITE)].into())
    }
}

/// An embedder that notes what it is asked for.
#[derive(Debug)]
struct Remembers(HashEmbedder, Log);

#[async_trait]
impl Embedder for Remembers {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        self.1.lock().unwrap().extend(texts.clone());
        self.0.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.0.identity()
    }
}

fn recorded(latency: Duration) -> RecordedRewriter {
    RecordedRewriter::from_pairs([(QUESTION, [REWRITE])]).with_latency(latency)
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn step(retrieval: &Retrieval, step: Step, origin: Origin) -> Timing {
    let found = retrieval.timings.iter().find(|timing| timing.step == step && timing.origin == Some(origin));
    *found.unwrap_or_else(|| panic!("no {step:?} of {origin:?} in {:?}", retrieval.timings))
}

fn end(timing: Timing) -> Duration {
    timing.start + timing.took
}

#[tokio::test]
async fn the_question_is_searched_while_the_model_writes() {
    let store = SlowStore::new(milliseconds(100)).await;
    let retriever = Retriever::new(HashEmbedder::new(), store).with_rewriter(recorded(milliseconds(400)));
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!((found.outcome.word(), found.degradations.len()), ("full", 0));
    let asked = step(&found, Step::Search, Origin::Asked);
    let rewrite = step(&found, Step::Rewrite, Origin::Rewrite);
    let rewritten = step(&found, Step::Search, Origin::Rewrite);
    assert!(step(&found, Step::Embed, Origin::Asked).start < milliseconds(100), "{:?}", found.timings);
    assert!(end(asked) < end(rewrite) - milliseconds(100), "{:?}", found.timings);
    assert!(rewritten.start >= end(rewrite), "{:?}", found.timings);
    // max(100, 400 + 100), where the sum would be 100 + 400 + 100. Compared with what the steps really took.
    let sum = end(asked) + rewrite.took + rewritten.took;
    assert!(found.took >= milliseconds(500) && found.took < sum - milliseconds(50), "{:?}, not {sum:?}", found.took);
}

#[tokio::test]
async fn the_model_is_asked_first_and_what_it_says_at_once_is_embedded_after_the_question() {
    const ASKED: &str = "the model is asked";
    for is_cached in [false, true] {
        let log = Log::default();
        let embedder = Remembers(HashEmbedder::new(), Arc::clone(&log));
        let retriever = Retriever::new(embedder, SlowStore::new(Duration::ZERO).await);
        let rewriter = SaysAtOnce(ASKED, Arc::clone(&log));
        let retriever = if is_cached {
            retriever.with_rewriter(CachedRewriter::new(rewriter, CacheOptions::default()))
        } else {
            retriever.with_rewriter(rewriter)
        };
        // In a task of its own, as a server does: what that spawns waits until it gives way.
        let answered = tokio::spawn(async move { retriever.retrieve(QUESTION).await.unwrap() }).await.unwrap();
        assert_eq!(answered.outcome.word(), "full");
        assert_eq!(*log.lock().unwrap(), [ASKED, QUESTION, REWRITE], "cached: {is_cached}");
    }
}

#[tokio::test]
async fn the_slower_path_decides() {
    let store = SlowStore::new(milliseconds(400)).await;
    let retriever = Retriever::new(HashEmbedder::new(), store).with_rewriter(recorded(milliseconds(10)));
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!(found.outcome.word(), "full");
    // max(400, 10 + 400): the searches ran side by side, where one after the other would take 810.
    let sum = step(&found, Step::Search, Origin::Asked).took + step(&found, Step::Search, Origin::Rewrite).took;
    assert!(found.took >= milliseconds(410) && found.took < sum - milliseconds(200), "{:?}, not {sum:?}", found.took);
}

#[tokio::test]
async fn a_silent_model_costs_its_deadline_and_no_more() {
    let store = SlowStore::new(milliseconds(20)).await;
    let retriever =
        Retriever::new(HashEmbedder::new(), store).with_rewriter(Silent).with_rewrite_deadline(milliseconds(200));
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert!(found.took >= milliseconds(200) && found.took < milliseconds(350), "{:?}", found.took);
    assert_eq!(found.outcome.word(), "asked_only");
    assert_eq!(found.hits[0].passage.text, "my bread is flat");
    let lost = &found.degradations[..];
    assert!(matches!(lost, [Degradation::Rewrite(RewriteError::Deadline { .. })]), "{lost:?}");
    assert!(!step(&found, Step::Rewrite, Origin::Rewrite).completed);
}

#[tokio::test]
async fn the_callers_deadline_is_kept() {
    let options = RetrieveOptions::default().with_deadline(milliseconds(250));
    // The model is late: the question's hits come, inside the deadline.
    let store = Arc::new(SlowStore::new(milliseconds(20)).await);
    let retriever = Retriever::new(HashEmbedder::new(), store.clone()).with_rewriter(Silent);
    let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
    assert!(found.took < milliseconds(250 + 100), "{:?}", found.took);
    assert_eq!((found.outcome.word(), found.degradations.len()), ("asked_only", 1));

    // The rewrite comes in time, its search would not: the question's hits come.
    let store = Arc::new(SlowStore::new(milliseconds(120)).await);
    let retriever = Retriever::new(HashEmbedder::new(), store).with_rewriter(recorded(milliseconds(180)));
    let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
    assert!(found.took < milliseconds(250 + 100), "{:?}", found.took);
    assert_eq!(found.outcome.word(), "asked_only");
    assert!(matches!(found.degradations[..], [Degradation::Leg { origin: Origin::Rewrite, .. }]));

    // Even the question's search is late: there is no answer, and that is said in time.
    let retriever = Retriever::new(HashEmbedder::new(), SlowStore::new(Duration::from_secs(5)).await);
    let started = Instant::now();
    let error = retriever.with_rewriter(Silent).retrieve_with(QUESTION, &options).await.unwrap_err();
    assert!(started.elapsed() < milliseconds(250 + 100), "{:?}", started.elapsed());
    assert!(matches!(error, Error::Deadline { .. }), "{error:?}");
}

#[tokio::test]
async fn a_question_that_is_lost_is_told() {
    let store = SlowStore::new(Duration::ZERO).await;
    let retriever =
        Retriever::new(FailsOnTheQuestion(HashEmbedder::new()), store).with_rewriter(recorded(milliseconds(10)));
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!(found.outcome.word(), "asked_lost");
    assert!(matches!(found.degradations[..], [Degradation::Leg { origin: Origin::Asked, .. }]));
    assert_eq!(found.hits[0].passage.text, "yeast makes bread rise");
    // Neither answered: that is an error.
    let error = retriever.with_rewriter(RecordedRewriter::default()).retrieve(QUESTION).await.unwrap_err();
    assert!(matches!(error, Error::Embed(_)), "{error:?}");
}
