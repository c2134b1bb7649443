//! What Hugging Face's own tools have downloaded on this machine: a repository at a commit lies below their folder in
//! `models--OWNER--NAME/snapshots/COMMIT/`, and `refs/NAME` names a branch's commit. What lies there is taken over
//! instead of being downloaded again: with a hub, if it is what the hub states; without one, as it is.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::listing::{Hash, Listing, Stated, is_commit};
use crate::embed::{
    manifest::{is_inside, sha256_of},
    model::{SETTINGS, TOKENIZER},
};

/// How deep an ONNX file may lie in a repository; all known ones have theirs in `onnx/` at most.
const DEPTH: usize = 2;

/// One repository's part of the folder.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    folder: PathBuf,
}

impl Cached {
    /// The part of a repository, `owner/name`, there or not.
    pub(super) fn new(cache: &Path, repository: &str) -> Self {
        Self { folder: cache.join(format!("models--{}", repository.replace('/', "--"))) }
    }

    /// Where the files of a commit are.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// What a model could need of a revision, with the hashes of what lies there: nobody else states any. `None` if
    /// nothing of it is there.
    pub(super) fn listing(&self, revision: &str) -> io::Result<Option<Listing>> {
        let Some(commit) = self.commit(revision) else { return Ok(None) };
        let snapshot = self.snapshot(&commit);
        let mut onnx = vec![];
        find_onnx(&snapshot, "", DEPTH, &mut onnx)?;
        let known = SETTINGS.into_iter().chain([TOKENIZER]).map(str::to_owned);
        let mut files = BTreeMap::new();
        for file in known.chain(onnx) {
            let path = snapshot.join(&file);
            // A link to a file that was not fetched to its end leads nowhere.
            if let Ok(found) = fs::metadata(&path) {
                files.insert(file, Stated { size: found.len(), hash: Hash::Sha256(sha256_of(&path)?) });
            }
        }
        Ok((!files.is_empty()).then_some(Listing { commit, files }))
    }

    /// The commit that a revision was when it was last asked for.
    fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_lowercase());
        }
        let named = is_inside(revision).then(|| fs::read_to_string(self.folder.join("refs").join(revision)).ok())?;
        named.map(|commit| commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }
}

/// Adds the ONNX files below a folder, each by its path within the snapshot.
fn find_onnx(folder: &Path, within: &str, depth: usize, found: &mut Vec<String>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let file = if within.is_empty() { name } else { format!("{within}/{name}") };
        if entry.file_type()?.is_dir() && depth > 1 {
            find_onnx(&entry.path(), &file, depth - 1, found)?;
        } else if Path::new(&file).extension().is_some_and(|extension| extension == "onnx") {
            found.push(file);
        }
    }
    Ok(())
}
