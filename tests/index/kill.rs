//! A run that is killed goes on where it was.

use asktwice::search::EdgeStore;

use super::*;
use crate::support::child::{self, Running};

const TEST: &str = "index::kill::a_killed_run_goes_on_and_embeds_nothing_twice";
const DOCUMENTS: usize = 4_000;
const KILLS: u64 = 3;

fn indexer(embedder: Arc<HashEmbedder>, folder: &Path) -> (Indexer, EdgeStore) {
    let store = EdgeStore::open(folder.join("store")).unwrap();
    let words = Arc::new(|text: &str| text.split_whitespace().count());
    let indexer = Indexer::new(embedder, Arc::new(store.clone())).with_token_counter(words).with_passage_tokens(10);
    (indexer.with_sparse_encoder(Bm25::new("english").unwrap()), store)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    vec![folder.join("files")]
}

/// Indexes, saying after every batch how much is acknowledged.
async fn work(folder: &Path) {
    let (indexer, _store) = indexer(Arc::new(HashEmbedder::new()), folder);
    indexer.run(&sources(folder), |progress| child::say(&progress.indexed.to_string())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_goes_on_and_embeds_nothing_twice() {
    if let Some(folder) = child::task(TEST) {
        return work(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("a.jsonl"), documents(0..DOCUMENTS)).unwrap();
    fs::write(files.join("b.md"), sentences(500)).unwrap();
    let total = (DOCUMENTS + 500) as u64;
    let mut stored = 0;
    for kill in 1..=KILLS {
        let mut running = Running::start(TEST, folder.path().to_str().unwrap());
        let acknowledged = std::iter::from_fn(|| running.next()).map(|word| word.parse::<u64>().unwrap());
        let enough = |done: &u64| *done >= 400 * kill;
        let acknowledged = acknowledged.filter(enough).take(1).next().expect("it ended before it was killed");
        running.process.kill().unwrap();
        running.process.wait().unwrap();
        let (_, store) = indexer(Arc::new(HashEmbedder::new()), folder.path());
        let now = store.info().await.unwrap().unwrap().passages;
        assert!(now >= stored + acknowledged && now < total, "kill {kill}: {now} of {stored} + {acknowledged}");
        stored = now;
    }
    let embedder = Arc::new(HashEmbedder::new());
    let (indexer, store) = indexer(embedder.clone(), folder.path());
    let report = indexer.run(&sources(folder.path()), |_| {}).await.unwrap();
    assert_eq!((report.skipped, report.indexed), (stored, total - stored));
    assert_eq!(embedder.embedded() as u64, total - stored);
    assert_eq!(store.info().await.unwrap().unwrap().passages, total);
}
