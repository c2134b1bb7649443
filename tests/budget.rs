//! One call's deadline, in tokio's virtual time: whatever is slow, the answer comes inside it.

use std::time::Duration;

use asktwice::{
    EmbedError, Embedder, Error, Passage, Ranking, RetrieveOptions, Retriever, StoreError, VectorStore,
    VectorStoreWriter as _,
    embed::{Embedding, Identity, Role},
    ranking::PointId,
    retrieval::AskedOnly,
    rewrite::RecordedRewriter,
    search::{CollectionInfo, MemoryStore, ScrollPage, ScrollRequest, Search},
};
use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::support::embedder::{HashEmbedder, vector};

const QUESTION: &str = "late food";
const MS: Duration = Duration::from_millis(1);

/// An embedder and a store, each as slow as it is told to be.
#[derive(Debug)]
struct Slow<T>(T, Duration);

#[async_trait]
impl Embedder for Slow<HashEmbedder> {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        sleep(self.1).await;
        self.0.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.0.identity()
    }
}

#[async_trait]
impl VectorStore for Slow<MemoryStore> {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        sleep(self.1).await;
        self.0.search(search).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        sleep(self.1).await;
        self.0.fetch(ids).await
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.0.vectors(ids).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.0.scroll(request).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.0.info().await
    }
}

async fn retriever(embed: Duration, store: Duration, rewrite: Duration) -> Retriever {
    let memory = MemoryStore::new();
    memory.prepare(HashEmbedder::new().identity()).await.unwrap();
    memory.upsert(vec![(Passage::new("a", QUESTION), vector(QUESTION).into())]).await.unwrap();
    let rewriter = RecordedRewriter::from_pairs([(QUESTION, ["late order"])]).with_latency(rewrite);
    Retriever::new(Slow(HashEmbedder::new(), embed), Slow(memory, store)).with_rewriter(rewriter)
}

/// Every combination of a slow rewriter, a slow embedder, a slow store and a deadline.
#[tokio::test(start_paused = true)]
async fn the_answer_is_always_in_time() {
    let never = Duration::from_hours(1);
    for rewrite in [Duration::ZERO, MS * 30, MS * 100, MS * 300, MS * 1_000, never] {
        for (embed, store) in [(MS, MS), (MS * 10, MS * 3), (MS * 3, MS * 20), (MS * 30, MS * 30)] {
            for deadline in [50, 100, 250, 1_000].map(|ms| MS * ms) {
                let retriever = retriever(embed, store, rewrite).await;
                let options = RetrieveOptions::default().with_deadline(deadline);
                // Again and again: what is learned of the steps must not make it worse.
                for _ in 0..4 {
                    let start = Instant::now();
                    let found = retriever.retrieve_with(QUESTION, &options).await;
                    let case = format!("rewrite {rewrite:?}, embed {embed:?}, store {store:?}, within {deadline:?}");
                    assert!(start.elapsed() <= deadline + MS, "{case}: {:?}", start.elapsed());
                    // The question's own way is an embedding, a search and a fetch.
                    match found {
                        Ok(found) => assert_eq!(found.hits.len(), 1, "{case}"),
                        Err(Error::Deadline { .. }) => assert!(embed + store * 2 >= deadline * 7 / 10, "{case}"),
                        Err(error) => panic!("{case}: {error}"),
                    }
                }
            }
        }
    }
}

/// A rewrite that comes in time is used, up to the last moment at which it can be.
#[tokio::test(start_paused = true)]
async fn a_rewrite_is_waited_for_as_long_as_it_can_be_used() {
    let options = RetrieveOptions::default().with_deadline(MS * 300);
    let outcome = async |rewrite| {
        let retriever = retriever(MS * 10, MS * 5, rewrite).await;
        // What the steps take is known after the first call.
        retriever.retrieve_with(QUESTION, &options).await.unwrap();
        retriever.retrieve_with(QUESTION, &options).await.unwrap()
    };
    assert_eq!(outcome(MS * 250).await.outcome.word(), "full");
    let late = outcome(MS * 270).await;
    assert_eq!(late.outcome, asktwice::Outcome::AskedOnly { reason: AskedOnly::Late });
    // 300 ms less 25 for the end less 15 for embedding and searching: later, waiting would be in vain.
    assert_eq!(late.timings.iter().map(|timing| timing.took).max(), Some(MS * 260));
    assert!(late.took < MS * 280, "{:?}", late.took);
}

/// Without a deadline of the caller's the call takes the longer of the two ways, not their sum.
#[tokio::test(start_paused = true)]
async fn the_question_never_waits_for_the_rewriter() {
    // The question's own way is 10 for the embedding, 20 for the search and 20 for the fetch, which the rewrite's way
    // needs no more: its one passage is at hand.
    for (rewrite, whole) in [(0, 50), (5, 50), (500, 500 + 10 + 20)] {
        let retriever = retriever(MS * 10, MS * 20, MS * rewrite).await;
        let found = retriever.retrieve(QUESTION).await.unwrap();
        assert_eq!(found.outcome.word(), "full");
        assert_eq!(found.took, MS * whole, "{rewrite}");
    }
}
