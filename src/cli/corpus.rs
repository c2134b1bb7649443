//! A judged collection's corpus, indexed once and kept: what `eval`, `adapt` and `compare-models` search.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    index,
    parts::{self, AnyEmbedder},
};
use crate::{
    config::Settings,
    embed::{Embedder as _, SparseEncoder as _},
    index::fingerprint,
    search::{EdgeStore, Quantization},
};

/// Where the indexes of evaluated collections are kept.
pub(super) const KEPT: &str = ".asktwice/eval";

/// A corpus that can be searched.
pub(super) struct Corpus {
    pub(super) embedder: AnyEmbedder,
    pub(super) store: Arc<EdgeStore>,
    /// Whether every document could be indexed.
    pub(super) complete: bool,
}

/// Indexes files and folders, unless they are.
pub(super) async fn indexed(settings: &Settings, sources: &[PathBuf]) -> anyhow::Result<Corpus> {
    let embedder = parts::embedder(settings)?;
    let encoder = settings.bm25.encoder()?;
    let identity = embedder.identity();
    let makers = [identity.weights.as_str(), encoder.identity(), identity.head.as_deref().unwrap_or_default()];
    let name = kept(sources, &makers.join(" "), settings)?;
    let store = Arc::new(parts::edge(Path::new(KEPT), &name, &settings.store)?);
    let tokens = settings.index.passage_tokens;
    let report = index::index(&embedder, encoder, Arc::clone(&store) as _, sources, tokens).await?;
    if report.interrupted {
        anyhow::bail!("interrupted while indexing; the same command goes on from here");
    }
    for problem in &report.problems.first {
        eprintln!("asktwice: not indexed: {problem}");
    }
    Ok(Corpus { embedder, store, complete: report.problems.count == 0 })
}

/// The name of an index: what is in the files and what makes its passages and vectors decide, not where a corpus lies.
fn kept(sources: &[PathBuf], makers: &str, settings: &Settings) -> anyhow::Result<String> {
    let quantization = match settings.store.quantization()? {
        Quantization::None => String::new(),
        other => format!("-{other}"),
    };
    let makers = format!("{} {makers} {}", fingerprint(sources)?, settings.index.passage_tokens);
    let hash = format!("{:x}", Sha256::digest(makers));
    let name = sources.first().and_then(|path| path.file_name()).unwrap_or_default().to_string_lossy();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(format!("{name}-{}-{}{quantization}", &hash[..12], settings.embed.precision))
}
