//! The connection: how a call is sent, how long it may take, and where it goes.

use std::{
    fmt,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use qdrant_client::{Qdrant, QdrantError};
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;

use super::{StoreError, failure};
use crate::trace;

/// Qdrant's gRPC port, taken for a url that names none.
const PORT: u16 = 6334;
/// How long a connection may take to come about; a call's own budget may end sooner.
const CONNECT: Duration = Duration::from_secs(5);
/// The client's own timeout. It must never end before ours: the client answers it by sending the call once more, on a
/// new connection, to a server that is already slow.
const NEVER: Duration = Duration::from_hours(24);

/// How long one operation may take, over all the calls that it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    whole: Duration,
    until: Instant,
}

impl Budget {
    pub(super) fn of(whole: Duration) -> Self {
        let now = Instant::now();
        // A duration past the end of the clock is no limit.
        Self { whole, until: now.checked_add(whole).unwrap_or(now + NEVER) }
    }

    /// What is left, in the whole seconds that Qdrant counts in; at least one, since none would mean no limit.
    pub(super) fn seconds(self) -> u64 {
        let left = self.until.saturating_duration_since(Instant::now());
        left.as_secs() + u64::from(left.subsec_nanos() > 0).max(u64::from(left.is_zero()))
    }
}

/// One server and one collection's name on it.
#[derive(Clone)]
pub(super) struct Connection {
    /// Which collection of which server, for messages.
    pub(super) place: String,
    pub(super) url: String,
    key: Option<Arc<str>>,
    client: Arc<RwLock<Arc<Qdrant>>>,
}

impl Connection {
    /// Checks the url and makes a client, which sends nothing yet.
    pub(super) fn to(url: &str, collection: &str) -> Result<Self, StoreError> {
        let unusable = |place: &str, problem: &str| StoreError::Unusable {
            place: place.to_owned(),
            problem: format!("{problem}; give the gRPC address, such as http://localhost:6334"),
            source: None,
        };
        let url = checked(url).map_err(|problem| unusable("the url of Qdrant", problem))?;
        let client = client(&url, None).map_err(|_| unusable(&url, "this is not a url"))?;
        let mut connection =
            Self { place: String::new(), url, key: None, client: Arc::new(RwLock::new(Arc::new(client))) };
        connection.place = connection.place_of(collection);
        Ok(connection)
    }

    /// A collection of this server, for messages.
    pub(super) fn place_of(&self, collection: &str) -> String {
        format!("Qdrant at {} (collection `{collection}`)", self.url)
    }

    pub(super) fn with_key(self, key: &str) -> Result<Self, StoreError> {
        if key.is_empty() || key.parse::<AsciiMetadataValue>().is_err() {
            return Err(self.unusable("its API key is empty or holds a character that no header can carry"));
        }
        let client = client(&self.url, Some(key)).map_err(|_| self.unusable("its url cannot be used"))?;
        Ok(Self { key: Some(key.into()), client: Arc::new(RwLock::new(Arc::new(client))), ..self })
    }

    /// Host and port, for spans.
    pub(super) fn server(&self) -> Option<(&str, u16)> {
        let (host, port) = self.url.split_once("://")?.1.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    }

    /// Sends one call, within the budget.
    pub(super) async fn call<T, F>(&self, budget: Budget, send: impl FnOnce(Arc<Qdrant>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        // The client's future takes kilobytes, which every future that waits for it would take over.
        let sent = Box::pin(send(traced(&client)));
        match tokio::time::timeout_at(budget.until, sent).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure::translate(self, &error, budget.whole)),
            Err(_) => {
                self.renew(&client);
                Err(StoreError::Timeout { place: self.place.clone(), timeout: budget.whole })
            }
        }
    }

    /// Leaves the connections of a client that did not answer. One that a firewall has silently cut looks the same as
    /// a slow server, sends no pings, and would swallow every later call too.
    fn renew(&self, silent: &Arc<Qdrant>) {
        let Ok(fresh) = client(&self.url, self.key.as_deref()) else { return };
        let mut current = self.client.write().unwrap_or_else(PoisonError::into_inner);
        // Of many calls that time out together, one renews.
        if Arc::ptr_eq(&current, silent) {
            *current = Arc::new(fresh);
        }
    }

    /// A text of the server's that may be shown: bounded, and without the key, should the server repeat it.
    pub(super) fn shown(&self, text: &str) -> String {
        let text = self.key.as_ref().map_or_else(|| text.to_owned(), |key| text.replace(&**key, "[key]"));
        text.chars().filter(|c| !c.is_control()).take(500).collect()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_some() { "set" } else { "none" };
        f.debug_struct("Connection").field("place", &self.place).field("key", &key).finish_non_exhaustive()
    }
}

/// The client for one call: the same connections, and the caller's trace in the metadata, where Qdrant's audit log looks
/// for it.
fn traced(client: &Arc<Qdrant>) -> Arc<Qdrant> {
    let fields = trace::outgoing();
    if fields.is_empty() {
        return client.clone();
    }
    Arc::new(fields.into_iter().fold((**client).clone(), |client, (name, value)| client.with_header(name, value)))
}

fn client(url: &str, key: Option<&str>) -> Result<Qdrant, QdrantError> {
    Qdrant::from_url(url)
        // The check blocks the thread and prints to standard output.
        .skip_compatibility_check()
        .timeout(NEVER)
        .connect_timeout(CONNECT)
        .api_key(key)
        .build()
}

/// The url in the form `scheme://host:port`.
fn checked(url: &str) -> Result<String, &'static str> {
    let (scheme, rest) = url.trim().split_once("://").ok_or("it does not start with http:// or https://")?;
    if !matches!(scheme, "http" | "https") {
        return Err("it does not start with http:// or https://");
    }
    if rest.contains('@') {
        return Err("it holds a user name or password; give the key by with_api_key, never in the url");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '?', '#', ' ']) {
        return Err("it must be a host and a port and nothing else");
    }
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    let port = if after_host.contains(':') { String::new() } else { format!(":{PORT}") };
    Ok(format!("{scheme}://{authority}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_port_means_that_of_grpc() {
        assert_eq!(checked("http://host").unwrap(), "http://host:6334");
        assert_eq!(checked("https://host:443/").unwrap(), "https://host:443");
        assert_eq!(checked("http://[::1]").unwrap(), "http://[::1]:6334");
        assert_eq!(checked("http://[::1]:1").unwrap(), "http://[::1]:1");
    }

    #[test]
    fn seconds_are_rounded_up_and_never_none() {
        assert_eq!(Budget::of(Duration::ZERO).seconds(), 1);
        assert_eq!(Budget::of(Duration::from_millis(10)).seconds(), 1);
        assert_eq!(Budget::of(Duration::from_millis(1_900)).seconds(), 2);
        assert!(Budget::of(Duration::MAX).seconds() > 1);
    }
}
