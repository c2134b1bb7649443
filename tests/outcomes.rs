//! The table of outcomes in ARCHITECTURE.md, row by row: what is lost, and what the caller gets and is told.

use std::{sync::Arc, time::Duration};

use asktwice::{
    Degradation, EmbedError, Embedder, Error, ErrorKind, Passage, Ranking, Retrieval, RetrieveOptions, Retriever,
    Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites, StoreError, VectorStore, VectorStoreWriter,
    embed::Identity,
    fuse::Weighting,
    ranking::PointId,
    retrieval::{AskedOnly, Origin, Outcome},
    retriever::FeedbackUse,
    rewrite::{Feedback, LeastCosines},
    search::{CollectionInfo, MemoryStore, ScrollPage, ScrollRequest, Search},
};
use async_trait::async_trait;

use crate::support::{
    embedder::{HashEmbedder, vector},
    fails_on::FailsOn,
};

const ASKED: &str = "late food";
const REWRITE: &str = "late order delayed";

/// Says what it was told to say.
#[derive(Debug)]
struct Says(Result<&'static str, &'static str>, Duration);

#[async_trait]
impl Rewriter for Says {
    async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        tokio::time::sleep(self.1).await;
        let rewrites = |text| vec![Rewrite::new(RewriteKind::Paraphrase, text)].into();
        self.0.map(rewrites).map_err(RewriteError::failed)
    }
}

/// Loses a passage between search and fetch, and never gets round to vectors.
#[derive(Debug)]
struct Forgets(MemoryStore);

#[async_trait]
impl VectorStore for Forgets {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        self.0.search(search).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        self.0.fetch(&ids[1..]).await
    }

    async fn vectors(&self, _: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        std::future::pending().await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.0.scroll(request).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.0.info().await
    }
}

async fn store() -> MemoryStore {
    let store = MemoryStore::new();
    store.prepare(HashEmbedder::new().identity()).await.unwrap();
    let passages = [Passage::new("late", "late food"), Passage::new("order", "an order that is delayed")];
    store.upsert(passages.map(|passage| (passage.clone(), vector(&passage.text).into())).into()).await.unwrap();
    store
}

async fn retriever(fails_on: &'static str, rewriter: Option<Says>) -> Retriever {
    let retriever = Retriever::new(FailsOn(fails_on, HashEmbedder::new()), store().await)
        .with_rewrite_deadline(Duration::from_millis(100));
    match rewriter {
        Some(rewriter) => retriever.with_rewriter(rewriter),
        None => retriever,
    }
}

fn says(rewrite: Result<&'static str, &'static str>) -> Says {
    Says(rewrite, Duration::ZERO)
}

fn ids(retrieval: &Retrieval) -> Vec<&str> {
    retrieval.hits.iter().map(|hit| hit.passage.id.as_str()).collect()
}

/// What the plain question finds.
async fn plain() -> Retrieval {
    retriever("", None).await.retrieve(ASKED).await.unwrap()
}

#[tokio::test]
async fn both_answered() {
    let retrieval = retriever("", Some(says(Ok(REWRITE)))).await.retrieve(ASKED).await.unwrap();
    assert_eq!((retrieval.outcome.word(), retrieval.degradations.len(), retrieval.legs.len()), ("full", 0, 2));
    assert_eq!(retrieval.hits[0].found_by.len(), 2);
}

#[tokio::test]
async fn no_rewriter_or_none_wanted_is_no_degradation() {
    let without = plain().await;
    let options = RetrieveOptions::default().without_rewrite();
    let unwanted = retriever("", Some(says(Ok(REWRITE)))).await.retrieve_with(ASKED, &options).await.unwrap();
    for retrieval in [without, unwanted] {
        assert_eq!((retrieval.outcome.word(), retrieval.degradations.len()), ("asked_only", 0));
    }
}

#[tokio::test]
async fn a_rewrite_that_is_late_or_failed_costs_no_hit_and_is_told() {
    let late = Some(Says(Ok(REWRITE), Duration::from_secs(60)));
    for (rewriter, said) in [(late, "within 100 ms"), (Some(says(Err("is out of order"))), "is out of order")] {
        let retrieval = retriever("", rewriter).await.retrieve(ASKED).await.unwrap();
        assert_eq!(retrieval.outcome.word(), "asked_only");
        assert!(
            matches!(&retrieval.degradations[..], [Degradation::Rewrite(error)] if error.to_string().contains(said))
        );
        assert_eq!(ids(&retrieval), ids(&plain().await));
    }
}

