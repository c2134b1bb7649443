//! Rankings: their order and their length.

use super::*;

pub async fn the_nearest_come_first(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    // Of any length: only the direction counts.
    let place = |id: &str, angle: f32, length: f32| {
        (Passage::new(id, "text"), at(angle).into_iter().map(|x| x * length).collect::<Vec<_>>().into())
    };
    let places =
        [("far", 80.0, 9.0), ("same", 0.0, 0.1), ("behind", 180.0, 5.0), ("near", 10.0, 3.0), ("across", 90.0, 1.0)];
    store.upsert(places.map(|(id, angle, length)| place(id, angle, length)).into()).await.unwrap();
    assert_eq!(found(store, 9, None).await, ["same", "near", "far", "across", "behind"]);

    let ranking = store.search(search(9)).await.unwrap();
    let wanted = [0.0_f32, 10.0, 80.0, 90.0, 180.0].map(|angle| angle.to_radians().cos());
    for (entry, wanted) in ranking.entries().iter().zip(wanted) {
        assert!((entry.score - wanted).abs() < 1e-5, "{entry:?} {wanted}");
    }
    let longer = store.search(Search::dense(vec![7.0, 0.0, 0.0, 0.0], 9)).await.unwrap();
    let ids = |ranking: &Ranking| ranking.entries().iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(&longer), ids(&ranking));
}

pub async fn depth_bounds_a_ranking(store: &dyn VectorStoreWriter) {
    fill(store, ["a", "b", "c"].map(|id| Passage::new(id, "text"))).await;
    for (depth, wanted) in [(0, 0), (1, 1), (2, 2), (3, 3), (1_000, 3)] {
        assert_eq!(store.search(search(depth)).await.unwrap().len(), wanted, "depth {depth}");
    }
}

pub async fn equal_scores_are_ordered_by_id(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    let same = (0..20).map(|n| (Passage::new(n.to_string(), "text"), at(30.0).into()));
    store.upsert(same.collect()).await.unwrap();
    let ranking = store.search(search(20)).await.unwrap();
    let ids: Vec<_> = ranking.entries().iter().map(|entry| entry.id).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted);
    assert_eq!(ids.len(), 20);
}

pub async fn an_empty_collection_finds_nothing(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    assert!(store.search(search(3)).await.unwrap().is_empty());
    assert!(store.fetch(&[]).await.unwrap().is_empty());
    assert!(store.fetch(&[PointId::of("a")]).await.unwrap().is_empty());
}

pub async fn a_batch_finds_what_its_searches_find(store: &dyn VectorStoreWriter) {
    fill(store, (0..20).map(|n| Passage::new(n.to_string(), "text").cut_from(format!("{}", n % 2), n))).await;
    let odd = Filter::equals("document_id", "1");
    let searches = vec![
        search(3),
        search(0),
        Search::dense(at(19.0), 5),
        search(100),
        Search::dense(at(19.0), 4).with_filter(odd),
        search(3),
    ];
    let mut alone = vec![];
    for search in searches.clone() {
        alone.push(store.search(search).await.unwrap());
    }
    assert_eq!(alone.iter().map(Ranking::len).collect::<Vec<_>>(), [3, 0, 5, 20, 4, 3]);
    let together: Vec<_> = store.search_batch(searches).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(together, alone);
    let one = store.search_batch(vec![search(3)]).await;
    assert_eq!(one.into_iter().map(Result::unwrap).collect::<Vec<_>>(), alone[..1]);
}

pub async fn an_empty_batch_finds_nothing(store: &dyn VectorStoreWriter) {
    assert!(store.search_batch(vec![]).await.is_empty());
    fill(store, [Passage::new("a", "text")]).await;
    assert!(store.search_batch(vec![]).await.is_empty());
}

pub async fn a_search_that_fails_leaves_its_batch_alone(store: &dyn VectorStoreWriter) {
    fill(store, ["a", "b"].map(|id| Passage::new(id, "text"))).await;
    let lexical = Search::bm25(words([(1, 1.0)]), 2);
    let incomparable = search(2).with_filter(Filter::equals("price", 1.5));
    let long = Search::dense(vec![1.0; DIMENSION + 1], 2);
    let mut results = store.search_batch(vec![long, search(2), lexical, incomparable, search(1)]).await;
    assert_eq!(results.len(), 5);
    assert_eq!(results.pop().unwrap().unwrap().len(), 1);
    assert!(matches!(results.pop().unwrap(), Err(StoreError::Request { .. })));
    assert!(matches!(results.pop().unwrap(), Err(StoreError::Request { .. })));
    assert_eq!(results.pop().unwrap().unwrap().len(), 2);
    let Err(StoreError::Dimension { stored, given, .. }) = results.pop().unwrap() else { panic!() };
    assert_eq!((stored, given), (DIMENSION, DIMENSION + 1));
}
