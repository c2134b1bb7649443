//! The manifest of a model's folder, `asktwice.json`: what the files are, where they came from, and the SHA-256 that
//! each is checked against before it is parsed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    EmbedError, Pooling, Precision,
    model::{parse, unusable},
};

/// The manifest's file name.
pub(super) const MANIFEST: &str = "asktwice.json";

/// What is written down about the files of a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The model's name.
    pub name: String,
    /// SHA-256 of the published weights: the same for every precision made from them.
    pub weights: String,
    /// Where the files were downloaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Which file holds which precision, where the name does not say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub onnx: BTreeMap<Precision, String>,
    /// What the folder's own files do not say about the model, or say wrongly.
    #[serde(default, skip_serializing_if = "Traits::is_empty")]
    pub model: Traits,
    /// SHA-256 of each file, by its path within the folder.
    pub files: BTreeMap<String, String>,
}

/// A repository of a hub, at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// The hub's address.
    pub hub: String,
    /// The repository: `owner/name`.
    pub repository: String,
    /// The commit, as the hub named it.
    pub commit: String,
}

/// How a model's vectors come about. What is not known is `None` and read from the folder's other files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Traits {
    /// The dimension of the vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// How token vectors become one vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Whether vectors are scaled to length 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<bool>,
    /// What is put before a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_prefix: Option<String>,
    /// What is put before a passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage_prefix: Option<String>,
    /// How many tokens are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
}

impl Traits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Manifest {
    /// Reads a folder's manifest; `None` if it has none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, EmbedError> {
        let bytes = match fs::read(folder.join(MANIFEST)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(folder, &format!("{MANIFEST} cannot be read: {error}"))),
        };
        let manifest: Self = parse(folder, MANIFEST, &bytes)?;
        let stray = manifest.files.keys().chain(manifest.onnx.values()).find(|file| !is_inside(file));
        match stray {
            Some(file) => Err(unusable(folder, &format!("{MANIFEST} names {file:?}, which is not inside the folder"))),
            None => Ok(Some(manifest)),
        }
    }

    /// Which file holds a precision: one that was made here goes before the downloaded one that it was made of.
    pub(super) fn onnx_file(&self, precision: Precision) -> Option<String> {
        let made = precision.files().into_iter().find(|file| self.files.contains_key(*file)).map(str::to_owned);
        made.or_else(|| self.onnx.get(&precision).cloned())
    }

    /// Writes the manifest, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let unfinished = folder.join(format!("{MANIFEST}.unfinished"));
        fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        fs::rename(unfinished, folder.join(MANIFEST))
    }
}

/// Whether a path from a stranger stays inside the folder that it is joined to, on every system.
pub(super) fn is_inside(file: &str) -> bool {
    let plain = !file.is_empty() && !file.contains(['\\', ':', '\0']) && !file.ends_with('/');
    plain && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
}

/// The folder that is filled before it takes the target's name; `of` tells several attempts apart.
pub(super) fn unfinished(target: &Path, of: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(if of.is_empty() { ".unfinished".to_owned() } else { format!(".unfinished-{of}") });
    target.with_file_name(name)
}

/// Gives a finished folder the target's name. A rename cannot replace a folder that is not empty, so the old one steps
/// aside first.
pub(super) fn put_in_place(finished: &Path, target: &Path) -> io::Result<()> {
    let old = unfinished(target, "old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    if target.exists() {
        fs::rename(target, &old)?;
    }
    fs::rename(finished, target)?;
    clear_away(target)
}

/// Takes away what earlier attempts at the target left beside it: the old folder, other revisions in part.
fn clear_away(target: &Path) -> io::Result<()> {
    let Some(folder) = target.parent().filter(|parent| parent.is_dir()) else { return Ok(()) };
    let mut start = target.file_name().unwrap_or_default().to_os_string();
    start.push(".unfinished");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(start.as_encoded_bytes()) && entry.path().is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// SHA-256 of a file, which may be larger than the memory.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

/// What became of a file since the manifest was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// It is what it was.
    Intact,
    /// It is something else.
    Changed,
    /// It is gone, or cannot be read.
    Missing,
}

/// A folder compared with its manifest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Verification {
    /// The model's name.
    pub name: String,
    /// Where the files were downloaded from, if they were.
    pub source: Option<Source>,
    /// Every file of the manifest.
    pub files: Vec<(String, FileState)>,
}

impl Verification {
    /// Whether every file is what it was.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.files.iter().all(|(_, state)| *state == FileState::Intact)
    }
}

/// Compares every file of a model's folder with its manifest.
///
/// # Errors
/// [`EmbedError::Model`] if the folder has no manifest, or one that is not understood.
pub fn verify(folder: &Path) -> Result<Verification, EmbedError> {
    let manifest = Manifest::read(folder)?;
    let manifest = manifest.ok_or_else(|| {
        unusable(folder, &format!("it has no {MANIFEST}, so there is nothing to compare its files with"))
    })?;
    let state = |file: &str, hash: &str| match sha256_of(&folder.join(file)) {
        Ok(found) if found == hash => FileState::Intact,
        Ok(_) => FileState::Changed,
        Err(_) => FileState::Missing,
    };
    let files = manifest.files.iter().map(|(file, hash)| (file.clone(), state(file, hash))).collect();
    Ok(Verification { name: manifest.name, source: manifest.source, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_outside_are_known() {
        for inside in ["model.onnx", "1_Pooling/config.json", "onnx/model_quantized.onnx"] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in
            ["", "..", "../x", "a/../../x", "/etc/passwd", "a\\..\\x", "C:x", "onnx/", "./x", "a/./../b", "a\0"]
        {
            assert!(!is_inside(outside), "{outside}");
        }
    }

    #[test]
    fn a_manifest_of_before_is_still_read_and_written_the_same() {
        let old = r#"{"name": "m", "weights": "w", "files": {"model.onnx": "h"}}"#;
        let manifest: Manifest = serde_json::from_str(old).unwrap();
        assert_eq!((manifest.source.as_ref(), &manifest.model), (None, &Traits::default()));
        let written = serde_json::to_value(&manifest).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(old).unwrap());
    }
}
