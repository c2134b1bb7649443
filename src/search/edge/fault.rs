//! What goes wrong inside the engine, panics included, as an error of ours.
//!
//! qdrant-edge 0.7.2 `expect`s its locks and its I/O: a full disk panics in `flush()` and again in `Drop`. Every call
//! into it therefore goes through [`guard`]. Never build with `panic = "abort"`.

use std::{
    any::Any,
    error::Error,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use qdrant_edge::{OperationError, OperationResult};

use crate::search::StoreError;

/// A failure that does not know yet to which folder it belongs.
#[derive(Debug)]
pub(super) struct Fault {
    problem: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    kind: Kind,
    remedy: Remedy,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The request cannot be served; the data is unharmed.
    Request,
    /// The disk is full; the data is unharmed if nothing was begun.
    Space,
    /// The files are not what they should be.
    Damage,
    /// The engine or the disk failed.
    Engine,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Remedy {
    /// The problem says it itself.
    Said,
    /// The disk is full.
    FreeSpace,
    /// The system forbids it.
    Permit,
    /// This process or the machine is short of memory or open files.
    Relieve,
    /// The files are damaged.
    Restore,
    /// Something else, which may pass.
    Retry,
}

impl Remedy {
    /// What an error of the system calls for.
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::FreeSpace,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permit,
            _ => Self::for_words(&error.to_string()),
        }
    }

    /// What the engine's words call for; it hands on what the system said.
    fn for_words(said: &str) -> Self {
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
        if says(&["No space left", "StorageFull", "Disk quota exceeded"]) {
            Self::FreeSpace
        } else if says(&["Permission denied", "Operation not permitted", "Read-only file system"]) {
            Self::Permit
        } else if says(&["Too many open files", "Cannot allocate memory"]) {
            Self::Relieve
        } else {
            Self::Retry
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Said => "",
            Self::FreeSpace => "; free space and write again",
            Self::Permit => "; let this user read and write the folder and all in it",
            Self::Relieve => "; allow more memory or open files and try again; what was acknowledged before is safe",
            Self::Restore => "; restore a backup of the folder, or index into a new one",
            Self::Retry => "; what was acknowledged before is safe, and trying again is too",
        }
    }
}

impl Fault {
    /// A request that no try could satisfy.
    pub(super) fn request(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), source: None, kind: Kind::Request, remedy: Remedy::Said }
    }

    /// Files that cannot be read as a collection.
    pub(super) fn damage(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), source: None, kind: Kind::Damage, remedy: Remedy::Restore }
    }

    /// The same, where there is something better to do than to restore a backup; the problem says what.
    pub(super) fn mendable(problem: impl Into<String>) -> Self {
        Self { remedy: Remedy::Said, ..Self::damage(problem) }
    }

    /// The engine, or this program, did what it should not.
    pub(super) fn bug(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), source: None, kind: Kind::Damage, remedy: Remedy::Retry }
    }

    /// Too little free space for what was about to be written.
    pub(super) fn space(free: u64, wanted: u64) -> Self {
        let problem = format!(
            "the disk is full: {} MiB are free, {} MiB are wanted; what was written before is safe",
            free >> 20,
            wanted.div_ceil(1 << 20),
        );
        Self { problem, source: None, kind: Kind::Space, remedy: Remedy::FreeSpace }
    }

    /// A file operation that failed.
    pub(super) fn io(step: &str, error: io::Error) -> Self {
        let (problem, remedy) = (format!("{step} failed: {error}"), Remedy::of(&error));
        Self { problem, source: Some(error.into()), kind: Kind::Engine, remedy }
    }

    fn engine(step: &str, error: OperationError) -> Self {
        let kind = match error {
            OperationError::ServiceError { .. }
            | OperationError::InconsistentStorage { .. }
            | OperationError::OutOfMemory { .. }
            | OperationError::Cancelled { .. }
            | OperationError::Timeout { .. } => Kind::Engine,
            _ => Kind::Request,
        };
        let remedy = if kind == Kind::Engine { Remedy::for_words(&error.to_string()) } else { Remedy::Said };
        Self { problem: format!("{step} failed: {error}"), source: Some(error.into()), kind, remedy }
    }

    fn panicked(step: &str, panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        // The engine prints its errors with their backtraces.
        let short: String = said.split(", backtrace:").next().unwrap_or(said).chars().take(400).collect();
        let problem = format!("{step} failed, the engine panicked: {short}");
        Self { problem, source: None, kind: Kind::Engine, remedy: Remedy::for_words(said) }
    }

    /// Whether the engine may be in a state that its files do not show.
    pub(super) fn is_grave(&self) -> bool {
        self.kind == Kind::Engine
    }

    /// Whether free space is all that is missing.
    pub(super) fn lacks_space(&self) -> bool {
        self.remedy == Remedy::FreeSpace
    }

    /// The same fault as one of files that cannot be read, unless the system says that something else is wrong.
    pub(super) fn into_damage(self) -> Self {
        match self.remedy {
            Remedy::FreeSpace | Remedy::Permit | Remedy::Relieve => self,
            _ => Self { kind: Kind::Damage, remedy: Remedy::Restore, ..self },
        }
    }

    /// The error for the caller.
    pub(super) fn at(self, place: &str) -> StoreError {
        let problem = format!("{}{}", self.problem, self.remedy.text());
        let (place, source) = (place.to_owned(), self.source);
        match self.kind {
            Kind::Request => StoreError::Request { place, problem },
            Kind::Damage => StoreError::Unusable { place, problem, source },
            _ if self.remedy == Remedy::Permit => StoreError::Unusable { place, problem, source },
            Kind::Space | Kind::Engine => StoreError::Unavailable { place, problem, source },
        }
    }
}

/// Calls the engine; its panics become faults.
pub(super) fn guard<T>(step: &str, work: impl FnOnce() -> OperationResult<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Fault::engine(step, error)),
        Err(panic) => Err(Fault::panicked(step, &*panic)),
    }
}
