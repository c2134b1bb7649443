//! The cache of rewrites: one call for many, late ones for later, bounds kept, nobody stranded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use asktwice::{
    Question, Rewrite, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites,
    question::{Speaker, Turn},
    rewrite::{CacheOptions, CachedRewriter, Failure, LlmRewriter, Rejection},
};
use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use super::request;

/// What the rewriter behind the cache does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Say,
    SayAfter(Duration),
    Never,
    Fail(Failure),
    Reject,
    LackAKind,
    Degrade,
    Panic,
}

#[derive(Debug)]
struct Inner {
    act: Act,
    calls: AtomicUsize,
    /// How many calls are under way.
    running: Arc<AtomicUsize>,
}

/// Counts down when a call ends or is given up.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Rewriter for Inner {
    async fn rewrite(&self, request: &RewriteRequest) -> Result<Rewrites, RewriteError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        let text = format!("{} rewritten for {:?}, call {call}", request.question.text(), request.tenant);
        let mut rewrites = Rewrites::from(vec![Rewrite::new(RewriteKind::Paraphrase, text)]);
        match self.act {
            Act::Say => tokio::task::yield_now().await,
            Act::SayAfter(wait) => sleep(wait).await,
            Act::Never => std::future::pending().await,
            Act::Fail(failure) => return Err(RewriteError::because(failure, "failed")),
            Act::Reject => return Err(RewriteError::Rejected { reasons: vec![Rejection::Refusal] }),
            Act::LackAKind => rewrites.missing = vec![RewriteKind::Hyde],
            Act::Degrade => rewrites.degraded = true,
            Act::Panic => panic!("on purpose"),
        }
        Ok(rewrites)
    }

    fn identity(&self) -> String {
        "inner".to_owned()
    }
}

struct Cache {
    inner: Arc<Inner>,
    cached: CachedRewriter<Arc<Inner>>,
}

impl Cache {
    fn new(act: Act, options: CacheOptions) -> Self {
        let inner = Arc::new(Inner { act, calls: AtomicUsize::new(0), running: Arc::default() });
        Self { cached: CachedRewriter::new(Arc::clone(&inner), options), inner }
    }

    async fn ask(&self, question: &str) -> Result<Rewrites, RewriteError> {
        self.cached.rewrite(&request(question)).await
    }

    /// Asks and goes away before there is an answer.
    async fn ask_briefly(&self, question: &str) {
        timeout(Duration::from_millis(20), self.ask(question)).await.unwrap_err();
    }

    fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::SeqCst)
    }

    fn running(&self) -> usize {
        self.inner.running.load(Ordering::SeqCst)
    }

    /// Waits until so many calls are under way.
    async fn until_running(&self, count: usize) {
        let reached = async {
            while self.running() != count {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(10), reached).await.unwrap_or_else(|_| panic!("{} calls run", self.running()));
    }
}

fn options(change: impl FnOnce(&mut CacheOptions)) -> CacheOptions {
    let mut options = CacheOptions::default();
    change(&mut options);
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_at_once_make_one_call() {
    for round in 0..20 {
        let cache = Arc::new(Cache::new(Act::SayAfter(Duration::from_millis(round)), CacheOptions::default()));
        let asking: Vec<_> = (0..1_000)
            .map(|_| {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move { cache.ask("why?").await.unwrap() })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap().texts().next(), Some("why? rewritten for \"\", call 0"));
        }
        assert_eq!(cache.calls(), 1);
    }
}

#[tokio::test]
async fn only_what_is_the_same_in_all_parts_is_remembered_together() {
    let cache = Cache::new(Act::Say, CacheOptions::default());
    let turn = |content: &str| Turn { role: Speaker::User, content: content.to_owned() };
    let question = || Question::new("why?").unwrap();
    let different = [
        RewriteRequest::new(question()),
        RewriteRequest::new(Question::new("Why?").unwrap()),
        RewriteRequest::new(question()).with_tenant("a"),
        RewriteRequest::new(question()).with_tenant("b"),
        RewriteRequest::new(question()).with_kinds([RewriteKind::Hyde]),
        RewriteRequest::new(question().with_history([turn("bread")])),
        RewriteRequest::new(question().with_history([turn("bread"), turn("bread")])),
    ];
    for _ in 0..3 {
        for (call, request) in different.iter().enumerate() {
            let said = cache.cached.rewrite(request).await.unwrap();
            assert!(said.rewrites[0].text.ends_with(&format!("{:?}, call {call}", request.tenant)), "{said:?}");
        }
    }
    assert_eq!(cache.calls(), different.len());
}

