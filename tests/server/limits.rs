//! What is borne, and what is not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use asktwice::embed::{EmbedError, Embedder, Embedding, Identity, Role};
use async_trait::async_trait;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::Setup;
use crate::support::{
    embedder::HashEmbedder,
    http::{Connection, Request},
};

/// An embedder that takes its time, and notes how many texts are under way.
#[derive(Debug)]
struct Slow {
    inner: HashEmbedder,
    takes: Duration,
    under_way: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
}

impl Slow {
    fn new(milliseconds: u64) -> Self {
        let (under_way, finished) = Default::default();
        Self { inner: HashEmbedder::new(), takes: Duration::from_millis(milliseconds), under_way, finished }
    }
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Embedder for Slow {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(self.under_way.clone());
        tokio::time::sleep(self.takes).await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        self.inner.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
}

fn question() -> Request {
    Request::post("/v1/retrieve", &json!({"question": "late order"}))
}

#[tokio::test]
async fn a_full_house_sends_away_at_once_and_says_when_to_come_back() {
    let limits = json!({"limits": {"concurrent": 2, "waiting": 2, "wait_ms": 10_000}});
    let sidecar = Setup::new().await.settings(limits).embedder(Slow::new(1_000)).start().await;
    let start = Instant::now();
    let asked: Vec<_> = (0..12)
        .map(|_| tokio::spawn(async move { (question().send(sidecar.address).await, start.elapsed()) }))
        .collect();
    let mut answers = vec![];
    for answer in asked {
        answers.push(answer.await.unwrap());
    }
    let (good, shed): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(answer, _)| answer.status == 200);
    assert_eq!((good.len(), shed.len()), (4, 8));
    let first_good = good.iter().map(|(_, took)| *took).min().unwrap();
    for (answer, took) in shed {
        assert_eq!((answer.status, answer.header("x-should-retry")), (503, Some("true")));
        assert!(answer.header("retry-after").is_some() && answer.header("retry-after-ms").is_some());
        assert!(took < first_good, "{took:?}, {first_good:?}");
    }
    assert_eq!(question().send(sidecar.address).await.status, 200);
}

