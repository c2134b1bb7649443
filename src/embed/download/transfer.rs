//! Fetching the files of a plan into a folder that is not finished yet: resumed where one is there in part, taken over
//! where the old folder has it, and checked in any case.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    StatusCode, Url,
    header::{CONTENT_RANGE, HeaderMap},
};
use tokio::{fs::OpenOptions, io::AsyncWriteExt as _, task::spawn_blocking, time::sleep};

use super::{
    Download, Hub, HubError, Watch,
    listing::{Hash, Listing, Stated},
    plan::Plan,
    wire::{Answer, From, chunk},
};
use crate::{embed::manifest::sha256_of, http};

/// How often a connection may break without a single new byte before the download stops.
const MOST_ATTEMPTS: u32 = 5;
/// How long to wait after the first break; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How many new bytes are worth a word.
const STEP: u64 = 1 << 20;

/// Where files come from, and go to.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// The folder that is replaced, there or not.
    pub old: &'a Path,
    /// What Hugging Face's own tools have of the commit.
    pub cached: Option<PathBuf>,
    /// The folder that is not finished yet.
    pub work: &'a Path,
}

/// Fetches, or takes over from the old folder or the cache, every file of the plan; returns each one's SHA-256, and how
/// many came from the cache.
pub(super) async fn fetch_all(
    hub: &Hub,
    plan: &Plan,
    listing: &Listing,
    places: &Places<'_>,
    watch: Watch<'_>,
) -> Result<(BTreeMap<String, String>, usize), HubError> {
    let Places { old, cached, work } = places;
    let (mut hashes, mut from_cache) = (BTreeMap::new(), 0);
    let total = plan.files.values().map(|stated| stated.size).sum();
    let mut done = 0;
    for (file, stated) in &plan.files {
        let path = work.join(file);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|error| HubError::write(work, &error))?;
        let before = done;
        let heard = |here: u64| watch(&Download { file: file.clone(), done: before + here, total });
        let hash = if let Some(hash) = take_over(Some(old.join(file)), &path, stated).await {
            hash
        } else if let Some(hash) = take_over(cached.as_ref().map(|cached| cached.join(file)), &path, stated).await {
            from_cache += 1;
            hash
        } else if hub.offline {
            let problem = "it was changed while it was read".to_owned();
            return Err(HubError::File { file: file.clone(), problem });
        } else {
            Transfer { hub, listing, plan, file, stated, path, watch: &heard }.run().await?
        };
        done += stated.size;
        heard(stated.size);
        hashes.insert(file.clone(), hash);
    }
    for (file, hash) in &plan.kept {
        // Made here, of what is the same again; a damaged one is not worth keeping.
        if sha256_of(&old.join(file)).is_ok_and(|found| found == *hash) {
            fs::copy(old.join(file), work.join(file)).map_err(|error| HubError::write(work, &error))?;
            hashes.insert(file.clone(), hash.clone());
        }
    }
    Ok((hashes, from_cache))
}

/// The SHA-256 of a file that is here already: finished by an earlier, interrupted download, or in a folder from which it
/// is copied.
async fn take_over(old: Option<PathBuf>, new: &Path, stated: &Stated) -> Option<String> {
    let (old, new, stated) = (old?, new.to_owned(), stated.clone());
    let right = move |path: &Path| stated.compare(path).ok().filter(|compared| compared.is_right);
    let here = move || {
        let found = right(&new).or_else(|| right(&old).filter(|_| fs::copy(&old, &new).is_ok()));
        found.map(|compared| compared.sha256)
    };
    spawn_blocking(here).await.ok().flatten()
}

/// One file on its way.
struct Transfer<'a> {
    hub: &'a Hub,
    listing: &'a Listing,
    plan: &'a Plan,
    file: &'a str,
    stated: &'a Stated,
    path: PathBuf,
    watch: &'a (dyn Fn(u64) + Send + Sync),
}

