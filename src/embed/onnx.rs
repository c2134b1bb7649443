//! One text through one ONNX Runtime session: tokenize, run, pool, normalise. Unpadded and alone, so that a text's
//! vector never depends on its neighbours; on a CPU this is as fast as sorted batches.

use std::{path::Path, sync::Arc};

use ort::{
    environment::Environment,
    ep::CPU,
    session::{Session, SessionInputValue, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use tokenizers::{Tokenizer, TruncationParams};

use super::{
    EmbedError, Embedding, Role,
    model::{ModelFolder, unusable},
    pooling::normalise,
};

/// Longer words are one unknown token to the tokenizers in use, so no text needs more characters per token.
const MAX_CHARS_PER_TOKEN: usize = 100;

/// Turns texts into token ids, the way a model wants them. Shared by all workers.
#[derive(Debug)]
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    folder: ModelFolder,
}

/// The token ids of a text.
#[derive(Debug)]
pub(super) struct Tokens {
    ids: Vec<i64>,
    truncated: bool,
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
            .map_err(|error| EmbedError::Inference { problem: format!("the tokenizer said: {error}") })?;
        let truncated = end < text.len() || !encoding.get_overflowing().is_empty();
        Ok(Tokens { ids: encoding.get_ids().iter().map(|id| i64::from(*id)).collect(), truncated })
    }

    /// How many tokens a text has, special tokens left out, however long it is.
    pub(super) fn count(&self, text: &str) -> usize {
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.map_or(0, |e| e.len() + e.get_overflowing().iter().map(tokenizers::Encoding::len).sum::<usize>())
    }
}

/// A session, owned by one thread.
#[derive(Debug)]
pub(super) struct Model {
    session: Session,
    encoder: Arc<Encoder>,
}

impl Model {
    /// Opens a session over the bytes of an ONNX file, which are not needed any more afterwards.
    pub(super) fn open(
        environment: &Environment,
        onnx: &[u8],
        encoder: Arc<Encoder>,
        threads: usize,
    ) -> Result<Self, EmbedError> {
        let refuse = |error: &dyn std::fmt::Display| {
            unusable(encoder.folder().path(), &format!("ONNX Runtime refuses the model: {error}"))
        };
        let configured = || -> ort::Result<_> {
            let builder = Session::builder(environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(threads)?
                .with_inter_threads(1)?
                // A spinning thread burns a core while nobody asks anything.
                .with_intra_op_spinning(false)?
                // Texts vary in length: with either of these, memory would ratchet up to the sum of all lengths.
                .with_memory_pattern(false)?
                .with_execution_providers([CPU::default().with_arena_allocator(false).build()])?;
            Ok(builder)
        };
        let mut builder = configured().map_err(|error| refuse(&error))?;
        let session = builder.commit_from_memory(onnx).map_err(|error| refuse(&error))?;
        let model = Self { session, encoder: Arc::clone(&encoder) };
        model.check_inputs(encoder.folder().path())?;
        Ok(model)
    }

    fn check_inputs(&self, folder: &Path) -> Result<(), EmbedError> {
        let unknown = self.session.inputs().iter().find(|input| !INPUTS.contains(&input.name()));
        match unknown {
            Some(input) => Err(unusable(folder, &format!("the model wants an unknown input, {:?}", input.name()))),
            None => Ok(()),
        }
    }

    /// Embeds one text.
    pub(super) fn embed(&mut self, role: Role, text: &str) -> Result<Embedding, EmbedError> {
        let tokens = self.encoder.encode(role, text)?;
        let mut vector = self.run(&tokens).map_err(|error| EmbedError::Inference { problem: error.to_string() })?;
        let folder = self.encoder.folder();
        let dimension = folder.identity().dimension;
        // A model may pool by itself; otherwise it gives a vector per token.
        if vector.len() != dimension {
            vector = folder.pooling().pool(&vector, dimension);
        }
        if vector.iter().any(|value| !value.is_finite()) {
            return Err(EmbedError::Inference { problem: "its vector is not made of numbers".to_owned() });
        }
        if folder.normalised() {
            normalise(&mut vector);
        }
        Ok(Embedding { vector, tokens: tokens.ids.len(), truncated: tokens.truncated })
    }

    /// Runs the session and returns its first output, row-major.
    fn run(&mut self, tokens: &Tokens) -> ort::Result<Vec<f32>> {
        let shape = [1, tokens.ids.len()];
        let ones = vec![1_i64; tokens.ids.len()];
        let zeros = vec![0_i64; tokens.ids.len()];
        let mut inputs = Vec::with_capacity(INPUTS.len());
        for input in self.session.inputs() {
            let values = match input.name() {
                "input_ids" => &tokens.ids,
                "attention_mask" => &ones,
                _ => &zeros,
            };
            let tensor = TensorRef::from_array_view((shape, values.as_slice()))?;
            inputs.push((input.name().to_owned(), SessionInputValue::from(tensor)));
        }
        let outputs = self.session.run(inputs)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(values.to_vec())
    }
}

/// The inputs of a BERT; a model may do without the last two.
const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];
