//! A collection as one file, vectors included, and back into any store: a backup, and the way from one engine to another.
//!
//! The file is text, a JSON object a line, so that other tools can read it too:
//!
//! - first what the collection is: `{"format": "asktwice-backup", "version": 1, "identity": {…}, "settings": {…}}`, where
//!   `identity` is its [`Identity`], `settings.payload_indexes` names the indexed payload fields and their kinds, and
//!   `settings.quantization` says how its vectors were compressed for searching;
//! - then a line for each passage: `{"passage": {…}, "dense": "…", "bm25": {"indices": […], "values": […]}}`, where `dense`
//!   is the embedding as little-endian 32-bit floats in base64, and `bm25` is there if `identity.bm25` is;
//! - last `{"passages": N, "sha256": "…"}`: how many there were, and the hash of all bytes before this line.
//!
//! Both ways hold a few hundred passages in memory, however many there are.

mod error;
mod read;
mod write;

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::spawn_blocking};

pub use error::BackupError;

use crate::{
    embed::Identity,
    index::remove_others,
    ranking::Passage,
    search::{MAX_PAGE, PayloadKind, ScrollRequest, SparseVector, StoreError, VectorStore, VectorStoreWriter, Vectors},
};

/// What the first line of a backup calls itself.
const FORMAT: &str = "asktwice-backup";
/// The version of the form described above; another one is refused.
const VERSION: u32 = 1;
/// How many pages or batches wait between the file and the store.
const WAITING: usize = 2;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    identity: Identity,
    #[serde(default)]
    settings: Settings,
}

/// What a collection is beside its identity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Settings {
    #[serde(default)]
    payload_indexes: BTreeMap<String, PayloadKind>,
    /// By its name, which may be one of a later version; files of earlier ones lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantization: Option<String>,
    /// What another version of asktwice has written down.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A passage's line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    passage: Passage,
    dense: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bm25: Option<SparseVector>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    passages: u64,
    sha256: String,
}

/// Writes a collection to a file, page by page. It has its name only once it is whole and on disk. What is written to the
/// collection meanwhile may or may not be in it.
///
/// # Errors
/// [`BackupError`]: the file is there already or cannot be written, or the store cannot be read.
pub async fn export(store: &dyn VectorStore, file: &Path, progress: impl Fn(u64)) -> Result<u64, BackupError> {
    let Some(info) = store.info().await? else {
        return Err(BackupError::Empty);
    };
    let Some(identity) = info.identity else { return Err(BackupError::Adopted { place: info.place }) };
    let quantization = Some(info.quantization.to_string());
    let settings = Settings { payload_indexes: info.payload_indexes, quantization, unknown: Map::new() };
    let head = Head { format: FORMAT.to_owned(), version: VERSION, identity, settings };
    let (pages, queue) = mpsc::channel(WAITING);
    let path = file.to_owned();
    let writing = spawn_blocking(move || write::file(&path, &head, queue));
    let read = read_all(store, &pages, progress).await;
    if read.is_ok() {
        // Without it the writer knows that the rest is missing.
        let _gone = pages.send(write::Part::End).await;
    }
    drop(pages);
    let written = writing.await.map_err(|error| BackupError::file(file, "written", error.into()))?;
    read?;
    written
}

/// Hands every page to the writer; ends early when that has failed.
async fn read_all(
    store: &dyn VectorStore,
    pages: &mpsc::Sender<write::Part>,
    progress: impl Fn(u64),
) -> Result<(), StoreError> {
    let mut request = ScrollRequest::new(MAX_PAGE).with_vectors();
    let mut count = 0;
    loop {
        let page = store.scroll(request.clone()).await?;
        count += page.points.len() as u64;
        if pages.send(write::Part::Points(page.points)).await.is_err() {
            return Ok(());
        }
        progress(count);
        let Some(last) = page.next else { return Ok(()) };
        request = request.after(last);
    }
}

/// A backup that was read through and found whole.
#[derive(Debug, Clone)]
pub struct Backup {
    file: PathBuf,
    head: Head,
    passages: u64,
}

impl Backup {
    /// Reads a file from end to end and checks it against its own hash.
    ///
    /// # Errors
    /// [`BackupError`]: it cannot be read, is of another format, cut off, or not as it was written.
    pub async fn open(file: impl Into<PathBuf>) -> Result<Self, BackupError> {
        let file = file.into();
        let path = file.clone();
        let read = spawn_blocking(move || {
            let mut reader = read::Reader::open(&path)?;
            while reader.next_passage()?.is_some() {}
            Ok(reader.into_summary())
        });
        let read = read.await.map_err(|error| BackupError::file(&file, "read", error.into()))?;
        read.map(|(head, passages)| Self { file, head, passages })
    }

    /// Whose passages it holds.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.head.identity
    }

    /// How many passages it holds.
    #[must_use]
    pub fn passages(&self) -> u64 {
        self.passages
    }

    /// The name of the quantisation that the exported collection had; `None` if the file does not say. The vectors in the
    /// file are whole, and a store compresses them as it was told itself: whoever wants the same has to open it so.
    #[must_use]
    pub fn quantization(&self) -> Option<&str> {
        self.head.settings.quantization.as_deref()
    }

    /// The settings in it that this version of asktwice does not know; they are not restored.
    #[must_use]
    pub fn unknown_settings(&self) -> Vec<&str> {
        self.head.settings.unknown.keys().map(String::as_str).collect()
    }

    /// Writes its passages to a store, creating the collection if there is none, and replacing passages of the same ids.
    /// Doing it again, after it was cut off for one, changes nothing.
    ///
    /// # Errors
    /// [`BackupError`]: the store was filled by another model or cannot be written, or the file has changed since it was
    /// opened.
    pub async fn import(&self, store: &dyn VectorStoreWriter, progress: impl Fn(u64)) -> Result<(), BackupError> {
        self.write(store, progress, |_| {}).await?;
        Ok(store.optimize().await?)
    }

    /// The same, and removes from the store what is not in the file: what a successor needs that was begun before.
    ///
    /// # Errors
    /// As [`Backup::import`].
    pub async fn import_alone(&self, store: &dyn VectorStoreWriter, progress: impl Fn(u64)) -> Result<(), BackupError> {
        let mut written = HashSet::new();
        let note = |batch: &[(Passage, Vectors)]| written.extend(batch.iter().map(|(passage, _)| passage.point_id()));
        self.write(store, progress, note).await?;
        remove_others(store, &written, |_| {}).await?;
        Ok(store.optimize().await?)
    }

    async fn write(
        &self,
        store: &dyn VectorStoreWriter,
        progress: impl Fn(u64),
        mut note: impl FnMut(&[(Passage, Vectors)]),
    ) -> Result<(), BackupError> {
        store.prepare(&self.head.identity).await?;
        for (key, kind) in &self.head.settings.payload_indexes {
            store.index_payload(key, *kind).await?;
        }
        let (sender, mut batches) = mpsc::channel(WAITING);
        let file = self.file.clone();
        let reading = spawn_blocking(move || read::batches(&file, &sender));
        let mut count = 0;
        let mut written = Ok(());
        while let (Ok(()), Some(batch)) = (&written, batches.recv().await) {
            note(&batch);
            count += batch.len() as u64;
            written = store.upsert(batch).await;
            progress(count);
        }
        // The reader notices that nobody listens and ends.
        drop(batches);
        let read = reading.await.map_err(|error| BackupError::file(&self.file, "read", error.into()))?;
        written?;
        read
    }
}
