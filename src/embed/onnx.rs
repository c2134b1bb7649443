//! One text through one ONNX Runtime session: tokenize, run, pool, normalise. Unpadded and alone, so that a text's
//! vector never depends on its neighbours; on a CPU this is as fast as sorted batches.

use std::{borrow::Cow, path::Path, sync::Arc};

use ort::{
    environment::Environment,
    session::{
        RunOptions, Session, SessionInputValue,
        builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder},
    },
    value::TensorRef,
};
use tokenizers::{Tokenizer, TruncationParams};

use super::{
    EmbedError, Embedding, Precision, Provider, Role,
    model::{ModelFolder, unusable},
    pooling::normalise,
};

/// Longer words are one unknown token to the tokenizers in use, so no text needs more characters per token.
pub(crate) const MAX_CHARS_PER_TOKEN: usize = 100;

/// The inputs of a BERT; a model may do without the last two.
pub(crate) const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];

/// Turns texts into token ids, the way a model wants them. Shared by all workers.
#[derive(Debug)]
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    folder: ModelFolder,
}

/// The token ids of a text.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub ids: Vec<i64>,
    pub truncated: bool,
}

impl Encoder {
    pub(super) fn open(folder: ModelFolder) -> Result<Self, EmbedError> {
        let refuse = |problem: &dyn std::fmt::Display| {
            unusable(folder.path(), &format!("tokenizer.json is not understood: {problem}"))
        };
        let mut tokenizer = Tokenizer::from_bytes(folder.tokenizer()?).map_err(|error| refuse(&error))?;
        // The published file carries a fixed padding and a truncation of 128 tokens; both would be silently applied.
        tokenizer.with_padding(None);
        let max_length = folder.identity().max_tokens;
        let truncation = TruncationParams { max_length, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| refuse(&error))?;
        Ok(Self { tokenizer, folder })
    }

    pub(super) fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    /// Tokenizes a text with the prefix of its role.
    pub(super) fn encode(&self, role: Role, text: &str) -> Result<Tokens, EmbedError> {
        // Cut before the work: the tokenizer truncates only after it has read everything.
        let longest = self.folder.identity().max_tokens * MAX_CHARS_PER_TOKEN;
        let end = text.char_indices().nth(longest).map_or(text.len(), |(at, _)| at);
        let prefixed = format!("{}{}", self.folder.prefix(role), &text[..end]);
        let encoding = self
            .tokenizer
            .encode_fast(prefixed, true)
            .map_err(|error| EmbedError::inference(format!("the tokenizer said: {error}")))?;
        let truncated = end < text.len() || !encoding.get_overflowing().is_empty();
        Ok(Tokens { ids: encoding.get_ids().iter().map(|id| i64::from(*id)).collect(), truncated })
    }

    /// Makes the vector of a text of what the model gave for it.
    fn vector(&self, values: &[f32]) -> Vec<f32> {
        let (pooling, dimension) = (self.folder.pooling(), self.folder.identity().dimension);
        // A model may pool by itself; otherwise it gives a vector per token.
        let mut vector = if values.len() == dimension { values.to_vec() } else { pooling.pool(values, dimension) };
        if self.folder.normalised() {
            normalise(&mut vector);
        }
        vector
    }

    /// The error for a model that ONNX Runtime does not take.
    pub(super) fn refuse(&self, error: &ort::Error) -> EmbedError {
        unusable(self.folder.path(), &format!("ONNX Runtime refuses the model: {error}"))
    }

    /// How many tokens a text has, special tokens left out, however long it is.
    pub(super) fn count(&self, text: &str) -> usize {
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.map_or(0, |e| e.len() + e.get_overflowing().iter().map(tokenizers::Encoding::len).sum::<usize>())
    }
}

/// Longer texts give back the memory that they needed: it grows with the square of the length.
const LONG: usize = 512;

/// ONNX Runtime's fused forms of these are slower on a CPU than their parts: 180 against 50 µs for the sum of two
/// 90 × 384 matrices, normalised.
const SLOWER_FUSED: &str = "SkipLayerNormFusion;BiasGeluFusion";

/// How many questions of the same length are embedded together when many wait: the weights are then read once for all
/// of them, which for short texts takes longer than the arithmetic.
const MOST_TOGETHER: usize = 8;

/// A session, and what it needs to embed a text.
#[derive(Debug)]
pub(super) struct Model {
    session: Session,
    encoder: Arc<Encoder>,
    ones: Vec<i64>,
    zeros: Vec<i64>,
}

