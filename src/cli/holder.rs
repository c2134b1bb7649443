//! Who holds a folder of the embedded engine: a sidecar writes down how it can be reached, so that another command that
//! finds the folder locked can say so.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The file, in the collection's folder.
const FILE: &str = "served.json";

/// A sidecar.
#[derive(Debug, Serialize, Deserialize)]
struct Served {
    process: u32,
    url: String,
}

/// The notes of this process; they are removed when it is dropped.
#[derive(Debug)]
pub(super) struct Holder {
    files: Vec<PathBuf>,
}

impl Holder {
    /// Notes in each folder who holds it.
    pub(super) fn note(folders: &[PathBuf], address: SocketAddr) -> Self {
        let served = Served { process: std::process::id(), url: format!("http://{address}") };
        let text = serde_json::to_string(&served).unwrap_or_default();
        let mut files = vec![];
        for folder in folders {
            let file = folder.join(FILE);
            // Only a help to others: without it they are told less.
            match fs::create_dir_all(folder).and_then(|()| fs::write(&file, &text)) {
                Ok(()) => files.push(file),
                Err(error) => tracing::warn!(file = %file.display(), %error, "could not note who holds the folder"),
            }
        }
        Self { files }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// Says who holds a locked folder and what to do, if a sidecar has left a note.
pub(super) fn of(folder: &Path) -> Option<String> {
    let served: Served = serde_json::from_str(&fs::read_to_string(folder.join(FILE)).ok()?).ok()?;
    let Served { process, url } = served;
    Some(format!(
        "the sidecar at {url} (process {process}) holds it. ask, index and eval take --server {url}, MCP is at {url}/mcp, \
         index --rebuild and import --rebuild work beside it; stop it for anything else"
    ))
}

/// Removes the note of a sidecar that ended without doing so; only who holds the folder may call this.
pub(super) fn forget(folder: &Path) {
    let _ = fs::remove_file(folder.join(FILE));
}
