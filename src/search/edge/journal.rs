//! The write that is under way, on disk before the engine gets it.
//!
//! The engine overwrites a point's vector and payload in place, in memory maps: killed in the middle, it leaves an
//! acknowledged point with the vector of a new version and the payload of the old. It would replay its log to mend
//! that, but 0.7.2 does not. So the one write under way is kept here until its flush, and done again after a crash:
//! every write is whole or not there. Doing it twice changes nothing.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use qdrant_edge::UpdateOperation;
use sha2::{Digest, Sha256};

use super::fault::Fault;

/// The file: a SHA-256, then the write as JSON.
const JOURNAL: &str = "unfinished";

/// Whether a write may be unfinished.
pub(super) fn exists(folder: &Path) -> bool {
    folder.join(JOURNAL).exists()
}

/// Notes a write that is about to begin; on disk when this returns.
pub(super) fn begin(folder: &Path, operation: &UpdateOperation) -> Result<(), Fault> {
    let write = || {
        let text = serde_json::to_vec(operation)?;
        let mut file = File::create(folder.join(JOURNAL))?;
        file.write_all(&Sha256::digest(&text))?;
        file.write_all(&text)?;
        file.sync_all()
    };
    write().map_err(|error| Fault::io("noting a write", error))
}

/// The unfinished write. One that was not wholly noted had not begun.
pub(super) fn read(folder: &Path) -> Option<UpdateOperation> {
    let bytes = fs::read(folder.join(JOURNAL)).ok()?;
    let (sum, text) = bytes.split_at_checked(32)?;
    if *Sha256::digest(text) != *sum {
        return None;
    }
    serde_json::from_slice(text).ok()
}

/// Forgets the write. If that fails it may be done once more.
pub(super) fn end(folder: &Path) {
    let _ = fs::remove_file(folder.join(JOURNAL));
}
