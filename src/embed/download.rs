//! Models from a hub (Hugging Face's, or one that speaks like it): what a repository holds is asked of the hub at one
//! commit, each file is downloaded to where it can be resumed, and checked against the hash that the hub states for it,
//! before the folder takes its name. Commit and hashes go into the folder's manifest.
//!
//! The hub itself is trusted for its own listing, over TLS; wherever it sends the download to is not: the hash decides,
//! and the token stays with the hub. Nothing here reads the environment.

mod cache;
mod error;
mod listing;
mod plan;
mod transfer;
mod wanted;
mod wire;
pub use error::HubError;
pub use wanted::Wanted;

use std::{
    fs,
    path::{Path, PathBuf},
};

use reqwest::Url;
use secrecy::SecretString;
use tokio::task::spawn_blocking;

use self::{cache::Cached, listing::Listing, plan::Plan, transfer::Places, wire::Clients};
use super::{
    ModelFolder, Precision, Source,
    manifest::{Manifest, Verification, put_in_place, unfinished, verify},
};
use crate::http;

/// Where the hub is, unless one names another.
pub const DEFAULT_HUB: &str = "https://huggingface.co";

/// A hub to download models from.
#[derive(Debug)]
pub struct Hub {
    endpoint: Url,
    token: Option<SecretString>,
    clients: Clients,
    cache: Option<PathBuf>,
    offline: bool,
}

/// How far a download is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Download {
    /// The file that is being fetched.
    pub file: String,
    /// How many bytes are here, over all files.
    pub done: u64,
    /// How many there will be.
    pub total: u64,
}

/// What a download hears of its progress, a few times per second and file.
pub type Watch<'a> = &'a (dyn Fn(&Download) + Send + Sync);

/// What came of a download.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pulled {
    /// The model's folder.
    pub folder: PathBuf,
    /// Where its files are from.
    pub source: Source,
    /// The precision that is there: fp32 where int8 was wanted, the repository has none, and none was made of it yet.
    pub precision: Precision,
    /// Whether the folder was made or changed; otherwise all of it was here already, and intact.
    pub is_new: bool,
    /// How many of its files were taken from the cache of Hugging Face's own tools, and not downloaded.
    pub cached: usize,
}

impl Hub {
    /// A hub at a base URL, such as [`DEFAULT_HUB`].
    ///
    /// # Errors
    /// [`HubError::Address`] if the URL cannot be used.
    pub fn new(endpoint: &str) -> Result<Self, HubError> {
        let endpoint = http::endpoint(endpoint, "").map_err(|problem| HubError::Address { problem })?;
        Ok(Self { endpoint, token: None, clients: Clients::default(), cache: None, offline: false })
    }

    /// Sets the token that private and gated repositories want. It is sent to the hub alone, and never printed.
    ///
    /// # Errors
    /// [`HubError::Token`] if it is empty or cannot stand in an HTTP header.
    pub fn with_token(mut self, token: SecretString) -> Result<Self, HubError> {
        self.token = Some(http::key(&token).map_err(|problem| HubError::Token { problem })?);
        http::warn_of_plain_http(&self.endpoint, "the hub's token");
        Ok(self)
    }

    /// Goes through the proxy that the environment names (`HTTPS_PROXY` and so on), which is ignored otherwise.
    #[must_use]
    pub fn with_system_proxy(mut self) -> Self {
        self.clients = Clients::through_system_proxy();
        self
    }

