//! `asktwice eval --recall`: what the approximate index and each quantisation would find of what an exact search finds,
//! how fast, and in how much memory. The collection's vectors are copied into embedded collections of each kind, which
//! are removed afterwards; the collection itself is measured as it is.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use indicatif::ProgressBar;
use serde::Serialize;

use super::{corpus::KEPT, judged::Searched, say};
use crate::{
    embed::Identity,
    evaluate::{Recall, Searches},
    ranking::Passage,
    search::{
        CollectionInfo, EdgeOptions, EdgeStore, Footprint, Quantization, ScrollRequest, SearchParams, VectorStore,
        VectorStoreWriter as _, Vectors,
    },
};

/// Every collection is large enough for this.
const INDEX_ABOVE_KIB: usize = 1;

/// One way to search, measured.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// How many vectors the approximate index covers.
    indexed: u64,
    /// What searches keep in memory, in bytes; `None` with a compression that is not known here.
    memory_bytes: Option<u64>,
    /// Whether that is an estimate: a server does not say.
    memory_is_estimated: bool,
    #[serde(flatten)]
    recall: Recall,
}

/// Measures and prints, as a table or as JSON.
pub(super) async fn measure(searched: &Searched, params: SearchParams, json: bool) -> anyhow::Result<()> {
    let (searches, store) = (&searched.searches, &*searched.store);
    let info = store.info().await?.context("the collection is gone")?;
    let scratch = Scratch::new()?;
    let mut rows = vec![own(searched, &info, params).await?];
    let mut exact = None;
    for quantization in [Quantization::None, Quantization::Scalar, Quantization::Binary] {
        let folder = scratch.0.join(quantization.to_string());
        let copy = copy(store, &info, &folder, quantization).await?;
        let footprint = built(&copy, &info, quantization).await?;
        // A vector is the same in each copy, so that the first one's exact searches are those of all.
        let exact = match &exact {
            Some(exact) => exact,
            None => exact.insert(searches.exactly(&copy).await?),
        };
        for (name, params) in ways(quantization, params) {
            let recall = exact.compare(&copy, params).await?;
            let memory = if params.exact { footprint.vector_bytes } else { footprint.memory_bytes() };
            rows.push(Row {
                name,
                indexed: footprint.indexed,
                memory_bytes: Some(memory),
                memory_is_estimated: false,
                recall,
            });
        }
    }
    if json { say(serde_json::to_string_pretty(&rows)?) } else { say(table(&rows, &info, searches)) }
}

/// The collection as it is.
async fn own(searched: &Searched, info: &CollectionInfo, params: SearchParams) -> anyhow::Result<Row> {
    let Searched { searches, store, embedded, .. } = searched;
    let recall = searches.exactly(&**store).await?.compare(&**store, params).await?;
    let name = format!("this collection ({})", info.quantization);
    let footprint = match embedded {
        Some(store) => store.footprint().await?,
        None => None,
    };
    let memory_bytes = footprint.map_or_else(|| estimated(info), |footprint| Some(footprint.memory_bytes()));
    let memory_is_estimated = footprint.is_none();
    Ok(Row { name, indexed: info.indexed_vectors, memory_bytes, memory_is_estimated, recall })
}

/// What the vectors take that a search reads, without the index.
fn estimated(info: &CollectionInfo) -> Option<u64> {
    let numbers = info.dimension as u64;
    let of_one = match info.quantization {
        Quantization::None => 4 * numbers,
        Quantization::Scalar => numbers,
        Quantization::Binary => numbers.div_ceil(8),
        Quantization::Other => return None,
    };
    Some(info.passages * of_one)
}

/// The ways to search in a copy, each with its name.
fn ways(quantization: Quantization, own: SearchParams) -> Vec<(String, SearchParams)> {
    let params = SearchParams::default();
    if quantization == Quantization::None {
        let exact = ("every vector compared".to_owned(), SearchParams::exact());
        return vec![exact, ("index (HNSW)".to_owned(), params)];
    }
    let rescored =
        |times: f64| (format!("{quantization}, rescored, of {times} × the depth"), params.with_rescoring(true, times));
    let mut ways = vec![(format!("{quantization}, as found"), params.with_rescoring(false, 1.0)), rescored(1.0)];
    let further = [3.0, own.oversampling];
    ways.extend(further.iter().filter(|times| **times > 1.0).map(|times| rescored(*times)));
    ways.dedup_by(|a, b| a.0 == b.0);
    ways
}

