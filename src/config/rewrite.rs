//! The settings of the rewrite step.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::{LEAVES_HOST, Privacy, SettingsError, key, request_fields};
use crate::{
    fuse::Weighting,
    retriever::FeedbackUse,
    rewrite::{
        BreakerOptions, CacheOptions, LeastCosines, Recorded, RewriteKind, Structured, UnknownFeedback, is_local_url,
    },
};

/// Who rewrites the questions, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RewriteSettings {
    /// The endpoint's base URL; empty: nobody.
    pub url: String,
    /// The language model's name.
    pub model: String,
    /// The endpoint's API key, from the environment.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// A file that holds the endpoint's API key.
    pub api_key_file: PathBuf,
    /// The kinds that are asked for.
    #[serde(deserialize_with = "kinds")]
    pub kinds: Vec<RewriteKind>,
    /// How many texts a kind of several texts has.
    pub count: usize,
    /// Whether a rewrite may be in another language than the question.
    pub any_language: bool,
    /// A folder with prompts; empty: the compiled-in ones.
    pub prompts: PathBuf,
    structured: String,
    /// Endpoints that are asked after the first.
    pub fallbacks: Vec<EndpointSettings>,
    parameters: Map<String, Value>,
    deadline_ms: u64,
    /// How far from the question a rewrite may stray.
    pub least_cosine: LeastCosines,
    /// How much a rewrite counts in the fusion; the question's own counts 1.
    pub weight: Weighting,
    feedback: String,
    feedback_use: FeedbackWhen,
    /// Below which agreement of the question's own legs a rewrite is asked for; 1: always.
    pub gate: f64,
    /// How many calls may be under way at once.
    pub calls: usize,
    breaker_failures: u32,
    breaker_window_calls: usize,
    breaker_window_ms: u64,
    breaker_pause_ms: u64,
    breaker_longest_pause_ms: u64,
    cache_mb: u64,
    cache_ttl_s: u64,
    cache_failures_ms: u64,
    background_ms: u64,
    background_calls: usize,
    recorded_file: String,
    recorded_latency_ms: u64,
}

/// When feedback is searched with.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FeedbackWhen {
    Instead,
    Always,
}

/// An endpoint that is asked after the first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EndpointSettings {
    /// Its base URL.
    pub url: String,
    /// The language model's name.
    pub model: String,
    /// A file that holds its API key; none: no key.
    #[serde(default)]
    pub api_key_file: PathBuf,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Kinds as a list, or as one text with commas: flags and the environment know only texts.
fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RewriteKind>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kinds {
        List(Vec<String>),
        Text(String),
    }
    let names = match Kinds::deserialize(deserializer)? {
        Kinds::List(names) => names,
        Kinds::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    names.iter().map(|name| name.trim().parse().map_err(D::Error::custom)).collect()
}

