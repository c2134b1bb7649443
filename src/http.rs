//! What every caller of a server over HTTP shares: a client that goes where it is told and nowhere else, URLs and keys
//! that are checked before they are used and never shown, and what a server says with an error, kept short.

#[cfg(any(feature = "llm", feature = "remote"))]
mod retry_after;
#[cfg(any(feature = "llm", feature = "remote"))]
pub(crate) use retry_after::{retry_after, wall_clock};
#[cfg(any(feature = "llm", feature = "remote"))]
mod echo;
#[cfg(any(feature = "llm", feature = "remote"))]
pub(crate) use echo::Sent;
#[cfg(any(feature = "llm", feature = "remote"))]
mod said;
#[cfg(any(feature = "llm", feature = "remote"))]
pub(crate) use said::Said;

use std::{error::Error as StdError, net::IpAddr, sync::Arc, time::Duration};

use reqwest::{Client, Url, header::HeaderValue};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};

/// How long an idle connection is kept. Node servers close theirs after 5 s, and the one who closes second loses.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The URL of an endpoint at `path` below a base URL, which is taken as it is, with or without a slash at its end.
///
/// # Errors
/// What is wrong, and what to do. The URL itself is not repeated: what is wrong with it may be a key in the wrong place.
pub(crate) fn endpoint(base_url: &str, path: &str) -> Result<Url, String> {
    let mut url =
        Url::parse(base_url.trim()).map_err(|error| format!("it is not a URL ({error}); write http://host:port/v1"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or password; set the API key instead".to_owned());
    }
    if url.fragment().is_some() {
        return Err("it holds a fragment (#…); leave that out".to_owned());
    }
    let base = url.path().trim_end_matches('/');
    let whole = if base.ends_with(path) { base.to_owned() } else { format!("{base}{path}") };
    url.set_path(&whole);
    Ok(url)
}

/// Host and port, for messages: never the path or the query, which may hold a secret.
pub(crate) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Host and port, for spans.
#[cfg(any(feature = "llm", feature = "remote"))]
pub(crate) fn server(url: &Url) -> Option<(&str, u16)> {
    Some((url.host_str()?, url.port_or_known_default()?))
}

/// Whether the URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A client that follows no redirects, and goes through the proxy that the environment names only where told so.
///
/// # Errors
/// The library's reason: for `https`, mostly that this machine has no certificates.
pub(crate) fn client(
    url: &Url,
    connect_timeout: Duration,
    system_proxy: bool,
) -> Result<Client, Box<dyn StdError + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // A machine without certificates can still ask over plain http.
    let tls = if url.scheme() == "http" {
        tls.with_root_certificates(rustls::RootCertStore::empty())
    } else {
        tls.with_platform_verifier()?
    };
    let client = Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("asktwice/", env!("CARGO_PKG_VERSION")));
    let client = if system_proxy { client } else { client.no_proxy() };
    Ok(client.build()?)
}

/// A request with a JSON body, as part of the caller's trace. Its answer is to come as it is: a few packed bytes can stand
/// for gigabytes.
#[cfg(any(feature = "llm", feature = "remote"))]
pub(crate) fn post(client: &Client, url: &Url, body: &impl serde::Serialize) -> reqwest::RequestBuilder {
    let request = client.post(url.clone()).header(reqwest::header::ACCEPT_ENCODING, "identity").json(body);
    crate::trace::outgoing().into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Why an answer could not be read.
#[derive(Debug)]
#[cfg(any(feature = "llm", feature = "remote", feature = "hub"))]
pub(crate) enum ReadError {
    Transport(reqwest::Error),
    TooLong,
}

/// Reads a whole answer of at most so many bytes.
#[cfg(any(feature = "llm", feature = "remote", feature = "hub"))]
pub(crate) async fn read(response: &mut reqwest::Response, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut read = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadError::Transport)? {
        if read.len() + chunk.len() > most {
            return Err(ReadError::TooLong);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// A key as it is sent: without the line end that a file gives it.
///
/// # Errors
/// What is wrong with the key, without saying it.
pub(crate) fn key(given: &SecretString) -> Result<SecretString, &'static str> {
    let key = SecretString::from(given.expose_secret().trim());
    if key.expose_secret().is_empty() {
        return Err("it is empty");
    }
    bearer(&key).map(|_| key)
}

/// Warns of a key that would go through a network in the clear.
pub(crate) fn warn_of_plain_http(url: &Url, whose: &str) {
    if url.scheme() == "http" && !is_loopback(url) {
        tracing::warn!(place = place(url), "{whose} goes over plain http; use https");
    }
}

/// The header that carries a key.
///
/// # Errors
/// What is wrong with the key, without saying it.
pub(crate) fn bearer(key: &SecretString) -> Result<HeaderValue, &'static str> {
    let problem = "it holds characters that cannot stand in an HTTP header; was the right file read?";
    // Stricter than HTTP: no key has a space or a letter beyond ASCII in it, a file that is no key has.
    if !key.expose_secret().chars().all(|c| c.is_ascii_graphic()) {
        return Err(problem);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| problem)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Says why there was no answer, and whether the connection broke in the middle, so that asking again may help.
pub(crate) fn fault(error: &reqwest::Error) -> (&'static str, bool) {
    if error.is_dns() {
        ("cannot be found: its host name has no address; check its URL", false)
    } else if error.is_timeout() {
        ("did not accept a connection in time; is it running, and reachable from here?", false)
    } else if mentions(error, &["certificate", "tls", "corrupt message", "InvalidContentType"]) {
        ("failed the TLS handshake; check its certificate, and http or https in its URL", false)
    } else if error.is_connect() {
        ("refused the connection; is it running, and is the port in its URL right?", false)
    } else {
        ("hung up in the middle of its answer", true)
    }
}

/// Whether an error or one of its causes says one of these words. The TLS library's errors are not to be named here:
/// the client wraps them twice.
fn mentions(error: &dyn StdError, words: &[&str]) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if words.iter().any(|word| text.contains(word)) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_url_is_taken_as_it_is() {
        for (base, asked) in [
            ("http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions"),
            ("http://localhost:11434/v1/", "http://localhost:11434/v1/chat/completions"),
            ("http://localhost:8080", "http://localhost:8080/chat/completions"),
            ("https://host/a/b?api-version=1", "https://host/a/b/chat/completions?api-version=1"),
            ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        ] {
            assert_eq!(endpoint(base, "/chat/completions").unwrap().as_str(), asked);
        }
    }

    #[test]
    fn loopback_is_known() {
        for (url, loopback) in [
            ("http://localhost", true),
            ("http://127.0.0.9:1", true),
            ("http://[::1]:1", true),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }
}
