//! Every way in which an endpoint fails is named, with what to do, where it is, and without a secret.

use std::time::{Duration, Instant};

use asktwice::{
    Question, RewriteRequest, Rewriter,
    question::{Speaker, Turn},
    rewrite::{LlmError, LlmRewriter},
};
use tokio::io::AsyncWriteExt;

use super::{
    llm::{endpoint, rewriter},
    request,
};
use crate::support::llm_server::{Answer, LlmServer, completion, events};

/// How long a call may take where the server stalls.
const STALLED: Duration = Duration::from_millis(400);
/// What a call takes at most, on a machine that runs other tests, too. A stalled server would take a minute.
const BOUND: Duration = Duration::from_secs(10);

/// The rewriter for a fault: those that stall are not waited for as long as the others.
fn rewriter_for(fault_says: &str, base_url: &str) -> LlmRewriter {
    let stalls = fault_says.starts_with("did not answer");
    rewriter(base_url).with_timeout(if stalls { STALLED } else { BOUND })
}

/// A gzip member of 20 MB of zeros would be small; its head is enough to be one.
fn gzip_bomb() -> Answer {
    Answer::status(200, [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xec; 20_000]].concat())
        .with_header("content-encoding", "gzip")
}

/// A stream of events that ends in the middle.
fn cut_events() -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n\r\n{}", events("a rewritten question", false)).into_bytes()
}

/// Faults, each with what the error says and how many requests it may take.
fn faults() -> Vec<(&'static str, Vec<Answer>, &'static str, usize)> {
    let error =
        |code: &str, message: &str| serde_json::json!({"error": {"message": message, "code": code}}).to_string();
    let status = |status, body: &str| vec![Answer::status(status, body)];
    let choice =
        |choice: serde_json::Value| vec![Answer::status(200, serde_json::json!({"choices": [choice]}).to_string())];
    let whole = completion("a rewritten question");
    vec![
        ("black hole", vec![Answer::BlackHole], "did not answer within 400 ms", 1),
        ("head, then nothing", vec![Answer::HeadOnly], "did not answer within 400 ms", 1),
        ("trickle", vec![Answer::Trickle], "did not answer within 400 ms", 1),
        ("reset in the body", vec![Answer::Reset], "hung up", 2),
        ("not HTTP", vec![Answer::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec())], "hung up", 2),
        ("closed at once", vec![Answer::Raw(vec![])], "hung up", 2),
        ("truncated JSON", status(200, &whole[..40]), "ends in the middle", 1),
        ("web page", status(200, "<html><body>Welcome</body></html>"), "web page", 1),
        ("nothing", status(200, ""), "answered with nothing", 1),
        ("events cut off", vec![Answer::Raw(cut_events())], "stream of events", 1),
        ("binary", vec![Answer::status(200, vec![0xff; 100])], "not JSON", 1),
        ("2 MiB", vec![Answer::status(200, vec![b' '; 2 << 20])], "more than 1 MiB", 1),
        ("gzip", vec![gzip_bomb()], "compressed its reply", 1),
        ("no choices", status(200, "{\"choices\":[]}"), "without a choice", 1),
        ("null content", choice(serde_json::json!({"message": {"content": null}})), "it is empty", 1),
        (
            "reasoning",
            choice(serde_json::json!({"message": {"content": "", "reasoning_content": "hm"}})),
            "thought aloud",
            1,
        ),
        ("unclosed think", vec![Answer::saying("<think>The user wants to know about bread")], "it is empty", 1),
        (
            "cut off",
            choice(serde_json::json!({"message": {"content": "why is"}, "finish_reason": "length"})),
            "out of tokens",
            1,
        ),
        ("refusal field", choice(serde_json::json!({"message": {"content": null, "refusal": "No."}})), "refusal", 1),
        ("refusal", vec![Answer::saying("I'm sorry, but I can't help with that.")], "refusal", 1),
        ("preamble only", vec![Answer::saying("Here is the rewritten question:")], "only a preamble", 1),
        ("the question", vec![Answer::saying("\"Where is bread, baked?\"")], "repeats the question", 1),
        ("50 KB", vec![Answer::saying(&"word ".repeat(10_000))], "longer than", 1),
        ("error with 200", status(200, &error("x", "model is loading")), "model is loading", 1),
        (
            "bad request",
            status(400, &error("unsupported_parameter", "use max_completion_tokens")),
            "use max_completion_tokens",
            1,
        ),
        ("content filter", status(400, &error("content_filter", "filtered")), "content filter", 1),
        (
            "no key",
            status(401, &error("invalid_api_key", "Incorrect API key provided: sk-hunter2")),
            "ASKTWICE__REWRITE__API_KEY",
            1,
        ),
        ("forbidden", status(403, ""), "rewrite.api_key_file", 1),
        ("unknown model", status(404, &error("model_not_found", "no such model")), "rewrite.model", 1),
        (
            "too often",
            vec![Answer::status(429, error("rate_limit", "slow down")).with_header("retry-after", "30")],
            "left alone for 30 s",
            1,
        ),
        (
            "garbled retry-after",
            vec![Answer::status(429, "").with_header("retry-after", "soon")],
            "asked too often (429)",
            1,
        ),
        ("no quota", status(429, &error("insufficient_quota", "You exceeded your quota")), "quota is used up", 1),
        ("500", status(500, "Internal\r\n\u{1b}[31mServer Error"), "failed inside or is overloaded (500)", 2),
        ("502 page", status(502, "<html>Bad Gateway</html>"), "(502)", 2),
        ("503", status(503, ""), "(503)", 2),
    ]
}

