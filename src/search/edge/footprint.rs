//! What the engine has built over the dense vectors of a generation, and what they take up, read from its files: its own
//! count of indexed vectors takes the lexical channel for an index, too.

use std::{fs, io, path::Path};

use serde::Deserialize;

use super::{fault::Fault, folder::bytes_on_disk};
use crate::search::Channel;

/// Where the engine keeps its segments; in each, a folder for the vectors of a channel and one for their index.
const SEGMENTS: &str = "segments";
const VECTORS: &str = "vector_storage";
const INDEX: &str = "vector_index";
/// What the engine says about a graph that it has built.
const GRAPH: &str = "hnsw_config.json";
/// How the names of files with compressed vectors begin.
const QUANTIZED: &str = "quantized";

/// What is built over the dense vectors of an embedded collection, and what they take up on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Footprint {
    /// How many vectors are in the approximate index.
    pub indexed: u64,
    /// The index itself; it is held in memory.
    pub index_bytes: u64,
    /// The vectors as they are. In memory, unless there are compressed ones.
    pub vector_bytes: u64,
    /// The compressed vectors; they are held in memory.
    pub quantized_bytes: u64,
}

#[derive(Deserialize)]
struct Graph {
    #[serde(default)]
    indexed_vector_count: u64,
}

impl Footprint {
    /// What searches keep in memory, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.index_bytes + if self.quantized_bytes > 0 { self.quantized_bytes } else { self.vector_bytes }
    }

    /// Reads what is there. A segment that is merged away meanwhile counts as gone.
    pub(super) fn of(generation: &Path) -> Result<Self, Fault> {
        let mut footprint = Self::default();
        let done = each(&generation.join(SEGMENTS), |segment| footprint.add(segment));
        done.map_err(|error| Fault::io("reading the segments' files", error))?;
        Ok(footprint)
    }

    fn add(&mut self, segment: &Path) -> io::Result<()> {
        let folder = |kind: &str| segment.join(format!("{kind}-{}", Channel::Dense.name()));
        each(&folder(VECTORS), |file| {
            let is_quantized = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(QUANTIZED));
            let bytes = if is_quantized { &mut self.quantized_bytes } else { &mut self.vector_bytes };
            *bytes += if file.is_dir() { bytes_on_disk(file) } else { fs::metadata(file).map_or(0, |data| data.len()) };
            Ok(())
        })?;
        let index = folder(INDEX);
        if let Ok(graph) = fs::read(index.join(GRAPH)) {
            self.indexed += serde_json::from_slice::<Graph>(&graph)?.indexed_vector_count;
            self.index_bytes += bytes_on_disk(&index);
        }
        Ok(())
    }
}

/// Goes through a folder; one that is gone is empty.
fn each(folder: &Path, mut see: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.into_iter().try_for_each(|entry| see(&entry?.path())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
