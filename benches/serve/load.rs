//! The load: blocking sockets and a thread for each caller, so that the generator itself costs and waits little.
//!
//! In a closed loop each caller asks its next question when it has its answer. In an open loop questions are due at a
//! fixed rate, and a question's time counts from when it was due, however late it could be sent.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::Settings;

/// How many questions of an open loop may be under way at once.
const OPEN_CALLERS: usize = 96;

/// What one caller has seen.
#[derive(Default)]
struct Seen {
    took_ms: Vec<f64>,
    /// How often each outcome; what is not an answer counts as its status.
    outcomes: BTreeMap<String, usize>,
    last: Option<Instant>,
}

/// `server=HOST:PORT` and `questions=FILE`, each asked once; `callers=N` for a closed loop, `rate=R` a second for an open
/// one; for at most `seconds=S`. Instead of questions `get=PATH` asks for a page, for as long.
pub(super) fn run(settings: &Settings) -> Value {
    let requests: Vec<Vec<u8>> = match settings.get("get") {
        Some(path) => vec![format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()],
        None => settings.texts("questions").iter().map(|question| post(question)).collect(),
    };
    let span = Duration::from_secs_f64(settings.number("seconds").unwrap_or(1e6));
    let rate = settings.number::<f64>("rate");
    let most = if settings.get("get").is_some() { usize::MAX } else { requests.len() };
    let callers = rate.map_or_else(|| settings.number("callers").expect("callers=N or rate=R"), |_| OPEN_CALLERS);
    let next = AtomicUsize::new(0);
    // All connections are open before the first question is due.
    let connections: Vec<TcpStream> = (0..callers).map(|_| connect(settings.text("server"))).collect();
    let start = Instant::now() + Duration::from_millis(20);
    let seen: Vec<Seen> = thread::scope(|scope| {
        let caller = |connection| {
            let (requests, next) = (&requests, &next);
            scope.spawn(move || {
                let due = |number: usize| rate.map(|rate| start + Duration::from_secs_f64(number as f64 / rate));
                call(connection, requests, (next, most), due, start + span)
            })
        };
        let threads: Vec<_> = connections.into_iter().map(caller).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    report(seen, start)
}

fn call(
    mut connection: TcpStream,
    requests: &[Vec<u8>],
    (next, most): (&AtomicUsize, usize),
    due: impl Fn(usize) -> Option<Instant>,
    end: Instant,
) -> Seen {
    let (mut seen, mut buffer) = (Seen::default(), vec![]);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let begins = due(number).unwrap_or_else(Instant::now);
        if number >= most || begins >= end {
            return seen;
        }
        thread::sleep(begins.saturating_duration_since(Instant::now()));
        connection.write_all(&requests[number % requests.len()]).unwrap();
        let outcome = answer(&mut connection, &mut buffer);
        let now = Instant::now();
        seen.took_ms.push((now - begins).as_secs_f64() * 1e3);
        seen.last = Some(now);
        *seen.outcomes.entry(outcome).or_default() += 1;
    }
}

fn connect(server: &str) -> TcpStream {
    let connection = TcpStream::connect(server).unwrap();
    connection.set_nodelay(true).unwrap();
    connection
}

fn post(question: &str) -> Vec<u8> {
    let body = json!({"question": question}).to_string();
    let head = format!(
        "POST /v1/retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// Reads an answer; says which outcome it reports.
fn answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    buffer.clear();
    let mut chunk = [0; 16 << 10];
    let mut whole = None;
    while whole.is_none_or(|whole| buffer.len() < whole) {
        let read = connection.read(&mut chunk).unwrap();
        assert!(read > 0, "the server closed the connection");
        buffer.extend(&chunk[..read]);
        whole = whole.or_else(|| length(buffer));
    }
    let status = std::str::from_utf8(&buffer[9..12]).unwrap();
    let text = std::str::from_utf8(buffer).unwrap_or_default();
    let outcome = text.split_once(r#""outcome":{"kind":""#).and_then(|(_, rest)| rest.split_once('"'));
    outcome.map_or_else(|| status.to_owned(), |(outcome, _)| outcome.to_owned())
}

/// How long an answer is, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).unwrap().to_lowercase();
    let (_, rest) = text.split_once("content-length: ").expect("an answer says how long it is");
    Some(head + rest.split("\r\n").next().unwrap().parse::<usize>().unwrap())
}

fn report(seen: Vec<Seen>, start: Instant) -> Value {
    let last = seen.iter().filter_map(|seen| seen.last).max().unwrap_or(start);
    let mut took: Vec<f64> = seen.iter().flat_map(|seen| seen.took_ms.iter().copied()).collect();
    took.sort_by(f64::total_cmp);
    let mut outcomes = BTreeMap::<String, usize>::new();
    for (outcome, count) in seen.into_iter().flat_map(|seen| seen.outcomes) {
        *outcomes.entry(outcome).or_default() += count;
    }
    // The nearest rank.
    let quantile = |share: f64| took[((took.len() as f64 * share).ceil() as usize).clamp(1, took.len()) - 1];
    json!({
        "count": took.len(),
        "per_second": took.len() as f64 / (last - start).as_secs_f64(),
        "p50_ms": quantile(0.5), "p99_ms": quantile(0.99), "max_ms": quantile(1.0),
        "outcomes": outcomes,
    })
}