#[tokio::test]
async fn every_fault_is_named_quickly_and_without_secrets() {
    for (fault, answers, said, requests) in faults() {
        let server = LlmServer::start(answers).await;
        let rewriter = rewriter_for(said, &server.base_url());
        let started = Instant::now();
        let error = rewriter.rewrite(&request("Where is bread baked?")).await.unwrap_err();
        assert!(started.elapsed() < BOUND, "{fault} took {:?}", started.elapsed());
        let report = format!("{} {error:?} {rewriter:?}", asktwice::retrieval::Report(&error));
        assert!(report.contains(said), "{fault}: {report}");
        assert!(!report.contains("hunter2"), "{fault} shows the key: {report}");
        assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "{fault}: {report:?}");
        assert!(report.contains(&server.port().to_string()), "{fault} does not say where: {report}");
        assert_eq!(server.requests().len(), requests, "{fault}");
    }
}

#[tokio::test]
async fn a_short_key_corrupts_no_reply_and_is_not_shown_either() {
    let server = LlmServer::start([Answer::saying("where is bread baked every evening")]).await;
    let rewriter =
        |server: &LlmServer| LlmRewriter::at(endpoint(&server.base_url()).with_api_key("e".into()).unwrap()).unwrap();
    assert_eq!(rewriter(&server).check().await.unwrap(), ["where is bread baked every evening"]);
    let message = r#"{"error": {"message": "the key e is wrong"}}"#;
    for answer in
        [Answer::status(401, message), Answer::status(401, "the key e is wrong"), Answer::status(200, message)]
    {
        let server = LlmServer::start([answer]).await;
        let error = rewriter(&server).check().await.unwrap_err().to_string();
        assert!(error.contains("\"th… k…y … is wrong\""), "{error}");
    }
}

#[tokio::test]
async fn a_servers_words_are_left_out_where_they_repeat_what_was_asked() {
    let turn = Turn { role: Speaker::User, content: "Jane Roe was diagnosed with gout".to_owned() };
    let asked = RewriteRequest::new(Question::new("what may she eat with it?").unwrap().with_history([turn]));
    for status in [200, 400, 401, 404, 422, 429, 500] {
        for (message, kept) in [
            ("cannot process: \"What may she eat…\"", false),
            ("invalid content in messages[0]: user: Jane Roe was diagnosed", false),
            ("use max_completion_tokens instead of max_tokens", true),
        ] {
            for body in [serde_json::json!({"error": {"message": message}}).to_string(), message.to_owned()] {
                if status == 200 && !body.starts_with('{') {
                    continue;
                }
                let server = LlmServer::start([Answer::status(status, body)]).await;
                let error = rewriter(&server.base_url()).rewrite(&asked).await.unwrap_err();
                let report = format!("{} {error:?}", asktwice::retrieval::Report(&error));
                assert_eq!(report.contains("max_completion_tokens"), kept, "{status}: {report}");
                assert_eq!(report.contains("repeats what was sent and is left out"), !kept, "{status}: {report}");
                assert!(!report.to_lowercase().contains("she eat") && !report.contains("Jane"), "{status}: {report}");
            }
        }
    }
}

#[tokio::test]
async fn unreachable_places_are_told_apart() {
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    // A server that speaks plain text where TLS is expected.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    for (url, said) in [
        (format!("http://127.0.0.1:{closed}/v1"), "refused the connection"),
        ("http://no-such-host.invalid/v1".to_owned(), "no-such-host.invalid"),
        (format!("https://127.0.0.1:{plain_port}/v1"), "TLS handshake"),
    ] {
        let started = Instant::now();
        let error = rewriter(&url).check().await.unwrap_err();
        assert!(started.elapsed() < BOUND, "{url}");
        assert!(matches!(error, LlmError::Unreachable { .. } | LlmError::Timeout { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains(said), "{url}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let canary = LlmServer::start([Answer::saying("stolen")]).await;
    for status in [301, 302, 307, 308] {
        let location = format!("{}/chat/completions", canary.base_url());
        let server = LlmServer::start([Answer::status(status, "").with_header("location", location)]).await;
        let error = rewriter(&server.base_url()).check().await.unwrap_err();
        assert!(error.to_string().contains("redirect"), "{error}");
    }
    assert_eq!(canary.requests(), Vec::<String>::new());
}
