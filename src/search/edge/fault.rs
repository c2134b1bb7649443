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

/// The advice that a full disk calls for.
const FREE_SPACE: &str = "; free space and write again";

/// A failure that does not know yet to which folder it belongs.
#[derive(Debug)]
pub(super) struct Fault {
    problem: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    kind: Kind,
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

impl Fault {
    /// A request that no try could satisfy.
    pub(super) fn request(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), source: None, kind: Kind::Request }
    }

    /// Files that cannot be read as a collection.
    pub(super) fn damage(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), source: None, kind: Kind::Damage }
    }

    /// Too little free space for what was about to be written.
    pub(super) fn space(free: u64, wanted: u64) -> Self {
        let problem = format!(
            "the disk is full: {} MiB are free, {} MiB are wanted; what was written before is safe{FREE_SPACE}",
            free >> 20,
            wanted.div_ceil(1 << 20),
        );
        Self { problem, source: None, kind: Kind::Space }
    }

    /// A file operation that failed.
    pub(super) fn io(step: &str, error: io::Error) -> Self {
        let problem = format!("{step} failed: {error}{}", advice(&error.to_string()));
        Self { problem, source: Some(error.into()), kind: Kind::Engine }
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
        let problem = format!("{step} failed: {error}{}", advice(&error.to_string()));
        Self { problem, source: Some(error.into()), kind }
    }

    fn panicked(step: &str, panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        // The engine prints its errors with their backtraces.
        let short: String = said.split(", backtrace:").next().unwrap_or(said).chars().take(400).collect();
        let problem = format!("{step} failed, the engine panicked: {short}{}", advice(said));
        Self { problem, source: None, kind: Kind::Engine }
    }

    /// Whether the engine may be in a state that its files do not show.
    pub(super) fn is_grave(&self) -> bool {
        self.kind == Kind::Engine
    }

    /// Whether free space is all that is missing.
    pub(super) fn lacks_space(&self) -> bool {
        self.problem.contains(FREE_SPACE)
    }

    /// The same fault as one of files that cannot be read.
    pub(super) fn into_damage(mut self) -> Self {
        self.kind = Kind::Damage;
        self
    }

    /// The error for the caller.
    pub(super) fn at(self, place: &str) -> StoreError {
        let (place, problem, source) = (place.to_owned(), self.problem, self.source);
        match self.kind {
            Kind::Request => StoreError::Request { place, problem },
            Kind::Damage => StoreError::Unusable { place, problem, source },
            Kind::Space | Kind::Engine => StoreError::Unavailable { place, problem, source },
        }
    }
}

/// What to do about it, where that is known.
fn advice(said: &str) -> &'static str {
    if said.contains("No space left") || said.contains("os error 28") || said.contains("StorageFull") {
        FREE_SPACE
    } else {
        "; what was acknowledged before is safe, and trying again is too"
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
