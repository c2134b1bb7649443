//! The faults, 1 to 26, each as a table's row: its number, what it is, what is to come of it, and how it is made.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use asktwice::{
    Question, RewriteRequest, Rewriter,
    rewrite::{CacheOptions, CachedRewriter, LlmRewriter},
};
use serde_json::{Value, json};

use super::{
    super::llm::{endpoint, rewriter},
    Case, Expected, QUESTION, STALLED,
    clock::{self, Clock},
    network,
};
use crate::support::{
    llm_server::{Answer, LlmServer, completion, events},
    proxy::{Proxy, Toxic},
};

type Making = Pin<Box<dyn Future<Output = Case> + Send>>;

/// A fault that can be made again and again.
pub(super) struct Fault {
    pub(super) number: &'static str,
    pub(super) name: &'static str,
    pub(super) expected: Expected,
    pub(super) make: Box<dyn Fn() -> Making + Send + Sync>,
}

fn fault<F: Future<Output = Case> + Send + 'static>(
    number: &'static str,
    name: &'static str,
    expected: Expected,
    make: impl Fn() -> F + Send + Sync + 'static,
) -> Fault {
    Fault { number, name, expected, make: Box::new(move || Box::pin(make())) }
}

/// What a server answers that is asked only once or twice.
fn answering(
    number: &'static str,
    name: &'static str,
    expected: Expected,
    most_requests: usize,
    answers: Vec<Answer>,
) -> Fault {
    fault(number, name, expected, move || {
        let answers = answers.clone();
        async move {
            let server = Arc::new(LlmServer::start(answers).await);
            let counted = Arc::clone(&server);
            let requests = Box::new(move || counted.requests().len());
            Case { requests, most_requests, ..Case::new(rewriter(&server.base_url()), server) }
        }
    })
}

/// A healthy server behind a network that is not.
fn through(number: &'static str, name: &'static str, expected: Expected, toxic: Toxic) -> Fault {
    fault(number, name, expected, move || async move {
        let server = LlmServer::start([Answer::saying(HEALED)]).await;
        let proxy = Proxy::start(server.address(), toxic).await;
        let case = Case::new(rewriter(&proxy.base_url()), (server, proxy));
        let stalls = matches!(toxic, Toxic::BlackHole | Toxic::Trickle(_) | Toxic::Stall(_) | Toxic::Delay(_));
        if stalls { case.stalling() } else { case }
    })
}

const HEALED: &str = "What makes yeast rise?";
const HEAL: Expected = Expected::Healed(HEALED);
/// Either clock may run out first.
const LATE: Expected = Expected::Plain(&["deadline", "timeout"]);
const BROKEN: Expected = Expected::Plain(&["broken"]);
const PARSE: Expected = Expected::Plain(&["parse"]);
const REJECTED: Expected = Expected::Plain(&["rejected"]);
const PAUSED: Expected = Expected::Plain(&["paused"]);
const STATUS: Expected = Expected::Plain(&["status"]);

fn message(message: Value) -> Vec<Answer> {
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    vec![Answer::status(200, json!({"choices": [choice]}).to_string())]
}

pub(super) fn error(status: u16, code: &str) -> Answer {
    Answer::status(status, json!({"error": {"message": "no", "code": code}}).to_string())
}

pub(super) fn all() -> Vec<Fault> {
    [connecting(), breaking(), replies(), statuses(), contents(), times()].into_iter().flatten().collect()
}

fn connecting() -> Vec<Fault> {
    let at = |number, name, expected, url: &'static str| {
        fault(number, name, expected, move || async move { Case::new(rewriter(url), ()) })
    };
    const CONNECT: Expected = Expected::Plain(&["connect"]);
    vec![
        // Nobody may listen below 1024 here.
        at("1", "refused port", CONNECT, "http://127.0.0.1:1/v1"),
        through("2", "accepts, then nothing", LATE, Toxic::BlackHole),
        fault("3", "SYN dropped: full backlog, short budget", LATE, || async {
            let full = network::full_backlog().await;
            Case::new(rewriter(&full.base_url()), full).stalling()
        }),
        fault("3", "SYN dropped: full backlog, connect timeout", CONNECT, || async {
            let full = network::full_backlog().await;
            Case::new(rewriter(&full.base_url()), full)
        }),
        at("4", "unknown host", CONNECT, "http://no-such-host.invalid/v1"),
        fault("5", "name service hangs", LATE, || async {
            let endpoint = endpoint("http://model.example/v1").with_client(network::client_without_names());
            Case::new(LlmRewriter::at(endpoint).unwrap(), ()).stalling()
        }),
        fault("20", "certificate of nobody", CONNECT, || async {
            let server = network::self_signed();
            Case::new(rewriter(&server.base_url()), server)
        }),
        fault("20", "plain text on a TLS port", CONNECT, || async {
            let server = LlmServer::start([Answer::saying(HEALED)]).await;
            let url = server.base_url().replace("http://", "https://");
            Case::new(rewriter(&url), server)
        }),
    ]
}

