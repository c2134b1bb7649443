//! Rankings: their order and their length.

use super::*;

pub async fn the_nearest_come_first(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    // Of any length: only the direction counts.
    let place = |id: &str, angle: f32, length: f32| {
        (Passage::new(id, "text"), at(angle).into_iter().map(|x| x * length).collect::<Vec<_>>())
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
    let longer = store.search(Search { vector: vec![7.0, 0.0, 0.0, 0.0], ..search(9) }).await.unwrap();
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
    let same = (0..20).map(|n| (Passage::new(n.to_string(), "text"), at(30.0)));
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
