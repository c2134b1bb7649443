//! Two thousand clients that send a byte a second are hardly noticed by the others.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use super::Setup;
use crate::support::http::{Connection, Request};

const SLOW: usize = 2_000;
/// Both ends of every connection are in this process, beside what else is open.
const FILES: u64 = 2 * SLOW as u64 + 500;
const CALLERS: usize = 4;
const ASKED_BY_EACH: usize = 250;
/// Below this, what is measured is the machine.
const LEAST: Duration = Duration::from_millis(2);
/// A shared machine has its moments: one quiet attempt is enough.
const ATTEMPTS: usize = 4;

/// Raises the limit of open files as far as the system lets it; whether it is enough.
fn enough_files() -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let enough = getrlimit(Resource::Nofile).current.is_none_or(|files| files >= FILES);
    if !enough {
        println!("skipped: this needs {FILES} open files at once; see ulimit -n");
    }
    enough
}

/// A connection that sends half a request and then a byte a second, until it is dropped: half of them of a head, half of
/// them of a body.
async fn trickle(to: SocketAddr, number: usize, opened: tokio::sync::mpsc::Sender<()>) {
    let mut connection = Connection::open(to).await.expect("a connection");
    let head = "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let begun = if number.is_multiple_of(2) {
        format!("{head}x-slow: ")
    } else {
        format!("{head}content-length: 1000\r\n\r\n{{\"question\": \"")
    };
    connection.stream.write_all(begun.as_bytes()).await.unwrap();
    drop(opened);
    // Not all in the same moment.
    tokio::time::sleep(Duration::from_millis(number as u64 % 1_000)).await;
    while connection.stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("a slow connection was closed before its time");
}

/// How long answers take, asked one after another.
async fn ask(of: SocketAddr) -> Vec<Duration> {
    let question = Request::post("/v1/retrieve", &json!({"question": "late order"}));
    let mut connection = Connection::open(of).await.unwrap();
    let mut took = vec![];
    for _ in 0..ASKED_BY_EACH {
        let start = Instant::now();
        assert_eq!(connection.exchange(&question).await.expect("an answer").status, 200);
        took.push(start.elapsed());
    }
    took
}

/// The 99th percentile of how long answers take to several callers.
async fn p99(of: SocketAddr) -> Duration {
    let callers: JoinSet<_> = (0..CALLERS).map(|_| ask(of)).collect();
    let mut took = callers.join_all().await.concat();
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_connections_do_not_double_what_the_others_wait() {
    if !enough_files() {
        return;
    }
    let limits = json!({"limits": {"header_ms": 120_000, "body_ms": 120_000}});
    let sidecar = Setup::new().await.settings(limits).start().await;
    let mut seen = vec![];
    for _ in 0..ATTEMPTS {
        let alone = p99(sidecar.address).await;
        let (opened, mut all_open) = tokio::sync::mpsc::channel(1);
        let mut slow: JoinSet<_> = (0..SLOW).map(|number| trickle(sidecar.address, number, opened.clone())).collect();
        drop(opened);
        assert_eq!(all_open.recv().await, None);
        let beside = p99(sidecar.address).await;
        assert!(slow.try_join_next().is_none());
        seen.push((alone, beside));
        if beside <= 2 * alone.max(LEAST) {
            return;
        }
        slow.shutdown().await;
    }
    panic!("(alone, beside {SLOW} slow ones): {seen:?}");
}