impl RewriteSettings {
    /// Refuses what contradicts itself.
    pub(super) fn check(&self, privacy: Privacy) -> Result<(), SettingsError> {
        let refuse = |setting, problem: &str| Err(SettingsError::value(setting, problem));
        if !self.url.is_empty() && self.model.is_empty() {
            return refuse("rewrite.model", "rewrite.url is set, so the language model has to be named");
        }
        if !self.url.is_empty() && !self.recorded_file.is_empty() {
            return refuse(
                "rewrite.recorded_file",
                "rewrite.url is set too; rewrites are either asked for or replayed",
            );
        }
        if self.url.is_empty() && !self.model.is_empty() {
            return refuse(
                "rewrite.model",
                "names a language model, but rewrite.url does not say where it is (the embedder's folder is embed.model)",
            );
        }
        if self.url.is_empty() && !self.fallbacks.is_empty() {
            return refuse("rewrite.fallbacks", "there is nothing to fall back from; set rewrite.url first");
        }
        if !(0.0..=1.0).contains(&self.gate) {
            return refuse("rewrite.gate", "an agreement is from 0 to 1; 1 always asks for a rewrite");
        }
        if !self.least_cosine.are_cosines() {
            return refuse("rewrite.least_cosine", "a cosine is from -1 to 1; -1 lets every rewrite through");
        }
        if self.kinds.is_empty() {
            return refuse("rewrite.kinds", "no kind of rewrite is named; to ask for none, leave rewrite.url empty");
        }
        if !(1..=8).contains(&self.count) {
            return refuse("rewrite.count", "has to be from 1 to 8; more rewrites would only drown the question");
        }
        if self.deadline_ms == 0 {
            return refuse("rewrite.deadline_ms", "no rewriter answers in 0 ms");
        }
        if self.background_ms > 0 && self.background_ms < self.deadline_ms {
            return refuse("rewrite.background_ms", "is less than rewrite.deadline_ms, so nothing could come late");
        }
        if self.calls == 0 {
            return refuse("rewrite.calls", "at least one call has to be allowed");
        }
        if self.breaker_failures == 0 || self.breaker_window_calls == 0 {
            return refuse("rewrite.breaker_failures", "an endpoint cannot be left alone before it has failed once");
        }
        self.check_breaker_and_words()?;
        self.check_privacy(privacy)
    }

    fn check_breaker_and_words(&self) -> Result<(), SettingsError> {
        if self.breaker_pause_ms == 0 || self.breaker_longest_pause_ms < self.breaker_pause_ms {
            let problem = format!("is less than rewrite.breaker_pause_ms, which is {}", self.breaker_pause_ms.max(1));
            return Err(SettingsError::value("rewrite.breaker_longest_pause_ms", problem));
        }
        self.structured()?;
        self.feedback()?;
        self.recorded().map(drop)
    }

    fn check_privacy(&self, privacy: Privacy) -> Result<(), SettingsError> {
        let first = Some(("rewrite.url", &self.url)).filter(|(_, url)| !url.is_empty());
        let others = self.fallbacks.iter().map(|fallback| ("rewrite.fallbacks", &fallback.url));
        let elsewhere = first.into_iter().chain(others).find(|(_, url)| !is_local_url(url));
        match elsewhere {
            Some((setting, _)) if privacy == Privacy::Local => Err(SettingsError::value(setting, LEAVES_HOST)),
            _ => Ok(()),
        }
    }

    /// Whether and when to search with what the question found first.
    ///
    /// # Errors
    /// [`SettingsError`] if the feedback's name is none.
    pub fn feedback(&self) -> Result<Option<FeedbackUse>, SettingsError> {
        if self.feedback.is_empty() {
            return Ok(None);
        }
        let feedback = self.feedback.parse();
        let feedback =
            feedback.map_err(|error: UnknownFeedback| SettingsError::value("rewrite.feedback", error.to_string()))?;
        Ok(Some(match self.feedback_use {
            FeedbackWhen::Instead => FeedbackUse::InsteadOfRewrite(feedback),
            FeedbackWhen::Always => FeedbackUse::Always(feedback),
        }))
    }