#[tokio::test]
async fn a_rewrite_that_strays_further_than_its_kind_may_is_left_out_and_told() {
    let far = LeastCosines::default().with(RewriteKind::Paraphrase, 0.9);
    let retriever = retriever("", Some(says(Ok(REWRITE)))).await;
    assert!(retriever.retrieve(ASKED).await.unwrap().degradations.is_empty());
    let retrieval = retriever.clone().with_least_cosines(far).retrieve(ASKED).await.unwrap();
    assert_eq!(ids(&retrieval), ids(&plain().await));
    assert_eq!(retrieval.outcome, Outcome::AskedOnly { reason: AskedOnly::Rejected });
    let [lost] = &retrieval.degradations[..] else { panic!("{:?}", retrieval.degradations) };
    assert_eq!(
        (lost.kind(), lost.reason(), lost.origin()),
        ("rewrite_strayed", Some("too_far"), Some(Origin::Rewrite))
    );
    // A bound for another kind is none for this.
    let other = LeastCosines::default().with(RewriteKind::Hyde, 0.9);
    assert!(retriever.with_least_cosines(other).retrieve(ASKED).await.unwrap().degradations.is_empty());
}

#[tokio::test]
async fn a_rewrite_whose_leg_fails_costs_no_hit_and_is_told() {
    let retrieval = retriever("delayed", Some(says(Ok(REWRITE)))).await.retrieve(ASKED).await.unwrap();
    assert_eq!(retrieval.outcome.word(), "asked_only");
    assert!(matches!(&retrieval.degradations[..], [Degradation::Leg { origin: Origin::Rewrite, .. }]));
    assert_eq!(ids(&retrieval), ids(&plain().await));
    // The variant is listed all the same: it was meant to be searched with.
    assert_eq!((retrieval.variants.len(), retrieval.legs.len()), (2, 1));
}

#[tokio::test]
async fn a_lost_question_is_a_graver_degradation() {
    let retrieval = retriever("food", Some(says(Ok(REWRITE)))).await.retrieve(ASKED).await.unwrap();
    assert_eq!(retrieval.outcome.word(), "asked_lost");
    assert!(matches!(&retrieval.degradations[..], [Degradation::Leg { origin: Origin::Asked, .. }]));
    assert_eq!(ids(&retrieval)[0], "order");
}

