//! A batch of searches is one call to the server, and what becomes of it when that call fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asktwice::{
    ErrorKind, Passage, Ranking, StoreError, VectorStore, VectorStoreWriter,
    embed::Identity,
    search::{QdrantStore, Search},
};
use tonic::{Code, Status};

use crate::support::front::Front;

fn search(timeout_ms: u64) -> Search {
    Search::dense(vec![1.0, 0.0], 5).with_timeout(Duration::from_millis(timeout_ms))
}

async fn filled(front: &Front) -> QdrantStore {
    let store = QdrantStore::connect(&front.url, "notes").unwrap();
    store.prepare(&Identity::new("a model for tests", "its weights", 2)).await.unwrap();
    store.upsert(vec![(Passage::new("a", "text"), vec![1.0, 0.0].into())]).await.unwrap();
    store
}

fn errors(results: Vec<Result<Ranking, StoreError>>) -> Vec<StoreError> {
    results.into_iter().map(Result::unwrap_err).collect()
}

/// How often single searches and batches were asked for.
fn calls(front: &Front) -> (usize, usize) {
    (front.calls("query"), front.calls("query_batch"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_call_with_the_longest_timeout() {
    let front = Front::start().await;
    let store = filled(&front).await;
    front.set(|behaviour| behaviour.timeouts.clear());
    // Shared as the pipeline shares it: the batch must still arrive as one.
    let shared: Arc<dyn VectorStore> = Arc::new(store.clone());
    let results = shared.search_batch(vec![search(200), search(4_500), search(1_500)]).await;
    assert!(results.iter().all(|found| found.as_ref().unwrap().len() == 1));
    assert_eq!(calls(&front), (0, 1));
    let patient = store.with_timeout(Duration::from_secs(2));
    patient.search_batch(vec![search(200), search(60_000)]).await;
    assert_eq!(front.behaviour.lock().unwrap().timeouts, [Some(5), Some(2)]);
    // Nothing is sent for what cannot find anything.
    assert!(patient.search_batch(vec![Search::dense(vec![1.0, 0.0], 0)]).await[0].as_ref().unwrap().is_empty());
    assert!(patient.search_batch(vec![]).await.is_empty());
    assert_eq!(calls(&front), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_costs_a_batch_the_longest_deadline() {
    let front = Front::start().await;
    let store = filled(&front).await;
    front.set(|behaviour| behaviour.delay = Duration::from_secs(3));
    let started = Instant::now();
    for error in errors(store.search_batch(vec![search(100), search(400)]).await) {
        assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
        assert!(error.to_string().contains("400 ms"), "{error}");
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_millis(1_500), "{took:?}");
    assert_eq!(calls(&front), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_batch_is_searched_one_by_one() {
    let front = Front::start().await;
    let store = filled(&front).await;
    // The batch, then whichever of its searches comes first; the rest is answered.
    let refused = || Status::invalid_argument("Wrong input: one of them");
    front.set(|behaviour| behaviour.statuses = vec![refused(), refused()]);
    let results = store.search_batch(vec![search(1_000), search(1_000), search(1_000)]).await;
    assert_eq!(calls(&front), (3, 1));
    let (found, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((found.len(), lost.len()), (2, 1));
    let error = errors(lost).remove(0);
    assert!(matches!(error, StoreError::Request { .. }) && error.to_string().contains("one of them"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_the_server_fails_every_search_of_a_batch() {
    const CANARY: &str = "CANARY-4711";
    let front = Front::start().await;
    let store = filled(&front).await.with_api_key(CANARY.into()).unwrap();
    for code in [Code::Unauthenticated, Code::NotFound, Code::Unimplemented, Code::ResourceExhausted, Code::Internal] {
        front.set(|behaviour| behaviour.always = Some(Status::new(code, format!("the reason {CANARY}"))));
        let alone = store.search(search(1_000)).await.unwrap_err();
        let before = front.calls("query");
        let together = errors(store.search_batch(vec![search(1_000), search(1_000)]).await);
        assert_eq!(together.len(), 2);
        for error in together {
            assert_eq!((error.kind(), error.to_string()), (alone.kind(), alone.to_string()), "{code:?}");
            assert!(!format!("{error} {error:?}").contains(CANARY));
        }
        assert_eq!(front.calls("query"), before, "{code:?}: asked again, one by one");
    }
}

#[tokio::test]
async fn a_server_that_is_down_fails_every_search_of_a_batch() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = QdrantStore::connect(&url, "notes").unwrap();
    let errors = errors(store.search_batch(vec![search(5_000), search(5_000)]).await);
    assert_eq!(errors.len(), 2);
    for error in errors {
        assert!(error.to_string().contains("the connection was refused"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_made_anew_with_another_dimension_is_noticed_by_a_batch() {
    let front = Front::start().await;
    let store = filled(&front).await;
    store.search(search(1_000)).await.unwrap();
    let client = qdrant_client::Qdrant::from_url(&front.url).skip_compatibility_check().build().unwrap();
    client.delete_collection("notes").await.unwrap();
    QdrantStore::connect(&front.url, "notes").unwrap().prepare(&Identity::new("other", "w", 3)).await.unwrap();
    for error in errors(store.search_batch(vec![search(1_000), search(1_000)]).await) {
        assert!(matches!(error, StoreError::Dimension { stored: 3, given: 2, .. }), "{error}");
    }
}
