//! What a repository holds at one commit, with the hashes that the hub states.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use reqwest::{
    Url,
    header::{HeaderMap, LINK},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Hub, HubError};
use crate::http;

/// The most pages of a listing that are read; each has a thousand files.
const MOST_PAGES: usize = 50;

/// The files of a repository at one commit.
#[derive(Debug)]
pub(super) struct Listing {
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// The files by path.
    pub files: BTreeMap<String, Stated>,
}

/// What the hub states of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    pub size: u64,
    pub hash: Hash,
}

/// The hash that a hub has of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    /// A large file's object id in Git LFS: the SHA-256 of its content.
    Sha256(String),
    /// A small file's object id in Git: the SHA-1 of a head and its content.
    GitBlob(String),
}

/// A file on disk, compared with what the hub states of it.
#[derive(Debug)]
pub(super) struct Compared {
    /// The SHA-256 of what is on disk.
    pub sha256: String,
    /// Its hash of the kind that the hub states.
    pub found: String,
    /// Whether it is what the hub states.
    pub is_right: bool,
}

impl Stated {
    /// The SHA-256 that is stated; `None` for a small file, of which Git states another hash.
    pub(super) fn sha256(&self) -> Option<&str> {
        match &self.hash {
            Hash::Sha256(hash) => Some(hash),
            Hash::GitBlob(_) => None,
        }
    }

    /// Reads a file and compares it. Takes about a second per gigabyte.
    pub(super) fn compare(&self, path: &Path) -> io::Result<Compared> {
        let mut file = File::open(path)?;
        let mut sha256 = Sha256::new();
        // Git's hash of a file begins with its length.
        let mut git = sha1_smol::Sha1::from(format!("blob {}\0", file.metadata()?.len()));
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            sha256.update(&buffer[..count]);
            if matches!(self.hash, Hash::GitBlob(_)) {
                git.update(&buffer[..count]);
            }
        }
        let sha256 = format!("{:x}", sha256.finalize());
        let (stated, found) = match &self.hash {
            Hash::Sha256(stated) => (stated, sha256.clone()),
            Hash::GitBlob(stated) => (stated, git.digest().to_string()),
        };
        Ok(Compared { is_right: found.eq_ignore_ascii_case(stated), sha256, found })
    }
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    oid: String,
    lfs: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    size: u64,
}

impl Listing {
    /// Asks the hub which commit a revision is, and what it holds.
    pub(super) async fn ask(hub: &Hub, repository: &str, revision: &str) -> Result<Self, HubError> {
        let (owner, name) = repository.split_once('/').unwrap_or_default();
        let place = http::place(&hub.endpoint);
        let not_understood = |error: serde_json::Error| HubError::Reply {
            place: place.clone(),
            problem: format!("does not answer like a model hub ({error}); is HF_ENDPOINT right?"),
        };
        let url = hub.url(&["api", "models", owner, name, "revision", revision])?;
        let (text, _) = hub.get_text(url, repository).await?;
        let commit = serde_json::from_str::<Revision>(&text).map_err(not_understood)?.sha;
        if commit.len() != 40 || !commit.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(HubError::Reply { place, problem: format!("names no commit for {repository}") });
        }
        if is_commit(revision) && !revision.eq_ignore_ascii_case(&commit) {
            let problem = format!("answers with commit {commit} where {revision} was asked for");
            return Err(HubError::Reply { place, problem });
        }
        let mut files = BTreeMap::new();
        let mut next = hub.url(&["api", "models", owner, name, "tree", &commit])?;
        next.set_query(Some("recursive=true"));
        for _ in 0..MOST_PAGES {
            let (text, headers) = hub.get_text(next.clone(), repository).await?;
            let items: Vec<Item> = serde_json::from_str(&text).map_err(not_understood)?;
            files.extend(items.into_iter().filter(|item| item.kind == "file").map(Item::stated));
            match next_page(&headers, &next) {
                Some(page) => next = page,
                None => break,
            }
        }
        Ok(Self { commit, files })
    }
}

impl Item {
    fn stated(self) -> (String, Stated) {
        let stated = match self.lfs {
            Some(object) => {
                let hash = object.oid.strip_prefix("sha256:").unwrap_or(&object.oid).to_owned();
                Stated { size: object.size, hash: Hash::Sha256(hash) }
            }
            None => Stated { size: self.size, hash: Hash::GitBlob(self.oid) },
        };
        (self.path, stated)
    }
}

/// Whether a revision is a commit and not a name.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit())
}

/// The next page of a listing, from its `Link` header (RFC 8288).
fn next_page(headers: &HeaderMap, from: &Url) -> Option<Url> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let target = next.split_once('<')?.1.split_once('>')?.0;
    from.join(target).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_both_of_its_hashes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello\n").unwrap();
        let is = |hash: Hash| Stated { size: 6, hash }.compare(file.path()).unwrap().is_right;
        // `git hash-object` and `sha256sum` of a file with this content.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a".to_owned();
        assert!(is(Hash::GitBlob(git.clone())));
        let sha256 = "5891B5B522D5DF086D0FF0B110FBD9D21BB4FC7163AF34D08286A2E846F6BE03";
        assert!(is(Hash::Sha256(sha256.to_owned())));
        assert!(!is(Hash::Sha256(git)));
    }
}