#[tokio::test]
async fn nothing_answered_is_an_error() {
    for rewriter in [None, Some(says(Err("is out of order"))), Some(says(Ok("food, delayed")))] {
        let error = retriever("food", rewriter).await.retrieve(ASKED).await.unwrap_err();
        assert!(matches!(error, Error::Embed(EmbedError::Overloaded { .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn passages_deleted_meanwhile_are_counted() {
    let retriever = Retriever::new(HashEmbedder::new(), Forgets(store().await));
    let retrieval = retriever.retrieve(ASKED).await.unwrap();
    assert!(matches!(&retrieval.degradations[..], [Degradation::Deleted { missing: 1 }]));
    assert_eq!((retrieval.hits.len(), retrieval.outcome.word()), (1, "asked_only"));
}

#[tokio::test]
async fn feedback_that_is_late_is_told() {
    let feedback = FeedbackUse::Always(Feedback::Average { top: 1 });
    let retriever = Retriever::new(HashEmbedder::new(), Forgets(store().await)).with_feedback(feedback);
    let options = RetrieveOptions::default().with_deadline(Duration::from_millis(100));
    let retrieval = retriever.retrieve_with(ASKED, &options).await.unwrap();
    let lost = |degradation: &Degradation| matches!(degradation, Degradation::Leg { origin: Origin::Feedback, .. });
    assert!(retrieval.degradations.iter().any(lost), "{retrieval:?}");
}

#[tokio::test]
async fn an_empty_or_foreign_collection_is_an_error_with_its_remedy() {
    let empty = Retriever::new(HashEmbedder::new(), MemoryStore::new()).retrieve(ASKED).await.unwrap_err();
    assert!(matches!(empty, Error::Search(StoreError::Missing { .. })), "{empty}");
    let foreign = MemoryStore::new();
    foreign.prepare(&Identity::new("another", "another", 64)).await.unwrap();
    let error = Retriever::new(HashEmbedder::new(), foreign).retrieve(ASKED).await.unwrap_err();
    assert!(matches!(error, Error::Search(StoreError::Identity { .. })), "{error}");
}

#[tokio::test]
async fn options_that_contradict_themselves_are_named() {
    let retriever = retriever("", None).await;
    for (options, named) in [
        (RetrieveOptions::default().with_limit(0), "limit"),
        (RetrieveOptions::default().with_limit(50).with_depth(20), "depth"),
    ] {
        let error = retriever.retrieve_with(ASKED, &options).await.unwrap_err();
        assert!(matches!(&error, Error::Settings { setting, .. } if setting == named), "{error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// Does what a rewriter of one's own may do, and should not.
#[derive(Debug)]
struct Careless(Vec<&'static str>);

#[async_trait]
impl Rewriter for Careless {
    async fn rewrite(&self, _: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        assert!(!self.0.is_empty(), "careless");
        let rewrites = self.0.iter().map(|text| Rewrite::new(RewriteKind::Paraphrase, *text));
        Ok(rewrites.collect::<Vec<_>>().into())
    }
}

#[tokio::test]
async fn a_careless_rewriter_costs_no_hit_and_gets_no_extra_votes() {
    let ask = async |rewrites: Vec<&'static str>| {
        retriever("", None).await.with_rewriter(Careless(rewrites)).retrieve(ASKED).await.unwrap()
    };
    // A crash, and rewrites that are none.
    for rewrites in [vec![], vec!["", " \u{200b}"], vec!["LATE  food"]] {
        let retrieval = ask(rewrites).await;
        assert_eq!(retrieval.degradations[0].kind(), "rewrite_failed");
        assert_eq!(ids(&retrieval), ids(&plain().await));
    }
    assert_eq!(ask(vec![REWRITE, "Late  order  Delayed", "", REWRITE]).await.variants.len(), 2);
    let many: Vec<&str> = "a b c d e f g h i j k l m n o p".split(' ').collect();
    assert!(ask(many).await.variants.len() < 10);
}

/// Searches at once the first time, and never again.
#[derive(Debug)]
struct Hangs(MemoryStore, std::sync::atomic::AtomicUsize);

#[async_trait]
impl VectorStore for Hangs {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        if self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        self.0.search(search).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
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

#[tokio::test]
async fn a_hanging_rewrite_leg_holds_the_answer_up_no_longer_than_agreed() {
    let retriever = Retriever::new(HashEmbedder::new(), Hangs(store().await, 0.into()))
        .with_rewriter(says(Ok(REWRITE)))
        .with_rewrite_deadline(Duration::from_millis(100));
    let start = std::time::Instant::now();
    let retrieval = retriever.retrieve(ASKED).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!((retrieval.outcome.word(), retrieval.degradations[0].kind()), ("asked_only", "leg_lost"));
    assert_eq!(retrieval.degradations[0].origin(), Some(Origin::Rewrite));
}

#[tokio::test]
async fn endless_deadlines_are_no_deadlines() {
    let retriever = retriever("", Some(says(Ok(REWRITE)))).await.with_rewrite_deadline(Duration::MAX);
    let options = RetrieveOptions::default().with_deadline(Duration::MAX);
    assert_eq!(retriever.retrieve_with(ASKED, &options).await.unwrap().outcome.word(), "full");
}

#[tokio::test]
async fn a_collection_that_comes_later_is_checked_then() {
    let store = Arc::new(MemoryStore::new());
    let retriever = Retriever::new(HashEmbedder::new(), Arc::clone(&store) as Arc<dyn VectorStore>);
    assert!(matches!(retriever.retrieve(ASKED).await, Err(Error::Search(StoreError::Missing { .. }))));
    store.prepare(&Identity::new("another", "another", 64)).await.unwrap();
    assert!(matches!(retriever.retrieve(ASKED).await, Err(Error::Search(StoreError::Identity { .. }))));
}

/// A rewrite that counts for nothing leaves the question's order.
/// As after `asktwice index --rebuild` with another model of the same dimension.
#[tokio::test(start_paused = true)]
async fn a_collection_of_another_model_that_takes_over_is_refused_soon() {
    let store = Arc::new(store().await);
    let retriever = Retriever::new(HashEmbedder::new(), store.clone());
    retriever.retrieve(ASKED).await.unwrap();
    let mut other = HashEmbedder::new().identity().clone();
    other.weights = "other".to_owned();
    store.successor(&other).await.unwrap().take_over().await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    // This one has it looked at, beside itself.
    let _ = retriever.retrieve(ASKED).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(matches!(retriever.retrieve(ASKED).await, Err(Error::Search(StoreError::Identity { .. }))));
}

#[tokio::test]
async fn the_rewrites_weight_counts() {
    let retriever = retriever("", Some(says(Ok(REWRITE)))).await.with_weighting(Weighting::Fixed(0.0));
    let retrieval = retriever.retrieve(ASKED).await.unwrap();
    assert_eq!((retrieval.outcome.word(), ids(&retrieval)), ("full", ids(&plain().await)));
}

/// A retriever is shared by many callers at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_a_retriever() {
    let retriever = Arc::new(retriever("", Some(says(Ok(REWRITE)))).await);
    let calls = (0..200).map(|_| {
        let retriever = Arc::clone(&retriever);
        tokio::spawn(async move { retriever.retrieve(ASKED).await.unwrap().hits.len() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 2);
    }
}
