//! Thresholds, groups, diversity and selection through the whole pipeline, and the order in which they come.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use asktwice::{
    Error, Event, Legs, Passage, Question, RerankChoice, RetrieveOptions, StoreError, VectorStore,
    ranking::PointId,
    refine::{Group, Mmr, Selection, Threshold},
    rewrite::RecordedRewriter,
    search::{Channel, CollectionInfo, MemoryStore, ScrollPage, ScrollRequest, Search},
};
use async_trait::async_trait;
use futures::TryStreamExt as _;

use super::*;

const MENU: [(&str, &[&str]); 4] = [
    ("late", &["late food", "late food again and again", "food that came late to us"]),
    ("cold", &["cold food", "food was cold, soup too"]),
    ("money", &["money back", "late money"]),
    ("other", &["something else entirely"]),
];

fn options() -> RetrieveOptions {
    RetrieveOptions::default()
}

/// Notes how often passages are fetched, and how many; and fails where it is told to.
#[derive(Debug, Default)]
struct Watched {
    inner: MemoryStore,
    fetches: Mutex<Vec<usize>>,
    fails: bool,
}

impl Watched {
    fn broken(&self) -> Result<(), StoreError> {
        let error = || StoreError::Unavailable { place: "here".into(), problem: "is down".into(), source: None };
        if self.fails { Err(error()) } else { Ok(()) }
    }
}

#[async_trait]
impl VectorStore for Watched {
    async fn search(&self, search: Search) -> Result<asktwice::Ranking, StoreError> {
        self.inner.search(search).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        self.fetches.lock().unwrap().push(ids.len());
        self.inner.fetch(ids).await
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.broken()?;
        self.inner.vectors(ids).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.broken()?;
        self.inner.scroll(request).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.inner.info().await
    }
}

async fn watched(of: &[(&str, &[&str])], fails: bool) -> (Arc<Watched>, Retriever) {
    let store = Watched { fails, ..Watched::default() };
    fill(&store.inner, passages(of)).await;
    let store = Arc::new(store);
    (Arc::clone(&store), over(store))
}

#[tokio::test]
async fn a_native_threshold_drops_what_a_leg_found_too_low() {
    let retriever = retriever(&MENU).await;
    let all = retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!(all.hits.len(), 8);
    let options = options().with_threshold(Threshold::default().with_dense(0.5));
    let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
    let dense = found.legs.iter().position(|leg| leg.channel == Channel::Dense).unwrap();
    let scores = |found: &Retrieval| {
        let by = found.hits.iter().flat_map(|hit| hit.found_by.clone());
        by.filter(|by| by.leg == dense).map(|by| by.score).collect::<Vec<_>>()
    };
    assert!(scores(&all).iter().any(|score| *score < 0.5) && scores(&found).iter().all(|score| *score >= 0.5));
    assert_eq!(found.legs[dense].found, scores(&all).iter().filter(|score| **score >= 0.5).count());
    // What the words found is not touched.
    assert_eq!(found.legs[1 - dense], all.legs[1 - dense]);
    assert_eq!(found.degradations.len(), 0);
}

#[tokio::test]
async fn a_lexical_threshold_can_leave_the_embeddings_alone() {
    let retriever = retriever(&MENU).await;
    let options = options().with_threshold(Threshold::default().with_bm25(1_000.0));
    let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
    let counts: Vec<_> = found.legs.iter().map(|leg| (leg.channel, leg.found)).collect();
    assert_eq!(counts, [(Channel::Dense, 8), (Channel::Bm25, 0)]);
}

#[tokio::test]
async fn a_normalised_threshold_drops_hits() {
    let retriever = retriever(&MENU).await;
    let all = retriever.retrieve(QUESTION).await.unwrap();
    let least = all.hits[2].normalised;
    let options = options().with_threshold(Threshold::default().with_normalised(least));
    let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
    assert_eq!(found.hits, all.hits.into_iter().filter(|hit| hit.normalised >= least).collect::<Vec<_>>());
    assert!((3..8).contains(&found.hits.len()));
}

