//! A judged collection's corpus, indexed once and kept: what `eval` and `adapt` search.

use std::{fs::File, io, path::Path, sync::Arc};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::{
    index,
    parts::{self, AnyEmbedder},
};
use crate::{
    config::Settings,
    embed::{Embedder as _, SparseEncoder as _},
    search::EdgeStore,
};

/// Where the indexes of evaluated collections are kept.
const KEPT: &str = ".asktwice/eval";

/// A corpus that can be searched.
pub(super) struct Corpus {
    pub(super) embedder: AnyEmbedder,
    pub(super) store: Arc<EdgeStore>,
    /// Whether every document could be indexed.
    pub(super) complete: bool,
}

/// Indexes a folder's corpus, unless it is.
pub(super) async fn indexed(settings: &Settings, data: &Path) -> anyhow::Result<Corpus> {
    let embedder = parts::embedder(settings)?;
    let encoder = settings.bm25.encoder()?;
    let corpus = data.join("corpus.jsonl");
    let makers = format!("{} {}", embedder.identity().weights, encoder.identity());
    let store = Arc::new(parts::edge(Path::new(KEPT), &kept(&corpus, &makers, settings)?)?);
    let report = index::index(&embedder, encoder, Arc::clone(&store) as _, &[corpus], 0).await?;
    if report.interrupted {
        anyhow::bail!("interrupted while indexing; the same command goes on from here");
    }
    for problem in &report.problems.first {
        eprintln!("asktwice: not indexed: {problem}");
    }
    Ok(Corpus { embedder, store, complete: report.problems.count == 0 })
}

/// The name of the index of a corpus: what is in the corpus and what makes its vectors decide, not where it lies.
fn kept(corpus: &Path, makers: &str, settings: &Settings) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let read = File::open(corpus).and_then(|mut file| io::copy(&mut file, &mut hash));
    read.with_context(|| format!("{} cannot be read", corpus.display()))?;
    hash.update(makers);
    let hash = format!("{:x}", hash.finalize());
    let name = corpus.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(format!("{name}-{}-{}", &hash[..12], settings.embed.precision))
}
