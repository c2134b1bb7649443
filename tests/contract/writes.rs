//! Preparing, writing and deleting.

use asktwice::search::{PayloadKind, ScrollRequest};
use serde_json::json;

use super::*;

pub async fn a_collection_that_is_not_there_is_missing(store: &dyn VectorStoreWriter) {
    assert_eq!(store.info().await.unwrap(), None);
    let id = PointId::of("a");
    let filter = Filter::equals("topic", "refunds");
    let errors = [
        store.search(search(3)).await.unwrap_err(),
        store.fetch(&[id]).await.unwrap_err(),
        store.vectors(&[id]).await.unwrap_err(),
        store.scroll(ScrollRequest::new(3)).await.unwrap_err(),
        store.search(Search::bm25(SparseVector::default(), 3)).await.unwrap_err(),
        store.upsert(vec![(Passage::new("a", "text"), at(0.0).into())]).await.unwrap_err(),
        store.delete(&[id]).await.unwrap_err(),
        store.delete_matching(&filter).await.unwrap_err(),
        store.index_payload("topic", PayloadKind::Keyword).await.unwrap_err(),
    ];
    let batch = store.search_batch(vec![search(3), search(0)]).await;
    assert_eq!(batch.len(), 2);
    for error in errors.into_iter().chain(batch.into_iter().map(Result::unwrap_err)) {
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    }
    assert_eq!(store.info().await.unwrap(), None);
}

pub async fn preparing_again_changes_nothing(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    let info = store.info().await.unwrap().unwrap();
    assert_eq!((info.passages, info.dimension, info.identity), (0, DIMENSION, Some(identity())));
    assert_eq!(info.bm25, None);
    fill(store, [Passage::new("a", "text")]).await;
    store.prepare(&identity()).await.unwrap();
    assert_eq!(count(store).await, 1);
}

