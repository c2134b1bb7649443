//! Rewrites behind a sidecar: what is remembered costs no budget, and what is under way at the end is waited for.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use asktwice::{Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Setup, process::Home, ready};
use crate::support::{
    http::Request,
    llm_server::{Answer, LlmServer},
};

/// A rewriter that says something else each time, after a while, and counts its calls.
#[derive(Debug, Default)]
struct Slow {
    takes: Duration,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

#[async_trait]
impl Rewriter for Slow {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        sleep(self.takes).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        let text = format!("{} charged twice", request.question.text());
        Ok(vec![Rewrite::new(RewriteKind::Paraphrase, text)].into())
    }
}

fn slow(milliseconds: u64) -> Arc<Slow> {
    Arc::new(Slow { takes: Duration::from_millis(milliseconds), ..Slow::default() })
}

fn ask(question: &str, deadline_ms: u64) -> Request {
    Request::post("/v1/retrieve", &json!({"question": question, "deadline_ms": deadline_ms}))
}

/// The outcome's kind, and the reason of the degradation if there is one.
fn told(answer: &Value) -> (&str, &str) {
    let reason = answer["degradations"][0]["reason"].as_str().unwrap_or_default();
    (answer["outcome"]["kind"].as_str().unwrap_or_default(), reason)
}

#[tokio::test]
async fn what_is_remembered_costs_no_budget_and_being_over_it_is_not_remembered() {
    let tenants = json!({"ann": {"key": "the-key-of-ann-0001", "rewrites_per_minute": 1},
        "bob": {"key": "the-key-of-bob-0002", "rewrites_per_minute": 1}});
    let slow = slow(0);
    let sidecar =
        Setup::new().await.any_rewriter(slow.clone()).cached().settings(json!({"tenants": tenants})).start().await;
    let asked = async |question: &str, key: &str| ask(question, 60_000).key(key).send(sidecar.address).await.json();
    for _ in 0..3 {
        assert_eq!(told(&asked("late order", "the-key-of-ann-0001").await), ("full", ""));
    }
    for _ in 0..2 {
        let answer = asked("missing items", "the-key-of-ann-0001").await;
        assert_eq!(told(&answer), ("asked_only", "over_budget"), "{answer}");
    }
    assert_eq!(told(&asked("missing items", "the-key-of-bob-0002").await), ("full", ""));
    assert_eq!(slow.begun.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_rewrite_that_comes_too_late_is_waited_for_at_the_end_also_that_of_a_replaced_sidecar() {
    for replaced in [false, true] {
        let slow = slow(700);
        let setup = || async { Setup::new().await.any_rewriter(slow.clone()).cached() };
        let mut sidecar = setup().await.start().await;
        let answer = ask("late order", 150).send(sidecar.address).await.json();
        assert_eq!(told(&answer).0, "asked_only", "{answer}");
        if replaced {
            sidecar.handle.replace(setup().await.sidecar());
        }
        assert_eq!((slow.begun.load(Ordering::SeqCst), slow.ended.load(Ordering::SeqCst)), (1, 0));
        sidecar.handle.drain();
        timeout(Duration::from_secs(20), &mut sidecar.task).await.unwrap().unwrap();
        assert_eq!(slow.ended.load(Ordering::SeqCst), 1, "replaced: {replaced}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_puts_the_budget_inside_of_the_cache_and_drains_both() {
    let Some(home) = Home::new() else { return };
    let script = [
        Answer::saying("Where is my delayed order?"),
        Answer::saying("How do I get a refund?").after(Duration::from_millis(1_000)),
    ];
    let server = LlmServer::start(script).await;
    let settings = |limit: usize| {
        format!(
            "[rewrite]\nurl = \"{}\"\nmodel = \"m\"\n[search]\nlimit = {limit}\n[server.tenants.ann]\n\
             key_file = \"ann\"\nwrite = true\nrewrites_per_minute = 2\n",
            server.base_url()
        )
    };
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("ann", "the-key-of-ann-0001\n");
    write("asktwice.toml", &settings(5));
    let served = home.serve(&[]);
    ready(served.address).await;
    let send = async |request: Request| request.key("the-key-of-ann-0001").send(served.address).await.json();
    let passages = json!({"passages": [{"id": "late", "text": "Your order is late: follow the courier on the map."}]});
    assert_eq!(send(Request::post("/v1/passages", &passages)).await["indexed"], 1);
    for _ in 0..4 {
        let answer = send(ask("where is my food?", 30_000)).await;
        assert_eq!(told(&answer), ("full", ""), "{answer}");
    }
    let late = send(ask("money back?", 300)).await;
    assert_eq!(told(&late).0, "asked_only", "{late}");
    // The rewriter is replaced while its rewrite runs.
    write("asktwice.toml", &settings(6));
    served.signal("HUP");
    for _ in 0..200 {
        if send(Request::get("/v1/settings")).await["search"]["limit"] == 6 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    served.signal("TERM");
    let (code, log) = served.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("rewrites were still under way"), "{log}");
    // Had it not been waited for, the server would notice when its answer is due.
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!((server.requests().len(), server.hung_up()), (2, 0), "{log}");
}
