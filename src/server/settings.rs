//! What the sidecar may be told: where it listens, what it bears, who may ask.

mod limits;
mod tenant;

pub use limits::{Drain, Limits};
pub use tenant::TenantSettings;

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Deserializer};

use super::tenant::Tenants;
use crate::error::Error;

/// The sidecar's settings; see `config/default.toml` for what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerSettings {
    /// The address of the sidecar.
    pub listen: SocketAddr,
    /// The address of `/metrics`; `None` if there is none.
    #[serde(deserialize_with = "address_or_none")]
    pub admin: Option<SocketAddr>,
    /// The names under which it may be called; empty: see [`ServerSettings::is_local`].
    #[serde(deserialize_with = "names")]
    pub hosts: Vec<String>,
    /// The web origins whose pages may call it, beside its own.
    #[serde(deserialize_with = "names")]
    pub origins: Vec<String>,
    /// How the log is written.
    pub log: LogForm,
    /// What is borne.
    pub limits: Limits,
    /// How it ends.
    pub drain: Drain,
    /// The collections on offer: the name that callers use, and the store's.
    pub collections: BTreeMap<String, String>,
    /// Who may ask, by name. Empty: everybody, and then only on a loopback address.
    pub tenants: BTreeMap<String, TenantSettings>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 8081))),
            hosts: vec![],
            origins: vec![],
            log: LogForm::Text,
            limits: Limits::default(),
            drain: Drain::default(),
            collections: BTreeMap::new(),
            tenants: BTreeMap::new(),
        }
    }
}

impl ServerSettings {
    /// Whether it listens to this host only. Then, unless told otherwise, it answers to the names of this host only;
    /// elsewhere it answers to any name, because nothing is told without a key.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback()
    }

    /// Refuses what contradicts itself or would be careless.
    ///
    /// # Errors
    /// [`Error::Settings`] names the setting. Key files are not read here.
    pub fn check(&self) -> Result<(), Error> {
        if self.tenants.is_empty() && !self.is_local() {
            let problem = format!(
                "{} can be reached from elsewhere, and nobody needs a key; add a tenant with a key \
                 ([server.tenants.NAME] with key_file, or ASKTWICE__SERVER__TENANTS__NAME__KEY), or listen on 127.0.0.1",
                self.listen
            );
            return refuse("server.listen", problem);
        }
        if let Some(admin) = self.admin.filter(|admin| !admin.ip().is_loopback()) {
            let problem = format!("{admin} can be reached from elsewhere, and metrics want no key; use 127.0.0.1");
            return refuse("server.admin", problem);
        }
        for name in self.collections.keys() {
            check_name(&format!("server.collections.{name}"), name)?;
        }
        for (name, tenant) in &self.tenants {
            self.check_tenant(name, tenant)?;
        }
        self.limits.check()
    }

    /// Reads the keys of all tenants, and refuses what a sidecar could not start with.
    ///
    /// # Errors
    /// [`Error::Settings`] names the tenant whose keys cannot be read, are too short, or are somebody else's, too.
    pub fn check_keys(&self) -> Result<(), Error> {
        Tenants::read(self).map(drop)
    }

    /// Where no collections are named, there is one on offer; a tenant of another would see nothing.
    #[cfg(feature = "cli")]
    pub(crate) fn check_offered(&self, only: &str) -> Result<(), Error> {
        let tenants = self.tenants.iter().filter(|_| self.collections.is_empty());
        for (name, tenant) in tenants {
            if let Some(unknown) = tenant.collections.iter().find(|named| *named != only) {
                let problem = format!(
                    "there is no {unknown:?}, only {only:?} (store.collection); offer it in [server.collections], such \
                     as {unknown} = {only:?}"
                );
                return refuse(format!("server.tenants.{name}.collections"), problem);
            }
        }
        Ok(())
    }

    fn check_tenant(&self, name: &str, tenant: &TenantSettings) -> Result<(), Error> {
        let setting = |field: &str| format!("server.tenants.{name}.{field}");
        check_name(&format!("server.tenants.{name}"), name)?;
        if tenant.key.is_none() && tenant.key_file.as_os_str().is_empty() {
            let variable = format!("ASKTWICE__SERVER__TENANTS__{}__KEY", name.to_uppercase());
            return refuse(setting("key_file"), format!("{name} has no key; name a file, or set {variable}"));
        }
        if let Err(error) = tenant.filter() {
            return refuse(setting("filter"), error.to_string());
        }
        if tenant.write && !tenant.filter.is_empty() {
            let problem = "a tenant with a filter only reads: its passages could replace those of others; give the \
                           writer a collection of its own, or another key";
            return refuse(setting("write"), problem);
        }
        let unknown = tenant
            .collections
            .iter()
            .find(|name| !self.collections.is_empty() && !self.collections.contains_key(*name));
        match unknown {
            Some(unknown) => refuse(setting("collections"), format!("{unknown:?} is not in server.collections")),
            None => Ok(()),
        }
    }
}

/// The longest name of a collection or tenant.
const LONGEST_NAME: usize = 64;

fn refuse<T>(setting: impl Into<String>, problem: impl Into<String>) -> Result<T, Error> {
    Err(Error::Settings { setting: setting.into(), problem: problem.into() })
}

/// Names stand in URLs, in metrics and in the names of environment variables.
fn check_name(setting: &str, name: &str) -> Result<(), Error> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.len() <= LONGEST_NAME && name.chars().all(good) {
        return Ok(());
    }
    let problem = format!(
        "a name has 1 to {LONGEST_NAME} letters, digits, `-`, `_` or `.`, and begins with none of the last three"
    );
    refuse(setting, problem)
}

fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

/// A list, or one text of several names with commas between them: environment variables know no lists.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::List(list) => list,
        Names::Text(text) => {
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(settings: serde_json::Value) -> String {
        let settings: ServerSettings = serde_json::from_value(settings).unwrap();
        settings.check().map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn what_is_careless_is_refused() {
        use serde_json::json;
        let key = "0123456789abcdef";
        let cases = [
            (json!({}), "none"),
            (json!({"listen": "0.0.0.0:8080"}), "server.listen"),
            (json!({"listen": "[::]:80", "tenants": {"a": {"key": key}}}), "none"),
            (json!({"admin": "0.0.0.0:8081"}), "server.admin"),
            (json!({"admin": ""}), "none"),
            (json!({"tenants": {"a": {}}}), "server.tenants.a.key_file"),
            (json!({"tenants": {"a b": {"key": key}}}), "server.tenants.a b"),
            (json!({"tenants": {"a": {"key": key, "filter": "{"}}}), "server.tenants.a.filter"),
            (json!({"tenants": {"a": {"key": key, "write": true, "filter": "{}"}}}), "server.tenants.a.write"),
            (
                json!({"collections": {"x": "y"}, "tenants": {"a": {"key": key, "collections": ["z"]}}}),
                "server.tenants.a.collections",
            ),
            (json!({"collections": {"../x": "y"}}), "server.collections"),
            (json!({"limits": {"concurrent": 0}}), "server.limits.concurrent"),
            (json!({"limits": {"deadline_ms": 40_000}}), "server.limits.deadline_ms"),
        ];
        for (settings, named) in cases {
            let said = problem(settings.clone());
            assert!(said.starts_with(named), "{settings}: {said}");
        }
    }

    #[test]
    fn names_may_come_as_one_text() {
        let settings: ServerSettings = serde_json::from_str(r#"{"hosts": "a.example, b.example"}"#).unwrap();
        assert_eq!(settings.hosts, ["a.example", "b.example"]);
    }
}
