//! Fault 26: the wall clock is set while the program runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use asktwice::{Question, RewriteRequest, Rewriter, rewrite::LlmRewriter};

use super::{
    super::llm::endpoint,
    Case,
    cases::{asked_before, error},
};
use crate::support::llm_server::LlmServer;

/// An hour, in seconds.
pub(super) const HOUR: i64 = 3_600;

/// A wall clock that can be set. Nothing else in the library looks at one: `clippy.toml` forbids it.
#[derive(Clone)]
pub(super) struct Clock(Arc<AtomicI64>);

impl Default for Clock {
    /// It shows 12:00:00 on 26 November 2026.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_795_694_400)))
    }
}

impl Clock {
    pub(super) fn jump(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn reader(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let now = Arc::clone(&self.0);
        move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// An endpoint asks for a pause of 30 s by a date; then the clock is set. The pause lasts as long as it would have.
pub(super) async fn jumps(seconds: i64) -> Case {
    let busy = error(429, "rate_limit").with_header("retry-after", "Thu, 26 Nov 2026 12:00:30 GMT");
    let server = Arc::new(LlmServer::start([busy]).await);
    let clock = Clock::default();
    let llm = LlmRewriter::at(endpoint(&server.base_url()).with_wall_clock(clock.reader())).unwrap();
    asked_before(&llm).await;
    clock.jump(seconds);
    let request = RewriteRequest::new(Question::new("another question").unwrap());
    let told = llm.rewrite(&request).await.unwrap_err().to_string();
    let left = told.split_once("left alone for ").and_then(|(_, rest)| rest.split_once(" s more"));
    let left: u64 = left.and_then(|(seconds, _)| seconds.parse().ok()).unwrap_or_else(|| panic!("{told}"));
    assert!((5..=30).contains(&left), "{told}");
    let counted = Arc::clone(&server);
    Case { requests: Box::new(move || counted.requests().len()), most_requests: 1, ..Case::new(llm, server) }
}
