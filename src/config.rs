//! Settings: the compiled-in `config/default.toml`, then a file, then the environment, then flags; the later wins. An
//! unknown key or a contradiction is an error that names it.

mod client;
mod embed;
mod layers;
mod rerank;
mod rewrite;
mod shown;
pub use client::ClientSettings;
pub use embed::EmbedSettings;
pub use rerank::RerankSettings;
pub use rewrite::{EndpointSettings, RewriteSettings};
pub use shown::{changed, for_callers};

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    embed::Bm25,
    fuse::Fusion,
    options::{ChannelWeights, Depths, Legs},
    retriever::LEG_TIMEOUT,
    search::{Quantization, SearchParams, UnknownQuantization},
    server::ServerSettings,
};

/// Every setting; see `config/default.toml` for what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// Whether questions may be sent to other hosts.
    pub privacy: Privacy,
    /// The local embedder.
    pub embed: EmbedSettings,
    /// The lexical channel.
    pub bm25: Bm25Settings,
    /// Where the passages are.
    pub store: StoreSettings,
    /// Who rewrites the questions.
    pub rewrite: RewriteSettings,
    /// How deep to search.
    pub search: SearchSettings,
    /// How rankings become one.
    pub fuse: FuseSettings,
    /// Who reads the best fused passages once more.
    pub rerank: RerankSettings,
    /// How files become passages.
    pub index: IndexSettings,
    /// The sidecar.
    pub server: ServerSettings,
    /// How other commands reach it.
    pub client: ClientSettings,
}

/// What is wrong with an endpoint elsewhere where questions have to stay.
const LEAVES_HOST: &str = "names an endpoint that is not on this machine, and privacy = \"local\" lets no question leave \
                           it; use a local endpoint, or set privacy = \"any\"";

/// Whether questions may be sent to other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Privacy {
    /// To those that the settings name.
    Any,
    /// To none: an endpoint elsewhere is an error. [`StoreSettings::url`] alone may be elsewhere: the store is the
    /// user's own, and what it is searched with is the question's vector and its words' numbers.
    Local,
}

/// The lexical channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Bm25Settings {
    /// The language of the passages, by its English name.
    pub language: String,
}

/// Where the passages are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StoreSettings {
    /// `edge:FOLDER` or the server's URL.
    pub url: String,
    /// The collection's name.
    pub collection: String,
    /// The server's API key, from the environment.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// A file that holds the server's API key.
    pub api_key_file: PathBuf,
    timeout_ms: u64,
    quantization: String,
    rescore: bool,
    oversampling: f64,
    /// KiB of vectors from which on the embedded engine builds its approximate index; 0: never.
    pub index_above_kib: usize,
    /// The payload field of an adopted collection's text; empty: the collection is asktwice's own.
    pub adopt_text: String,
    /// An adopted collection's vector; empty: the unnamed one.
    pub adopt_vector: String,
    /// The payload field of an adopted collection's titles; empty: none.
    pub adopt_title: String,
    /// An adopted collection's sparse vector that holds Qdrant's BM25; empty: none.
    pub adopt_bm25: String,
}

/// How deep to search.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SearchSettings {
    /// Which channels are searched.
    pub legs: Legs,
    /// How much the dense legs count in the fusion.
    pub dense_weight: f64,
    /// How much the lexical legs count in the fusion.
    pub bm25_weight: f64,
    /// How deep each leg searches.
    pub depth: usize,
    /// How deep dense legs search; 0: as `depth` says.
    pub dense_depth: usize,
    /// How deep lexical legs search; 0: as `depth` says.
    pub bm25_depth: usize,
    /// How deep the legs of rewrites search; 0: as their channel's.
    pub rewrite_depth: usize,
    /// How many hits come back.
    pub limit: usize,
    /// What `asktwice calibrate` has written; empty: retrievals do not say how sure they are.
    pub calibration: PathBuf,
}

/// How rankings become one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FuseSettings {
    method: String,
}

