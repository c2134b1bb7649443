//! The folder of an embedded collection, all but what the engine keeps in it.
//!
//! - `lock`: locked by the one process that has the collection open
//! - `collection.json`: the layout's version, the identity of the passage side, how the vectors are compressed; a
//!   generation that was a successor, and every copy of it, has one of its own, which counts
//! - `generation-000001`: the engine's files; a later number after each compaction
//! - `CURRENT`: the name of the live generation. Replacing this file is the moment at which a compaction happens:
//!   before it, the new generation is rubbish; after it, the old one is.
//! - `successor`: a folder like this one, of a collection that is to take over

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{fault::Fault, succession};
use crate::{
    embed::Identity,
    search::{Quantization, StoreError, layout},
};

const LOCK: &str = "lock";
pub(super) const COLLECTION: &str = "collection.json";
const CURRENT: &str = "CURRENT";
const PREFIX: &str = "generation-";

/// The folder, locked for this process until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Whether the names in it may be in memory only.
    unsynced: Cell<bool>,
    lock: File,
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file is not enough: a child of this process that is just being started still has it open, too.
        let _ = self.lock.unlock();
    }
}

/// What `collection.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    layout: u32,
    pub(super) identity: Identity,
    /// Older collections do not say: they have none.
    #[serde(default)]
    pub(super) quantization: Quantization,
}

impl Folder {
    /// Whether there is a collection, or what is left of one.
    pub(super) fn holds_collection(path: &Path) -> bool {
        path.join(CURRENT).exists() || path.join(COLLECTION).exists() || succession::is_complete(path)
    }

    /// Locks a folder that exists.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let lock = OpenOptions::new().create(true).write(true).truncate(false).open(path.join(LOCK));
        let lock = lock.map_err(|error| Fault::io("opening the lock file", error).at(&place))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), unsynced: Cell::new(true), lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { place }),
            Err(TryLockError::Error(error)) => Err(Fault::io("locking the folder", error).at(&place)),
        }
    }

    /// What the collection is and the path of the live generation; `None` if creation never finished.
    pub(super) fn read(&self) -> Result<Option<(Description, PathBuf)>, Fault> {
        let shared = read_if_there(&self.path.join(COLLECTION))?;
        let name = match read_if_there(&self.path.join(CURRENT))? {
            Some(name) => name.trim().to_owned(),
            None if shared.is_some() => self.adopt_only_generation()?,
            None => return Ok(None),
        };
        if number(&name).is_none() || !self.path.join(&name).is_dir() {
            return Err(Fault::mendable(format!(
                "{CURRENT} names {name:?}, which is not a generation in this folder; {}",
                self.remedy()?
            )));
        }
        let generation = self.path.join(name);
        let description = read_if_there(&generation.join(COLLECTION))?.or(shared);
        let missing = || Fault::mendable(format!("{COLLECTION} is missing; restore it, or index into a new folder"));
        Ok(Some((parse(&description.ok_or_else(missing)?)?, generation)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `CURRENT` names this generation.
    pub(super) fn is_current(&self, generation: &Path) -> bool {
        let current = fs::read_to_string(self.path.join(CURRENT));
        current.is_ok_and(|name| self.path.join(name.trim()) == generation)
    }

    /// A crash during creation can lose `CURRENT`. With one generation there is no doubt which it was.
    fn adopt_only_generation(&self) -> Result<String, Fault> {
        match self.generations()?.as_slice() {
            [only] => {
                self.make_current(&self.path.join(only))?;
                Ok(only.clone())
            }
            _ => Err(Fault::mendable(format!("{CURRENT} is missing; {}", self.remedy()?))),
        }
    }

    /// What to do about a `CURRENT` that does not say which generation is the live one.
    fn remedy(&self) -> Result<String, Fault> {
        let generations = self.generations()?;
        Ok(if generations.is_empty() {
            "restore a backup of the folder, or index into a new one".into()
        } else {
            format!("write the name of the newest whole one of {generations:?} into it")
        })
    }

    /// Where the next generation goes; nothing is there.
    pub(super) fn next_generation(&self) -> Result<PathBuf, Fault> {
        let newest = self.generations()?.iter().filter_map(|name| number(name)).max().unwrap_or(0);
        Ok(self.path.join(format!("{PREFIX}{:06}", newest + 1)))
    }

    /// Writes down whose passages the collection holds, and how.
    pub(super) fn describe(&self, identity: &Identity, quantization: Quantization) -> Result<(), Fault> {
        let description = Description { layout: layout::VERSION, identity: identity.clone(), quantization };
        let text = serde_json::to_vec_pretty(&description).map_err(|error| Fault::io("describing", error.into()))?;
        self.replace(COLLECTION, &text)
    }

    /// Makes a generation the live one; it is whole and on disk before. Once this returns without an error, the next
    /// start opens this generation, unless the power goes before [`Folder::settle`] succeeds.
    pub(super) fn make_current(&self, generation: &Path) -> Result<(), Fault> {
        let name = generation.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.replace(CURRENT, format!("{name}\n").as_bytes())
    }

    /// Forces the names in the folder to disk, if that was not done since the last one changed. Until it succeeds,
    /// nothing may be acknowledged and no old generation removed: after a power cut `CURRENT` may name the old one.
    pub(super) fn settle(&self) -> Result<(), Fault> {
        if self.unsynced.get() {
            sync_folder(&self.path).map_err(|error| Fault::io("writing the folder to disk", error))?;
            self.unsynced.set(false);
        }
        Ok(())
    }

    /// Removes every generation but the live one, the one that `CURRENT` names and one that is taking over: what a crash, a compaction or a
    /// failed one left. What cannot be removed safely now is left to the next time.
    pub(super) fn sweep(&self, live: Option<&Path>) {
        let (Ok(()), Ok(current)) = (self.settle(), read_if_there(&self.path.join(CURRENT))) else { return };
        let kept = [current.map(|name| self.path.join(name.trim())), succession::moving(&self.path)];
        for name in self.generations().unwrap_or_default() {
            let path = self.path.join(name);
            if Some(path.as_path()) != live && !kept.iter().flatten().any(|kept| *kept == path) {
                remove(&path);
            }
        }
    }

    fn generations(&self) -> Result<Vec<String>, Fault> {
        let entries = fs::read_dir(&self.path).map_err(|error| Fault::io("listing the folder", error))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| number(name).is_some()).collect())
    }

    /// Replaces a small file so that a crash leaves the old or the new one, never a part. The renaming decides: after
    /// it every reader sees the new one, so that what comes later is no failure of this.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> Result<(), Fault> {
        let temporary = self.path.join(format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, self.path.join(name))
        };
        write().map_err(|error| Fault::io(&format!("writing {name}"), error))?;
        self.unsynced.set(true);
        if let Err(fault) = self.settle() {
            tracing::warn!(path = %self.path.display(), ?fault, "{name} may not be on disk; no write until it is");
        }
        Ok(())
    }
}

