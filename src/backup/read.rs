//! Reading the file, on a thread of its own, and checking it on the way.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{BackupError, End, FORMAT, Head, Line, VERSION};
use crate::{ranking::Passage, search::Vectors};

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 64 << 20;
/// How many passages are handed over at a time.
const BATCH: usize = 256;

/// Hands over the passages of a backup until it is read, or nobody takes them any more.
pub(super) fn batches(file: &Path, sender: &mpsc::Sender<Vec<(Passage, Vectors)>>) -> Result<(), BackupError> {
    let mut reader = Reader::open(file)?;
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(passage) = reader.next_passage()? {
        batch.push(passage);
        if batch.len() == BATCH && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    let _abandoned = sender.blocking_send(batch);
    Ok(())
}

/// A backup, open.
pub(super) struct Reader {
    lines: Lines,
    head: Head,
    passages: u64,
}

impl Reader {
    /// Opens a backup and reads its first line.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let mut lines = Lines::open(path)?;
        let head = lines.head()?;
        Ok(Self { lines, head, passages: 0 })
    }

    /// The next passage; `None` at the end, if that agrees with all that was read.
    pub(super) fn next_passage(&mut self) -> Result<Option<(Passage, Vectors)>, BackupError> {
        self.lines.read()?;
        if self.lines.line.starts_with(b"{\"passages\"") {
            return self.lines.end(self.passages).map(|()| None);
        }
        let line: Line = self.lines.parse("a passage")?;
        self.lines.add_to_hash();
        self.passages += 1;
        let dense = BASE64_STANDARD.decode(&line.dense).unwrap_or_default();
        if dense.len() != self.head.identity.dimension * size_of::<f32>() {
            return Err(self.lines.damaged("its dense vector is not what the collection has"));
        }
        let numbers = dense.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        let mut vectors = Vectors::from(numbers.collect::<Vec<f32>>());
        vectors.bm25 = line.bm25;
        Ok(Some((line.passage, vectors)))
    }

    /// What was read, once it was.
    pub(super) fn into_summary(self) -> (Head, u64) {
        (self.head, self.passages)
    }
}

/// The lines of a file, one at a time.
struct Lines {
    path: PathBuf,
    from: BufReader<File>,
    hash: Sha256,
    line: Vec<u8>,
    /// Which line that is, counted from 1.
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(|error| BackupError::file(path, "read", error))?;
        let from = BufReader::with_capacity(1 << 16, file);
        Ok(Self { path: path.to_owned(), from, hash: Sha256::new(), line: vec![], number: 0 })
    }

    fn head(&mut self) -> Result<Head, BackupError> {
        /// What every version begins with.
        #[derive(Deserialize)]
        struct Start {
            format: String,
            version: u32,
        }
        self.read()?;
        let start: Option<Start> = serde_json::from_slice(&self.line).ok();
        let Some(Start { version, .. }) = start.filter(|start| start.format == FORMAT) else {
            return Err(self.damaged("this is no backup of asktwice's"));
        };
        if version != VERSION {
            return Err(BackupError::Version { file: self.path.clone(), version });
        }
        self.add_to_hash();
        self.parse("what the collection is")
    }

    fn end(&mut self, passages: u64) -> Result<(), BackupError> {
        let end: End = self.parse("the end")?;
        if end.sha256 != format!("{:x}", self.hash.clone().finalize()) {
            return Err(self.damaged("the hash at its end is not that of what stands before: it was altered"));
        }
        if end.passages != passages {
            return Err(self.damaged(format!("it should hold {} passages, not {passages}", end.passages)));
        }
        let more = self.from.fill_buf().map_err(|error| BackupError::file(&self.path, "read", error))?;
        if more.is_empty() { Ok(()) } else { Err(self.damaged("it goes on after its end")) }
    }

    /// Reads one line whole; there has to be one.
    fn read(&mut self) -> Result<(), BackupError> {
        self.line.clear();
        self.number += 1;
        let read = self.from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line);
        read.map_err(|error| BackupError::file(&self.path, "read", error))?;
        if self.line.ends_with(b"\n") {
            return Ok(());
        }
        Err(if self.line.len() as u64 == LONGEST_LINE {
            self.damaged(format!("it is longer than {LONGEST_LINE} bytes"))
        } else if self.number == 1 {
            self.damaged("this is no backup of asktwice's")
        } else {
            self.damaged("the file is cut off here")
        })
    }

    fn add_to_hash(&mut self) {
        self.hash.update(&self.line);
    }

    fn parse<T: DeserializeOwned>(&self, what: &str) -> Result<T, BackupError> {
        serde_json::from_slice(&self.line).map_err(|error| self.damaged(format!("this is not {what} ({error})")))
    }

    fn damaged(&self, problem: impl Into<String>) -> BackupError {
        BackupError::Damaged { file: self.path.clone(), line: self.number, problem: problem.into() }
    }
}