#[tokio::test]
async fn a_deadline_is_kept_and_its_answer_not_worth_a_retry() {
    let sidecar = Setup::new().await.embedder(Slow::new(30_000)).start().await;
    let asks = [
        question().header("x-request-timeout-ms", "150"),
        question().header("x-stainless-read-timeout", "0.15"),
        question().header("x-envoy-expected-rq-timeout-ms", "150"),
        Request::post("/v1/retrieve", &json!({"question": "late order", "deadline_ms": 150})),
        Request::post("/v1/embeddings", &json!({"input": "x", "model": "hash"})).header("x-request-timeout-ms", "150"),
    ];
    for ask in asks {
        let start = Instant::now();
        let answer = ask.send(sidecar.address).await;
        assert_eq!((answer.status, answer.header("x-should-retry")), (504, Some("false")), "{ask:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
    let bad = question().header("x-request-timeout-ms", "soon").send(sidecar.address).await;
    assert_eq!((bad.status, bad.json()["param"].as_str()), (400, Some("x-request-timeout-ms")));
}

#[tokio::test]
async fn who_goes_away_leaves_no_work_behind() {
    let slow = Slow::new(20_000);
    let (under_way, finished) = (slow.under_way.clone(), slow.finished.clone());
    let limits = json!({"limits": {"concurrent": 20, "waiting": 20}});
    let sidecar = Setup::new().await.settings(limits).embedder(slow).start().await;
    let all = async |count: usize| {
        for _ in 0..400 {
            if under_way.load(Ordering::SeqCst) == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} instead of {count} texts are under way", under_way.load(Ordering::SeqCst));
    };
    // One text is that of the readiness check.
    all(1).await;
    let mut connections = vec![];
    for _ in 0..40 {
        let mut connection = Connection::open(sidecar.address).await.unwrap();
        connection.stream.write_all(&question().bytes()).await.unwrap();
        connections.push(connection);
    }
    all(21).await;
    drop(connections);
    all(1).await;
    assert_eq!(finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn bodies_that_are_too_long_packed_or_of_another_kind_are_refused() {
    let sidecar = Setup::new().await.settings(json!({"limits": {"body_bytes": 2_000}})).start().await;
    let long = json!({"question": "x".repeat(3_000)});
    let cases = [
        (Request::post("/v1/retrieve", &long), 413),
        (question().header("content-encoding", "gzip"), 415),
        (question().header("content-encoding", "identity"), 200),
        (Request::new("POST", "/v1/retrieve").body("{}"), 415),
        (Request::new("POST", "/v1/retrieve").header("content-type", "text/plain").body("{}"), 415),
        (Request::new("POST", "/v1/retrieve").header("content-type", "application/json; charset=utf-8").body("{"), 400),
        (
            Request::new("POST", "/v1/retrieve")
                .header("content-type", "application/json")
                .body(vec![b'{', b'"', 0xFF]),
            400,
        ),
        (Request::new("POST", "/v1/retrieve").header("content-type", "application/json").body("[".repeat(1_900)), 400),
        (Request::post("/v1/retrieve", &json!({"question": "\u{0}"})), 400),
        (question().header("x-padding", &"x".repeat(64 << 10)), 431),
    ];
    for (request, status) in cases {
        assert_eq!(request.send(sidecar.address).await.status, status, "{request:.300?}");
    }
    // A body that is announced and longer than it may be is not read to its end.
    let mut connection = Connection::open(sidecar.address).await.unwrap();
    let head = "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10000000000\r\n\r\n";
    connection.stream.write_all(head.as_bytes()).await.unwrap();
    connection.stream.write_all(&[b' '; 4_000]).await.unwrap();
    assert_eq!(connection.response().await.unwrap().status, 413);
}

#[tokio::test]
async fn bytes_that_are_not_http_break_nothing() {
    let sidecar = Setup::new().await.start().await;
    let garbage: [&[u8]; 6] = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ];
    for bytes in garbage {
        let mut connection = Connection::open(sidecar.address).await.unwrap();
        connection.stream.write_all(bytes).await.unwrap();
        connection.stream.shutdown().await.unwrap();
        let status = connection.response().await.map(|response| response.status);
        assert!(status.is_none_or(|status| status >= 400), "{status:?} for {}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(question().send(sidecar.address).await.status, 200);
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let limits = json!({"limits": {"connections": 20, "header_ms": 60_000, "body_ms": 60_000}});
    let sidecar = Setup::new().await.settings(limits).start().await;
    let mut silent = vec![];
    for n in 0..100 {
        let mut connection = Connection::open(sidecar.address).await.unwrap();
        // Half of them begin a head, and never end it.
        if n % 2 == 0 {
            connection.stream.write_all(b"GET /livez HTTP/1.1\r\nhost: ").await.unwrap();
        }
        silent.push(connection);
        if n % 10 == 9 {
            let start = Instant::now();
            assert_eq!(question().send(sidecar.address).await.status, 200);
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        }
    }
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_are_given_up() {
    let limits = json!({"limits": {"header_ms": 300, "body_ms": 300}});
    let sidecar = Setup::new().await.settings(limits).start().await;
    let mut head = Connection::open(sidecar.address).await.unwrap();
    head.stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await.unwrap();
    let start = Instant::now();
    assert!(head.response().await.is_none_or(|response| response.status >= 400));
    assert!((200..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    let mut body = Connection::open(sidecar.address).await.unwrap();
    let head = "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{";
    body.stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(body.response().await.unwrap().status, 408);
}

#[tokio::test]
async fn an_embedder_that_crashes_costs_one_answer() {
    #[derive(Debug)]
    struct Crashes(HashEmbedder);

    #[async_trait]
    impl Embedder for Crashes {
        async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
            assert!(!texts[0].contains("crash"), "as the test wants it");
            self.0.embed(role, texts).await
        }
        fn identity(&self) -> &Identity {
            self.0.identity()
        }
    }
    let sidecar = Setup::new().await.embedder(Crashes(HashEmbedder::new())).start().await;
    let answer =
        Request::post("/v1/embeddings", &json!({"input": "crash", "model": "hash"})).send(sidecar.address).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (500, Some("crashed")));
    assert_eq!(question().send(sidecar.address).await.status, 200);
}
