//! What can be wrong with a hub or with what it sent, and what to do about each.

use std::{error::Error as StdError, path::Path};

use crate::{embed::EmbedError, error::ErrorKind};

/// Why a model could not be downloaded. No variant holds the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The hub's address cannot be used.
    #[error("the hub's address cannot be used: {problem}")]
    Address {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The token cannot be used.
    #[error("the hub's token cannot be used: {problem}")]
    Token {
        /// What is wrong with it, without saying it.
        problem: &'static str,
    },
    /// Something was asked for that there cannot be.
    #[error("{what} cannot be downloaded: {problem}")]
    Wanted {
        /// The repository, file, revision or hash.
        what: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The HTTP client could not be made.
    #[error("the client for the hub could not be made; are certificates installed?")]
    Client {
        /// The library's reason.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// It is not here, and the network is not to be used.
    #[error(
        "{repository} cannot be downloaded offline, and {problem}; go online once, or copy the folder from elsewhere"
    )]
    Offline {
        /// The repository.
        repository: String,
        /// What is missing where.
        problem: String,
    },
    /// A server cannot be reached, or hung up again and again.
    #[error("{place} {problem}; the same command goes on where this one stopped")]
    Unreachable {
        /// Host and port.
        place: String,
        /// What happened, and what to do.
        problem: &'static str,
        /// The client's own error, without the URL.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
        /// Whether the connection broke in the middle.
        broken: bool,
    },
    /// A server answered with an error.
    #[error("{place} {problem}")]
    Status {
        /// Host and port.
        place: String,
        /// The HTTP status.
        status: u16,
        /// What that means, and what to do.
        problem: String,
    },
    /// A server answered with something else than it should.
    #[error("{place} {problem}")]
    Reply {
        /// Host and port.
        place: String,
        /// What it sent instead.
        problem: String,
    },
    /// A file is not what the hub, or the user, says that it is. It was thrown away.
    #[error("{file} was refused: {problem}")]
    File {
        /// The file, within the repository.
        file: String,
        /// What differs.
        problem: String,
    },
    /// The folder cannot be written, or holds something else.
    #[error("{folder}: {problem}")]
    Folder {
        /// The folder.
        folder: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// What was downloaded is no model that can be used.
    #[error("what was downloaded cannot be used")]
    Model(#[from] EmbedError),
}

impl HubError {
    /// The broad class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } | Self::Token { .. } | Self::Wanted { .. } => ErrorKind::Invalid,
            Self::Client { .. }
            | Self::Offline { .. }
            | Self::File { .. }
            | Self::Folder { .. }
            | Self::Status { status: 400..=428, .. } => ErrorKind::Setup,
            Self::Unreachable { .. } | Self::Reply { .. } | Self::Status { .. } => ErrorKind::Unavailable,
            Self::Model(error) => error.kind(),
        }
    }

    pub(super) fn write(folder: &Path, error: &std::io::Error) -> Self {
        let problem = match error.kind() {
            std::io::ErrorKind::StorageFull => {
                "the disk is full; make room, then run the same command again".to_owned()
            }
            _ => format!("it cannot be written: {error}"),
        };
        Self::Folder { folder: folder.display().to_string(), problem }
    }

    /// Says what a status means. `code` is what the hub itself calls the error.
    pub(super) fn status(place: String, status: u16, code: &str, what: &str) -> Self {
        let problem = match (status, code) {
            (_, "GatedRepo") => format!(
                "keeps {what} for those who accepted its terms ({status}); accept them on its page there, then set \
                 HF_TOKEN to a token of the same account"
            ),
            (_, "RevisionNotFound") => format!("has no such revision of {what} ({status}); check --revision"),
            (_, "EntryNotFound") => format!("has no such file in {what} ({status})"),
            (401 | 404, "RepoNotFound" | "") => format!(
                "has no {what}, or only for those with a token ({status}); check the name, or set HF_TOKEN to a token \
                 that may read it"
            ),
            (401 | 403, _) => {
                format!("refuses {what} ({status}); is the token in HF_TOKEN valid, and may it read this?")
            }
            (429, _) => "is asked too often (429); try again later, or set HF_TOKEN".to_owned(),
            (500..=599, _) => format!("failed inside or is overloaded ({status}); try again later"),
            _ => format!("answered with status {status} for {what}"),
        };
        Self::Status { place, status, problem }
    }

    /// Whether asking again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { broken, .. } => *broken,
            Self::Status { status, .. } => matches!(status, 429 | 500..=599),
            _ => false,
        }
    }
}
