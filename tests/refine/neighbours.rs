//! What stands before and after a hit, over every store: it takes a filter that each engine has to understand.

use asktwice::{
    RetrieveOptions, Scope,
    refine::Selection,
    search::{EdgeStore, Filter, QdrantStore},
};

use super::*;
use crate::support::front::Front;

const BOOK: [(&str, &[&str]); 3] = [
    ("book", &["the beginning", "a middle", "late food", "another middle", "the end"]),
    ("note", &["late food too", "nothing"]),
    ("page", &["late food alone"]),
];

fn neighbours<'a>(found: &'a Retrieval, of: &str) -> Vec<&'a str> {
    let hit = found.hits.iter().find(|hit| hit.passage.id == of).unwrap();
    hit.neighbours.iter().map(|passage| passage.id.as_str()).collect()
}

async fn promises(store: impl VectorStoreWriter + 'static) {
    let passages = passages(&BOOK).into_iter().map(|passage| {
        let serde_json::Value::Object(payload) = serde_json::json!({"even": passage.position % 2 == 0}) else {
            panic!()
        };
        passage.with_payload(payload)
    });
    fill(&store, passages.collect()).await;
    let retriever = over(store);
    let options = RetrieveOptions::default().with_limit(3).with_neighbours(1);
    let found = retriever.retrieve_with(QUESTION, &options).await.unwrap();
    assert_eq!(kinds(&found), Vec::<&str>::new());
    assert_eq!(neighbours(&found, "book#2"), ["book#1", "book#3"]);
    assert_eq!(neighbours(&found, "note#0"), ["note#1"]);
    assert!(neighbours(&found, "page#0").is_empty());
    assert_eq!(found.hits.len(), 3, "neighbours are no hits");

    let wide = retriever.retrieve_with(QUESTION, &options.clone().with_neighbours(32)).await.unwrap();
    assert_eq!(neighbours(&wide, "book#2"), ["book#0", "book#1", "book#3", "book#4"]);
    // What may not be found is not shown beside a hit, either.
    let scope = Scope::new("tenant").with_filter(Filter::equals("even", true));
    let scoped = retriever.with_scope(scope).retrieve_with(QUESTION, &options.with_neighbours(2)).await.unwrap();
    assert_eq!(neighbours(&scoped, "book#2"), ["book#0", "book#4"]);
    assert!(neighbours(&scoped, "note#0").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stand_beside_the_hits_in_memory() {
    promises(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stand_beside_the_hits_of_the_embedded_engine() {
    let folder = tempfile::tempdir().unwrap();
    promises(EdgeStore::open(folder.path().join("neighbours")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stand_beside_the_hits_over_the_wire() {
    let front = Front::start().await;
    promises(QdrantStore::connect(&front.url, "neighbours").unwrap()).await;
}

#[tokio::test]
async fn of_many_documents_are_all_found() {
    let texts: [&[&str]; 1] = [&["late food", "after it"]];
    let names: Vec<String> = (0..80).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), texts[0])).collect();
    let options = RetrieveOptions::default().with_limit(80).with_neighbours(1).with_payload(Selection::None);
    let found = retriever(&many).await.retrieve_with("late food", &options).await.unwrap();
    assert_eq!(found.hits.len(), 80);
    for hit in &found.hits {
        let other = format!("{}#{}", hit.passage.document_id, 1 - hit.passage.position);
        assert_eq!(neighbours(&found, &hit.passage.id), [other]);
    }
}