    /// How long the rewriter may hold up an answer.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How long a call to an endpoint may take: longer than the deadline where the cache has a use for late rewrites.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.cache().map_or(Duration::ZERO, |cache| cache.background).max(self.deadline())
    }

    /// Further fields of the request to the endpoint; null leaves one out.
    #[must_use]
    pub fn parameters(&self) -> Map<String, Value> {
        request_fields(&self.parameters)
    }

    /// Whether endpoints are held to a schema.
    ///
    /// # Errors
    /// [`SettingsError`] if the setting is not one of its words.
    pub fn structured(&self) -> Result<Structured, SettingsError> {
        let wrong = |error: crate::rewrite::UnknownStructured| error.to_string();
        self.structured.parse().map_err(|error| SettingsError::value("rewrite.structured", wrong(error)))
    }

    /// When an endpoint is left alone.
    #[must_use]
    pub fn breaker(&self) -> BreakerOptions {
        BreakerOptions {
            failures: self.breaker_failures,
            window_calls: self.breaker_window_calls,
            window: Duration::from_millis(self.breaker_window_ms),
            first_pause: Duration::from_millis(self.breaker_pause_ms),
            longest_pause: Duration::from_millis(self.breaker_longest_pause_ms),
        }
    }

    /// How rewrites are remembered; `None` if not at all.
    #[must_use]
    pub fn cache(&self) -> Option<CacheOptions> {
        let options = CacheOptions {
            max_bytes: self.cache_mb << 20,
            ttl: Duration::from_secs(self.cache_ttl_s),
            failure_ttl: Duration::from_millis(self.cache_failures_ms),
            background: Duration::from_millis(self.background_ms),
            most_background: self.background_calls,
        };
        (self.cache_mb > 0).then_some(options)
    }

    /// The recorded rewrites that are replayed instead of asking, if a file is named.
    ///
    /// # Errors
    /// [`SettingsError`] if the kind after the file is none.
    pub fn recorded(&self) -> Result<Option<Recorded>, SettingsError> {
        let wrong = |error: crate::rewrite::UnknownKind| {
            SettingsError::value("rewrite.recorded_file", format!("after the file's name, {error}"))
        };
        Some(&self.recorded_file).filter(|file| !file.is_empty()).map(|file| file.parse().map_err(wrong)).transpose()
    }

    /// How long a replayed rewrite takes.
    #[must_use]
    pub fn recorded_latency(&self) -> Duration {
        Duration::from_millis(self.recorded_latency_ms)
    }

    /// The endpoint's API key, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] if the key's file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, SettingsError> {
        key("rewrite.api_key_file", self.api_key.as_ref(), &self.api_key_file)
    }
}

impl EndpointSettings {
    /// Further fields of the request to the endpoint; null leaves one out.
    #[must_use]
    pub fn parameters(&self) -> Map<String, Value> {
        request_fields(&self.parameters)
    }

    /// The endpoint's API key, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] if the key's file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, SettingsError> {
        key("rewrite.fallbacks", None, &self.api_key_file)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::Settings;
    use super::*;