/// The settings of a session that works with so many threads.
pub(crate) fn settings(environment: &Environment, provider: Provider, threads: usize) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(environment)?
        .with_auto_device(AutoDevicePolicy::PreferCPU)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_disabled_optimizers(SLOWER_FUSED)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        // Threads that sleep between two operators make a second thread useless for a short text. So they spin, but
        // only while a text is being worked on: otherwise they would burn a core while nobody asks anything.
        .with_config_entry("session.force_spinning_stop", "1")?
        // Texts vary in length, and a pattern would be kept for each.
        .with_memory_pattern(false)?;
    provider.register(builder)
}

impl Model {
    /// Opens a session on the CPU over the bytes of an ONNX file, which are not needed any more afterwards.
    pub(super) fn open(
        environment: &Environment,
        onnx: &[u8],
        encoder: Arc<Encoder>,
        threads: usize,
    ) -> Result<Self, EmbedError> {
        let session = settings(environment, Provider::Cpu, threads).and_then(|mut b| b.commit_from_memory(onnx));
        Self::new(session.map_err(|error| encoder.refuse(&error))?, encoder)
    }

    /// Takes an open session.
    pub(super) fn new(session: Session, encoder: Arc<Encoder>) -> Result<Self, EmbedError> {
        let model = Self { session, encoder, ones: vec![], zeros: vec![] };
        model.check_inputs(model.encoder.folder().path())?;
        Ok(model)
    }

    fn check_inputs(&self, folder: &Path) -> Result<(), EmbedError> {
        let unknown = self.session.inputs().iter().find(|input| !INPUTS.contains(&input.name()));
        match unknown {
            Some(input) => Err(unusable(folder, &format!("the model wants an unknown input, {:?}", input.name()))),
            None => Ok(()),
        }
    }

    /// How many texts of the same length may be embedded together.
    pub(super) fn most_together(&self, precision: Precision) -> usize {
        let first = self.session.inputs().first().and_then(|input| input.dtype().tensor_shape());
        let takes_batches = first.is_some_and(|shape| shape.first().is_some_and(|size| *size < 0));
        // What int8 rounds to depends on all that is multiplied together, so there every text is by itself.
        if takes_batches && precision == Precision::Fp32 { MOST_TOGETHER } else { 1 }
    }

    /// Embeds one text.
    pub(super) fn embed(&mut self, role: Role, text: &str) -> Result<Embedding, EmbedError> {
        let tokens = self.encoder.encode(role, text)?;
        let embedded = self.embed_alike(&[Cow::Owned(tokens)])?.pop();
        embedded.ok_or_else(|| EmbedError::inference("it gave no vector"))
    }

    /// Embeds texts of the same number of tokens, all at a time.
    pub(super) fn embed_alike(&mut self, texts: &[Cow<'_, Tokens>]) -> Result<Vec<Embedding>, EmbedError> {
        let vectors = self.run(texts).map_err(|error| EmbedError::inference(error.to_string()))?;
        if vectors.iter().flatten().any(|value| !value.is_finite()) {
            return Err(EmbedError::inference("its vector is not made of numbers"));
        }
        let embeddings = texts.iter().zip(vectors).map(|(tokens, vector)| Embedding {
            vector,
            tokens: tokens.ids.len(),
            truncated: tokens.truncated,
        });
        Ok(embeddings.collect())
    }

    /// Runs the session and makes one vector per text of its first output.
    fn run(&mut self, texts: &[Cow<'_, Tokens>]) -> ort::Result<Vec<Vec<f32>>> {
        let ids: Vec<i64> = texts.iter().flat_map(|text| &text.ids).copied().collect();
        let shape = [texts.len(), ids.len() / texts.len().max(1)];
        let length = self.ones.len().max(ids.len());
        self.ones.resize(length, 1);
        self.zeros.resize(length, 0);
        let mut inputs: Vec<SessionInputValue<'_>> = Vec::with_capacity(INPUTS.len());
        for input in self.session.inputs() {
            let values = match input.name() {
                "input_ids" => &ids,
                "attention_mask" => &self.ones[..ids.len()],
                _ => &self.zeros[..ids.len()],
            };
            inputs.push(TensorRef::from_array_view((shape, values))?.into());
        }
        let mut options = RunOptions::new()?;
        if ids.len() > LONG {
            options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
        }
        let outputs = self.session.run_with_options(inputs.as_slice(), &options)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
        let of_each = values.chunks_exact((values.len() / texts.len().max(1)).max(1));
        Ok(of_each.map(|values| self.encoder.vector(values)).collect())
    }
}
