//! One pair through one ONNX Runtime session: a cross-encoder's folder, its tokenizer, its logits. Unpadded and alone,
//! as the embedder does it, so that a pair's score never depends on its neighbours.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use ort::{
    environment::Environment,
    session::{Session, SessionInputValue},
    value::TensorRef,
};
use serde::{Deserialize, de::DeserializeOwned};
use tokenizers::{Encoding, Tokenizer, TruncationParams};

use super::RerankError;
use crate::embed::{
    EmbedError, Provider,
    onnx::{INPUTS, MAX_CHARS_PER_TOKEN, settings},
};

/// Where a folder may keep its ONNX file, in order of preference: who has an 8-bit one wants it used.
const ONNX_FILES: [&str; 5] =
    ["model_int8.onnx", "onnx/model_int8.onnx", "onnx/model_quantized.onnx", "model.onnx", "onnx/model.onnx"];
/// What a model reads at most where its folder does not say: BERT's limit.
const USUAL_TOKENS: usize = 512;

/// A cross-encoder's folder, read.
pub(super) struct Folder {
    path: PathBuf,
    tokenizer: Tokenizer,
    max_tokens: usize,
}

#[derive(Deserialize)]
struct ModelConfig {
    max_position_embeddings: Option<usize>,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    /// Written as a huge number where there is no limit.
    model_max_length: Option<f64>,
}

impl Folder {
    /// Reads a folder as sentence-transformers and the exporters write it: `tokenizer.json`, `config.json`, an ONNX
    /// file beside them or in `onnx/`. Returns that file's bytes, too, which are needed to open sessions and no longer.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<u8>), EmbedError> {
        if !path.is_dir() {
            return Err(unusable(path, "there is no such folder".to_owned()));
        }
        let file = ONNX_FILES.iter().map(|file| path.join(file)).find(|file| file.exists());
        let file = file.ok_or_else(|| unusable(path, format!("it has none of {}", ONNX_FILES.join(", "))))?;
        let model: Option<ModelConfig> = setting_file(path, "config.json")?;
        let tokens: Option<TokenizerConfig> = setting_file(path, "tokenizer_config.json")?;
        let limits = [
            model.and_then(|config| config.max_position_embeddings),
            tokens.and_then(|config| config.model_max_length).and_then(whole),
        ];
        let max_tokens = limits.into_iter().flatten().min().unwrap_or(USUAL_TOKENS);
        let tokenizer = tokenizer(path, max_tokens)?;
        let onnx =
            fs::read(&file).map_err(|error| unusable(path, format!("{} cannot be read: {error}", file.display())))?;
        Ok((Self { path: path.to_owned(), tokenizer, max_tokens }, onnx))
    }
}

/// A number of tokens, if that is what it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be between 1 and a million")]
fn whole(number: f64) -> Option<usize> {
    (1.0..1e6).contains(&number).then_some(number as usize)
}

fn tokenizer(path: &Path, max_length: usize) -> Result<Tokenizer, EmbedError> {
    let refuse = |error: &dyn Display| unusable(path, format!("tokenizer.json cannot be used: {error}"));
    let bytes = fs::read(path.join("tokenizer.json")).map_err(|error| refuse(&error))?;
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| refuse(&error))?;
    // What the file says of padding and truncation would be applied silently.
    tokenizer.with_padding(None);
    // Tokens are taken from the end of the longer text first, as sentence-transformers does it.
    let truncation = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| refuse(&error))?;
    Ok(tokenizer)
}

/// Reads a settings file; `None` if there is none.
fn setting_file<T: DeserializeOwned>(path: &Path, file: &str) -> Result<Option<T>, EmbedError> {
    let Ok(bytes) = fs::read(path.join(file)) else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|error| unusable(path, format!("{file} is not understood: {error}")))
}

/// A session, and what it needs to score a pair.
pub(super) struct CrossEncoder<'a> {
    session: Session,
    folder: &'a Folder,
}

impl<'a> CrossEncoder<'a> {
    /// Opens a session that works with so many threads, and scores a pair, so that a model of another kind is refused
    /// now and not at the first question.
    pub(super) fn open(
        environment: &Environment,
        onnx: &[u8],
        folder: &'a Folder,
        threads: usize,
    ) -> Result<Self, EmbedError> {
        let refuse = |error: &dyn Display| unusable(&folder.path, format!("ONNX Runtime refuses the model: {error}"));
        let session = settings(environment, Provider::Cpu, threads).and_then(|mut b| b.commit_from_memory(onnx));
        let session = session.map_err(|error| refuse(&error))?;
        let unknown = session.inputs().iter().find(|input| !INPUTS.contains(&input.name()));
        if let Some(input) = unknown {
            return Err(unusable(&folder.path, format!("the model wants an unknown input, {:?}", input.name())));
        }
        let mut opened = Self { session, folder };
        opened.score("a question", "a passage").map_err(|error| {
            let problem = crate::retrieval::Report(&error).to_string();
            unusable(&folder.path, format!("it cannot score a pair: {problem}"))
        })?;
        Ok(opened)
    }

    /// How well a passage answers a question: the model's logit, or, of a model with two classes, by how much the
    /// second (relevant) exceeds the first. Higher is better.
    pub(super) fn score(&mut self, question: &str, passage: &str) -> Result<f32, RerankError> {
        let pair = (self.cut(question), self.cut(passage));
        let encoding = self.folder.tokenizer.encode_fast(pair, true);
        let encoding = encoding.map_err(|error| RerankError::failed(format!("could not tokenize: {error}")))?;
        let logits = self.run(&encoding).map_err(|error| RerankError::failed(format!("failed on a pair: {error}")))?;
        match *logits.as_slice() {
            [logit] => Ok(logit),
            [irrelevant, relevant] => Ok(relevant - irrelevant),
            _ => Err(RerankError::failed(format!(
                "gives {} numbers for a pair; a cross-encoder gives one, or two",
                logits.len()
            ))),
        }
    }

    /// The beginning of a text, as much as can be read: the tokenizer truncates only after it has read everything.
    fn cut<'t>(&self, text: &'t str) -> &'t str {
        let longest = self.folder.max_tokens.saturating_mul(MAX_CHARS_PER_TOKEN);
        text.char_indices().nth(longest).map_or(text, |(at, _)| &text[..at])
    }

    /// Runs the session and returns its first output.
    fn run(&mut self, encoding: &Encoding) -> ort::Result<Vec<f32>> {
        let numbers = |values: &[u32]| values.iter().map(|value| i64::from(*value)).collect::<Vec<i64>>();
        let (ids, mask, types) =
            (numbers(encoding.get_ids()), numbers(encoding.get_attention_mask()), numbers(encoding.get_type_ids()));
        let shape = [1, ids.len()];
        let mut inputs = Vec::with_capacity(INPUTS.len());
        for input in self.session.inputs() {
            let values = match input.name() {
                "input_ids" => &ids,
                "attention_mask" => &mask,
                _ => &types,
            };
            let tensor = TensorRef::from_array_view((shape, values.as_slice()))?;
            inputs.push((input.name().to_owned(), SessionInputValue::from(tensor)));
        }
        let outputs = self.session.run(inputs)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(values.to_vec())
    }
}

pub(super) fn unusable(folder: &Path, problem: String) -> EmbedError {
    EmbedError::Model { folder: folder.display().to_string(), problem }
}
