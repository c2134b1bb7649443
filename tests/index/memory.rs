//! A corpus larger than the memory that it may take.

use std::io::Write as _;

use asktwice::{
    embed::{EmbedError, Embedder, Embedding},
    search::{CollectionInfo, Filter, PayloadKind, ScrollPage, Vectors},
};
use async_trait::async_trait;

use super::*;
use crate::support::child::{self, Running, memory};

const TEST: &str = "index::memory::memory_does_not_grow_with_the_corpus";
const LINES: usize = 60_000;
const LINE_BYTES: usize = 3_000;
/// What a run may take beyond what the process had, in MB: a sixth of the corpus.
const MOST_MB: f64 = 30.0;

/// Vectors without a model.
#[derive(Debug)]
struct Same(Identity);

#[async_trait]
impl Embedder for Same {
    async fn embed(&self, _: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        Ok(texts.iter().map(|_| Embedding::new(vec![1.0; 384], 1)).collect())
    }
    fn identity(&self) -> &Identity {
        &self.0
    }
}

/// A store that keeps nothing.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl VectorStore for Nowhere {
    async fn search(&self, _: Search) -> Result<asktwice::Ranking, StoreError> {
        Ok(asktwice::Ranking::default())
    }
    async fn fetch(&self, _: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        Ok(vec![])
    }
    async fn vectors(&self, _: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        Ok(vec![])
    }
    async fn scroll(&self, _: ScrollRequest) -> Result<ScrollPage, StoreError> {
        Ok(ScrollPage::default())
    }
    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl VectorStoreWriter for Nowhere {
    async fn prepare(&self, _: &Identity) -> Result<(), StoreError> {
        Ok(())
    }
    async fn upsert(&self, _: Vec<(Passage, Vectors)>) -> Result<(), StoreError> {
        Ok(())
    }
    async fn delete(&self, _: &[PointId]) -> Result<(), StoreError> {
        Ok(())
    }
    async fn delete_matching(&self, _: &Filter) -> Result<(), StoreError> {
        Ok(())
    }
    async fn index_payload(&self, _: &str, _: PayloadKind) -> Result<(), StoreError> {
        Ok(())
    }
    async fn optimize(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_corpus() {
    if let Some(folder) = child::task(TEST) {
        let Some(before) = memory("VmHWM") else { return };
        let indexer = Indexer::new(Arc::new(Same(Identity::new("same", "1", 384))), Arc::new(Nowhere));
        let report = indexer.run(&[folder.into()], |_| {}).await.unwrap();
        assert_eq!(report.indexed, LINES as u64);
        return child::say(&format!("{}", memory("VmHWM").unwrap() - before));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::io::BufWriter::new(fs::File::create(folder.path().join("a.jsonl")).unwrap());
    let text = "words ".repeat(LINE_BYTES / 6);
    (0..LINES).for_each(|n| writeln!(file, "{{\"_id\": \"{n}\", \"text\": \"{n} {text}\"}}").unwrap());
    file.flush().unwrap();
    let words = Running::start(TEST, folder.path().to_str().unwrap()).finish();
    let Some(grown) = words.first() else { return eprintln!("skipped: no account of memory on this system") };
    println!("{grown} MB for a corpus of {} MB", LINES * LINE_BYTES / 1_000_000);
    assert!(grown.parse::<f64>().unwrap() < MOST_MB, "it took {grown} MB");
}
