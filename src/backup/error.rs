//! Why a backup could not be made, or not be used.

use std::path::{Path, PathBuf};

use crate::{error::ErrorKind, search::StoreError};

/// Why a backup could not be made, or not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is something of this name already.
    #[error("{} exists already; remove it, or give another name", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be {step}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What was tried: `read` or `written`.
        step: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no backup, or not as it was written.
    #[error("{}:{line}: {problem}; nothing of it can be trusted, so use another copy", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The file is of a version that this asktwice does not read.
    #[error("{} is a backup of version {version}, this asktwice reads version 1; use the one that wrote it", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// There is no collection to export.
    #[error("there is no collection to export; store.url and store.collection name it")]
    Empty,
    /// An adopted collection does not say which model filled it.
    #[error(
        "{place} is adopted: it does not say which model filled it, so nobody could use a copy; use its server's snapshots"
    )]
    Adopted {
        /// Which collection.
        place: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(super) fn file(file: &Path, step: &'static str, source: std::io::Error) -> Self {
        Self::File { file: file.to_owned(), step, source }
    }

    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Exists { .. } | Self::File { .. } | Self::Damaged { .. } | Self::Version { .. } | Self::Empty => {
                ErrorKind::Invalid
            }
            Self::Adopted { .. } => ErrorKind::Setup,
            Self::Store(error) => error.kind(),
        }
    }
}
