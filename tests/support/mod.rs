//! What several test modules share: where things are, and small helpers.

pub mod child;
pub mod embedder;
pub mod failing;
pub mod fails_on;
pub mod front;
pub mod http;
pub mod http_server;
pub mod hub;
pub mod llm_server;
pub mod proxy;
pub mod wide;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The default model, as `make setup` makes it; `None`, said aloud, where it was not run.
pub fn model_folder() -> Option<PathBuf> {
    let folder = root().join(".asktwice/models/all-MiniLM-L6-v2");
    if folder.join("asktwice.json").exists() && library().exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("ASKTWICE_TEST_SETUP").is_none(), "`make test` sets the model up, but it is not there");
    eprintln!("skipped: the default model is not set up; run `make setup`");
    None
}

/// ONNX Runtime's shared library, as `make setup` installs it.
pub fn library() -> PathBuf {
    root().join(".asktwice/lib").join(asktwice::embed::library::FILE_NAME)
}

/// Data that is not part of the project; `None`, said aloud, where it is absent.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}

/// The program, in an environment of its own.
pub fn asktwice() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asktwice"));
    let ours = std::env::vars_os().map(|(key, _)| key).filter(|key| key.to_string_lossy().starts_with("ASKTWICE"));
    for key in ours {
        command.env_remove(key);
    }
    command.env_remove("ORT_DYLIB_PATH");
    command
}

pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