/// Copies the dense vectors into an embedded collection and has its index built.
async fn copy(
    store: &dyn VectorStore,
    info: &CollectionInfo,
    folder: &Path,
    quantization: Quantization,
) -> anyhow::Result<EdgeStore> {
    let options = EdgeOptions::default().with_quantization(quantization).with_index_above(INDEX_ABOVE_KIB);
    let copy = EdgeStore::open_with(folder, options)?;
    copy.prepare(&Identity::new("a copy", "", info.dimension)).await?;
    let bar = ProgressBar::new(info.passages);
    let mut request = ScrollRequest::new(crate::search::MAX_PAGE).with_vectors();
    loop {
        let page = store.scroll(request.clone()).await?;
        bar.inc(page.points.len() as u64);
        let bare = page.points.into_iter().filter_map(|point| {
            let vectors: Vectors = point.vectors?.dense.into();
            Some((Passage::new(point.id.to_string(), ""), vectors))
        });
        copy.upsert(bare.collect()).await?;
        let Some(last) = page.next else { break };
        request = request.after(last);
    }
    bar.finish_and_clear();
    copy.optimize().await?;
    Ok(copy)
}

/// Sees to it that what is to be measured is there: a plain search would find everything.
async fn built(copy: &EdgeStore, info: &CollectionInfo, quantization: Quantization) -> anyhow::Result<Footprint> {
    let footprint = copy.footprint().await?.context("the copy is gone")?;
    let (indexed, passages) = (footprint.indexed, info.passages);
    ensure!(
        indexed >= passages,
        "the engine indexed only {indexed} of {passages} vectors, so that nothing was measured"
    );
    let is_quantized = footprint.quantized_bytes > 0;
    ensure!(is_quantized == (quantization != Quantization::None), "the engine did not compress the vectors as asked");
    Ok(footprint)
}

/// A folder that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let folder = Path::new(KEPT).join(format!("recall-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("asktwice: {} could not be removed: {error}", self.0.display());
        }
    }
}

fn table(rows: &[Row], info: &CollectionInfo, searches: &Searches) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    let at_depth = format!("recall@{}", searches.depth);
    let mut table = format!(
        "{} vectors of {} numbers; the embeddings of {} questions, each searched {} deep, one after the other\n\n\
         {:<width$}  {:>9}  {at_depth:>10}  {:>7}  {:>7}  {:>9}  {:>9}\n",
        info.passages,
        info.dimension,
        searches.questions(),
        searches.depth,
        "",
        "recall@10",
        "p50 ms",
        "p99 ms",
        "indexed",
        "memory MB"
    );
    for Row { name, indexed, memory_bytes, memory_is_estimated, recall } in rows {
        let sign = if *memory_is_estimated { "~" } else { "" };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let memory = memory_bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{sign}{:.2}", bytes as f64 / 1e6));
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{name:<width$}  {:>9.4}  {:>10.4}  {:>7.3}  {:>7.3}  {indexed:>9}  {memory:>9}",
            recall.recall_at_10, recall.recall_at_depth, recall.p50_ms, recall.p99_ms
        );
    }
    table.push_str(
        "memory: the index and the vectors that a search reads (compressed, if they are); with compression the others lie on disk",
    );
    if rows.iter().any(|row| row.memory_is_estimated) {
        table.push_str("\n~: estimated by number, dimension and compression, without the index: a server does not say");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_holds_is_estimated_by_its_compression() {
        let of = |quantization| estimated(&CollectionInfo::new("", 1_000, 12, None).with_index(quantization, 0));
        let all = [Quantization::None, Quantization::Scalar, Quantization::Binary].map(of);
        assert_eq!(all, [48_000, 12_000, 2_000].map(Some));
    }
}
