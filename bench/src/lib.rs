//! What the peers in Rust share.

use std::fs;

use fastembed::{
    InitOptionsUserDefined, Pooling, QuantizationMode, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel,
};

/// Opens an ONNX file of a model's folder; with no number of threads, as it comes.
pub fn open(folder: &str, onnx: &str, threads: Option<usize>) -> TextEmbedding {
    let read = |file: &str| fs::read(format!("{folder}/{file}")).expect(file);
    let tokenizer_files = TokenizerFiles {
        tokenizer_file: read("tokenizer.json"),
        config_file: read("config.json"),
        special_tokens_map_file: read("special_tokens_map.json"),
        tokenizer_config_file: read("tokenizer_config.json"),
    };
    // Declared dynamic, an int8 model would only be run in one batch of everything.
    let model = UserDefinedEmbeddingModel::new(read(onnx), tokenizer_files)
        .with_pooling(Pooling::Mean)
        .with_quantization(QuantizationMode::None);
    let mut options = InitOptionsUserDefined::new().with_max_length(256);
    if let Some(threads) = threads {
        options = options.with_intra_threads(threads);
    }
    TextEmbedding::try_new_from_user_defined(model, options).expect("fastembed opens the model")
}

/// What the libraries are called that do the embedding.
pub fn version() -> String {
    format!("fastembed 7.7.0 (Rust); {}", ort::info())
}
