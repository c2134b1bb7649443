//! A reranker inside the pipeline: asked once, inside the deadline, and never able to make the answer worse than the
//! fused one without saying so.

use std::{sync::Arc, time::Duration};

use asktwice::{Degradation, RerankChoice, RetrieveOptions, Scope, retrieval::Step, rewrite::RecordedRewriter};
use tokio::time::{Instant, sleep};

use super::*;

const MS: Duration = Duration::from_millis(1);
const MENU: [(&str, &[&str]); 1] =
    [("menu", &["late food, and what to do about it", "late food again", "food", "something else that is long"])];

/// What is said of so many passages.
type Scores = fn(usize) -> Result<Vec<f32>, RerankError>;

/// The last first.
const REVERSED: Scores = |count| Ok((0..count).map(|at| at as f32).collect());

/// Does what it is told to after a while.
#[derive(Debug)]
struct Does(Duration, Scores);

#[async_trait]
impl Reranker for Does {
    async fn rerank(&self, _: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        sleep(self.0).await;
        (self.1)(passages.len())
    }
}

#[tokio::test]
async fn is_asked_once_and_its_order_counts() {
    let (reranker, rewriter) =
        (Arc::new(Shortest::default()), RecordedRewriter::from_pairs([(QUESTION, ["slow food"])]));
    let plain = retriever(&MENU).await.with_rewriter(rewriter);
    let retriever = plain.clone().with_reranker(Arc::clone(&reranker) as Arc<dyn Reranker>);
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!(ids(&found), ["menu#2", "menu#1", "menu#3", "menu#0"]);
    assert_eq!(found.hits.iter().map(|hit| hit.reranked).collect::<Vec<_>>(), [-4.0, -15.0, -27.0, -34.0].map(Some));
    assert!(found.degradations.is_empty());
    // Once, with the question as it was asked and the passages in their fused order.
    let asked = reranker.asked();
    assert_eq!((asked.len(), asked[0].0.as_str()), (1, QUESTION));
    let fused = plain.retrieve(QUESTION).await.unwrap();
    assert_eq!(asked[0].1, fused.hits.iter().map(|hit| hit.passage.text.clone()).collect::<Vec<_>>());
    assert!(fused.hits.iter().all(|hit| hit.reranked.is_none()));
    // The fused scores stay what they were.
    let score = |of: &Retrieval| of.hits.iter().find(|hit| hit.passage.id == "menu#2").unwrap().score;
    assert_eq!(score(&found), score(&fused));
    let steps: Vec<Step> =
        found.timings.iter().map(|timing| timing.step).filter(|step| *step == Step::Rerank).collect();
    assert_eq!(steps.len(), 1);
    assert_eq!(serde_json::to_value(&found).unwrap()["hits"][0]["reranked"], -4.0);
}

#[tokio::test]
async fn reads_no_more_than_the_depth_and_what_is_below_stays_below() {
    let reranker = Arc::new(Shortest::default());
    let retriever = retriever(&MENU).await;
    let fused = retriever.retrieve(QUESTION).await.unwrap();
    let retriever = retriever.with_reranker(Arc::clone(&reranker) as Arc<dyn Reranker>);
    let two = RetrieveOptions::default().with_rerank(RerankChoice::Depth(2));
    let found = retriever.retrieve_with(QUESTION, &two).await.unwrap();
    assert_eq!(reranker.asked()[0].1.len(), 2);
    assert_eq!(ids(&found)[2..], ids(&fused)[2..]);
    assert_eq!(found.hits.iter().filter(|hit| hit.reranked.is_some()).count(), 2);
    // More are read than are returned: what was fused below the limit may come first.
    let one = RetrieveOptions::default().with_limit(1);
    assert_eq!(ids(&retriever.retrieve_with(QUESTION, &one).await.unwrap()), ["menu#2"]);
    assert_eq!(reranker.asked()[1].1.len(), 4);
    retriever.retrieve_with(QUESTION, &RetrieveOptions::default().with_rerank(RerankChoice::None)).await.unwrap();
    assert_eq!(reranker.asked().len(), 2);
    let shallow = retriever.with_rerank_depth(3);
    shallow.retrieve(QUESTION).await.unwrap();
    assert_eq!(reranker.asked()[2].1.len(), 3);
}