fn breaking() -> Vec<Fault> {
    let every = Duration::from_millis(100);
    vec![
        answering("6", "head, then nothing", LATE, 1, vec![Answer::HeadOnly]).stalling(),
        through("6", "half an answer, then nothing", LATE, Toxic::Stall(120)),
        through("7", "one byte every 100 ms", LATE, Toxic::Trickle(every)),
        through("8", "reset in the body", BROKEN, Toxic::Reset(120)),
        through("8", "closed in the body", BROKEN, Toxic::Truncate(120)),
        through("21", "connection went stale", HEAL, Toxic::ResetReused).twice(),
        fault("13", "100 MB", PARSE, || async {
            let server = Arc::new(LlmServer::start([Answer::Flood(100 << 20)]).await);
            let counted = Arc::clone(&server);
            // What the sockets buffer, and the megabyte that is read.
            let taken = Box::new(move || counted.flooded() >> 20);
            Case { requests: taken, most_requests: 16, ..Case::new(rewriter(&server.base_url()), server) }
        }),
        answering(
            "13",
            "compressed bomb",
            PARSE,
            1,
            vec![
                Answer::status(200, [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xec; 20_000]].concat())
                    .with_header("content-encoding", "gzip"),
            ],
        ),
    ]
}

fn replies() -> Vec<Fault> {
    let think = |text: &str| message(json!({"content": format!("<think>\nThey ask about yeast.\n{text}")}));
    let whole = completion(HEALED);
    vec![
        answering("9", "truncated JSON", PARSE, 1, vec![Answer::status(200, &whole[..60])]),
        answering("10", "a web page", PARSE, 1, vec![Answer::status(200, "<html>Welcome</html>")]),
        answering("11", "no choices", PARSE, 1, vec![Answer::status(200, "{\"choices\": []}")]),
        answering("11", "null content", REJECTED, 1, message(json!({"content": null}))),
        answering("11", "content as parts", HEAL, 1, message(json!({"content": [{"type": "text", "text": HEALED}]}))),
        answering("11", "a refusal's field", REJECTED, 1, message(json!({"content": null, "refusal": "No."}))),
        answering("12", "thinking, closed", HEAL, 1, think(&format!("</think>\n{HEALED}"))),
        answering("12", "thinking, never closed", REJECTED, 1, think(HEALED)),
        answering("12", "only thought aloud", PARSE, 1, message(json!({"content": "", "reasoning_content": HEALED}))),
        answering("22", "events, whole", HEAL, 1, vec![Answer::Events(events(HEALED, true))]),
        answering("22", "events, cut off", PARSE, 1, vec![Answer::status(200, events(HEALED, false))]),
    ]
}

fn statuses() -> Vec<Fault> {
    let wait = |after: &str| vec![error(429, "rate_limit").with_header("retry-after", after)];
    let mut faults = vec![
        paused("14", "429, Retry-After: 1", &["status", "paused"], wait("1")),
        paused("14", "429, Retry-After: 3600", &["paused"], wait("3600")),
        paused("14", "429, Retry-After: a date", &["paused"], wait("Fri, 31 Dec 2100 23:59:59 GMT")),
        answering("14", "429, Retry-After: soon", STATUS, 1, wait("soon")),
        paused("15", "429, quota used up", &["paused"], vec![error(429, "insufficient_quota")]),
        answering("17", "401", Expected::Plain(&["unauthorized"]), 1, vec![error(401, "invalid_api_key")]),
        answering("17", "403", Expected::Plain(&["unauthorized"]), 1, vec![error(403, "")]),
        answering("18", "400, content filter", Expected::Plain(&["filtered"]), 1, vec![error(400, "content_filter")]),
        fault("19", "redirect to elsewhere", STATUS, || async {
            let elsewhere = Arc::new(LlmServer::start([Answer::saying(HEALED)]).await);
            let location = format!("{}/chat/completions", elsewhere.base_url());
            let server = LlmServer::start([Answer::status(307, "").with_header("location", location)]).await;
            let counted = Arc::clone(&elsewhere);
            let followed = Box::new(move || counted.requests().len());
            Case { requests: followed, ..Case::new(rewriter(&server.base_url()), (server, elsewhere)) }
        }),
    ];
    for (status, name) in
        [(500, "500, each time"), (502, "502, each time"), (503, "503, each time"), (504, "504, each time")]
    {
        faults.push(answering("16", name, STATUS, 2, vec![Answer::status(status, "")]));
    }
    faults.push(answering("16", "500, once", HEAL, 2, vec![Answer::status(500, ""), Answer::saying(HEALED)]));
    faults.push(fault("16", "500, again and again", Expected::Plain(&["circuit_open"]), || async {
        let server = Arc::new(LlmServer::start([Answer::status(500, "")]).await);
        let llm = rewriter(&server.base_url());
        for _ in 0..5 {
            asked_before(&llm).await;
        }
        let (counted, asked) = (Arc::clone(&server), server.requests().len());
        Case { requests: Box::new(move || counted.requests().len() - asked), ..Case::new(llm, server) }
    }));
    faults
}

