//! The end: what was accepted is finished, and nothing else is waited for.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{Running, Setup, ready};
use crate::support::http::{Connection, Request};

fn question() -> Request {
    Request::post("/v1/retrieve", &json!({"question": "late order"}))
}

async fn ended(sidecar: &mut Running, within: Duration) -> Duration {
    let start = Instant::now();
    timeout(within, &mut sidecar.task).await.expect("it did not end in time").unwrap();
    start.elapsed()
}

#[tokio::test]
async fn what_was_accepted_is_finished_and_idle_connections_are_closed() {
    let setup = Setup::new().await.rewriter("charged twice", 400).settings(json!({"limits": {"header_ms": 60_000}}));
    let mut sidecar = setup.start().await;
    let mut idle = Connection::open(sidecar.address).await.unwrap();
    assert_eq!(idle.exchange(&question()).await.unwrap().status, 200);
    let _silent = Connection::open(sidecar.address).await.unwrap();
    let mut busy = Connection::open(sidecar.address).await.unwrap();
    busy.stream.write_all(&question().bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    sidecar.handle.drain();
    let answer = busy.response().await.unwrap();
    assert_eq!((answer.status, answer.json()["outcome"]["kind"].as_str()), (200, Some("full")));
    assert_eq!(answer.header("connection"), Some("close"));
    ended(&mut sidecar, Duration::from_secs(5)).await;
    assert!(idle.response().await.is_none());
    assert!(question().try_send(sidecar.address).await.is_none());
}

#[tokio::test]
async fn it_says_that_it_is_not_ready_before_it_stops_to_listen() {
    let mut sidecar = Setup::new().await.settings(json!({"drain": {"delay_ms": 600}})).start().await;
    ready(sidecar.address).await;
    sidecar.handle.drain();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(Request::get("/readyz").send(sidecar.address).await.status, 503);
    assert_eq!(Request::get("/livez").send(sidecar.address).await.status, 200);
    assert_eq!(question().send(sidecar.address).await.status, 200);
    ended(&mut sidecar, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_takes_too_long_is_broken_off() {
    let settings = json!({"drain": {"timeout_ms": 300}});
    let mut sidecar = Setup::new().await.rewriter("charged twice", 60_000).settings(settings).start().await;
    let mut busy = Connection::open(sidecar.address).await.unwrap();
    busy.stream.write_all(&question().bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    sidecar.handle.drain();
    let took = ended(&mut sidecar, Duration::from_secs(5)).await;
    assert!(took >= Duration::from_millis(250), "{took:?}");
    assert!(busy.response().await.is_none());
}

#[tokio::test]
async fn being_told_to_stop_is_obeyed_at_once() {
    let mut sidecar = Setup::new().await.rewriter("charged twice", 60_000).start().await;
    let mut busy = Connection::open(sidecar.address).await.unwrap();
    busy.stream.write_all(&question().bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    sidecar.handle.drain();
    sidecar.handle.stop();
    ended(&mut sidecar, Duration::from_secs(2)).await;
}

/// Asks on one connection for as long as it is let; counts the answers, and what was lost after it was sent.
async fn caller(address: std::net::SocketAddr) -> (usize, usize) {
    let mut answered = 0;
    let Some(mut connection) = Connection::open(address).await else { return (0, 0) };
    loop {
        let Some(answer) = connection.exchange(&question()).await.filter(|answer| answer.status == 200) else {
            return (answered, 1);
        };
        answered += 1;
        // As a client does: who is told that the connection closes sends nothing more on it.
        if answer.header("connection") == Some("close") {
            return (answered, 0);
        }
    }
}

#[tokio::test]
async fn a_hundred_ends_under_load_lose_nothing() {
    let mut answered = 0;
    for _ in 0..100 {
        let setup = Setup::new().await.rewriter("charged twice", 1).settings(json!({"drain": {"delay_ms": 30}}));
        let mut sidecar = setup.start().await;
        let callers: Vec<_> = (0..8).map(|_| tokio::spawn(caller(sidecar.address))).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        sidecar.handle.drain();
        ended(&mut sidecar, Duration::from_secs(10)).await;
        for caller in callers {
            let (good, lost) = caller.await.unwrap();
            assert_eq!(lost, 0, "after {good} answers");
            answered += good;
        }
    }
    assert!(answered >= 800, "{answered}");
}
