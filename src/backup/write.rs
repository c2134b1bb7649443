//! Writing the file, on a thread of its own.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{BackupError, End, Head, Line};
use crate::search::Scrolled;

/// What comes from the store.
#[derive(Debug)]
pub(super) enum Part {
    Points(Vec<Scrolled>),
    /// There are no more.
    End,
}

/// Writes a backup of the parts that come, and returns how many passages it holds. If the last of them does not come,
/// nothing is left.
pub(super) fn file(path: &Path, head: &Head, mut parts: mpsc::Receiver<Part>) -> Result<u64, BackupError> {
    if path.exists() {
        return Err(BackupError::Exists { file: path.to_owned() });
    }
    let failed = |error| BackupError::file(path, "written", error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let mut unfinished = Unfinished { path: path.with_file_name(name), named: false };
    let mut lines = Lines::new(File::create(&unfinished.path).map_err(failed)?);
    lines.write(head).map_err(failed)?;
    let mut passages = 0;
    loop {
        match parts.blocking_recv() {
            Some(Part::Points(points)) => {
                passages += points.len() as u64;
                points.into_iter().try_for_each(|point| lines.write(&line(point))).map_err(failed)?;
            }
            Some(Part::End) => break,
            // Why, says whoever reads the store.
            None => return Ok(0),
        }
    }
    let sha256 = format!("{:x}", lines.hash.clone().finalize());
    lines.write(&End { passages, sha256 }).map_err(failed)?;
    let file = lines.to.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().and_then(|()| fs::rename(&unfinished.path, path)).map_err(failed)?;
    unfinished.named = true;
    sync_name(path).map_err(failed)?;
    Ok(passages)
}

/// Forces a file's name to disk.
fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn line(point: Scrolled) -> Line {
    let vectors = point.vectors.unwrap_or_default();
    let dense: Vec<u8> = vectors.dense.iter().flat_map(|number| number.to_le_bytes()).collect();
    Line { passage: point.passage, dense: BASE64_STANDARD.encode(dense), bm25: vectors.bm25 }
}

/// A file that goes unless it got its name.
struct Unfinished {
    path: PathBuf,
    named: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.named {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes lines and hashes them.
struct Lines {
    to: BufWriter<File>,
    hash: Sha256,
}

impl Lines {
    fn new(file: File) -> Self {
        Self { to: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new() }
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.to.write_all(&line)
    }
}
