//! Under which name it is called, and from which web page. A page in somebody's browser must not reach a sidecar that
//! wants no key: neither directly, nor by pointing a name of its own at this host (DNS rebinding).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, uri::Authority};

use super::{problem::Problem, settings::ServerSettings};

/// The names and origins that are answered.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// `None`: any, because nothing is told without a key.
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
}

/// The names of this host itself.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Guard {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>();
        let hosts = match (settings.hosts.is_empty(), settings.is_local()) {
            (true, false) => None,
            (true, true) => Some(vec![]),
            (false, _) => Some(lower(&settings.hosts)),
        };
        Self { hosts, origins: lower(&settings.origins) }
    }

    /// For what only this host may see.
    pub(super) fn local() -> Self {
        Self { hosts: Some(vec![]), origins: vec![] }
    }

    /// The origins of other pages that may call.
    pub(super) fn origins(&self) -> impl Iterator<Item = HeaderValue> {
        self.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())
    }

    /// Refuses a request that names another host, or comes from a page of another origin.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let refuse = |code, detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
        let Some(host) = only(headers, &header::HOST).and_then(|host| host.parse::<Authority>().ok()) else {
            return refuse("host", "the request names no host, or more than one");
        };
        // The absolute form of a request has a host of its own, and it would be the one that counts.
        if !self.knows(&host) || uri.authority().is_some_and(|authority| !self.knows(authority)) {
            return refuse("host", "the sidecar is not called so; add the name to server.hosts if it should be");
        }
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let origin = only(headers, &header::ORIGIN).unwrap_or_default().to_ascii_lowercase();
        if is_own(&origin, &host) || self.origins.contains(&origin) {
            return Ok(());
        }
        refuse("origin", "pages of this origin may not call; add it to server.origins if they should")
    }

    fn knows(&self, authority: &Authority) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let (host, whole) = (authority.host().to_ascii_lowercase(), authority.as_str().to_ascii_lowercase());
        LOCAL.contains(&&*host) || hosts.contains(&host) || hosts.contains(&whole)
    }
}

/// The value of a header that may be there once only.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether an origin is the sidecar's own page.
fn is_own(origin: &str, host: &Authority) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, host: &[&str], origin: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        guard.check(&Uri::from_static("/"), &headers).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    fn guard(settings: serde_json::Value) -> Guard {
        Guard::new(&serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn only_this_host_and_its_own_page() {
        let guard = guard(serde_json::json!({}));
        let good = [
            ("127.0.0.1:8080", None),
            ("localhost", None),
            ("LOCALHOST:1", Some("http://localhost:1")),
            ("[::1]:8080", Some("http://[::1]:8080")),
        ];
        for (host, origin) in good {
            assert_eq!(status(&guard, &[host], origin), 200, "{host} {origin:?}");
        }
        let bad = [
            ("evil.example:8080", None),
            ("localhost.evil.example", None),
            ("localhost.", None),
            ("localhost@evil.example", None),
            ("127.0.0.1:8080", Some("http://evil.example:8080")),
            ("127.0.0.1:8080", Some("null")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:9999")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080.evil.example")),
            ("", None),
        ];
        for (host, origin) in bad {
            assert_eq!(status(&guard, &[host], origin), 403, "{host} {origin:?}");
        }
        assert_eq!(status(&guard, &[], None), 403);
        assert_eq!(status(&guard, &["localhost", "localhost"], None), 403);
        let absolute = Uri::from_static("http://evil.example/");
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        assert!(guard.check(&absolute, &headers).is_err());
    }

    #[test]
    fn what_the_settings_allow() {
        let guard = guard(serde_json::json!({"hosts": ["Search.Example"], "origins": ["https://app.example"]}));
        assert_eq!(status(&guard, &["search.example:8080"], Some("https://app.example")), 200);
        assert_eq!(status(&guard, &["search.example:8080"], Some("https://other.example")), 403);
        assert_eq!(status(&guard, &["other.example"], None), 403);
    }

    #[test]
    fn elsewhere_any_name_will_do_but_no_other_page() {
        let settings = serde_json::json!({"listen": "0.0.0.0:8080"});
        assert_eq!(status(&guard(settings.clone()), &["10.0.0.7:8080"], None), 200);
        assert_eq!(status(&guard(settings), &["10.0.0.7:8080"], Some("http://evil.example")), 403);
    }
}