#[tokio::test]
async fn what_comes_too_late_is_there_the_next_time() {
    let cache = Cache::new(Act::SayAfter(Duration::from_millis(100)), CacheOptions::default());
    cache.ask_briefly("why?").await;
    cache.until_running(0).await;
    assert!(timeout(Duration::from_secs(5), cache.ask("why?")).await.unwrap().is_ok());
    assert_eq!(cache.calls(), 1);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_bounded() {
    // Not at all in the background.
    let cache = Cache::new(Act::Never, options(|options| options.background = Duration::ZERO));
    cache.ask_briefly("why?").await;
    cache.until_running(0).await;
    // In time.
    let cache = Cache::new(Act::Never, options(|options| options.background = Duration::from_millis(200)));
    cache.ask_briefly("why?").await;
    assert_eq!(cache.running(), 1);
    cache.until_running(0).await;
    // In number: the first two have places, the third has none.
    let cache = Cache::new(Act::Never, options(|options| options.most_background = 2));
    for question in ["one?", "two?", "three?"] {
        cache.ask_briefly(question).await;
    }
    cache.until_running(2).await;
    // Who waits again gives the place back to another.
    let waiting = tokio::time::timeout(Duration::from_secs(60), cache.ask("one?"));
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("it never answers"),
        () = async { sleep(Duration::from_millis(20)).await; cache.ask_briefly("four?").await } => {}
    }
    assert_eq!((cache.running(), cache.calls()), (3, 4));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_still_waits_keeps_it_beyond_the_bound() {
    let background = Duration::from_secs(1);
    let cache = Cache::new(Act::SayAfter(background * 5), options(|options| options.background = background));
    let started = tokio::time::Instant::now();
    assert!(cache.ask("why?").await.is_ok());
    assert!(started.elapsed() >= background * 5);
    // Left alone after the bound, it ends at once.
    let cache = Cache::new(Act::Never, options(|options| options.background = background));
    timeout(background * 3, cache.ask("why?")).await.unwrap_err();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(cache.running(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_strands_nobody() {
    let cache = Arc::new(Cache::new(Act::Panic, options(|options| options.failure_ttl = Duration::ZERO)));
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { timeout(Duration::from_secs(10), cache.ask("why?")).await.unwrap() })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap_err().word(), "crashed");
    }
    assert_eq!(cache.ask("why?").await.unwrap_err().word(), "crashed");
}

#[tokio::test]
async fn failures_are_remembered_briefly_and_those_of_the_moment_not_at_all() {
    let brief = |options: &mut CacheOptions| options.failure_ttl = Duration::from_millis(150);
    for (act, remembered) in [
        (Act::Reject, true),
        (Act::Fail(Failure::Connect), true),
        (Act::LackAKind, true),
        (Act::Degrade, true),
        (Act::Fail(Failure::Busy), false),
        (Act::Fail(Failure::Paused), false),
        (Act::Fail(Failure::CircuitOpen), false),
        (Act::Fail(Failure::OverBudget), false),
    ] {
        let cache = Cache::new(act, options(brief));
        let first = cache.ask("why?").await.map_err(|error| error.to_string());
        assert_eq!(cache.ask("why?").await.map_err(|error| error.to_string()).is_ok(), first.is_ok());
        assert_eq!(cache.calls(), if remembered { 1 } else { 2 }, "{act:?}");
        if remembered {
            sleep(Duration::from_millis(400)).await;
            let _ = cache.ask("why?").await;
            assert_eq!(cache.calls(), 2, "{act:?}");
        }
    }
}

#[tokio::test]
async fn rewrites_are_forgotten_in_time_and_over_the_bound() {
    let cache = Cache::new(Act::Say, options(|options| options.ttl = Duration::from_millis(150)));
    cache.ask("why?").await.unwrap();
    cache.ask("why?").await.unwrap();
    assert_eq!(cache.calls(), 1);
    sleep(Duration::from_millis(400)).await;
    cache.ask("why?").await.unwrap();
    assert_eq!(cache.calls(), 2);
    let small = Cache::new(Act::Say, options(|options| options.max_bytes = 100_000));
    let question = |n: usize| format!("{n} {}", "long ".repeat(200));
    for _ in 0..2 {
        for n in 0..500 {
            small.ask(&question(n)).await.unwrap();
        }
    }
    // About 80 of them fit.
    assert!(small.calls() > 800, "{}", small.calls());
}

#[tokio::test]
async fn draining_waits_for_what_is_under_way_and_gives_up_the_rest() {
    let cache = Cache::new(Act::SayAfter(Duration::from_millis(150)), CacheOptions::default());
    assert_eq!(cache.cached.drain(Duration::from_secs(10)).await, 0);
    let cache = Cache::new(Act::SayAfter(Duration::from_millis(150)), CacheOptions::default());
    cache.ask_briefly("why?").await;
    assert_eq!(cache.cached.drain(Duration::from_secs(10)).await, 0);
    cache.ask("why?").await.unwrap();
    assert_eq!(cache.calls(), 1, "it was remembered");
    let cache = Cache::new(Act::Never, CacheOptions::default());
    for question in ["one?", "two?"] {
        cache.ask_briefly(question).await;
    }
    assert_eq!(cache.cached.drain(Duration::from_millis(50)).await, 2);
    cache.until_running(0).await;
    // From then on nothing is left behind.
    cache.ask_briefly("three?").await;
    cache.until_running(0).await;
    // Whoever waits for one that is given up is told.
    let (asked, ()) = tokio::join!(timeout(Duration::from_secs(10), cache.ask("four?")), async {
        cache.until_running(1).await;
        assert_eq!(cache.cached.drain(Duration::from_millis(10)).await, 1);
    });
    assert_eq!(asked.unwrap().unwrap_err().word(), "given_up");
}

#[tokio::test]
async fn it_is_counted_what_was_found_and_what_was_not() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let cache = Cache::new(Act::SayAfter(Duration::from_millis(100)), CacheOptions::default());
    cache.ask_briefly("why?").await;
    let (one, two) = tokio::join!(cache.ask("why?"), cache.ask("why?"));
    assert!(one.is_ok() && two.is_ok() && cache.ask("why?").await.is_ok());
    let cache = Cache::new(Act::Reject, CacheOptions::default());
    let _ = (cache.ask("why?").await, cache.ask("why?").await);
    let cache = Cache::new(Act::SayAfter(Duration::from_millis(40)), CacheOptions::default());
    cache.ask_briefly("why?").await;
    cache.cached.drain(Duration::from_secs(10)).await;
    let counted = handle.render();
    for line in [
        "asktwice_rewrite_cache_total{result=\"miss\"} 3",
        "asktwice_rewrite_cache_total{result=\"joined\"} 2",
        "asktwice_rewrite_cache_total{result=\"hit\"} 1",
        "asktwice_rewrite_cache_total{result=\"failure\"} 1",
        "asktwice_rewrite_background 0",
        "asktwice_rewrite_background_total{result=\"filled\"} 1",
    ] {
        assert!(counted.contains(line), "{line}:\n{counted}");
    }
}

#[test]
fn it_is_set_up_for_what_its_rewriter_is() {
    const KINDS: [RewriteKind; 2] = [RewriteKind::Condense, RewriteKind::Keywords];
    let llm = LlmRewriter::new("http://localhost:1/v1", "a-model").unwrap().with_kinds(KINDS);
    let cached: Arc<dyn Rewriter> = Arc::new(CachedRewriter::new(Arc::new(llm), CacheOptions::default()));
    assert_eq!(cached.usual_kinds(), KINDS);
}