#[tokio::test]
async fn groups_fill_up_to_the_limit_however_long_the_first_document_is() {
    let long: Vec<String> = (0..60).map(|n| format!("late food {}", "again ".repeat(n % 7))).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let menu = [("long", long.as_slice()), MENU[0], MENU[1], MENU[2]];
    let (store, retriever) = watched(&menu, false).await;
    let documents =
        |found: &Retrieval| -> Vec<String> { found.hits.iter().map(|hit| hit.passage.document_id.clone()).collect() };
    let grouped = options().with_limit(3).with_group(Group::best());
    let found = retriever.retrieve_with(QUESTION, &grouped).await.unwrap();
    // The first fetch was not enough, and nothing was fetched twice.
    let fetches = store.fetches.lock().unwrap().clone();
    assert!(fetches.len() > 1 && fetches.iter().sum::<usize>() <= 67, "{fetches:?}");
    let mut order = documents(&retriever.retrieve_with(QUESTION, &options().with_limit(67)).await.unwrap());
    let mut seen = HashSet::new();
    order.retain(|document| seen.insert(document.clone()));
    assert_eq!((order[0].as_str(), order.len(), documents(&found)), ("long", 4, order[..3].to_vec()));

    let two = retriever.retrieve_with(QUESTION, &options().with_limit(2).with_group(Group::of(2))).await.unwrap();
    assert_eq!(documents(&two), [&order[0], &order[0], &order[1], &order[1]].map(Clone::clone));
    let next = options().with_limit(2).with_offset(1).with_group(Group::best());
    assert_eq!(ids(&retriever.retrieve_with(QUESTION, &next).await.unwrap()), ids(&found)[1..]);
}

#[tokio::test]
async fn a_plain_call_fetches_once_and_no_more_than_it_returns() {
    let (store, retriever) = watched(&MENU, false).await;
    let found = retriever.retrieve_with(QUESTION, &options().with_limit(3).with_offset(2)).await.unwrap();
    assert_eq!((found.hits.len(), store.fetches.lock().unwrap().as_slice()), (3, [3].as_slice()));
    let diverse = options().with_limit(3).with_mmr(Mmr::new(0.5));
    retriever.retrieve_with(QUESTION, &diverse).await.unwrap();
    assert_eq!(store.fetches.lock().unwrap().as_slice(), [3, 3]);
}

#[tokio::test]
async fn diversity_brings_something_else() {
    let menu: [(&str, &[&str]); 2] =
        [("same", &["late food", "late food", "late food"]), ("else", &["late parcel", "cold soup"])];
    let retriever = retriever(&menu).await;
    let plain = retriever.retrieve_with(QUESTION, &options().with_limit(3)).await.unwrap();
    assert!(plain.hits.iter().all(|hit| hit.passage.document_id == "same"));
    let diverse = options().with_limit(3).with_mmr(Mmr::new(0.9));
    let diverse = retriever.retrieve_with(QUESTION, &diverse).await.unwrap();
    assert_eq!(diverse.hits[0].passage.id, plain.hits[0].passage.id);
    assert_eq!(diverse.hits.iter().filter(|hit| hit.passage.document_id == "else").count(), 2);
    let none = options().with_limit(3).with_mmr(Mmr::new(0.0));
    assert_eq!(retriever.retrieve_with(QUESTION, &none).await.unwrap().hits, plain.hits);
}

