//! One request to the hub, and where it leads: which redirects are followed, and who gets to see the token.

use std::{sync::OnceLock, time::Duration};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, LOCATION, RANGE},
};
use tokio::time::timeout;

use super::{Hub, HubError};
use crate::http::{self, ReadError};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may stay silent, before its answer or in the middle of it.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// The hub, its own renamed repository, its storage, that storage's edge: more is a circle.
const MOST_REDIRECTS: usize = 5;
/// The largest answer that is read whole, in bytes: a listing has some hundred bytes per file.
const MAX_LISTING: usize = 16 << 20;

/// The clients for plain http and for https: only the latter needs certificates.
#[derive(Debug, Default)]
pub(super) struct Clients {
    system_proxy: bool,
    plain: OnceLock<Client>,
    secure: OnceLock<Client>,
}

impl Clients {
    pub(super) fn through_system_proxy() -> Self {
        Self { system_proxy: true, ..Self::default() }
    }

    fn client(&self, url: &Url) -> Result<Client, HubError> {
        let made = if url.scheme() == "https" { &self.secure } else { &self.plain };
        if let Some(client) = made.get() {
            return Ok(client.clone());
        }
        let client =
            http::client(url, CONNECT_TIMEOUT, self.system_proxy).map_err(|source| HubError::Client { source })?;
        Ok(made.get_or_init(|| client).clone())
    }
}

/// Where an answer may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// From the hub itself, because it is believed.
    Hub,
    /// From anywhere, because it is checked.
    Anywhere,
}

/// An answer, after redirects.
pub(super) struct Answer {
    pub response: Response,
    /// What the hub said of the file before it sent us elsewhere.
    pub hub: HeaderMap,
}

impl Hub {
    /// The URL of a path on the hub. The parts are put in as they are, whatever is in them.
    pub(super) fn url(&self, parts: &[&str]) -> Result<Url, HubError> {
        let mut url = self.endpoint.clone();
        let mut path =
            url.path_segments_mut().map_err(|()| HubError::Address { problem: "it has no path".to_owned() })?;
        path.pop_if_empty().extend(parts);
        drop(path);
        Ok(url)
    }

    fn is_hub(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    /// Asks, and follows redirects: anywhere for files, but never from https to plain http; on the hub itself for
    /// what is believed. The token goes to the hub alone. `what` is named where the hub refuses.
    pub(super) async fn get(&self, url: Url, from: From, range: Option<u64>, what: &str) -> Result<Answer, HubError> {
        let mut url = url;
        let mut hub = HeaderMap::new();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.ask(&url, range).await?;
            if self.is_hub(&url) {
                hub.extend(response.headers().clone().into_iter().filter_map(|(name, value)| Some((name?, value))));
            }
            let status = response.status();
            if !status.is_redirection() {
                let unsatisfiable = status == StatusCode::RANGE_NOT_SATISFIABLE && range.is_some();
                if status.is_success() || unsatisfiable {
                    return Ok(Answer { response, hub });
                }
                let code =
                    response.headers().get("x-error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
                return Err(HubError::status(http::place(&url), status.as_u16(), code, what));
            }
            url = self.next(&url, &response, from)?;
        }
        let problem = format!("redirects in a circle for {what}");
        Err(HubError::Reply { place: http::place(&self.endpoint), problem })
    }

    async fn ask(&self, url: &Url, range: Option<u64>) -> Result<Response, HubError> {
        let place = || http::place(url);
        let mut request = self.clients.client(url)?.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(url)) {
            request =
                request.header(AUTHORIZATION, http::bearer(token).map_err(|problem| HubError::Token { problem })?);
        }
        if let Some(start) = range {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let answered = timeout(SILENCE, request.send()).await.map_err(|_| silent(place()))?;
        answered.map_err(|error| unreachable(place(), error))
    }

    /// Where a redirect leads, if it may lead there.
    fn next(&self, url: &Url, response: &Response, from: From) -> Result<Url, HubError> {
        let refuse = |problem: &str| HubError::Reply { place: http::place(url), problem: problem.to_owned() };
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        let next = next.ok_or_else(|| refuse("redirects to nowhere"))?;
        match (url.scheme(), next.scheme()) {
            (_, "https") | ("http", "http") => {}
            _ => return Err(refuse("redirects from https to something less safe; that is not followed")),
        }
        if from == From::Hub && !self.is_hub(&next) {
            let problem = format!("redirects to {} for what only the hub itself may say", http::place(&next));
            return Err(refuse(&problem));
        }
        Ok(next)
    }

    /// Reads a whole answer of the hub, of bounded size.
    pub(super) async fn get_text(&self, url: Url, what: &str) -> Result<(String, HeaderMap), HubError> {
        let Answer { mut response, hub } = self.get(url.clone(), From::Hub, None, what).await?;
        let place = http::place(&url);
        let read = timeout(SILENCE, http::read(&mut response, MAX_LISTING)).await.map_err(|_| silent(place.clone()))?;
        let read = read.map_err(|error| match error {
            ReadError::Transport(error) => unreachable(place, error),
            ReadError::TooLong => {
                HubError::Reply { place, problem: format!("sent more than {} MiB to list {what}", MAX_LISTING >> 20) }
            }
        })?;
        Ok((String::from_utf8_lossy(&read).into_owned(), hub))
    }
}

/// The next piece of an answer; an error if the server stays silent.
pub(super) async fn chunk(response: &mut Response, url: &Url) -> Result<Option<impl AsRef<[u8]> + use<>>, HubError> {
    let place = || http::place(url);
    let chunk = timeout(SILENCE, response.chunk()).await.map_err(|_| silent(place()))?;
    chunk.map_err(|error| unreachable(place(), error))
}

fn silent(place: String) -> HubError {
    HubError::Unreachable { place, problem: "said nothing for 30 s", source: None, broken: true }
}

fn unreachable(place: String, error: reqwest::Error) -> HubError {
    let (problem, broken) = http::fault(&error);
    // The URL may be signed: whoever has it may download.
    HubError::Unreachable { place, problem, source: Some(error.without_url().into()), broken }
}
