//! A new collection in the place of the old one.

use asktwice::search::{ScrollRequest, Succession, Successor, VectorStore as _};

use super::*;

const PASSAGES: usize = 300;

async fn write(successor: &Successor, name: &str) {
    let passage = |n: usize| (Passage::new(format!("{name}/{n}"), "text"), both(n as f32 / 10.0, words([(1, 1.0)])));
    successor.store().upsert((0..PASSAGES).map(passage).collect()).await.unwrap();
}

fn side() -> Identity {
    identity().with_bm25("words by their numbers")
}

/// Which collection answers: every hit has to be of the same.
async fn who_answers(store: &dyn VectorStoreWriter) -> &'static str {
    let of = |name: &str| (0..PASSAGES).map(|n| PointId::of(&format!("{name}/{n}"))).collect::<Vec<_>>();
    let found: Vec<_> = find(store, PASSAGES, None).await.unwrap().entries().iter().map(|entry| entry.id).collect();
    let names = ["old", "new"];
    let same = |name: &&str| {
        let (mut found, mut all) = (found.clone(), of(name));
        found.sort_unstable();
        all.sort_unstable();
        found == all
    };
    names.into_iter().find(same).unwrap_or_else(|| panic!("neither the old nor the new one: {found:?}"))
}

pub async fn a_successor_takes_over_in_one_step(store: &dyn VectorStoreWriter) {
    let first = store.successor(&side()).await.unwrap();
    write(&first, "old").await;
    assert_eq!(store.info().await.unwrap(), None, "nobody finds it yet");
    assert_eq!(first.take_over().await.unwrap(), Succession::Done);
    assert_eq!(who_answers(store).await, "old");

    let second = store.successor(&side()).await.unwrap();
    write(&second, "new").await;
    assert_eq!(who_answers(store).await, "old");
    let searching = async {
        let mut searches = 0;
        while who_answers(store).await == "old" {
            searches += 1;
        }
        searches
    };
    let (taken, searches) = tokio::join!(second.take_over(), searching);
    assert_eq!(taken.unwrap(), Succession::Done);
    println!("{searches} searches of the old one while the new one took over");
    assert_eq!(who_answers(store).await, "new");
    assert_eq!(count(store).await, PASSAGES as u64);

    // It is written like any other.
    store.prepare(&side()).await.unwrap();
    store.delete(&[PointId::of("new/0")]).await.unwrap();
    assert_eq!(count(store).await, PASSAGES as u64 - 1);
}

pub async fn a_successor_may_be_of_another_passage_side(store: &dyn VectorStoreWriter) {
    let first = store.successor(&side()).await.unwrap();
    write(&first, "old").await;
    first.take_over().await.unwrap();
    let other = Identity::new("another model", "other weights", DIMENSION + 1);
    let second = store.successor(&other).await.unwrap();
    second.store().upsert(vec![(Passage::new("a", "text"), vec![1.0; DIMENSION + 1].into())]).await.unwrap();
    assert_eq!(who_answers(store).await, "old");
    second.take_over().await.unwrap();
    let info = store.info().await.unwrap().unwrap();
    assert_eq!((info.identity, info.passages), (Some(other.clone()), 1));
    let wide = Search::dense(vec![1.0; DIMENSION + 1], 3);
    assert_eq!(store.search(wide).await.unwrap().len(), 1);
    let narrow = find(store, 3, None).await.unwrap_err();
    assert!(matches!(narrow, StoreError::Dimension { .. }), "{narrow}");
    store.prepare(&other).await.unwrap();
    let refused = store.prepare(&side()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Identity { .. }), "{refused}");
}

/// What a store promises that outlives its process.
async fn an_unfinished_one_goes_on(store: &dyn VectorStoreWriter) {
    write(&store.successor(&side()).await.unwrap(), "new").await;
    let again = store.successor(&side()).await.unwrap();
    assert_eq!(again.store().info().await.unwrap().unwrap().passages, PASSAGES as u64);
    drop(again);
    let other = store.successor(&Identity::new("another model", "other weights", DIMENSION)).await.unwrap();
    assert_eq!(other.store().info().await.unwrap().unwrap().passages, 0);
    assert!(other.store().scroll(ScrollRequest::new(1)).await.unwrap().points.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_successor_goes_on_or_begins_anew() {
    for made in [embedded().await, qdrant_through_the_front().await, qdrant_server().await] {
        run(made, |store| async move { an_unfinished_one_goes_on(&*store).await }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_server_only_an_alias_is_switched_and_what_it_named_goes() {
    let front = Front::start().await;
    let store = QdrantStore::connect(&front.url, "plain").unwrap();
    store.prepare(&side()).await.unwrap();
    let refused = store.successor(&side()).await.unwrap_err().to_string();
    assert!(refused.contains("`plain` is a collection") && refused.contains("plain-live"), "{refused}");

    let store = QdrantStore::connect(&front.url, "notes").unwrap();
    for name in ["old", "new"] {
        let successor = store.successor(&side()).await.unwrap();
        write(&successor, name).await;
        successor.take_over().await.unwrap();
    }
    let of = |name: &str| QdrantStore::connect(&front.url, name).unwrap();
    assert_eq!(of("notes-000001").info().await.unwrap(), None);
    assert_eq!(of("notes-000002").info().await.unwrap().unwrap().passages, PASSAGES as u64);
    assert_eq!(who_answers(&store).await, "new");
    // A client that was there all the time needs nothing of this.
    assert_eq!(who_answers(&of("notes")).await, "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_fails_leaves_the_old_one_and_can_be_done_again() {
    let front = Front::start().await;
    let store = QdrantStore::connect(&front.url, "notes").unwrap();
    let first = store.successor(&side()).await.unwrap();
    write(&first, "old").await;
    first.take_over().await.unwrap();
    let second = store.successor(&side()).await.unwrap();
    write(&second, "new").await;
    front.set(|behaviour| behaviour.statuses = vec![tonic::Status::internal("a test's failure")]);
    second.take_over().await.unwrap_err();
    assert_eq!(who_answers(&store).await, "old");
    store.successor(&side()).await.unwrap().take_over().await.unwrap();
    assert_eq!(who_answers(&store).await, "new");
}
