//! A copy of a model's folder that reads longer texts: the published settings of all-MiniLM-L6-v2 cut at 256 tokens, though
//! it has positions for 512.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The most tokens that a text of such a copy has, special ones included.
pub const MOST_TOKENS: u64 = 512;

/// Makes a copy of a folder with a manifest, of hard links where they can be had, that cuts at [`MOST_TOKENS`], or at as
/// many as the model has positions for.
pub fn widened(model: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let read = |file: &str| -> Value { serde_json::from_slice(&fs::read(model.join(file)).unwrap()).unwrap() };
    let mut manifest = read("asktwice.json");
    for file in manifest["files"].as_object().unwrap().keys() {
        let (from, to) = (model.join(file), copy.path().join(file));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(from, to).unwrap();
        }
    }
    let positions = read("config.json")["max_position_embeddings"].as_u64().unwrap_or(MOST_TOKENS);
    manifest["model"]["max_tokens"] = json!(positions.min(MOST_TOKENS));
    fs::write(copy.path().join("asktwice.json"), manifest.to_string()).unwrap();
    copy
}
