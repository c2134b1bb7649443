//! What indexing says: how far it is, what it did, what it could not read, and why it gave up.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

use crate::{embed::EmbedError, error::ErrorKind, search::StoreError};

/// How many problems are kept word for word; further ones are only counted.
pub const KEPT_PROBLEMS: usize = 100;

/// Something in the input that could not be indexed. Everything else was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, counted from 1, where the problem is one line's.
    pub line: Option<u64>,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Problems: the first [`KEPT_PROBLEMS`] as they are, all of them counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Problems {
    /// How many there were.
    pub count: u64,
    /// How many of them left something unread: nobody knows which passages it would have been.
    pub unread: u64,
    /// The first of them.
    pub first: Vec<Problem>,
}

impl Problems {
    pub(super) fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < KEPT_PROBLEMS {
            self.first.push(problem);
        }
    }

    /// Adds a problem that left something unread.
    pub(super) fn add_unread(&mut self, problem: Problem) {
        self.unread += 1;
        self.add(problem);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.unread += other.unread;
        let room = KEPT_PROBLEMS.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }
}

/// How far a run is; given to the caller after every batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Documents read to their end, of which nothing may have changed.
    pub documents: u64,
    /// Passages embedded and stored.
    pub indexed: u64,
    /// Passages that the store already held unchanged.
    pub skipped: u64,
    /// Problems so far.
    pub problems: u64,
    /// Tokens embedded.
    pub tokens: u64,
    /// Bytes of the input that are dealt with.
    pub bytes_done: u64,
    /// Bytes of the whole input, as its files were when the run began.
    pub bytes_total: u64,
    /// Since the run began.
    pub elapsed: Duration,
}

impl Progress {
    /// How long the rest will take if it goes on at this pace; `None` before anything is done.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.bytes_total.saturating_sub(self.bytes_done);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let pace = left as f64 / self.bytes_done as f64;
        pace.is_finite().then(|| self.elapsed.mul_f64(pace))
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Documents read.
    pub documents: u64,
    /// Passages embedded and stored.
    pub indexed: u64,
    /// Passages that the store already held unchanged.
    pub skipped: u64,
    /// Stale passages deleted, of documents that have become shorter.
    pub deleted: u64,
    /// Passages removed because the sources hold them no more; only a run with [`Indexer::with_sync`] removes them.
    ///
    /// [`Indexer::with_sync`]: crate::index::Indexer::with_sync
    pub removed: u64,
    /// Passages longer than the model reads; their ends cannot be found.
    pub truncated: u64,
    /// Tokens embedded.
    pub tokens: u64,
    /// Files left aside in folders because nothing here reads their kind.
    pub ignored_files: u64,
    /// What could not be indexed.
    pub problems: Problems,
    /// Whether the run was stopped before the end of its input. Running it again goes on where it stopped.
    pub interrupted: bool,
    /// How long the run took.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
}

impl Report {
    /// Whether all that the sources hold was read and is stored: not interrupted, and nothing left unread. Only then is
    /// it known what they hold no more.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.interrupted && self.problems.unread == 0
    }

    /// Documents read per second.
    #[must_use]
    pub fn documents_per_second(&self) -> f64 {
        per_second(self.documents, self.took)
    }

    /// Passages embedded and stored per second.
    #[must_use]
    pub fn passages_per_second(&self) -> f64 {
        per_second(self.indexed, self.took)
    }

    /// Tokens embedded per second.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.tokens, self.took)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn per_second(count: u64, took: Duration) -> f64 {
    if took.is_zero() { 0.0 } else { count as f64 / took.as_secs_f64() }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e3).round() / 1e3)
}

/// Why a run gave up. What it had acknowledged before is stored; running it again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A source that was named cannot be read.
    #[error("{}: cannot be read", path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A source that was named is of no kind that can be indexed.
    #[error(
        "{}: is not something that can be indexed; give .jsonl, .ndjson, .md, .markdown or .txt files, or folders of them",
        path.display()
    )]
    Unsupported {
        /// The source.
        path: PathBuf,
    },
    /// There is nothing to read.
    #[error(
        "there is nothing to index{}; give .jsonl, .ndjson, .md, .markdown or .txt files, or folders of them",
        within(paths)
    )]
    Empty {
        /// The sources.
        paths: Vec<PathBuf>,
    },
    /// The embedder failed.
    #[error("embedding failed after {} passages were indexed", report.indexed)]
    Embed {
        /// Why.
        #[source]
        source: EmbedError,
        /// What had been done.
        report: Box<Report>,
    },
    /// The store failed.
    #[error("the store failed after {} passages were indexed", report.indexed)]
    Store {
        /// Why.
        #[source]
        source: StoreError,
        /// What had been done.
        report: Box<Report>,
    },
    /// The thread that reads the input panicked: a defect, in asktwice or in the token counter given to it.
    #[error("reading the input failed inside after {} passages were indexed; this is a defect", report.indexed)]
    Reader {
        /// What had been done.
        report: Box<Report>,
    },
}

impl IndexError {
    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Source { .. } | Self::Unsupported { .. } | Self::Empty { .. } => ErrorKind::Invalid,
            Self::Embed { source, .. } => source.kind(),
            Self::Store { source, .. } => source.kind(),
            Self::Reader { .. } => ErrorKind::Unavailable,
        }
    }

    /// What had been done before; `None` if the run had not begun.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Source { .. } | Self::Unsupported { .. } | Self::Empty { .. } => None,
            Self::Embed { report, .. } | Self::Store { report, .. } | Self::Reader { report } => Some(report),
        }
    }
}

fn within(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { String::new() } else { format!(" in {}", names.join(", ")) }
}