#[tokio::test]
async fn reads_fifty_unless_told_otherwise() {
    let reranker = Arc::new(Shortest::default());
    let many = vec!["late food"; 60];
    let retriever = retriever(&[("many", &many)]).await.with_reranker(Arc::clone(&reranker) as Arc<dyn Reranker>);
    retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!(reranker.asked()[0].1.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn comes_inside_the_deadline_or_not_at_all() {
    let fused = retriever(&MENU).await.retrieve(QUESTION).await.unwrap();
    let options = RetrieveOptions::default().with_deadline(MS * 200);
    for (took, kinds_lost) in [(MS * 100, vec![]), (MS * 60_000, vec!["rerank_deadline"])] {
        let retriever = retriever(&MENU).await.with_reranker(Does(took, REVERSED));
        let start = Instant::now();
        let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
        assert!(start.elapsed() <= MS * 200, "{:?}", start.elapsed());
        assert_eq!(kinds(&found), kinds_lost);
        assert_eq!(ids(&found) == ids(&fused), !kinds_lost.is_empty());
        let step = found.timings.iter().find(|timing| timing.step == Step::Rerank).unwrap();
        assert_eq!(step.completed, kinds_lost.is_empty());
    }
    // Without a deadline, a second, or what was set.
    for (set, wait) in [(None, MS * 1_000), (Some(MS * 70), MS * 70)] {
        let retriever = retriever(&MENU).await.with_reranker(Does(MS * 60_000, REVERSED));
        let retriever = set.into_iter().fold(retriever, Retriever::with_rerank_deadline);
        let start = Instant::now();
        let found = retriever.retrieve(QUESTION).await.unwrap();
        assert_eq!((start.elapsed(), ids(&found)), (wait, ids(&fused)));
        assert_eq!(found.outcome.word(), "asked_only");
    }
}

#[tokio::test]
async fn whatever_it_does_the_fused_order_stands_and_it_is_told() {
    let fused = retriever(&MENU).await.retrieve(QUESTION).await.unwrap();
    let does: [(Scores, &str); 6] = [
        (|_| Err(RerankError::failed("is out of order")), "is out of order"),
        (|_| panic!("this panic is part of a test"), "crashed"),
        (|count| Ok(vec![1.0; count - 1]), "3 scores for 4 passages"),
        (|count| Ok(vec![1.0; count + 1]), "5 scores for 4 passages"),
        (|count| Ok(vec![f32::NAN; count]), "not a finite number"),
        (|count| Ok(vec![f32::INFINITY; count]), "not a finite number"),
    ];
    for (does, said) in does {
        let retriever = retriever(&MENU).await.with_reranker(Does(Duration::ZERO, does));
        let found = retriever.retrieve(QUESTION).await.unwrap();
        assert_eq!((kinds(&found), ids(&found)), (vec!["rerank_failed"], ids(&fused)), "{said}");
        assert!(found.hits.iter().all(|hit| hit.reranked.is_none()));
        let [Degradation::Rerank(error)] = &found.degradations[..] else { panic!("{:?}", found.degradations) };
        assert!(error.to_string().contains(said), "{error}");
    }
    // Equal scores are no order: the fused one stands, too, and nothing is lost.
    let same = retriever(&MENU).await.with_reranker(Does(Duration::ZERO, |count| Ok(vec![0.5; count])));
    let found = same.retrieve(QUESTION).await.unwrap();
    assert_eq!((kinds(&found), ids(&found)), (vec![], ids(&fused)));
}

#[tokio::test]
async fn elsewhere_is_not_asked_by_who_may_not_leave_this_host() {
    let reranker = Arc::new(Shortest::default());
    let retriever = retriever(&MENU).await.with_reranker(Arc::clone(&reranker) as Arc<dyn Reranker>);
    let found = retriever.with_scope(Scope::new("tenant").local_only()).retrieve(QUESTION).await.unwrap();
    assert!(reranker.asked().is_empty() && found.hits.iter().all(|hit| hit.reranked.is_none()));
}

#[tokio::test]
async fn of_nothing_is_not_asked() {
    let reranker = Arc::new(Shortest::default());
    let retriever = retriever(&[]).await.with_reranker(Arc::clone(&reranker) as Arc<dyn Reranker>);
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert!(found.hits.is_empty() && reranker.asked().is_empty());
}
