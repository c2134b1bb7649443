//! What the rewrite step counts, in one place. Labels come from closed lists; no label holds a question, a name or a URL.
//! Nothing is counted anywhere unless the program that uses this library installs a recorder.

#[cfg(feature = "llm")]
use std::time::Duration;

use metrics::counter;
#[cfg(any(feature = "llm", feature = "cache"))]
use metrics::gauge;
#[cfg(feature = "llm")]
use metrics::histogram;

use super::{Rejection, RewriteError, Rewrites};

/// Counts what the cleaner dropped, by its reason.
pub(crate) fn rejected<'a>(rejections: impl IntoIterator<Item = &'a Rejection>) {
    for rejection in rejections {
        counter!("asktwice_rewrite_rejected_total", "reason" => rejection.word()).increment(1);
    }
}

/// Counts what came of a rewriter's reply, by kind and, where there was none, by the reason.
pub(crate) fn replied(reply: Result<&Rewrites, &RewriteError>) {
    match reply {
        Ok(rewrites) => {
            rejected(&rewrites.rejected);
            for rewrite in &rewrites.rewrites {
                counter!("asktwice_rewrite_kept_total", "kind" => rewrite.kind.name()).increment(1);
                if rewrite.signs.strayed > 0 {
                    counter!("asktwice_rewrite_strayed_total", "kind" => rewrite.kind.name()).increment(1);
                }
            }
        }
        Err(RewriteError::Rejected { reasons }) => rejected(reasons),
        Err(_) => {}
    }
}

/// Counts a request to an endpoint (its place in the order of preference, from 1), by how it ended: `ok` or the
/// error's word; and how long it took.
#[cfg(feature = "llm")]
pub(super) fn called(endpoint: usize, result: &'static str, took: Duration) {
    let endpoint = endpoint.to_string();
    counter!("asktwice_rewrite_calls_total", "endpoint" => endpoint.clone(), "result" => result).increment(1);
    histogram!("asktwice_rewrite_call_seconds", "endpoint" => endpoint).record(took.as_secs_f64());
}

/// Counts a second request for the same rewrite.
#[cfg(feature = "llm")]
pub(super) fn retried() {
    counter!("asktwice_rewrite_retries_total").increment(1);
}

/// Says whether an endpoint's circuit is closed (0), on probation (1) or open (2).
#[cfg(feature = "llm")]
pub(super) fn circuit(endpoint: usize, state: f64) {
    gauge!("asktwice_rewrite_circuit", "endpoint" => endpoint.to_string()).set(state);
}

/// Counts the tokens that an endpoint says it used.
#[cfg(feature = "llm")]
pub(super) fn tokens(input: u64, output: u64) {
    counter!("asktwice_rewrite_tokens_total", "type" => "input").increment(input);
    counter!("asktwice_rewrite_tokens_total", "type" => "output").increment(output);
}

/// Counts a question to the cache: `hit`, `failure` (a remembered one), `joined` (a call that was under way) or `miss`.
#[cfg(feature = "cache")]
pub(super) fn looked_up(result: &'static str) {
    counter!("asktwice_rewrite_cache_total", "result" => result).increment(1);
}

/// Says how many rewrites run that nobody waits for any more.
#[cfg(feature = "cache")]
#[expect(clippy::cast_precision_loss, reason = "a small count")]
pub(super) fn in_background(running: usize) {
    gauge!("asktwice_rewrite_background").set(running as f64);
}

/// Counts a rewrite that nobody waited for at its end: `filled` the cache, `failed`, or was `given_up`.
#[cfg(feature = "cache")]
pub(super) fn ended_in_background(result: &'static str) {
    counter!("asktwice_rewrite_background_total", "result" => result).increment(1);
}
