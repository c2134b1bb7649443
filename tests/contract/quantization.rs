//! Compressed vectors: what is built, what it finds of what an exact search finds, and what a collection remembers of it.

use asktwice::{
    VectorStore,
    search::{EdgeOptions, Quantization, SearchParams},
};

use super::*;
use crate::edge::Dice;

const PASSAGES: u64 = 2_000;
const WIDTH: usize = 128;
const QUESTIONS: u64 = 40;
const DEPTH: usize = 10;

fn wide() -> Identity {
    Identity::new("a model for tests", "its weights", WIDTH)
}

/// Vectors that lie together in heaps, as those of texts do.
fn heaped(number: u64) -> Vec<f32> {
    let heap = |dice: &mut Dice| (0..WIDTH).map(|_| dice.below(2_001) as f32 / 1_000.0 - 1.0).collect::<Vec<_>>();
    let centre = heap(&mut Dice(number % 50 + 1));
    centre.into_iter().zip(heap(&mut Dice(number + 1_000))).map(|(centre, own)| centre + 0.7 * own).collect()
}

async fn fill_heaped(store: &dyn VectorStoreWriter) {
    store.prepare(&wide()).await.unwrap();
    let passage = |number: u64| (Passage::new(number.to_string(), "text"), heaped(number).into());
    store.upsert((0..PASSAGES).map(passage).collect()).await.unwrap();
}

/// The nearest ten of each question.
async fn nearest() -> Vec<Vec<PointId>> {
    let (exact, mut nearest) = (MemoryStore::new(), vec![]);
    fill_heaped(&exact).await;
    for question in 0..QUESTIONS {
        let search = Search::dense(heaped(PASSAGES + question), DEPTH);
        nearest.push(exact.search(search).await.unwrap().ids().collect());
    }
    nearest
}

/// Which share of them a search finds.
async fn recall(store: &dyn VectorStoreWriter, nearest: &[Vec<PointId>], params: Option<SearchParams>) -> f64 {
    let mut found = 0;
    for (question, wanted) in (0..).zip(nearest) {
        let mut search = Search::dense(heaped(PASSAGES + question), DEPTH);
        search.params = params;
        found += store.search(search).await.unwrap().ids().filter(|id| wanted.contains(id)).count();
    }
    found as f64 / (QUESTIONS as usize * DEPTH) as f64
}

fn as_found() -> SearchParams {
    SearchParams::default().with_rescoring(false, 1.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_engine_builds_what_was_asked_and_finds_with_it() {
    let exact = nearest().await;
    for (quantization, smaller, enough) in
        [(Quantization::None, 1, 0.95), (Quantization::Scalar, 3, 0.95), (Quantization::Binary, 20, 0.8)]
    {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let options = EdgeOptions::default().with_quantization(quantization).with_index_above(16);
            EdgeStore::open_with(folder.path().join("notes"), options).unwrap()
        };
        let store = open();
        fill_heaped(&store).await;
        assert_eq!(store.footprint().await.unwrap().unwrap().indexed, 0, "{quantization}: it is built by optimize");
        store.optimize().await.unwrap();
        let check = async |store: &EdgeStore, when: &str| {
            let footprint = store.footprint().await.unwrap().unwrap();
            assert_eq!(footprint.indexed, PASSAGES, "{quantization} {when}");
            assert_eq!(footprint.quantized_bytes > 0, quantization != Quantization::None, "{footprint:?}");
            assert!(footprint.quantized_bytes * smaller < footprint.vector_bytes, "{footprint:?}");
            assert!(
                footprint.memory_bytes() <= footprint.index_bytes + footprint.vector_bytes / smaller,
                "{footprint:?}"
            );
            let info = store.info().await.unwrap().unwrap();
            assert_eq!((info.quantization, info.indexed_vectors), (quantization, PASSAGES), "{when}");
            assert_eq!(recall(store, &exact, Some(SearchParams::exact())).await, 1.0, "{quantization} {when}");
            let rescored = recall(store, &exact, None).await;
            assert!(rescored > enough, "{quantization} {when}: {rescored}");
        };
        check(&store, "as built").await;
        if quantization == Quantization::Binary {
            let (bare, rescored) = (recall(&store, &exact, Some(as_found())).await, recall(&store, &exact, None).await);
            assert!(bare < rescored - 0.05, "a sign is not enough: {bare} {rescored}");
        }
        store.compact().await.unwrap();
        check(&store, "copied").await;
        drop(store);
        check(&open(), "reopened").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_built_below_the_threshold_or_with_none() {
    for (kib, built) in [(100_000, false), (0, false), (16, true)] {
        let folder = tempfile::tempdir().unwrap();
        let options = EdgeOptions::default().with_index_above(kib);
        let store = EdgeStore::open_with(folder.path().join("notes"), options).unwrap();
        fill_heaped(&store).await;
        store.optimize().await.unwrap();
        assert_eq!(store.footprint().await.unwrap().unwrap().indexed > 0, built, "{kib}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_quantisation_is_read_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    let open =
        |quantization| EdgeStore::open_with(&path, EdgeOptions::default().with_quantization(quantization)).unwrap();
    fill_heaped(&open(Quantization::Binary)).await;
    let other = open(Quantization::Scalar);
    assert_eq!(other.info().await.unwrap().unwrap().quantization, Quantization::Binary);
    assert_eq!(other.search(Search::dense(heaped(3), 1)).await.unwrap().ids().next(), Some(PointId::of("3")));
    let error = other.prepare(&wide()).await.unwrap_err();
    assert!(matches!(error, StoreError::Quantization { .. }), "{error}");
    let wanted = "was made with store.quantization = \"binary\", and now it is \"scalar\"; set it to \"binary\", or index \
                  into a new collection";
    assert!(error.to_string().contains(wanted), "{error}");
}

/// Through the protocol: the collection is made so, says so, and searches say how exact they are. The front compresses to
/// bits at once; scalar quantisation and the index are the server's own business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_told_and_asked() {
    let exact = nearest().await;
    for quantization in [Quantization::None, Quantization::Scalar, Quantization::Binary] {
        let with = move |store: QdrantStore| store.with_quantization(quantization);
        for made in [front_as(with).await, server_as(with)].into_iter().flatten() {
            let store = &*made.store;
            fill_heaped(store).await;
            assert_eq!(store.info().await.unwrap().unwrap().quantization, quantization);
            assert_eq!(recall(store, &exact, Some(SearchParams::exact())).await, 1.0, "{quantization}");
            let (bare, rescored) = (recall(store, &exact, Some(as_found())).await, recall(store, &exact, None).await);
            assert!(
                rescored > if quantization == Quantization::Binary { 0.8 } else { 0.95 },
                "{quantization}: {rescored}"
            );
            assert_eq!(
                bare < rescored - 0.05,
                quantization == Quantization::Binary,
                "{quantization}: {bare} {rescored}"
            );
            made.tidy().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_collection_of_another_quantisation_is_not_written() {
    let front = Front::start().await;
    let store = |quantization| QdrantStore::connect(&front.url, "notes").unwrap().with_quantization(quantization);
    fill_heaped(&store(Quantization::Scalar)).await;
    let error = store(Quantization::None).prepare(&wide()).await.unwrap_err();
    assert!(matches!(error, StoreError::Quantization { .. }), "{error}");
    store(Quantization::Scalar).prepare(&wide()).await.unwrap();
}
