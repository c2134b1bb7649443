//! A successor: the collection in the folder `successor` of the one that it is to succeed. It is a whole one, with a lock,
//! a journal and generations of its own, so that filling it can be cut off and go on like any other.
//!
//! Once it is whole it is closed, and the file `complete` appears in its folder. Whoever has the collection open then
//! moves its live generation over and lets `CURRENT` name it. `complete` says under which name it is moved, so that after
//! a crash between the two the next start goes on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::{
    EdgeOptions, EdgeStore,
    fault::Fault,
    folder::{self, COLLECTION, Description, Folder},
    journal,
    writer::Writer,
};
use crate::{
    embed::Identity,
    search::{StoreError, Succession, Successor, TakeOver, VectorStoreWriter},
};

const FOLDER: &str = "successor";
const COMPLETE: &str = "complete";
/// How often, and how many times, it is looked whether the process that has the collection open took over.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const LOOKS: u32 = 25;

fn place(collection: &Path) -> PathBuf {
    collection.join(FOLDER)
}

/// Whether a successor waits to take over.
pub(super) fn is_complete(collection: &Path) -> bool {
    place(collection).join(COMPLETE).exists()
}

/// Where the generation of a successor is, or is about to be, that is taking over.
pub(super) fn moving(collection: &Path) -> Option<PathBuf> {
    let name = fs::read_to_string(place(collection).join(COMPLETE)).ok()?;
    Some(name.trim()).filter(|name| !name.is_empty()).map(|name| collection.join(name))
}

/// The passage side of the successor.
pub(super) fn identity(collection: &Path) -> Result<Option<Identity>, Fault> {
    let description = folder::read_if_there(&place(collection).join(COLLECTION))?;
    description.map(|description| Ok(folder::parse(&description)?.identity)).transpose()
}

/// Begins a successor, or goes on with one; `holder` is the open collection, if this process has it.
pub(super) async fn begin(
    collection: &Path,
    options: &EdgeOptions,
    holder: Option<EdgeStore>,
    identity: &Identity,
) -> Result<Successor, StoreError> {
    if is_complete(collection) {
        let Some(holder) = &holder else {
            let problem = "a new collection is complete and waits for the process that has this one open; ask that \
                           process something, or start it again"
                .to_owned();
            return Err(StoreError::Unusable { place: collection.display().to_string(), problem, source: None });
        };
        holder.write(Writer::succeed).await?;
    }
    let place = place(collection);
    let staged = match prepared(&place, options, identity).await {
        // Begun for a passage side or a quantisation that is not wanted any more, or what a crash has left of one that
        // took over.
        Err(StoreError::Identity { .. } | StoreError::Quantization { .. } | StoreError::Unusable { .. }) => {
            fs::remove_dir_all(&place).map_err(|error| failed("removing an unfinished collection", error, &place))?;
            prepared(&place, options, identity).await
        }
        other => other,
    }?;
    // One that could not take over is filled again, and not whole until that is done.
    match fs::remove_file(place.join(COMPLETE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("beginning anew", error, &place)),
        _ => {}
    }
    let step = EdgeTakeOver { collection: collection.to_owned(), staged: staged.clone(), holder };
    Ok(Successor::new(std::sync::Arc::new(staged), step))
}

async fn prepared(place: &Path, options: &EdgeOptions, identity: &Identity) -> Result<EdgeStore, StoreError> {
    let (folder, options) = (place.to_owned(), options.clone());
    let opened = spawn_blocking(move || EdgeStore::open_with(folder, options)).await;
    let store = opened.unwrap_or_else(|error| Err(failed("opening a new collection", error.into(), place)))?;
    store.prepare(identity).await?;
    Ok(store)
}

fn failed(step: &str, error: io::Error, place: &Path) -> StoreError {
    Fault::io(step, error).at(&place.display().to_string())
}

#[derive(Debug)]
struct EdgeTakeOver {
    collection: PathBuf,
    staged: EdgeStore,
    holder: Option<EdgeStore>,
}

