//! How the adapter behaves when the server is down, slow, strict, old, or somebody else's.

use std::time::{Duration, Instant};

use asktwice::{
    ErrorKind, Passage, VectorStore,
    embed::Identity,
    ranking::PointId,
    search::{Adopted, Filter, PayloadKind, QdrantStore, Search, StoreError, VectorStoreWriter},
};
use qdrant_client::{
    Qdrant,
    qdrant::{
        CreateCollectionBuilder, Distance, PointStruct, UpsertPointsBuilder, VectorParamsBuilder, VectorsConfigBuilder,
    },
};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::front::Front;

const CANARY: &str = "CANARY-4711";

fn identity() -> Identity {
    Identity::new("a model for tests", "its weights", 2)
}

fn store(front: &Front) -> QdrantStore {
    QdrantStore::connect(&front.url, "notes").unwrap()
}

fn search(timeout_ms: u64) -> Search {
    Search::dense(vec![1.0, 0.0], 5).with_timeout(Duration::from_millis(timeout_ms))
}

async fn filled(front: &Front) -> QdrantStore {
    let store = store(front);
    store.prepare(&identity()).await.unwrap();
    store.upsert(vec![(Passage::new("a", "text"), vec![1.0, 0.0].into())]).await.unwrap();
    store.info().await.unwrap();
    store
}

/// Nothing of the key in anything that a person or a log may see.
fn assert_secret(error: &StoreError) {
    let mut shown = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        shown = format!("{shown} {error} {error:?}");
        cause = error.source();
    }
    assert!(!shown.contains("CANARY"), "{shown}");
}