    /// Takes files from the folder in which Hugging Face's own tools keep theirs (`~/.cache/huggingface/hub`), where they
    /// are what the hub states. Without a network, a model is taken from there as it is.
    #[must_use]
    pub fn with_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Uses no network: what is not here already is an error.
    #[must_use]
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Downloads a model into a folder, which appears, or is replaced, only when everything in it was verified. An
    /// interrupted download goes on where it was the next time.
    ///
    /// # Errors
    /// [`HubError`] says what is missing, refused, damaged or out of reach, and what to do.
    pub async fn pull(&self, wanted: &Wanted, target: &Path, watch: Watch<'_>) -> Result<Pulled, HubError> {
        let present = self.present(wanted, target)?;
        let cached = self.cache.as_ref().map(|cache| Cached::new(cache, &wanted.repository));
        let listing = if self.offline {
            match cached.clone().filter(|_| present.is_none()) {
                Some(cached) => list_offline(cached, wanted).await?,
                None => None,
            }
        } else {
            Some(Listing::ask(self, &wanted.repository, &wanted.revision).await?)
        };
        let Some(listing) = listing else { return offline(wanted, target, present) };
        let plan = Plan::make(wanted, &listing, present);
        let plan = plan.map_err(|error| if self.offline { not_in_cache(error) } else { error })?;
        if let Some(pulled) = plan.nothing_to_do(target) {
            return Ok(pulled);
        }
        let work = unfinished(target, &listing.commit[..12]);
        fs::create_dir_all(&work).map_err(|error| HubError::write(&work, &error))?;
        let places = Places { old: target, cached: cached.map(|cached| cached.snapshot(&listing.commit)), work: &work };
        let (hashes, cached) = transfer::fetch_all(self, &plan, &listing, &places, watch).await?;
        let source = plan.finish(&work, target, &self.address(), hashes)?;
        // Opened before it takes its name: what cannot be used must not look finished.
        ModelFolder::open(&work)?.onnx(plan.precision)?;
        put_in_place(&work, target).map_err(|error| HubError::write(target, &error))?;
        Ok(Pulled { folder: target.to_path_buf(), source, precision: plan.precision, is_new: true, cached })
    }

    /// What the target holds already. A folder that is something else is not touched.
    fn present(&self, wanted: &Wanted, target: &Path) -> Result<Option<Present>, HubError> {
        if !target.exists() {
            return Ok(None);
        }
        let occupied = |problem: String| HubError::Folder { folder: target.display().to_string(), problem };
        let manifest = Manifest::read(target)?;
        let Some(manifest) = manifest else {
            return Err(occupied("it is there already, and was not downloaded; name another folder".to_owned()));
        };
        match &manifest.source {
            Some(source) if source.repository == wanted.repository && source.hub == self.address() => {
                let verification = verify(target)?;
                Ok(Some(Present { manifest, verification }))
            }
            Some(source) => {
                Err(occupied(format!("it holds {} from {}; name another folder", source.repository, source.hub)))
            }
            None => Err(occupied("it holds a model that was not downloaded; name another folder".to_owned())),
        }
    }

    fn address(&self) -> String {
        self.endpoint.as_str().trim_end_matches('/').to_owned()
    }
}

/// A folder that was downloaded before.
#[derive(Debug)]
struct Present {
    manifest: Manifest,
    verification: Verification,
}

/// What the cache holds of what is wanted, which takes about a second per gigabyte.
async fn list_offline(cached: Cached, wanted: &Wanted) -> Result<Option<Listing>, HubError> {
    let revision = wanted.revision.clone();
    let listed = spawn_blocking(move || cached.listing(&revision)).await;
    let listed = listed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    listed.map_err(|error| HubError::Offline {
        repository: wanted.repository.clone(),
        problem: format!("what Hugging Face's tools have of it cannot be read ({error})"),
    })
}

/// What the cache lacks may well be in the repository.
fn not_in_cache(error: HubError) -> HubError {
    match error {
        HubError::Wanted { what, problem } => {
            let problem = format!("what Hugging Face's tools have of it here is not enough: {problem}");
            HubError::Offline { repository: what, problem }
        }
        other => other,
    }
}

/// Without a network, what is here has to do.
fn offline(wanted: &Wanted, target: &Path, present: Option<Present>) -> Result<Pulled, HubError> {
    let missing = |problem: &str| HubError::Offline {
        repository: wanted.repository.clone(),
        problem: format!("{} {problem}", target.display()),
    };
    let present = present.ok_or_else(|| missing("is not there"))?;
    if !present.verification.is_intact() {
        return Err(missing("is damaged; `asktwice models verify` says what is"));
    }
    let source = present.manifest.source.as_ref().filter(|source| wanted.is_revision(&source.commit));
    let source = source.ok_or_else(|| missing("holds another revision"))?.clone();
    let lacks = match &wanted.file {
        Some(file) => format!("lacks {file}"),
        None => "lacks the precision that is wanted".to_owned(),
    };
    let file = wanted.downloaded(&present.manifest).ok_or_else(|| missing(&lacks))?;
    // The folder is intact, so the manifest's hash is that of the file.
    wanted.check_pin(&file, present.manifest.files.get(&file).map(String::as_str))?;
    let precision = wanted.usable(&present.manifest).ok_or_else(|| missing(&lacks))?;
    Ok(Pulled { folder: target.to_path_buf(), source, precision, is_new: false, cached: 0 })
}