pub(super) fn parse(description: &str) -> Result<Description, Fault> {
    let refuse = |problem: String| Fault::damage(format!("{COLLECTION} {problem}"));
    let value: serde_json::Value = serde_json::from_str(description).map_err(|e| refuse(format!("is damaged: {e}")))?;
    let version = value.get("layout").and_then(serde_json::Value::as_u64);
    if version != Some(layout::VERSION.into()) {
        let version = version.map_or("none".to_owned(), |version| version.to_string());
        return Err(Fault::mendable(format!(
            "{COLLECTION} names layout {version}, this asktwice reads layout {}; use the asktwice that wrote it, or index again \
             into a new folder",
            layout::VERSION
        )));
    }
    serde_json::from_value(value).map_err(|e| refuse(format!("is damaged: {e}")))
}

/// The number of a generation, if the name is one's.
fn number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, Fault> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::io(&format!("reading {}", path.display()), error).into_damage()),
    }
}

/// Removes a folder that nothing needs; what cannot be removed now is swept later.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "an old generation could not be removed");
    }
}

/// How many bytes a folder and all in it take up on disk; the engine's files are sparse.
pub(super) fn bytes_on_disk(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| if is_folder(&entry) { bytes_on_disk(&entry.path()) } else { file_bytes(&entry) }).sum()
}

fn is_folder(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

fn file_bytes(entry: &fs::DirEntry) -> u64 {
    #[cfg(unix)]
    let bytes = |data: fs::Metadata| std::os::unix::fs::MetadataExt::blocks(&data) * 512;
    #[cfg(not(unix))]
    let bytes = |data: fs::Metadata| data.len();
    entry.metadata().map_or(0, bytes)
}

/// Forces a folder and all in it to disk, names included, which the engine's own flush leaves to the system.
pub(super) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if is_folder(&entry) {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(path)
}

/// Forces the names in a folder to disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and a rename is as durable as the system makes it.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{CURRENT, Folder};
    use std::fs;

    #[test]
    fn what_current_names_is_never_swept() {
        let place = tempfile::tempdir().unwrap();
        let names = ["generation-000001", "generation-000002", "generation-000003", "other"];
        for name in names {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let there = || names.map(|name| place.path().join(name).exists());
        let folder = Folder::lock(place.path()).unwrap();
        folder.make_current(&place.path().join(names[1])).unwrap();
        folder.sweep(Some(&place.path().join(names[0])));
        assert_eq!(there(), [true, true, false, true]);
        // Damaged: nobody knows what it named.
        fs::write(place.path().join(CURRENT), [0xFF; 8]).unwrap();
        folder.sweep(None);
        assert_eq!(there(), [true, true, false, true]);
        folder.make_current(&place.path().join(names[1])).unwrap();
        folder.sweep(None);
        assert_eq!(there(), [false, true, false, true]);
    }
}
