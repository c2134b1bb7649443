//! By when a request wants its answer: in the words of our own callers, of OpenAI's clients and of Envoy.

use std::time::Duration;

use axum::http::HeaderMap;
use tokio::time::Instant;

use super::{problem::Problem, settings::Limits};

/// Ours: milliseconds.
const OURS: &str = "x-request-timeout-ms";
/// OpenAI's Python client, where a timeout is set: seconds.
const STAINLESS: &str = "x-stainless-read-timeout";
/// Envoy, before it gives up: milliseconds.
const ENVOY: &str = "x-envoy-expected-rq-timeout-ms";

/// A moment, and how long it was away when the request came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
}

impl Deadline {
    /// The earliest that the head of a request names, at most what the settings allow; else the settings' own.
    pub(super) fn of(headers: &HeaderMap, arrived: Instant, limits: &Limits) -> Result<Self, Problem> {
        let named = [
            read(headers, OURS, 1.0)?,
            // Written for others: what cannot be read says nothing.
            read(headers, STAINLESS, 1_000.0).unwrap_or_default(),
            read(headers, ENVOY, 1.0).unwrap_or_default(),
        ];
        let wanted = named.into_iter().flatten().min().unwrap_or(limits.deadline());
        Ok(Self { at: arrived + wanted.min(limits.deadline_max()) })
    }

    /// The earlier of this and what the body of the request says, in milliseconds.
    pub(super) fn or_earlier(self, arrived: Instant, milliseconds: Option<u64>) -> Self {
        let wanted = milliseconds.and_then(|wanted| arrived.checked_add(Duration::from_millis(wanted)));
        Self { at: wanted.map_or(self.at, |wanted| wanted.min(self.at)) }
    }

    pub(super) fn at(self) -> Instant {
        self.at
    }

    /// How long is left; nothing is begun for which no time is left.
    pub(super) fn left(self) -> Result<Duration, Problem> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Problem::deadline()) } else { Ok(left) }
    }
}

/// A positive number of some unit, given as so many milliseconds.
fn read(headers: &HeaderMap, name: &'static str, unit: f64) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number * unit / 1_000.0).ok());
    match duration {
        Some(duration) if !duration.is_zero() => Ok(Some(duration)),
        // Far beyond every limit, but a number.
        None if number.is_some_and(|number| number > 0.0) => Ok(Some(Duration::MAX)),
        _ => Err(Problem::field(name, "it is not a number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn milliseconds(headers: &[(&'static str, &'static str)]) -> Option<u128> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let now = Instant::now();
        let deadline = Deadline::of(&headers.collect(), now, &Limits::default()).ok()?;
        Some((deadline.at() - now).as_millis())
    }

    #[test]
    fn the_earliest_counts_and_is_clamped() {
        let cases: [(&[(&str, &str)], Option<u128>); 10] = [
            (&[], Some(10_000)),
            (&[(OURS, "250")], Some(250)),
            (&[(STAINLESS, "0.5")], Some(500)),
            (&[(STAINLESS, "600"), (ENVOY, "15000")], Some(15_000)),
            (&[(OURS, "1e18")], Some(30_000)),
            (&[(STAINLESS, "abc")], Some(10_000)),
            (&[(OURS, "abc")], None),
            (&[(OURS, "0")], None),
            (&[(OURS, "-1")], None),
            (&[(OURS, "NaN")], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(milliseconds(headers), expected, "{headers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_body_can_only_shorten_it() {
        let now = Instant::now();
        let deadline = Deadline::of(&HeaderMap::new(), now, &Limits::default()).unwrap();
        assert_eq!(deadline.or_earlier(now, Some(100)).left().unwrap(), Duration::from_millis(100));
        assert_eq!(deadline.or_earlier(now, Some(u64::MAX)).at(), deadline.at());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(deadline.left().unwrap_err().status, 504);
    }
}