#[async_trait]
impl TakeOver for EdgeTakeOver {
    async fn take_over(self: Box<Self>) -> Result<Succession, StoreError> {
        let Self { collection, staged, holder } = *self;
        staged.optimize().await?;
        let close = |writer: &mut Writer| {
            writer.close();
            Ok(())
        };
        staged.write(close).await?;
        drop(staged);
        let place = place(&collection);
        complete(&place).map_err(|fault| fault.at(&place.display().to_string()))?;
        if let Some(holder) = holder {
            holder.write(Writer::succeed).await?;
            return if is_complete(&collection) { Err(left(&collection)) } else { Ok(Succession::Done) };
        }
        for _ in 0..LOOKS {
            let folder = collection.clone();
            // If nobody has the collection open any more, opening it is taking over.
            match spawn_blocking(move || EdgeStore::open(folder)).await {
                Ok(Err(error)) if !matches!(error, StoreError::Locked { .. }) => return Err(error),
                _ => {}
            }
            if !is_complete(&collection) {
                return Ok(Succession::Done);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(Succession::Pending)
    }
}

fn left(collection: &Path) -> StoreError {
    let problem = "the new collection could not take over, see the log; the old one is as it was".to_owned();
    StoreError::Unavailable { place: collection.display().to_string(), problem, source: None }
}

/// Marks a closed successor as whole.
fn complete(place: &Path) -> Result<(), Fault> {
    let staged = Folder::lock(place).map_err(|error| Fault::bug(error.to_string()))?;
    let (Some((_, generation)), false) = (staged.read()?, journal::exists(place)) else {
        return Err(Fault::bug("the new collection is not whole"));
    };
    let described = fs::copy(place.join(COLLECTION), generation.join(COLLECTION));
    let settled = described.and_then(|_| folder::sync_tree(&generation));
    settled.map_err(|error| Fault::io("writing the new collection to disk", error))?;
    staged.replace(COMPLETE, b"\n")?;
    staged.settle()
}

/// Moves the live generation of a complete successor into the folder of the collection that it succeeds. It is not the
/// live one there before `CURRENT` names it, and must not be swept until then.
pub(super) fn move_in(folder: &Folder) -> Result<Option<(Description, PathBuf)>, Fault> {
    let place = place(folder.path());
    let Some(name) = folder::read_if_there(&place.join(COMPLETE))? else { return Ok(None) };
    let moved = folder.path().join(name.trim());
    if !name.trim().is_empty() && moved.is_dir() {
        // A crash came between moving and here.
        if folder.is_current(&moved) {
            end(folder, &moved);
            return Ok(None);
        }
        return described(moved).map(Some);
    }
    let staged = match Folder::lock(&place) {
        Ok(staged) => staged,
        // Whoever has it open is about to begin another.
        Err(StoreError::Locked { .. }) => return Ok(None),
        Err(error) => return Err(Fault::mendable(format!("the new collection cannot be taken over: {error}"))),
    };
    let read = staged.read();
    let Ok(Some((_, generation))) = read else {
        // Not again every second: it is not whole after all.
        let _ = fs::remove_file(place.join(COMPLETE));
        return Err(read.err().unwrap_or_else(|| Fault::damage("it is empty")));
    };
    let target = folder.next_generation()?;
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    staged.replace(COMPLETE, name.as_bytes())?;
    staged.settle()?;
    let renamed = fs::rename(&generation, &target).and_then(|()| folder::sync_folder(folder.path()));
    renamed.map_err(|error| Fault::io("moving the new collection", error))?;
    described(target).map(Some)
}

fn described(generation: PathBuf) -> Result<(Description, PathBuf), Fault> {
    let description = folder::read_if_there(&generation.join(COLLECTION))?;
    let description = description.ok_or_else(|| Fault::damage(format!("its {COLLECTION} is missing")))?;
    Ok((folder::parse(&description)?, generation))
}

/// Forgets a successor that has taken over. The generation's own description counts; the shared one is for whoever looks
/// into the folder.
pub(super) fn end(folder: &Folder, generation: &Path) {
    // After a power cut before that, it would have to take over again.
    if folder.settle().is_err() {
        return;
    }
    let shared = fs::read(generation.join(COLLECTION)).map_err(|error| Fault::io("describing", error));
    let place = place(folder.path());
    let forgotten = shared.and_then(|shared| folder.replace(COLLECTION, &shared)).and_then(|()| {
        fs::remove_file(place.join(COMPLETE)).map_err(|error| Fault::io("forgetting the new collection", error))
    });
    if let Err(fault) = forgotten {
        tracing::warn!(place = %place.display(), ?fault, "a collection that has taken over is looked at again");
    }
    let _ = fs::remove_dir_all(place);
}
