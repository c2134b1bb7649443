//! Who asks: a key belongs to a tenant, and the tenant says what it may have.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::{
    bucket::{Bucket, Level},
    problem::Problem,
    settings::{ServerSettings, TenantSettings},
};
use crate::{error::Error, search::Filter};

/// Somebody who may ask, and what.
#[derive(Debug)]
pub(super) struct Tenant {
    /// Its name in settings and spans; empty where nobody needs a key.
    pub(super) name: String,
    /// `None`: all.
    collections: Option<BTreeSet<String>>,
    /// What alone may be found; outermost, whatever a request says.
    pub(super) filter: Option<Filter>,
    may_write: bool,
    /// Whether its questions must stay on this host.
    pub(super) local_only: bool,
    rate: Option<Bucket>,
}

impl Tenant {
    /// Who asks where nobody needs a key: the owner of the process.
    pub(super) fn owner() -> Self {
        Self { name: String::new(), collections: None, filter: None, may_write: true, local_only: false, rate: None }
    }

    fn new(name: &str, settings: &TenantSettings) -> Result<Self, Error> {
        let invalid = |problem: String| Error::Settings { setting: format!("server.tenants.{name}.filter"), problem };
        let collections = settings.collections.iter().cloned().collect::<BTreeSet<_>>();
        Ok(Self {
            name: name.to_owned(),
            collections: (!collections.is_empty()).then_some(collections),
            filter: settings.filter().map_err(|error| invalid(error.to_string()))?,
            may_write: settings.write,
            local_only: settings.local_only,
            rate: Bucket::new(settings.requests_per_minute),
        })
    }

    /// Whether it asks without a key, and so owns the process.
    pub(super) fn is_owner(&self) -> bool {
        self.name.is_empty()
    }

    pub(super) fn may_see(&self, collection: &str) -> bool {
        self.collections.as_ref().is_none_or(|collections| collections.contains(collection))
    }

    pub(super) fn check_may_write(&self) -> Result<(), Problem> {
        if self.may_write {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "read_only", "this key may not write"))
    }

    /// Counts a question, or a request that asks none; `None` if nothing is counted.
    pub(super) fn count(&self) -> Option<Level> {
        self.rate.as_ref().map(Bucket::take)
    }

    /// How much more it may ask; `None` if nothing is counted.
    pub(super) fn level(&self) -> Option<Level> {
        self.rate.as_ref().map(Bucket::look)
    }
}

/// Everybody who may ask.
#[derive(Debug)]
pub(super) struct Tenants {
    all: Vec<Arc<Tenant>>,
    /// The digest of each key, and whose it is.
    keys: Vec<([u8; 32], u32)>,
    owner: Option<Arc<Tenant>>,
}

impl Tenants {
    /// Reads the keys of the settings.
    pub(super) fn read(settings: &ServerSettings) -> Result<Self, Error> {
        let mut everybody = Self { all: vec![], keys: vec![], owner: None };
        for (index, (name, settings)) in (0_u32..).zip(&settings.tenants) {
            let keys = settings.keys().map_err(|error| match error {
                Error::Settings { setting, problem } => {
                    Error::Settings { setting: format!("server.tenants.{name}.{setting}"), problem }
                }
                other => other,
            })?;
            for key in keys {
                let digest = digest(key.expose_secret());
                if everybody.keys.iter().any(|(known, _)| bool::from(known.ct_eq(&digest))) {
                    let problem = "the same key is there twice; whose it is could not be told".to_owned();
                    return Err(Error::Settings { setting: format!("server.tenants.{name}.key"), problem });
                }
                everybody.keys.push((digest, index));
            }
            everybody.all.push(Arc::new(Tenant::new(name, settings)?));
        }
        everybody.owner = everybody.all.is_empty().then(|| Arc::new(Tenant::owner()));
        Ok(everybody)
    }

    /// Whether nobody needs a key.
    pub(super) fn is_open(&self) -> bool {
        self.owner.is_some()
    }

    /// The tenant of this name.
    #[cfg(feature = "mcp")]
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.all.iter().find(|tenant| tenant.name == name)
    }

    /// Who asks, by the key in the request's head.
    pub(super) fn find(&self, headers: &HeaderMap) -> Result<Arc<Tenant>, Problem> {
        if let Some(owner) = &self.owner {
            return Ok(Arc::clone(owner));
        }
        let denied = |code, detail| Err(Problem::new(StatusCode::UNAUTHORIZED, code, detail));
        let Some(key) = key(headers) else {
            return denied("no_key", "send a key: `Authorization: Bearer KEY`");
        };
        let given = digest(&key);
        // The whole list is always gone through, and nothing branches on a key: the time taken says nothing.
        let (mut found, mut owner) = (Choice::from(0), 0_u32);
        for (known, tenant) in &self.keys {
            let same = known.ct_eq(&given);
            owner.conditional_assign(tenant, same);
            found |= same;
        }
        match self.all.get(owner as usize).filter(|_| bool::from(found)) {
            Some(tenant) => Ok(Arc::clone(tenant)),
            None => denied("bad_key", "the key is not known"),
        }
    }
}

/// The key in the request's head: a bearer token or, as browsers send what a person typed, a password.
fn key(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, given) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(given.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    fn tenants(settings: serde_json::Value) -> Result<Tenants, Error> {
        Tenants::read(&serde_json::from_value(json!({ "tenants": settings })).unwrap())
    }

    fn with(values: &[&str]) -> HeaderMap {
        let values =
            values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn a_key_finds_its_tenant_and_nothing_else_does() {
        let both = json!({"a": {"key": "key-of-tenant-a-1"}, "b": {"key": "key-of-tenant-b-1"}});
        let tenants = tenants(both).unwrap();
        let basic = format!("Basic {}", BASE64_STANDARD.encode("anybody:key-of-tenant-b-1"));
        let known = [("Bearer key-of-tenant-a-1", "a"), ("bearer  key-of-tenant-b-1 ", "b"), (&basic, "b")];
        for (given, name) in known {
            assert_eq!(tenants.find(&with(&[given])).unwrap().name, name);
        }
        let unknown: [&[&str]; 8] = [
            &[],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer key-of-tenant-a-"],
            &["Basic key-of-tenant-a-1"],
            &["key-of-tenant-a-1"],
            &["Bearer key-of-tenant-a-1", "Bearer key-of-tenant-a-1"],
        ];
        for given in unknown {
            assert_eq!(tenants.find(&with(given)).unwrap_err().status, 401, "{given:?}");
        }
        assert!(!format!("{tenants:?}").contains("key-of"));
    }

    #[test]
    fn one_key_cannot_be_two_tenants() {
        let same = json!({"a": {"key": "the-same-key-twice"}, "b": {"key": "the-same-key-twice"}});
        let error = tenants(same).unwrap_err().to_string();
        assert!(error.starts_with("server.tenants.b.key:") && !error.contains("the-same-key-twice"), "{error}");
        assert!(tenants(json!({})).unwrap().find(&HeaderMap::new()).unwrap().is_owner());
    }
}
