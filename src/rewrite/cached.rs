//! Remembers rewrites, asks once for what many want at the same time, and lets a rewrite that comes too late for its
//! question be ready for the next one.

mod flights;
mod key;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::{Expiry, future::Cache};

use super::{Failure, RewriteError, RewriteKind, RewriteRequest, Rewriter, Rewrites, counters};
use flights::Flights;
use key::Key;

/// How rewrites are remembered, and how long they may run when nobody waits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// How many bytes are remembered at most, keys and bookkeeping included.
    pub max_bytes: u64,
    /// How long a rewrite is remembered.
    pub ttl: Duration,
    /// How long a failure is remembered, and a reply that lacks a kind that was asked for, was cut off or is not from the
    /// preferred endpoint.
    pub failure_ttl: Duration,
    /// How long a rewrite may run, from its start, when nobody waits for it any more. Zero: it is given up with whoever
    /// waits last.
    pub background: Duration,
    /// How many rewrites may run that nobody waits for; one more is given up at once.
    pub most_background: usize,
}

impl Default for CacheOptions {
    /// 16 MB, an hour; failures 5 s; up to 64 rewrites in the background, 10 s each.
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
            ttl: Duration::from_hours(1),
            failure_ttl: Duration::from_secs(5),
            background: Duration::from_secs(10),
            most_background: 64,
        }
    }
}

/// What came of asking a rewriter.
type Reply = Result<Rewrites, RewriteError>;

/// A rewriter with a memory.
///
/// Rewrites are found again by exactly the same tenant, question, chat, kinds and rewriter
/// ([`identity`](Rewriter::identity)); "nearly the same" questions are asked anew. Equal requests at the same time share
/// one call. When the last of them stops waiting, the call goes on in the background, within its bounds, and is
/// remembered for the next. Whoever has to see that nothing is left running calls [`drain`](Rewriter::drain).
///
/// ```
/// use asktwice::{RewriteRequest, Rewriter, Question, rewrite::{CacheOptions, CachedRewriter, RecordedRewriter}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recorded = RecordedRewriter::from_pairs([("flat bread?", ["Why is my bread flat?"])]);
/// let rewriter = CachedRewriter::new(recorded, CacheOptions::default());
/// let request = RewriteRequest::new(Question::new("flat bread?")?);
/// assert_eq!(rewriter.rewrite(&request).await?, rewriter.rewrite(&request).await?);
/// # Ok(())
/// # }
/// ```
pub struct CachedRewriter<R> {
    shared: Arc<Shared<R>>,
}

/// What all clones and all calls under way share.
struct Shared<R> {
    rewriter: R,
    /// The rewriter's, which does not change.
    identity: String,
    options: CacheOptions,
    cache: Cache<Key, Arc<Remembered>>,
    flights: Flights,
}

/// A reply, and for how long it is remembered.
struct Remembered {
    reply: Reply,
    keep: Duration,
}

impl<R: Rewriter + 'static> CachedRewriter<R> {
    /// Remembers what a rewriter says.
    pub fn new(rewriter: R, options: CacheOptions) -> Self {
        let cache = Cache::builder()
            .name("rewrites")
            .max_capacity(options.max_bytes)
            .weigher(|_, remembered: &Arc<Remembered>| remembered.weight())
            .expire_after(KeepEach)
            .build();
        let identity = rewriter.identity();
        let flights = Flights::new(options.most_background);
        Self { shared: Arc::new(Shared { rewriter, identity, options, cache, flights }) }
    }
}

impl<R: Rewriter + 'static> Shared<R> {
    /// Asks the rewriter and remembers what it says. What was remembered since the call was begun is taken instead.
    async fn ask(&self, key: Key, request: &RewriteRequest) -> Reply {
        if let Some(known) = self.cache.get(&key).await {
            return known.reply.clone();
        }
        let reply = flights::guarded(self.rewriter.rewrite(request)).await;
        let keep = self.keep(&reply);
        if !keep.is_zero() {
            self.cache.insert(key, Arc::new(Remembered { reply: reply.clone(), keep })).await;
        }
        reply
    }

    /// For how long a reply is remembered.
    fn keep(&self, reply: &Reply) -> Duration {
        match reply {
            Ok(rewrites) if rewrites.missing.is_empty() && !rewrites.degraded => self.options.ttl,
            // The next reply may be better, and whoever asks soon should not have to wait for it.
            Ok(_) | Err(RewriteError::Rejected { .. }) => self.options.failure_ttl,
            Err(RewriteError::Failed { failure, .. }) if !failure.is_of_the_moment() => self.options.failure_ttl,
            // It says nothing about the question.
            Err(_) => Duration::ZERO,
        }
    }
}

impl Remembered {
    /// About how many bytes it takes.
    fn weight(&self) -> u32 {
        /// A key, and what the cache notes about an entry.
        const ENTRY: usize = 256;
        let bytes = match &self.reply {
            Ok(rewrites) => rewrites.rewrites.iter().map(|rewrite| rewrite.text.len() + 64).sum(),
            Err(_) => 512,
        };
        u32::try_from(ENTRY + bytes).unwrap_or(u32::MAX)
    }
}

/// Each reply has its own time to live.
struct KeepEach;

impl Expiry<Key, Arc<Remembered>> for KeepEach {
    fn expire_after_create(&self, _: &Key, value: &Arc<Remembered>, _: std::time::Instant) -> Option<Duration> {
        Some(value.keep)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        value: &Arc<Remembered>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.keep)
    }
}

#[async_trait]
impl<R: Rewriter + 'static> Rewriter for CachedRewriter<R> {
    async fn rewrite(&self, request: &RewriteRequest) -> Reply {
        let shared = &self.shared;
        let key = Key::of(&shared.identity, request);
        if let Some(known) = shared.cache.get(&key).await {
            counters::looked_up(if known.reply.is_ok() { "hit" } else { "failure" });
            return known.reply.clone();
        }
        // The call may outlive this request's deadline.
        let request = RewriteRequest { deadline: None, ..request.clone() };
        let asking = Arc::clone(shared);
        let ask = async move { asking.ask(key, &request).await };
        shared.flights.board(key, shared.options.background, ask).await
    }

    fn leaves_host(&self) -> bool {
        self.shared.rewriter.leaves_host()
    }

    fn usual_kinds(&self) -> &[RewriteKind] {
        self.shared.rewriter.usual_kinds()
    }

    fn identity(&self) -> String {
        self.shared.identity.clone()
    }

    async fn drain(&self, timeout: Duration) -> usize {
        let (own, inner) = tokio::join!(self.shared.flights.drain(timeout), self.shared.rewriter.drain(timeout));
        own + inner
    }
}

impl<R> Clone for CachedRewriter<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R: fmt::Debug> fmt::Debug for CachedRewriter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { rewriter, options, .. } = &*self.shared;
        f.debug_struct("CachedRewriter").field("rewriter", rewriter).field("options", options).finish_non_exhaustive()
    }
}

/// The error of a call that panicked.
fn crashed() -> RewriteError {
    RewriteError::because(Failure::Crashed, "crashed; the log says where")
}

/// The error of a call that was given up.
fn given_up() -> RewriteError {
    RewriteError::because(Failure::GivenUp, "was given up before it answered")
}