/// An endpoint that wants to be left alone, and was asked before: now it is.
fn paused(number: &'static str, name: &'static str, words: &'static [&'static str], answers: Vec<Answer>) -> Fault {
    fault(number, name, Expected::Plain(words), move || {
        let answers = answers.clone();
        async move {
            let server = Arc::new(LlmServer::start(answers).await);
            let llm = rewriter(&server.base_url());
            asked_before(&llm).await;
            let counted = Arc::clone(&server);
            // Were the pause of a second over already, there would be a second request.
            let most_requests = if words.len() > 1 { 2 } else { 1 };
            Case { requests: Box::new(move || counted.requests().len()), most_requests, ..Case::new(llm, server) }
        }
    })
}

pub(super) async fn asked_before(llm: &LlmRewriter) {
    let request = RewriteRequest::new(Question::new("an earlier question").unwrap());
    llm.rewrite(&request).await.unwrap_err();
}

fn contents() -> Vec<Fault> {
    let saying = |text: &str| vec![Answer::saying(text)];
    let hidden = HEALED.replace(' ', " \u{200b}\u{0} ");
    vec![
        answering("23", "the question itself", REJECTED, 1, saying("\"Where is bread, baked?\"")),
        answering("23", "empty", REJECTED, 1, saying("")),
        answering("23", "white space", REJECTED, 1, saying(" \n\t\u{200b} ")),
        answering("23", "50 KB", REJECTED, 1, saying(&"word ".repeat(10_000))),
        answering("23", "another language", REJECTED, 1, saying("Wo wird das Brot gebacken und wie?")),
        answering("23", "another script", REJECTED, 1, saying("面包在哪里烤？")),
        answering(
            "23",
            "control and hidden characters",
            HEAL,
            1,
            saying(&format!("\u{1b}[31m{hidden}\u{202e}\n\u{200b}")),
        ),
        answering("24", "the answer", REJECTED, 1, saying("Bread is baked in an oven.")),
        answering("24", "a refusal", REJECTED, 1, saying("I'm sorry, but I can't help with that.")),
    ]
}

fn times() -> Vec<Fault> {
    let date = |text: &str| vec![error(429, "rate_limit").with_header("retry-after", text)];
    vec![
        through("25", "late, first time", LATE, Toxic::Delay(STALLED * 2)),
        fault("25", "late, the time after", HEAL, || async {
            let server = LlmServer::start([Answer::saying(HEALED).after(STALLED)]).await;
            let cached = CachedRewriter::new(rewriter(&server.base_url()), CacheOptions::default());
            let request = RewriteRequest::new(Question::new(QUESTION).unwrap());
            let hurried = tokio::time::timeout(Duration::from_millis(20), cached.rewrite(&request));
            hurried.await.unwrap_err();
            // It goes on, and is there when it is needed.
            let server = Arc::new(server);
            let counted = Arc::clone(&server);
            let case = Case::new(rewriter(&server.base_url()), server);
            Case {
                rewriter: Arc::new(cached),
                requests: Box::new(move || counted.requests().len()),
                most_requests: 1,
                ..case
            }
        }),
        answering("14", "429, Retry-After: a date of the past", STATUS, 1, date("Thu, 01 Jan 1970 00:00:00 GMT")),
        fault("26", "our clock jumps an hour ahead", PAUSED, || clock::jumps(clock::HOUR)),
        fault("26", "our clock jumps an hour back", PAUSED, || clock::jumps(-clock::HOUR)),
        fault("26", "our clock jumps, and it stalls", LATE, || async {
            let server = LlmServer::start([Answer::BlackHole]).await;
            let clock = Clock::default();
            let llm = LlmRewriter::at(endpoint(&server.base_url()).with_wall_clock(clock.reader())).unwrap();
            clock.jump(clock::HOUR);
            Case::new(llm, server).stalling()
        }),
    ]
}

impl Fault {
    /// It stalls: a short budget.
    fn stalling(self) -> Self {
        let make = self.make;
        Self {
            make: Box::new(move || {
                let making = make();
                Box::pin(async move { making.await.stalling() })
            }),
            ..self
        }
    }

    /// It only shows at the second question.
    fn twice(self) -> Self {
        let make = self.make;
        Self {
            make: Box::new(move || {
                let making = make();
                Box::pin(async move {
                    let case = making.await;
                    let request = RewriteRequest::new(Question::new("an earlier question").unwrap());
                    case.rewriter.rewrite(&request).await.unwrap();
                    case
                })
            }),
            ..self
        }
    }
}
