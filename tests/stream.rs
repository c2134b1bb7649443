//! The event stream: the question's own hits at once, then each variant, the fused hits and the account.

use std::time::Duration;

use asktwice::{
    Embedder as _, Event, Passage, Question, RetrieveOptions, Retriever, VectorStoreWriter as _,
    retrieval::Origin,
    retriever::FeedbackUse,
    rewrite::{Feedback, RecordedRewriter},
    search::MemoryStore,
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::support::embedder::{HashEmbedder, vector};

const QUESTION: &str = "late food";
const REWRITE: &str = "late order delayed";

async fn store() -> MemoryStore {
    let store = MemoryStore::new();
    store.prepare(HashEmbedder::new().identity()).await.unwrap();
    let passages = ["late food", "an order that is delayed", "something else"];
    let passages = passages.map(|text| (Passage::new(text, text), vector(text).into()));
    store.upsert(passages.into()).await.unwrap();
    store
}

fn question() -> Question {
    Question::new(QUESTION).unwrap()
}

fn rewriter(latency: Duration) -> RecordedRewriter {
    RecordedRewriter::from_pairs([(QUESTION, [REWRITE])]).with_latency(latency)
}

#[tokio::test]
async fn the_questions_own_hits_come_while_the_model_writes() {
    let retriever = Retriever::new(HashEmbedder::new(), store().await).with_rewriter(rewriter(Duration::from_secs(60)));
    let retriever = retriever.with_rewrite_deadline(Duration::from_secs(60));
    let mut events = retriever.stream(question(), RetrieveOptions::default());
    let first = tokio::time::timeout(Duration::from_secs(10), events.next()).await.unwrap().unwrap().unwrap();
    let Event::Asked { hits } = first else { panic!("{first:?}") };
    assert_eq!(hits[0].passage.id, "late food");
}

#[tokio::test]
async fn the_stream_ends_with_what_retrieve_returns() {
    let retriever =
        Retriever::new(HashEmbedder::new(), store().await).with_rewriter(rewriter(Duration::from_millis(50)));
    let events: Vec<Event> =
        retriever.stream(question(), RetrieveOptions::default().with_limit(2)).try_collect().await.unwrap();
    let [Event::Asked { hits: asked }, Event::Variant { variant, found }, Event::Fused { hits, changes }, done] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    let Event::Done { retrieval } = done else { panic!("{done:?}") };
    assert_eq!((variant.text(), variant.origin, found.len()), (REWRITE, Origin::Rewrite, 1));
    assert_eq!(hits, &retrieval.hits);
    let plain = retriever.retrieve_with(QUESTION, &RetrieveOptions::default().with_limit(2)).await.unwrap();
    assert_eq!(hits, &plain.hits);
    // What changed is told relative to the question's own hits.
    assert_eq!(asked[0].passage.id, "late food");
    for change in changes {
        assert_eq!(change.fused, hits.iter().position(|hit| hit.passage.id == change.id).map(|at| at + 1));
        assert_eq!(change.asked, asked.iter().position(|hit| hit.passage.id == change.id).map(|at| at + 1));
        assert_ne!(change.asked, change.fused);
    }
    let json = serde_json::to_value(&events).unwrap();
    let words: Vec<&str> = json.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["asked", "variant", "fused", "done"]);
}

#[tokio::test]
async fn an_error_is_the_last_item() {
    let retriever = Retriever::new(HashEmbedder::new(), MemoryStore::new());
    let mut events = retriever.stream(question(), RetrieveOptions::default());
    assert!(events.next().await.unwrap().is_err());
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn feedback_takes_the_place_of_a_rewrite_that_is_missing() {
    let retriever = Retriever::new(HashEmbedder::new(), store().await)
        .with_feedback(FeedbackUse::InsteadOfRewrite(Feedback::Average { top: 1 }));
    let found = retriever.retrieve(QUESTION).await.unwrap();
    assert_eq!((found.outcome.word(), found.degradations.len()), ("asked_only", 0));
    assert_eq!((found.variants.len(), found.variants[1].origin, found.legs.len()), (2, Origin::Feedback, 2));
    // Where there is a rewrite, none is needed.
    let found = retriever.with_rewriter(rewriter(Duration::ZERO)).retrieve(QUESTION).await.unwrap();
    assert_eq!((found.outcome.word(), found.variants.len()), ("full", 2));
    assert_eq!(found.variants[1].origin, Origin::Rewrite);
}
