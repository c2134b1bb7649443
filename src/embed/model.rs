//! A model's folder: everything that is particular to a model is read from it, never from code. The layout is that of
//! sentence-transformers, beside it the ONNX files and, where `asktwice import-model` made the folder, a manifest of
//! hashes that every file is checked against before it is parsed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{EmbedError, Identity, Pooling, Role};

/// The manifest's file name.
pub(super) const MANIFEST: &str = "asktwice.json";
/// The tokenizer's file name.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// The settings files that an import carries over, where they exist.
pub(super) const SETTINGS: [&str; 5] = [CONFIG, POOLING, MODULES, SENTENCE_BERT, PROMPTS];

const CONFIG: &str = "config.json";
const POOLING: &str = "1_Pooling/config.json";
const MODULES: &str = "modules.json";
const SENTENCE_BERT: &str = "sentence_bert_config.json";
const PROMPTS: &str = "config_sentence_transformers.json";

/// What helps against a damaged folder.
const AGAIN: &str = "get the model again: delete the folder and run `make setup` for the default model, \
                     `asktwice import-model` for any other";

/// The numbers that a model calculates with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 8-bit weights: a quarter of the size, about twice as fast.
    #[default]
    Int8,
    /// 32-bit floating point, as published.
    Fp32,
}

impl Precision {
    /// Where a folder may keep this precision's ONNX file, in order of preference.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Int8 => &["model_int8.onnx", "onnx/model_int8.onnx", "onnx/model_quantized.onnx"],
            Self::Fp32 => &["model.onnx", "onnx/model.onnx"],
        }
    }

    /// The name that an import gives this precision's ONNX file.
    pub(super) fn file(self) -> &'static str {
        self.files()[0]
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "int8" => Ok(Self::Int8),
            "fp32" => Ok(Self::Fp32),
            _ => Err(format!("{name:?} is not a precision; use int8 or fp32")),
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Int8 => "int8",
            Self::Fp32 => "fp32",
        })
    }
}

/// What an import writes down about the files that it made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The model's name.
    pub name: String,
    /// SHA-256 of the published weights.
    pub weights: String,
    /// SHA-256 of each file, by its path within the folder.
    pub files: BTreeMap<String, String>,
}

/// A model's folder, its settings read and checked.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    manifest: Option<Manifest>,
    identity: Identity,
    pooling: Pooling,
    normalised: bool,
    query_prefix: String,
}

