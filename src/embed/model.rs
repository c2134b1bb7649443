//! A model's folder: everything that is particular to a model is read from it, never from code. The layout is that of
//! sentence-transformers, beside it the ONNX files and, where this program made the folder, a manifest of hashes that
//! every file is checked against before it is parsed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    EmbedError, Identity, Pooling, Precision, Role,
    manifest::{MANIFEST, Manifest, Traits, sha256},
    outside::second_file,
};

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
const AGAIN: &str = "get the model again: delete the folder and run `make setup` for the default model, `asktwice models \
                     pull` or `asktwice import-model` for any other";

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
            let problem = "there is no such folder; `make setup` makes the default model, `asktwice models pull` or \
                           `asktwice import-model` any other";
            return Err(unusable(&path, problem));
        }
        let manifest = Manifest::read(&path)?;
        let identity = Identity::new("", "", 0);
        let mut folder =
            Self { path, manifest, identity, pooling: Pooling::Mean, normalised: true, query_prefix: String::new() };
        folder.read_settings()?;
        Ok(folder)
    }

    /// Gathers what is known of the model; what the manifest says goes before what the other files say.
    fn read_settings(&mut self) -> Result<(), EmbedError> {
        let traits = self.manifest.as_ref().map(|manifest| manifest.model.clone()).unwrap_or_default();
        let config: Option<BertConfig> = self.settings(CONFIG)?;
        let max_positions = config.as_ref().map_or(DEFAULT_MAX_TOKENS, |config| config.max_position_embeddings);
        let dimension = traits.dimension.or_else(|| config.and_then(|config| config.hidden_size));
        self.pooling = traits.pooling.map_or_else(|| self.read_pooling(), Ok)?;
        self.normalised = traits.normalise.map_or_else(|| self.read_normalised(), Ok)?;
        let max_tokens = traits.max_tokens.map_or_else(|| self.read_max_tokens(max_positions), Ok)?;
        let [query_prefix, passage_prefix] = self.read_prefixes(&traits)?;
        self.query_prefix = query_prefix;
        self.identity = Identity {
            model: self.name(),
            weights: self.weights()?,
            dimension: dimension.ok_or_else(|| self.missing(CONFIG))?,
            pooling: format!("{:?}{}", self.pooling, if self.normalised { ", normalised" } else { "" }).to_lowercase(),
            passage_prefix,
            max_tokens,
            head: None,
            bm25: None,
        };
        Ok(())
    }

    fn read_pooling(&self) -> Result<Pooling, EmbedError> {
        let config: PoolingConfig = self.settings(POOLING)?.ok_or_else(|| self.missing(POOLING))?;
        config.pooling().ok_or_else(|| {
            unusable(&self.path, &format!("{POOLING} names no pooling that is known: CLS, mean or last token"))
        })
    }

    /// Whether the model's own list of modules ends with scaling; a module that is not known is refused.
    fn read_normalised(&self) -> Result<bool, EmbedError> {
        let modules: Option<Vec<Module>> = self.settings(MODULES)?;
        let unknown = modules.iter().flatten().find(|module| !module.is_known());
        if let Some(Module { kind }) = unknown {
            let problem = format!("{MODULES} wants a module that is not supported: {kind}");
            return Err(unusable(&self.path, &problem));
        }
        Ok(modules.is_none_or(|modules| modules.iter().any(|module| module.kind.ends_with("Normalize"))))
    }

    fn read_max_tokens(&self, max_positions: usize) -> Result<usize, EmbedError> {
        let sentence: Option<SentenceBertConfig> = self.settings(SENTENCE_BERT)?;
        Ok(sentence.and_then(|s| s.max_seq_length).map_or(max_positions, |tokens| tokens.min(max_positions)))
    }

    /// What is put before a question and before a passage.
    fn read_prefixes(&self, traits: &Traits) -> Result<[String; 2], EmbedError> {
        let prompts: Option<Prompts> = self.settings(PROMPTS)?;
        let prompts = prompts.map(|prompts| prompts.prompts).unwrap_or_default();
        let prefix = |known: &Option<String>, names: &[&str]| -> String {
            let published = || names.iter().find_map(|name| prompts.get(*name)).cloned();
            known.clone().or_else(published).unwrap_or_default()
        };
        Ok([prefix(&traits.query_prefix, &["query"]), prefix(&traits.passage_prefix, &["passage", "document"])])
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
        let bytes = self.onnx(Precision::Fp32).or_else(|_| self.onnx(Precision::Auto))?;
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
        self.onnx_and_path(precision).map(|(onnx, _)| onnx)
    }

    /// The ONNX file of a precision, verified, and where it is.
    pub(super) fn onnx_and_path(&self, precision: Precision) -> Result<(Vec<u8>, PathBuf), EmbedError> {
        let choices = precision.choices();
        if let Some(file) = choices.iter().find_map(|choice| self.onnx_file(*choice)) {
            let onnx = self.read(&file)?;
            // ONNX Runtime would read a second file by itself, unverified.
            if let Some(second) = self.manifest.as_ref().and_then(|_| second_file(&onnx)) {
                let problem = format!(
                    "{file} keeps its weights in a second file ({second}), which is not supported: nothing could check \
                     that one before it is loaded; use a model whose weights are in one file, its int8 form for example"
                );
                return Err(unusable(&self.path, &problem));
            }
            return Ok((onnx, self.path.join(file)));
        }
        let looked_for = choices.iter().flat_map(|choice| choice.files()).collect::<Vec<_>>().join(", ");
        let remedy = "`asktwice models optimize` makes an int8 model of an fp32 one";
        let problem = format!("it has no {precision} model ({looked_for} is missing; {remedy})");
        Err(unusable(&self.path, &problem))
    }

    /// Which file holds a precision: the manifest's word, or else the name. With a manifest, only files that it lists.
    fn onnx_file(&self, precision: Precision) -> Option<String> {
        let Some(manifest) = &self.manifest else {
            let mut files = precision.files().into_iter();
            return files.find(|file| self.path.join(file).exists()).map(str::to_owned);
        };
        manifest.onnx_file(precision)
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
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
        let Some(manifest) = &self.manifest else { return Ok(bytes) };
        match manifest.files.get(file) {
            Some(hash) if *hash == sha256(&bytes) => Ok(bytes),
            Some(_) => Err(unusable(&self.path, &format!("{file} was changed since it was imported; {AGAIN}"))),
            None => {
                let problem =
                    format!("{file} is not one of the files in {MANIFEST}, so nothing vouches for it; take it away");
                Err(unusable(&self.path, &problem))
            }
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
    hidden_size: Option<usize>,
    #[serde(default = "default_max_tokens")]
    max_position_embeddings: usize,
}

/// What a BERT reads, where nothing else is said.
const DEFAULT_MAX_TOKENS: usize = 512;

fn default_max_tokens() -> usize {
    DEFAULT_MAX_TOKENS
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

pub(super) fn unusable(folder: &Path, problem: &str) -> EmbedError {
    EmbedError::Model { folder: folder.display().to_string(), problem: problem.to_owned() }
}

pub(super) fn parse<T: DeserializeOwned>(folder: &Path, file: &str, bytes: &[u8]) -> Result<T, EmbedError> {
    serde_json::from_slice(bytes).map_err(|error| unusable(folder, &format!("{file} is not understood: {error}")))
}