impl Transfer<'_> {
    /// Fetches until all is here, then checks it; returns its SHA-256.
    async fn run(self) -> Result<String, HubError> {
        let part = self.part();
        let mut attempts = 0;
        loop {
            let before = length(&part);
            if before == self.stated.size && part.exists() {
                break;
            }
            match self.fetch(&part, before).await {
                Ok(()) => {}
                Err(error) if error.may_pass() => {
                    // As long as something arrives, a bad line is only slow.
                    attempts = if length(&part) > before { 1 } else { attempts + 1 };
                    if attempts >= MOST_ATTEMPTS {
                        return Err(error);
                    }
                    tracing::debug!(%error, file = self.file, "fetching the rest");
                    sleep(FIRST_PAUSE * 2_u32.pow(attempts)).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.check(part).await
    }

    /// Where the file grows.
    fn part(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        self.path.with_file_name(name)
    }

    fn url(&self) -> Result<Url, HubError> {
        let (owner, name) = self.plan.repository().split_once('/').unwrap_or_default();
        let start = [owner, name, "resolve", self.listing.commit.as_str()];
        self.hub.url(&start.into_iter().chain(self.file.split('/')).collect::<Vec<_>>())
    }

    /// Asks for what is missing and appends it.
    async fn fetch(&self, part: &Path, have: u64) -> Result<(), HubError> {
        let url = self.url()?;
        let range = (have > 0).then_some(have);
        let what = format!("{} of {}", self.file, self.plan.repository());
        let Answer { mut response, hub } = self.hub.get(url.clone(), From::Anywhere, range, &what).await?;
        self.check_headers(&hub)?;
        let goes_on = response.status() == StatusCode::PARTIAL_CONTENT && starts_at(response.headers(), have);
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // More is here than there is: what is here is something else.
            return fs::remove_file(part).map_err(|error| HubError::write(part, &error));
        }
        let failed = |error: std::io::Error| HubError::write(part, &error);
        let mut open = OpenOptions::new();
        open.create(true).write(true).append(goes_on).truncate(!goes_on);
        let mut file = open.open(part).await.map_err(failed)?;
        let mut here = if goes_on { have } else { 0 };
        let mut told = here;
        while let Some(chunk) = chunk(&mut response, &url).await? {
            let chunk = chunk.as_ref();
            here += chunk.len() as u64;
            if here > self.stated.size {
                drop(file);
                let _ = fs::remove_file(part);
                return Err(self.refuse(format!("more than the {} bytes came that the hub states", self.stated.size)));
            }
            file.write_all(chunk).await.map_err(failed)?;
            if here - told >= STEP {
                told = here;
                (self.watch)(here);
            }
        }
        file.flush().await.map_err(failed)?;
        if here < self.stated.size {
            let place = http::place(response.url());
            let problem = "hung up in the middle of a file";
            return Err(HubError::Unreachable { place, problem, source: None, broken: true });
        }
        Ok(())
    }

    /// The hub says in two places which content a file has; it should not contradict itself.
    fn check_headers(&self, hub: &HeaderMap) -> Result<(), HubError> {
        let linked = hub.get("x-linked-etag").and_then(|tag| tag.to_str().ok()).map(|tag| tag.trim_matches('"'));
        match (&self.stated.hash, linked) {
            (Hash::Sha256(stated), Some(linked)) if !stated.eq_ignore_ascii_case(linked) => {
                Err(self.refuse(format!("the hub lists it with SHA-256 {stated} and serves it with {linked}")))
            }
            _ => Ok(()),
        }
    }

    /// Checks the whole file, and gives it its name.
    async fn check(&self, part: PathBuf) -> Result<String, HubError> {
        let failed = |error: std::io::Error| HubError::write(&self.path, &error);
        let (stated, read) = (self.stated.clone(), part.clone());
        let compared = spawn_blocking(move || stated.compare(&read)).await;
        let compared = compared.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed)?;
        if compared.is_right {
            fs::rename(&part, &self.path).map_err(failed)?;
            return Ok(compared.sha256);
        }
        fs::remove_file(&part).map_err(failed)?;
        let (kind, stated) = match &self.stated.hash {
            Hash::Sha256(hash) => ("SHA-256", hash),
            Hash::GitBlob(hash) => ("Git object id", hash),
        };
        Err(self.refuse(format!("the hub states {kind} {stated}, what came has {}", compared.found)))
    }

    fn refuse(&self, problem: String) -> HubError {
        HubError::File { file: self.file.to_owned(), problem }
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

/// Whether a partial answer begins where it should; some servers send another part than asked.
fn starts_at(headers: &HeaderMap, start: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()) == Some(start)
}