#[tokio::test]
async fn a_refused_port_is_told_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let started = Instant::now();
    let error = QdrantStore::connect(&url, "notes").unwrap().search(search(5_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let said = error.to_string();
    assert!(said.contains("the connection was refused") && said.contains("6334") && said.contains(&url), "{said}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_rest_port_is_recognised() {
    // Whoever listens there, an HTTP/1 server answers gRPC with nonsense, or nobody listens at all.
    let store = QdrantStore::connect("http://127.0.0.1:6333", "notes").unwrap();
    let error = store.info().await.unwrap_err().to_string();
    assert!(error.contains("REST port"), "{error}");
}

#[tokio::test]
async fn an_http_1_server_is_not_reached() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let error = QdrantStore::connect(&url, "notes").unwrap().info().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("is this its gRPC port"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_costs_the_deadline_and_nothing_more() {
    let front = Front::start().await;
    let store = filled(&front).await;
    front.set(|behaviour| behaviour.delay = Duration::from_secs(3));
    let started = Instant::now();
    let error = store.search(search(300)).await.unwrap_err();
    let took = started.elapsed();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(error.to_string().contains("300 ms"), "{error}");
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(1_500), "{took:?}");
    // The client's hidden second attempt would come after the first has failed: none may.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(front.calls("query"), 1);

    // And the next call finds the server well again, on connections of its own.
    front.set(|behaviour| behaviour.delay = Duration::ZERO);
    assert_eq!(store.search(search(2_000)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_told_how_long_it_has() {
    let front = Front::start().await;
    let store = filled(&front).await;
    front.set(|behaviour| behaviour.timeouts.clear());
    store.search(search(200)).await.unwrap();
    store.search(search(4_500)).await.unwrap();
    let patient = store.clone().with_timeout(Duration::from_secs(2));
    patient.search(search(60_000)).await.unwrap();
    patient.fetch(&[PointId::of("a")]).await.unwrap();
    assert_eq!(front.behaviour.lock().unwrap().timeouts, [Some(1), Some(5), Some(2), Some(2)]);
}

#[tokio::test]
async fn a_silent_server_does_not_hold_a_caller() {
    // It accepts and never says a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut held = vec![];
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let store = QdrantStore::connect(&url, "notes").unwrap().with_timeout(Duration::from_millis(200));
    let started = Instant::now();
    let error = store.info().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    assert!(started.elapsed() < Duration::from_millis(1_500));
    held.abort();
}

/// Passes everything on to the front, until it is told to swallow it: then the connections that are open stay open and
/// silent for ever, as behind a firewall that has forgotten them.
async fn forwarder(to: &Front) -> (String, tokio::sync::watch::Sender<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = to.url.trim_start_matches("http://").to_owned();
    let (swallow, mut swallowed) = tokio::sync::watch::channel(());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            swallowed.mark_unchanged();
            let (target, mut swallowed) = (target.clone(), swallowed.clone());
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = swallowed.changed() => std::future::pending().await,
                }
            });
        }
    });
    (url, swallow)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fell_silent_are_left() {
    let front = Front::start().await;
    filled(&front).await;
    let (url, swallow) = forwarder(&front).await;
    let store = QdrantStore::connect(&url, "notes").unwrap();
    // The client keeps three connections and takes turns.
    for _ in 0..6 {
        store.search(search(1_000)).await.unwrap();
    }
    swallow.send(()).unwrap();
    let error = store.search(search(200)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
    for _ in 0..6 {
        assert_eq!(store.search(search(1_000)).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_wanted_given_and_never_shown() {
    let front = Front::start().await;
    front.set(|behaviour| behaviour.key = Some(CANARY.into()));
    let error = store(&front).info().await.unwrap_err();
    assert!(matches!(error, StoreError::Key { .. }), "{error}");

    let wrong = store(&front).with_api_key("CANARY-wrong".into()).unwrap();
    let error = wrong.info().await.unwrap_err();
    assert!(matches!(error, StoreError::Key { .. }), "{error}");
    assert_secret(&error);

    // A key file ends with a line end.
    let right = store(&front).with_api_key(format!("{CANARY}\n").into()).unwrap();
    assert_eq!(right.info().await.unwrap(), None);
    assert!(!format!("{right:?}").contains("CANARY"));

    let error = store(&front).with_api_key("CANARY\r\nx: y".into()).unwrap_err();
    assert_secret(&error);
    assert_eq!(error.kind(), ErrorKind::Setup);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_says_never_shows_the_key() {
    let front = Front::start().await;
    let store = filled(&front).await.with_api_key(CANARY.into()).unwrap();
    for code in (1..=16).map(Code::from_i32) {
        let said = format!("Malformed API key or token: {CANARY}, forwarded as {CANARY}");
        front.set(|behaviour| behaviour.always = Some(Status::new(code, said)));
        assert_secret(&store.search(search(1_000)).await.unwrap_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_has_its_meaning() {
    let front = Front::start().await;
    let store = filled(&front).await;
    let cases = [
        (Code::Unauthenticated, ErrorKind::Setup, "API key"),
        (Code::PermissionDenied, ErrorKind::Setup, "API key"),
        (Code::NotFound, ErrorKind::Setup, "no collection"),
        (Code::Unimplemented, ErrorKind::Setup, "1.16"),
        (Code::DeadlineExceeded, ErrorKind::Deadline, "did not answer"),
        (Code::ResourceExhausted, ErrorKind::Unavailable, "the reason"),
        (Code::Unavailable, ErrorKind::Unavailable, "the reason"),
        (Code::Internal, ErrorKind::Unavailable, "the reason"),
        (Code::Unknown, ErrorKind::Unavailable, "the reason"),
        (Code::Aborted, ErrorKind::Unavailable, "the reason"),
        (Code::FailedPrecondition, ErrorKind::Unavailable, "the reason"),
        (Code::DataLoss, ErrorKind::Unavailable, "the reason"),
    ];
    for (code, kind, wanted) in cases {
        front.set(|behaviour| behaviour.always = Some(Status::new(code, "the reason")));
        let error = store.search(search(1_000)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code:?}: {error}");
        assert!(error.to_string().contains(wanted), "{code:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_says_why_and_what_to_do() {
    let front = Front::start().await;
    let store = filled(&front).await;
    let refuse = |said: &'static str| {
        front.set(move |behaviour| behaviour.statuses = vec![Status::invalid_argument(said)]);
    };
    refuse("Bad request: Index required but not found for \"topic\" of one of the following types: [keyword].");
    let error = store.search(search(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("\"topic\"") && error.to_string().contains("index_payload"), "{error}");

    refuse("Wrong input: something else");
    let error = store.search(search(1_000)).await.unwrap_err();
    assert!(error.to_string().contains("something else"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hiccup_is_healed_by_the_clients_retry() {
    let front = Front::start().await;
    let store = filled(&front).await;
    front.set(|behaviour| behaviour.statuses = vec![Status::unavailable("restarting")]);
    assert_eq!(store.search(search(1_000)).await.unwrap().len(), 1);
    assert_eq!(front.calls("query"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_made_anew_with_another_dimension_is_noticed() {
    let front = Front::start().await;
    let store = filled(&front).await;
    client(&front).delete_collection("notes").await.unwrap();
    let error = store.search(search(1_000)).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");

    QdrantStore::connect(&front.url, "notes").unwrap().prepare(&Identity::new("other", "w", 3)).await.unwrap();
    let searched = store.search(search(1_000)).await.unwrap_err();
    let written = store.upsert(vec![(Passage::new("a", "text"), vec![1.0, 0.0].into())]).await.unwrap_err();
    for error in [searched, written] {
        assert!(matches!(error, StoreError::Dimension { stored: 3, given: 2, .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_own_deletions_filter_on_is_indexed() {
    // Qdrant Cloud's strict mode refuses a filter on any other field.
    let front = Front::start().await;
    store(&front).prepare(&identity()).await.unwrap();
    let info = client(&front).collection_info("notes").await.unwrap().result.unwrap();
    assert_eq!(info.payload_schema.keys().collect::<Vec<_>>(), ["document_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_prepare_at_once() {
    let front = Front::start().await;
    let prepare = |_| async { store(&front).prepare(&identity()).await };
    for outcome in futures::future::join_all((0..8).map(prepare)).await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_metadata_is_too_old() {
    let front = Front::start().await;
    front.set(|behaviour| behaviour.forgetful = true);
    let error = store(&front).prepare(&identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("1.16"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_layout_is_refused() {
    let front = Front::start().await;
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("dense", VectorParamsBuilder::new(2, Distance::Cosine));
    let record = json!({"layout": 99, "identity": identity()});
    let metadata = std::collections::HashMap::from([("asktwice".to_owned(), record)]);
    let create = CreateCollectionBuilder::new("notes").vectors_config(vectors).metadata(metadata);
    client(&front).create_collection(create).await.unwrap();
    let store = store(&front);
    for error in [store.info().await.unwrap_err(), store.prepare(&identity()).await.unwrap_err()] {
        assert!(error.to_string().contains("version 99"), "{error}");
    }
}

fn client(front: &Front) -> Qdrant {
    Qdrant::from_url(&front.url).skip_compatibility_check().build().unwrap()
}

/// A collection as other programs make them: an unnamed vector, numbers for ids, a text somewhere in the payload.
async fn foreign(front: &Front, distance: Distance) {
    let client = client(front);
    let create = CreateCollectionBuilder::new("notes").vectors_config(VectorParamsBuilder::new(2, distance));
    client.create_collection(create).await.unwrap();
    let point = |id: u64, x: f32, text: &str| {
        let payload = json!({"page": {"content": text, "n": id}, "name": format!("page {id}"), "lang": "en"});
        PointStruct::new(id, vec![x, 1.0], payload.as_object().unwrap().clone())
    };
    let uuid = "2f1b7f60-6a0b-4f1e-9c55-0f4d9d2f6f10";
    let other =
        PointStruct::new(uuid, vec![0.0, 1.0], json!({"page": {"content": "four"}}).as_object().unwrap().clone());
    let points = vec![point(1, 0.1, "one"), point(2, 9.0, "two"), point(u64::MAX, 1.0, "three"), other];
    client.upsert_points(UpsertPointsBuilder::new("notes", points).wait(true)).await.unwrap();
}

fn adopted(vector: &str, text: &str) -> Adopted {
    Adopted { vector: vector.into(), text: text.into(), title: Some("name".into()), bm25: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_of_somebody_elses_making_is_adopted() {
    let front = Front::start().await;
    foreign(&front, Distance::Cosine).await;
    let store = store(&front).adopting(adopted("", "page.content"));
    let info = store.info().await.unwrap().unwrap();
    assert_eq!((info.passages, info.dimension, info.identity), (4, 2, None));

    let ranking = store.search(search(1_000)).await.unwrap();
    let ids: Vec<_> = ranking.entries().iter().map(|entry| entry.id).collect();
    let passages = store.fetch(&ids).await.unwrap();
    let texts: Vec<_> = passages.iter().map(|(_, p)| (p.id.as_str(), p.title.as_str(), p.text.as_str())).collect();
    let wanted = [
        ("2", "page 2", "two"),
        ("18446744073709551615", "page 18446744073709551615", "three"),
        ("1", "page 1", "one"),
        ("2f1b7f60-6a0b-4f1e-9c55-0f4d9d2f6f10", "", "four"),
    ];
    assert_eq!(texts, wanted);
    assert_eq!(passages[0].1.payload["lang"], "en");
    assert_eq!(passages[0].1.document_id, "2");

    let filter = json!({"must": [{"has_id": ["1", "2f1b7f60-6a0b-4f1e-9c55-0f4d9d2f6f10", "no id"]}]});
    let filter: Filter = filter.to_string().parse().unwrap();
    let found = store.search(search(1_000).with_filter(filter)).await.unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_collection_is_never_written() {
    let front = Front::start().await;
    foreign(&front, Distance::Cosine).await;
    let store = store(&front).adopting(adopted("", "page.content"));
    let errors = [
        store.prepare(&identity()).await.unwrap_err(),
        store.upsert(vec![(Passage::new("a", "text"), vec![1.0, 0.0].into())]).await.unwrap_err(),
        store.delete(&[PointId::Number(1)]).await.unwrap_err(),
        store.delete_matching(&Filter::default()).await.unwrap_err(),
        store.index_payload("lang", PayloadKind::Keyword).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("only read"), "{error}");
    }
    assert_eq!(store.info().await.unwrap().unwrap().passages, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistaken_adoption_is_told_what_there_is() {
    let front = Front::start().await;
    foreign(&front, Distance::Cosine).await;
    let problem = |store: QdrantStore| async move {
        let error = store.search(search(1_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setup, "{error}");
        error.to_string()
    };
    let own = problem(store(&front)).await;
    assert!(own.contains("no dense vector `dense`") && own.contains("unnamed") && own.contains("adopt"), "{own}");
    let name = problem(store(&front).adopting(adopted("txt", "page.content"))).await;
    assert!(name.contains("`txt`") && name.contains("the unnamed one"), "{name}");
    let text = problem(store(&front).adopting(adopted("", "page_content"))).await;
    assert!(text.contains("`page_content`") && text.contains("lang, name, page"), "{text}");
    let path = problem(store(&front).adopting(adopted("", "page content"))).await;
    assert!(path.contains("not the path"), "{path}");

    let wrong = store(&front).adopting(adopted("", "page.content"));
    let error = wrong.search(Search::dense(vec![1.0; 3], 5)).await.unwrap_err();
    assert!(matches!(error, StoreError::Dimension { stored: 2, given: 3, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distance_that_ranks_upside_down_is_refused() {
    let front = Front::start().await;
    foreign(&front, Distance::Euclid).await;
    let error = store(&front).adopting(adopted("", "page.content")).search(search(1_000)).await.unwrap_err();
    assert!(error.to_string().contains("Euclid"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_writes_stay_below_the_message_limit() {
    let front = Front::start().await;
    let store = filled(&front).await;
    let before = front.calls("upsert");
    let large = (0..12).map(|n| (Passage::new(n.to_string(), "x".repeat(4 << 20)), vec![1.0, 0.0].into())).collect();
    store.upsert(large).await.unwrap();
    assert_eq!(front.calls("upsert") - before, 4);
    assert_eq!(store.info().await.unwrap().unwrap().passages, 13);
}