/// How files become passages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IndexSettings {
    /// The longest passage, in tokens; 0: what the model reads.
    pub passage_tokens: usize,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A layer cannot be read, or has an unknown key or a value of the wrong kind.
    #[error("the settings cannot be read: {0}")]
    Read(#[from] config::ConfigError),
    /// A flag is not of the form `section.key=value`.
    #[error("--set {given:?} is not of the form section.key=value")]
    Flag {
        /// What was given.
        given: String,
    },
    /// The sidecar's settings contradict themselves or would be careless.
    #[error(transparent)]
    Server(#[from] crate::Error),
    /// A setting contradicts itself or another.
    #[error("{setting}: {problem}")]
    Value {
        /// Which setting.
        setting: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl SettingsError {
    fn value(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Value { setting, problem: problem.into() }
    }
}

impl Settings {
    /// Reads all layers: the defaults, `file`, the `environment` (the variables that begin with `ASKTWICE__`) and the
    /// `flags` (`section.key=value`).
    ///
    /// # Errors
    /// [`SettingsError`] names the key and the layer.
    pub fn load(
        file: Option<&Path>,
        environment: HashMap<String, String>,
        flags: &[String],
    ) -> Result<Self, SettingsError> {
        let settings: Self = layers::merge(file, environment, flags)?.try_deserialize()?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let search = &self.search;
        if search.limit == 0 {
            return Err(SettingsError::value("search.limit", "at least one hit has to be asked for"));
        }
        if search.depth < search.limit {
            let problem = format!("{} is less than search.limit, which is {}", search.depth, search.limit);
            return Err(SettingsError::value("search.depth", problem));
        }
        if [search.dense_weight, search.bm25_weight].iter().any(|weight| !(0.0..=100.0).contains(weight)) {
            return Err(SettingsError::value("search.dense_weight, search.bm25_weight", "a weight is from 0 to 100"));
        }
        self.rewrite.check(self.privacy)?;
        if self.store.timeout_ms == 0 || self.store.timeout() > LEG_TIMEOUT {
            let problem = format!("has to be from 1 to {}, after which a search is given up", LEG_TIMEOUT.as_millis());
            return Err(SettingsError::value("store.timeout_ms", problem));
        }
        if !self.store.adopt_bm25.is_empty() && self.store.adopt_text.is_empty() {
            let problem =
                "names a sparse vector of a collection to adopt, but store.adopt_text names no field of its text";
            return Err(SettingsError::value("store.adopt_bm25", problem));
        }
        self.store.quantization()?;
        if !(1.0..=100.0).contains(&self.store.oversampling) {
            return Err(SettingsError::value("store.oversampling", "has to be from 1 to 100"));
        }
        self.bm25.encoder()?;
        self.embed.check(self.privacy)?;
        self.rerank.check(self.privacy)?;
        self.server.check()?;
        self.server.check_offered(&self.store.collection)?;
        self.fuse.fusion().map(drop)
    }
}

impl SearchSettings {
    /// How much each channel's legs count.
    #[must_use]
    pub fn channel_weights(&self) -> ChannelWeights {
        ChannelWeights { dense: self.dense_weight, bm25: self.bm25_weight }
    }

    /// Which legs search otherwise than `depth` says.
    #[must_use]
    pub fn depths(&self) -> Depths {
        let set = |depth: usize| Some(depth).filter(|depth| *depth > 0);
        Depths { dense: set(self.dense_depth), bm25: set(self.bm25_depth), rewrite: set(self.rewrite_depth) }
    }
}

impl Bm25Settings {
    /// What makes the lexical channel's vectors.
    ///
    /// # Errors
    /// [`SettingsError`] if it does not know the language.
    pub fn encoder(&self) -> Result<Bm25, SettingsError> {
        Bm25::new(&self.language).map_err(|error| SettingsError::value("bm25.language", error.to_string()))
    }
}

impl StoreSettings {
    /// How long the server may take for one request.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How the dense vectors of a collection that is made are compressed.
    ///
    /// # Errors
    /// [`SettingsError`] if it is not a quantisation's name.
    pub fn quantization(&self) -> Result<Quantization, SettingsError> {
        let unknown = |error: UnknownQuantization| SettingsError::value("store.quantization", error.to_string());
        self.quantization.parse().map_err(unknown)
    }

    /// How exact a search is.
    #[must_use]
    pub fn search_params(&self) -> SearchParams {
        SearchParams::default().with_rescoring(self.rescore, self.oversampling)
    }

    /// The server's API key, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] if the key's file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, SettingsError> {
        key("store.api_key_file", self.api_key.as_ref(), &self.api_key_file)
    }
}

impl FuseSettings {
    /// The fusion.
    ///
    /// # Errors
    /// [`SettingsError`] if the method is not a fusion's name.
    pub fn fusion(&self) -> Result<Fusion, SettingsError> {
        self.method
            .parse()
            .map_err(|error: crate::fuse::UnknownFusion| SettingsError::value("fuse.method", error.to_string()))
    }
}

/// Fields of a request. TOML knows no null, so an empty text stands for it; flags and the environment know only texts,
/// so a text that reads as JSON is taken as such.
fn request_fields(given: &Map<String, Value>) -> Map<String, Value> {
    let value = |value: &Value| match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    };
    given.iter().map(|(name, given)| (name.clone(), value(given))).collect()
}

/// A key from the environment or, failing that, from a file; an empty one is none.
fn key(
    setting: &'static str,
    given: Option<&SecretString>,
    file: &Path,
) -> Result<Option<SecretString>, SettingsError> {
    let read = || {
        std::fs::read_to_string(file)
            .map(SecretString::from)
            .map_err(|error| SettingsError::value(setting, format!("{} cannot be read: {error}", file.display())))
    };
    let key = match given {
        Some(key) => Some(key.clone()),
        None if file.as_os_str().is_empty() => None,
        None => Some(read()?),
    };
    Ok(key.filter(|key| !key.expose_secret().trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)], flags: &[&str]) -> Result<Settings, SettingsError> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Settings::load(None, environment, &flags)
    }

    #[test]
    fn later_layers_win() {
        assert_eq!(load(&[], &[]).unwrap().search.depth, 100);
        let environment = [("ASKTWICE__SEARCH__DEPTH", "50")];
        assert_eq!(load(&environment, &[]).unwrap().search.depth, 50);
        assert_eq!(load(&environment, &["search.depth=20"]).unwrap().search.depth, 20);
    }

    #[test]
    fn errors_name_the_key() {
        let cases: [(&[&str], &str); 20] = [
            (&["store.quantization=int4"], "store.quantization: \"int4\""),
            (&["store.oversampling=0.5"], "store.oversampling"),
            (&["rewrite.model=small"], "rewrite.url"),
            (&["rewrite.weight=-1"], "rewrite.weight"),
            (&["store.timeout_ms=0"], "store.timeout_ms"),
            (&["search.dept=1"], "dept"),
            (&["search.depth=many"], "search.depth"),
            (&["search.depth=5"], "search.depth"),
            (&["rewrite.url=http://localhost"], "rewrite.model"),
            (&["fuse.method=best"], "fuse.method"),
            (&["embed.precision=int4"], "int4"),
            (&["bm25.language=klingon"], "bm25.language: \"klingon\""),
            (&["store.adopt_bm25=words"], "store.adopt_text"),
            (&["embed.url=http://localhost"], "embed.dimension"),
            (&["embed.url=http://localhost", "embed.dimension=3"], "embed.model"),
            (&["rerank.url=http://localhost", "rerank.folder=models/x"], "rerank.folder"),
            (&["rerank.model=large"], "rerank.url"),
            (&["rerank.depth=0"], "rerank.depth"),
            (&["rerank.deadline_ms=0"], "rerank.deadline_ms"),
            (&["search"], "section.key=value"),
        ];
        for (flags, named) in cases {
            let error = load(&[], flags).unwrap_err().to_string();
            assert!(error.contains(named), "{flags:?}: {error}");
        }
    }

    #[test]
    fn the_sidecars_defaults_are_those_of_the_file() {
        let (of_file, of_code) = (load(&[], &[]).unwrap().server, ServerSettings::default());
        assert_eq!(format!("{of_file:?}"), format!("{of_code:?}"));
        let error = load(&[], &["server.listen=0.0.0.0:80"]).unwrap_err().to_string();
        assert!(error.starts_with("server.listen: 0.0.0.0:80 can be reached from elsewhere"), "{error}");
    }

    #[test]
    fn a_tenant_sees_only_what_is_on_offer() {
        let tenant = [("ASKTWICE__SERVER__TENANTS__ANN__KEY", "the-key-of-ann-01")];
        let with = |flags: &[&str]| load(&tenant, flags).map_err(|error| error.to_string());
        let error = with(&["server.tenants.ann.collections=help"]).unwrap_err();
        assert!(error.starts_with("server.tenants.ann.collections: there is no \"help\""), "{error}");
        with(&["server.tenants.ann.collections=passages"]).unwrap();
        with(&["server.tenants.ann.collections=help", "server.collections.help=passages"]).unwrap();
    }

    #[test]
    fn keys_are_read_and_never_printed() {
        let settings = load(&[("ASKTWICE__STORE__API_KEY", "canary")], &[]).unwrap();
        assert_eq!(settings.store.key().unwrap().unwrap().expose_secret(), "canary");
        assert!(!format!("{settings:?}").contains("canary"));
        let missing = load(&[], &["rewrite.api_key_file=/does/not/exist"]).unwrap();
        assert!(missing.rewrite.key().unwrap_err().to_string().contains("rewrite.api_key_file"));
    }
}
