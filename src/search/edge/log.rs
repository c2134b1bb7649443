//! The engine's write-ahead log, seen from outside. qdrant-edge 0.7.2 neither replays nor shortens it: all that it
//! still serves is to number writes.
//!
//! Its closed files are called `closed-17` after the number of their first write. The engine counts on from the last
//! of them, so that the earlier ones can go while nobody has the log open.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Its folder's name within a generation.
pub(super) const NAME: &str = "wal";

/// How many bytes a generation's log is long.
pub(super) fn bytes(generation: &Path) -> u64 {
    let files = fs::read_dir(generation.join(NAME)).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}

/// Removes the closed files of a log that nobody has open, all but the last.
pub(super) fn shorten(generation: &Path) -> io::Result<()> {
    let files = fs::read_dir(generation.join(NAME))?;
    let mut closed: Vec<_> = files.filter_map(|file| numbered(file.ok()?.path())).collect();
    // Oldest first: a crash on the way leaves a log without gaps.
    closed.sort_unstable();
    closed.pop();
    closed.into_iter().try_for_each(|(_, path)| fs::remove_file(path))
}

fn numbered(path: PathBuf) -> Option<(u64, PathBuf)> {
    let number = path.file_name()?.to_str()?.strip_prefix("closed-")?.parse().ok()?;
    Some((number, path))
}