pub async fn another_passage_side_is_refused(store: &dyn VectorStoreWriter) {
    fill(store, [Passage::new("a", "text")]).await;
    let mut prefixed = identity();
    "passage: ".clone_into(&mut prefixed.passage_prefix);
    let others = [
        (Identity::new("a model for tests", "other weights", DIMENSION), "weights"),
        (Identity::new("a model for tests", "its weights", DIMENSION + 1), "dimension"),
        (prefixed, "passage prefix"),
    ];
    for (other, wanted) in others {
        let error = store.prepare(&other).await.unwrap_err();
        assert!(matches!(error, StoreError::Identity { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    // The model's name is for people: the weights are what counts.
    store.prepare(&Identity::new("renamed", "its weights", DIMENSION)).await.unwrap();
    assert_eq!(store.info().await.unwrap().unwrap().identity, Some(identity()));
    assert_eq!(count(store).await, 1);
}

pub async fn another_dimension_is_refused(store: &dyn VectorStoreWriter) {
    fill(store, [Passage::new("a", "text")]).await;
    for vector in [vec![], vec![1.0; DIMENSION - 1], vec![1.0; DIMENSION + 1]] {
        let given = vector.len();
        let searched = store.search(Search::dense(vector.clone(), 3)).await.unwrap_err();
        let written = store.upsert(vec![(Passage::new("b", "text"), vector.into())]).await.unwrap_err();
        for error in [searched, written] {
            let StoreError::Dimension { stored, given: said, .. } = error else { panic!("{error}") };
            assert_eq!((stored, said), (DIMENSION, given));
        }
    }
    assert_eq!(found(store, 3, None).await, ["a"]);
}

pub async fn an_upsert_replaces(store: &dyn VectorStoreWriter) {
    let old = Passage::new("a", "old").with_title("Old").with_payload(payload(json!({"x": 1, "y": 1})));
    fill(store, [old, Passage::new("b", "other")]).await;
    let new = Passage::new("a", "new").with_payload(payload(json!({"x": 2})));
    store.upsert(vec![(new.clone(), at(45.0).into())]).await.unwrap();
    assert_eq!(fetch_one(store, "a").await, Some(new));
    assert_eq!(found(store, 3, None).await, ["b", "a"]);
    assert_eq!(count(store).await, 2);
}

pub async fn the_last_of_equal_ids_stays(store: &dyn VectorStoreWriter) {
    fill(store, [Passage::new("a", "first"), Passage::new("b", "other"), Passage::new("a", "last")]).await;
    assert_eq!(fetch_one(store, "a").await.unwrap().text, "last");
    assert_eq!(found(store, 3, None).await, ["b", "a"]);
    assert_eq!(count(store).await, 2);
}

pub async fn passages_are_deleted_by_id(store: &dyn VectorStoreWriter) {
    fill(store, ["a", "b", "c"].map(|id| Passage::new(id, "text"))).await;
    store.delete(&[PointId::of("b"), PointId::of("never there")]).await.unwrap();
    store.delete(&[]).await.unwrap();
    assert_eq!(found(store, 3, None).await, ["a", "c"]);
    assert_eq!(fetch_one(store, "b").await, None);
    store.upsert(vec![(Passage::new("b", "again"), at(0.5).into())]).await.unwrap();
    assert_eq!(found(store, 3, None).await, ["a", "b", "c"]);
}

pub async fn passages_are_deleted_by_filter(store: &dyn VectorStoreWriter) {
    let cut = |id: &str, document: &str, position| Passage::new(id, "text").cut_from(document, position);
    fill(store, [cut("1", "one", 0), cut("2", "two", 0), cut("3", "one", 1)]).await;
    store.delete_matching(&Filter::equals("document_id", "nothing has this")).await.unwrap();
    assert_eq!(count(store).await, 3);
    store.delete_matching(&Filter::equals("document_id", "one")).await.unwrap();
    assert_eq!(found(store, 3, None).await, ["2"]);
    assert_eq!(count(store).await, 1);
}

pub async fn an_index_may_be_built_again(store: &dyn VectorStoreWriter) {
    let topic = |id: &str, topic: &str| Passage::new(id, "text").with_payload(payload(json!({ "topic": topic })));
    fill(store, [topic("a", "refunds"), topic("b", "delivery")]).await;
    for _ in 0..2 {
        store.index_payload("topic", PayloadKind::Keyword).await.unwrap();
        store.index_payload("author.name", PayloadKind::Keyword).await.unwrap();
        store.optimize().await.unwrap();
    }
    store.upsert(vec![(topic("c", "refunds"), at(2.0).into())]).await.unwrap();
    assert_eq!(found(store, 3, Some(Filter::equals("topic", "refunds"))).await, ["a", "c"]);
    let error = store.index_payload("no path", PayloadKind::Keyword).await.unwrap_err();
    assert!(matches!(error, StoreError::Request { .. }), "{error}");
}

pub async fn a_thousand_passages_fit(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    let many = (0..1_000).map(|n| (Passage::new(n.to_string(), "text ".repeat(200)), at(n as f32 / 20.0).into()));
    store.upsert(many.collect()).await.unwrap();
    assert_eq!(count(store).await, 1_000);
    assert_eq!(found(store, 3, None).await, ["0", "1", "2"]);
    let ids: Vec<_> = (0..1_000).rev().map(|n: u32| PointId::of(&n.to_string())).collect();
    let fetched: Vec<_> = store.fetch(&ids).await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(fetched, ids);
    store.optimize().await.unwrap();
    assert_eq!(found(store, 3, None).await, ["0", "1", "2"]);
}

pub async fn searches_run_during_upserts(store: &dyn VectorStoreWriter) {
    fill(store, [Passage::new("first", "text")]).await;
    let write = async {
        for batch in 0..20 {
            let passages = (0..20).map(|n| (Passage::new(format!("{batch}-{n}"), "text"), at(45.0).into())).collect();
            store.upsert(passages).await.unwrap();
        }
    };
    let read = |_| async {
        for _ in 0..20 {
            assert_eq!(found(store, 1, None).await, ["first"]);
        }
    };
    futures::join!(write, futures::future::join_all((0..4).map(read)));
    assert_eq!(count(store).await, 401);
}