#[tokio::test]
async fn each_step_works_on_what_the_one_before_it_left() {
    let retriever = retriever(&MENU).await.with_reranker(Shortest::default());
    // Reranked, the shortest of each document is its best.
    let found = retriever.retrieve_with(QUESTION, &options().with_group(Group::best())).await.unwrap();
    assert_eq!(ids(&found), ["late#0", "cold#0", "money#1", "other#0"]);
    // What a threshold dropped is not reranked.
    let best = retriever.retrieve_with(QUESTION, &options().with_rerank(RerankChoice::None)).await.unwrap();
    let few = options().with_threshold(Threshold::default().with_normalised(best.hits[2].normalised));
    let few = retriever.retrieve_with(QUESTION, &few).await.unwrap();
    assert!(few.hits.len() < 8 && few.hits.is_sorted_by(|a, b| a.reranked >= b.reranked));
    // Diversity weighs the reranker's scores, not the fused ones.
    let spread = options().with_limit(1).with_mmr(Mmr::new(1.0));
    assert_eq!(ids(&retriever.retrieve_with(QUESTION, &spread).await.unwrap()), ["late#0"]);
}

#[tokio::test]
async fn what_a_selection_leaves_out_does_not_come_back() {
    let store = MemoryStore::new();
    let serde_json::Value::Object(payload) = serde_json::json!({"topic": "food", "secret": 7}) else { panic!() };
    fill(&store, vec![Passage::new("a", "late food").with_title("Late").with_payload(payload)]).await;
    // A rewriter, so that the hits come by way of the question's own.
    let retriever = over(store).with_rewriter(RecordedRewriter::from_pairs([(QUESTION, ["late dinner"])]));
    let chosen = options().with_payload(Selection::Exclude(vec!["secret".to_owned()]));
    let found = retriever.retrieve_with(QUESTION, &chosen).await.unwrap();
    assert_eq!(found.variants.len(), 2);
    assert_eq!(serde_json::Value::Object(found.hits[0].passage.payload.clone()), serde_json::json!({"topic": "food"}));
    assert_eq!(found.hits[0].passage.title, "Late");
    let events = retriever.stream(Question::new(QUESTION).unwrap(), chosen);
    let events: Vec<Event> = events.try_collect().await.unwrap();
    assert!(!serde_json::to_string(&events).unwrap().contains("secret"));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_costs_no_hit() {
    let (_, retriever) = watched(&MENU, true).await;
    let plain = retriever.retrieve(QUESTION).await.unwrap();
    let wanted = options().with_mmr(Mmr::new(0.9)).with_neighbours(1);
    let found = retriever.retrieve_with(QUESTION, &wanted).await.unwrap();
    assert_eq!((ids(&found), kinds(&found)), (ids(&plain), vec!["diversity_lost", "neighbours_lost"]));
    assert!(found.degradations[0].to_string().contains("not diversified"));
}

#[tokio::test]
async fn choices_that_contradict_themselves_are_named() {
    let retriever = retriever(&MENU).await;
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let threshold = Threshold::default();
    for (options, named) in [
        (options().with_threshold(threshold.with_normalised(1.5)), "threshold.normalised"),
        (options().with_threshold(threshold.with_normalised(f64::NAN)), "threshold.normalised"),
        (options().with_threshold(threshold.with_dense(2.0)), "threshold.dense"),
        (options().with_threshold(threshold.with_bm25(-1.0)), "threshold.bm25"),
        (options().with_threshold(threshold.with_bm25(1.0)).with_legs(Legs::Dense), "threshold.bm25"),
        (options().with_threshold(threshold.with_dense(0.1)).with_legs(Legs::Bm25), "threshold.dense"),
        (options().with_rerank(RerankChoice::Depth(0)), "rerank"),
        (options().with_mmr(Mmr::new(1.1)), "mmr.diversity"),
        (options().with_mmr(Mmr::new(f64::NAN)), "mmr.diversity"),
        (options().with_mmr(Mmr::new(0.5).with_candidates(9)), "mmr.candidates"),
        (options().with_group(Group::of(0)), "group"),
        (options().with_neighbours(1_000), "neighbours"),
        (options().with_payload(Selection::Include(vec![])), "payload"),
        (options().with_payload(Selection::Exclude(fields(&["text"]))), "payload"),
    ] {
        let error = retriever.retrieve_with(QUESTION, &options).await.unwrap_err();
        assert!(matches!(&error, Error::Settings { setting, .. } if setting == named), "{named}: {error}");
    }
}
