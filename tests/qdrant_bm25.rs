//! The lexical channel of collections that a server already has.

use std::collections::HashMap;

use asktwice::{
    Passage, StoreError, VectorStore, VectorStoreWriter,
    embed::Identity,
    search::{Adopted, QdrantStore, ScrollRequest, Search, SparseVector, Vectors},
};
use qdrant_client::{
    Qdrant,
    qdrant::{
        CreateCollectionBuilder, Distance, Modifier, NamedVectors, PointStruct, SparseVectorParamsBuilder,
        SparseVectorsConfigBuilder, UpsertPointsBuilder, Vector, VectorParamsBuilder, VectorsConfigBuilder,
    },
};
use serde_json::json;

use crate::support::front::Front;

fn words() -> SparseVector {
    SparseVector { indices: vec![3], values: vec![1.0] }
}

fn store(front: &Front) -> QdrantStore {
    QdrantStore::connect(&front.url, "notes").unwrap()
}

/// A collection with the vectors `dense` and a sparse one of this name and modifier, a point in it.
async fn made(front: &Front, sparse: &str, modifier: Modifier, metadata: serde_json::Value) {
    let client = Qdrant::from_url(&front.url).skip_compatibility_check().build().unwrap();
    let mut dense = VectorsConfigBuilder::default();
    dense.add_named_vector_params("dense", VectorParamsBuilder::new(2, Distance::Cosine));
    let mut config = SparseVectorsConfigBuilder::default();
    config.add_named_vector_params(sparse, SparseVectorParamsBuilder::default().modifier(modifier));
    let metadata: HashMap<String, _> = metadata.as_object().unwrap().clone().into_iter().collect();
    let create = CreateCollectionBuilder::new("notes").vectors_config(dense).sparse_vectors_config(config);
    client.create_collection(create.metadata(metadata)).await.unwrap();
    let vectors = NamedVectors::default()
        .add_vector("dense", vec![1.0, 0.0])
        .add_vector(sparse, Vector::new_sparse(vec![3, 9], vec![2.0, 1.0]));
    let payload = json!({"body": "hello"}).as_object().unwrap().clone();
    let points = vec![PointStruct::new(7, vectors, payload)];
    client.upsert_points(UpsertPointsBuilder::new("notes", points).wait(true)).await.unwrap();
}

fn adopted(bm25: Option<&str>) -> Adopted {
    Adopted { vector: "dense".into(), text: "body".into(), title: None, bm25: bm25.map(str::to_owned) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_collection_is_searched_by_the_words_that_were_named() {
    let front = Front::start().await;
    made(&front, "text-sparse", Modifier::Idf, json!({})).await;
    let store = store(&front).adopting(adopted(Some("text-sparse")));
    let info = store.info().await.unwrap().unwrap();
    assert!(info.bm25.as_ref().is_some_and(|bm25| bm25.contains("`text-sparse`")), "{info:?}");
    // Nothing records what filled it: any encoder is believed.
    assert!(info.accepts_bm25("qdrant/bm25 english").unwrap());
    assert_eq!(store.search(Search::bm25(words(), 5)).await.unwrap().len(), 1);
    let batch = store.search_batch(vec![Search::bm25(words(), 5), Search::dense(vec![1.0, 0.0], 5)]).await;
    assert!(batch.iter().all(|found| found.as_ref().unwrap().len() == 1));
    let point = store.scroll(ScrollRequest::new(5).with_vectors()).await.unwrap().points.remove(0);
    let vectors = point.vectors.unwrap();
    assert_eq!(vectors.bm25, Some(SparseVector { indices: vec![3, 9], values: vec![2.0, 1.0] }));
    assert_eq!((vectors.dense, point.passage.text.as_str()), (vec![1.0, 0.0], "hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_collection_is_searched_by_dense_legs_alone_where_none_are_named() {
    let front = Front::start().await;
    made(&front, "text-sparse", Modifier::Idf, json!({})).await;
    let store = store(&front).adopting(adopted(None));
    let info = store.info().await.unwrap().unwrap();
    assert_eq!((info.bm25.as_ref(), info.accepts_bm25("any").unwrap()), (None, false));
    assert!(matches!(store.search(Search::bm25(words(), 5)).await, Err(StoreError::Request { .. })));
    assert_eq!(store.search(Search::dense(vec![1.0, 0.0], 5)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_are_not_there_or_not_weighed_are_told() {
    let front = Front::start().await;
    made(&front, "text-sparse", Modifier::None, json!({})).await;
    for (name, wanted) in
        [("words", "no sparse vector `words`; its sparse vectors: `text-sparse`"), ("text-sparse", "`idf`")]
    {
        let error = store(&front).adopting(adopted(Some(name))).info().await.unwrap_err();
        assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_collection_of_ours_is_read_and_not_written_by_who_writes_words() {
    let front = Front::start().await;
    let identity = Identity::new("a model for tests", "its weights", 2);
    made(&front, "bm25", Modifier::Idf, json!({"asktwice": {"layout": 1, "identity": identity}})).await;
    let store = store(&front);
    let info = store.info().await.unwrap().unwrap();
    info.accepts(&identity).unwrap();
    assert!(!info.accepts_bm25("qdrant/bm25 english").unwrap());
    assert_eq!(store.search(Search::dense(vec![1.0, 0.0], 5)).await.unwrap().len(), 1);
    let error = store.prepare(&identity.clone().with_bm25("qdrant/bm25 english")).await.unwrap_err().to_string();
    assert!(error.contains("no bm25 vectors") && error.contains("index into a new collection"), "{error}");
    store.prepare(&identity).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_made_anew_with_words_is_noticed() {
    let front = Front::start().await;
    let store = store(&front);
    let identity = Identity::new("a model for tests", "its weights", 2);
    store.prepare(&identity).await.unwrap();
    assert!(matches!(store.search(Search::bm25(words(), 5)).await, Err(StoreError::Request { .. })));
    let client = Qdrant::from_url(&front.url).skip_compatibility_check().build().unwrap();
    client.delete_collection("notes").await.unwrap();
    // Another process, which asks nothing of this one.
    let other = QdrantStore::connect(&front.url, "notes").unwrap();
    other.prepare(&identity.clone().with_bm25("words")).await.unwrap();
    let vectors = Vectors::from(vec![1.0, 0.0]).with_bm25(words());
    other.upsert(vec![(Passage::new("a", "text"), vectors)]).await.unwrap();
    // Looking at it is enough.
    assert_eq!(store.info().await.unwrap().unwrap().bm25.as_deref(), Some("words"));
    assert_eq!(store.search(Search::bm25(words(), 5)).await.unwrap().len(), 1);
}