    fn load(file: &str, flags: &[&str]) -> Result<Settings, SettingsError> {
        let written = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&written, file).unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Settings::load(Some(written.path()), HashMap::new(), &flags)
    }

    #[test]
    fn kinds_are_a_list_or_a_text() {
        use RewriteKind::{Condense, Hyde, Paraphrase};
        assert_eq!(load("", &[]).unwrap().rewrite.kinds, [Condense, Paraphrase]);
        assert_eq!(load("rewrite.kinds = [\"hyde\"]", &[]).unwrap().rewrite.kinds, [Hyde]);
        assert_eq!(load("", &["rewrite.kinds=hyde, paraphrase"]).unwrap().rewrite.kinds, [Hyde, Paraphrase]);
        let error = load("", &["rewrite.kinds=hyda"]).unwrap_err().to_string();
        assert!(error.contains("\"hyda\" is not a kind") && error.contains("rewrite.kinds"), "{error}");
    }

    #[test]
    fn fallbacks_are_tables() {
        let file = r#"
            [rewrite]
            url = "http://localhost:1/v1"
            model = "a"
            [[rewrite.fallbacks]]
            url = "https://host.example/v1"
            model = "b"
            parameters = { max_tokens = "", seed = 1 }
        "#;
        let rewrite = load(file, &[]).unwrap().rewrite;
        assert_eq!((rewrite.fallbacks[0].model.as_str(), rewrite.fallbacks[0].key().unwrap().is_none()), ("b", true));
        assert_eq!(rewrite.fallbacks[0].parameters()["max_tokens"], Value::Null);
        let error = load(&file.replace("model = \"b\"", "modell = \"b\""), &[]).unwrap_err().to_string();
        assert!(error.contains("modell"), "{error}");
    }

    #[test]
    fn kinds_have_their_own_least_cosines() {
        let least = |flags: &[&str]| load("rewrite.least_cosine = { hyde = 0.2 }", flags).unwrap().rewrite.least_cosine;
        assert_eq!(least(&[]), LeastCosines::default().with(RewriteKind::Hyde, 0.2));
        let stricter = least(&["rewrite.least_cosine.step-back=0.3"]);
        let cosines = [RewriteKind::Hyde, RewriteKind::StepBack, RewriteKind::Multi].map(|kind| stricter.of(kind));
        assert_eq!(cosines, [0.2, 0.3, 0.0]);
    }

    #[test]
    fn a_local_retriever_takes_no_endpoint_elsewhere() {
        let local = ["privacy=local", "rewrite.url=http://127.0.0.1:1/v1", "rewrite.model=a"];
        load("", &local).unwrap();
        let away = [&local[..], &["rewrite.url=https://host.example/v1"]].concat();
        let error = load("", &away).unwrap_err().to_string();
        assert!(error.contains("rewrite.url") && error.contains("privacy"), "{error}");
        let fallback = "rewrite.fallbacks = [{ url = \"http://10.0.0.1/v1\", model = \"b\" }]";
        assert!(load(fallback, &local).unwrap_err().to_string().contains("rewrite.fallbacks"));
        load(fallback, &[&local[..], &["privacy=any"]].concat()).unwrap();
        let embed = ["privacy=local", "embed.url=https://host.example/v1", "embed.model=m", "embed.dimension=3"];
        assert!(load("", &embed).unwrap_err().to_string().contains("embed.url"));
        let rerank = ["privacy=local", "rerank.url=https://host.example/v2", "rerank.model=m"];
        assert!(load("", &rerank).unwrap_err().to_string().contains("rerank.url"));
        load("", &["privacy=local", "rerank.url=http://localhost:8080"]).unwrap();
        // The store is the user's own.
        load("", &["privacy=local", "store.url=https://host.example:6334"]).unwrap();
        assert!(load("", &["privacy=secret"]).is_err());
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_its_name() {
        for (flag, named) in [
            ("rewrite.kinds=", "rewrite.kinds"),
            ("rewrite.count=0", "rewrite.count"),
            ("rewrite.least_cosine.hyde=2", "rewrite.least_cosine"),
            ("rewrite.least_cosine.hyda=0.1", "hyda"),
            ("rewrite.count=9", "rewrite.count"),
            ("rewrite.calls=0", "rewrite.calls"),
            ("rewrite.deadline_ms=0", "rewrite.deadline_ms"),
            ("rewrite.background_ms=100", "rewrite.background_ms"),
            ("rewrite.structured=maybe", "rewrite.structured"),
            ("rewrite.breaker_failures=0", "rewrite.breaker_failures"),
            ("rewrite.breaker_longest_pause_ms=1", "rewrite.breaker_longest_pause_ms"),
            ("rewrite.recorded_file=a.jsonl:hyda", "rewrite.recorded_file"),
        ] {
            let error = load("", &[flag]).unwrap_err().to_string();
            assert!(error.contains(named), "{flag}: {error}");
        }
        let fallback = "rewrite.fallbacks = [{ url = \"http://10.0.0.1/v1\", model = \"b\" }]";
        assert!(load(fallback, &[]).unwrap_err().to_string().contains("rewrite.fallbacks"));
    }

    #[test]
    fn a_call_may_take_as_long_as_somebody_has_a_use_for_it() {
        let timeout = |flags: &[&str]| load("", flags).unwrap().rewrite.timeout();
        assert_eq!(timeout(&[]), Duration::from_secs(10));
        assert_eq!(timeout(&["rewrite.background_ms=0"]), Duration::from_millis(800));
        assert_eq!(timeout(&["rewrite.cache_mb=0"]), Duration::from_millis(800));
        assert_eq!(load("", &["rewrite.cache_mb=0"]).unwrap().rewrite.cache(), None);
    }
}