impl ModelFolder {
    /// Reads a folder's settings. The ONNX file and the tokenizer are read when they are needed.
    ///
    /// # Errors
    /// [`EmbedError::Model`] names the file that is missing, changed or not understood.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, EmbedError> {
        let path = path.into();
        if !path.is_dir() {
            let problem = "there is no such folder; `make setup` makes the default model, `asktwice import-model` any \
                           other BERT";
            return Err(unusable(&path, problem));
        }
        let manifest: Option<Manifest> = match fs::read(path.join(MANIFEST)) {
            Ok(bytes) => Some(parse(&path, MANIFEST, &bytes)?),
            Err(_) => None,
        };
        let identity = Identity::new("", "", 0);
        let mut folder =
            Self { path, manifest, identity, pooling: Pooling::Mean, normalised: true, query_prefix: String::new() };
        folder.read_settings()?;
        Ok(folder)
    }

    fn read_settings(&mut self) -> Result<(), EmbedError> {
        let config: BertConfig = self.settings(CONFIG)?.ok_or_else(|| self.missing(CONFIG))?;
        let pooling: PoolingConfig = self.settings(POOLING)?.ok_or_else(|| self.missing(POOLING))?;
        let modules: Option<Vec<Module>> = self.settings(MODULES)?;
        let unknown = modules.iter().flatten().find(|module| !module.is_known());
        if let Some(Module { kind }) = unknown {
            let problem = format!("{MODULES} wants a module that is not supported: {kind}");
            return Err(unusable(&self.path, &problem));
        }
        let sentence: Option<SentenceBertConfig> = self.settings(SENTENCE_BERT)?;
        let prompts: Option<Prompts> = self.settings(PROMPTS)?;

        self.pooling = pooling.pooling().ok_or_else(|| {
            unusable(&self.path, &format!("{POOLING} names no pooling that is known: CLS, mean or last token"))
        })?;
        self.normalised = modules.is_none_or(|modules| modules.iter().any(|m| m.kind.ends_with("Normalize")));
        let max_tokens = sentence.and_then(|s| s.max_seq_length).unwrap_or(config.max_position_embeddings);
        let prefix = |names: &[&str]| -> String {
            let given = prompts.as_ref().map(|prompts| &prompts.prompts);
            given.and_then(|given| names.iter().find_map(|name| given.get(*name))).cloned().unwrap_or_default()
        };
        self.query_prefix = prefix(&["query"]);
        self.identity = Identity {
            model: self.name(),
            weights: self.weights()?,
            dimension: config.hidden_size,
            pooling: format!("{:?}{}", self.pooling, if self.normalised { ", normalised" } else { "" }).to_lowercase(),
            passage_prefix: prefix(&["passage", "document"]),
            max_tokens: max_tokens.min(config.max_position_embeddings),
            bm25: None,
        };
        Ok(())
    }

    /// The model's name: the manifest's, or the folder's.
    fn name(&self) -> String {
        let folder = || self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.manifest.as_ref().map_or_else(folder, |manifest| manifest.name.clone())
    }

    /// The hash of the weights: the manifest's, or that of the most precise ONNX file in the folder.
    fn weights(&self) -> Result<String, EmbedError> {
        if let Some(manifest) = &self.manifest {
            return Ok(manifest.weights.clone());
        }
        let bytes = self.onnx(Precision::Fp32).or_else(|_| self.onnx(Precision::Int8))?;
        Ok(sha256(&bytes))
    }

    /// What made the vectors, as a collection remembers it.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Whether vectors are scaled to length 1.
    pub(super) fn normalised(&self) -> bool {
        self.normalised
    }

    /// What is put before a text of this role.
    pub(super) fn prefix(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.query_prefix,
            Role::Passage => &self.identity.passage_prefix,
        }
    }

    /// The ONNX file of a precision, verified.
    pub(super) fn onnx(&self, precision: Precision) -> Result<Vec<u8>, EmbedError> {
        let files = precision.files();
        let file = files.iter().find(|file| self.path.join(file).exists());
        match file {
            Some(file) => self.read(file),
            None => {
                Err(unusable(&self.path, &format!("it has no {precision} model ({} is missing)", files.join(", "))))
            }
        }
    }

    /// The tokenizer's file, verified.
    pub(super) fn tokenizer(&self) -> Result<Vec<u8>, EmbedError> {
        self.read(TOKENIZER)
    }

    /// Reads a file and checks its hash, so that what is parsed is what was imported.
    fn read(&self, file: &str) -> Result<Vec<u8>, EmbedError> {
        let bytes = match fs::read(self.path.join(file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(self.missing(file)),
            Err(error) => return Err(unusable(&self.path, &format!("{file} cannot be read: {error}"))),
        };
        let expected = self.manifest.as_ref().map(|manifest| manifest.files.get(file));
        match expected {
            Some(Some(hash)) if *hash != sha256(&bytes) => {
                Err(unusable(&self.path, &format!("{file} was changed since it was imported; {AGAIN}")))
            }
            _ => Ok(bytes),
        }
    }

    /// Reads a settings file; `None` if the folder has none and its manifest knows of none.
    fn settings<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, EmbedError> {
        let expected = self.manifest.as_ref().is_some_and(|manifest| manifest.files.contains_key(file));
        if !expected && !self.path.join(file).exists() {
            return Ok(None);
        }
        parse(&self.path, file, &self.read(file)?).map(Some)
    }

    fn missing(&self, file: &str) -> EmbedError {
        unusable(&self.path, &format!("{file} is missing; {AGAIN}"))
    }
}

#[derive(Deserialize)]
struct BertConfig {
    hidden_size: usize,
    #[serde(default = "default_max_tokens")]
    max_position_embeddings: usize,
}

fn default_max_tokens() -> usize {
    512
}

#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
}

impl PoolingConfig {
    fn pooling(&self) -> Option<Pooling> {
        match (self.pooling_mode_cls_token, self.pooling_mode_mean_tokens, self.pooling_mode_lasttoken) {
            (true, false, false) => Some(Pooling::Cls),
            (false, true, false) => Some(Pooling::Mean),
            (false, false, true) => Some(Pooling::LastToken),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
}

impl Module {
    /// Whether vectors come out right: a module that was left out would change them silently.
    fn is_known(&self) -> bool {
        ["Transformer", "Pooling", "Normalize"].iter().any(|known| self.kind.ends_with(known))
    }
}

#[derive(Deserialize)]
struct SentenceBertConfig {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(super) fn unusable(folder: &Path, problem: &str) -> EmbedError {
    EmbedError::Model { folder: folder.display().to_string(), problem: problem.to_owned() }
}

pub(super) fn parse<T: DeserializeOwned>(folder: &Path, file: &str, bytes: &[u8]) -> Result<T, EmbedError> {
    serde_json::from_slice(bytes).map_err(|error| unusable(folder, &format!("{file} is not understood: {error}")))
}
