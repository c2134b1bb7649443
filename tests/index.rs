//! Indexing into a store in memory, with input, stores and embedders that fail.

mod kill;
mod memory;
mod sync;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use asktwice::{
    Passage, StoreError, VectorStore, VectorStoreWriter,
    embed::{Bm25, Identity, Role, SparseEncoder},
    index::{IndexError, Indexer, Report},
    ranking::PointId,
    search::{MemoryStore, ScrollRequest, Search, SparseVector},
};
use tokio::sync::watch;

use crate::support::{
    embedder::HashEmbedder,
    failing::{Failing, Moody},
};

/// A folder, an embedder and a store to index with.
struct Bench {
    folder: tempfile::TempDir,
    embedder: Arc<HashEmbedder>,
    store: Arc<MemoryStore>,
}

impl Bench {
    fn new() -> Self {
        let (embedder, store) = (Arc::new(HashEmbedder::new()), Arc::new(MemoryStore::new()));
        Self { folder: tempfile::tempdir().unwrap(), embedder, store }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn sources(&self) -> Vec<PathBuf> {
        vec![self.path().to_path_buf()]
    }

    fn indexer(&self) -> Indexer {
        let words = Arc::new(|text: &str| text.split_whitespace().count());
        Indexer::new(self.embedder.clone(), self.store.clone()).with_token_counter(words).with_passage_tokens(10)
    }

    async fn run(&self) -> Report {
        self.indexer().run(&self.sources(), |_| {}).await.unwrap()
    }

    async fn passages(&self) -> u64 {
        self.store.info().await.unwrap().unwrap().passages
    }

    /// The id of a file, or of what is in it: its path.
    fn id(&self, name: &str) -> String {
        format!("{}/{name}", self.path().display())
    }

    async fn stored(&self, id: &str) -> Option<Passage> {
        self.store.fetch(&[PointId::of(id)]).await.unwrap().pop().map(|(_, passage)| passage)
    }
}

fn documents(range: std::ops::Range<usize>) -> String {
    range.map(|i| format!("{{\"_id\": \"d{i}\", \"text\": \"document number {i}\"}}\n")).collect()
}

fn sentences(count: usize) -> String {
    (0..count).map(|i| format!("This is sentence number {i} here. ")).collect()
}

#[tokio::test]
async fn what_cannot_be_indexed_is_named_and_the_rest_is_indexed() {
    let bench = Bench::new();
    let mut lines = b"{\"_id\": \"a\", \"text\": \"one\", \"year\": 2020}\r\n{broken\n\n{\"_id\": \"b\"}\n".to_vec();
    lines.extend(b"{\"_id\": \"c\", \"text\": \"\xff\"}\n{\"_id\": \"a\", \"text\": \"again\"}\n");
    lines.extend(b"{\"_id\": \"e\", \"text\": \"t\", \"document_id\": 3}\n");
    lines.extend([b"{\"_id\": \"f\", \"text\": \"".as_slice(), &vec![b'x'; 17 << 20], b"\"}\n"].concat());
    lines.extend(b"{\"text\": \"without an id\"}");
    bench.write("d.jsonl", lines);
    bench.write("latin1.txt", b"fine\nline\ncaf\xe9");
    bench.write("empty.md", " \n");
    bench.write("sub/good.md", "# Title\n\nSome text.");
    bench.write("picture.png", "");
    let report = bench.run().await;
    let problems: Vec<String> =
        report.problems.first.iter().map(|p| p.to_string().replace(&bench.path().display().to_string(), "")).collect();
    let starts = [
        "/d.jsonl:2: is not JSON",
        "/d.jsonl:4: has no `text`",
        "/d.jsonl:5: is not UTF-8",
        "/d.jsonl:6: the id \"a\" was already read",
        "/d.jsonl:7: has a field called `document_id`",
        "/d.jsonl:8: is 17825817 bytes long",
        "/empty.md: holds no text",
        "/latin1.txt: is not UTF-8 (line 3)",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem} does not start with {start}");
    }
    assert_eq!((report.problems.count, report.indexed, report.documents, report.ignored_files), (8, 3, 3, 1));
    assert_eq!(bench.stored("a").await.unwrap().payload["year"], 2020);
    assert_eq!(bench.stored(&bench.id("d.jsonl:9")).await.unwrap().text, "without an id");
    let good = bench.stored(&bench.id("sub/good.md#0")).await.unwrap();
    assert_eq!((good.title.as_str(), good.document_id), ("Title", bench.id("sub/good.md")));
}

#[tokio::test]
async fn a_file_that_is_gone_when_its_turn_comes_is_a_problem() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..40));
    bench.write("z.txt", "gone soon");
    let last = bench.path().join("z.txt");
    // The first progress is told when the files are found and none is opened yet.
    let report = bench.indexer().run(&bench.sources(), |_| drop(fs::remove_file(&last))).await.unwrap();
    assert_eq!((report.indexed, report.problems.count), (40, 1));
    assert!(report.problems.first[0].to_string().contains("z.txt: cannot be read"));
}

#[tokio::test]
async fn problems_beyond_the_first_are_counted() {
    let bench = Bench::new();
    bench.write("a.jsonl", "x\n".repeat(250) + &documents(0..1));
    let report = bench.run().await;
    assert_eq!((report.problems.count, report.problems.first.len(), report.indexed), (250, 100, 1));
}

#[tokio::test]
async fn a_second_run_skips_what_is_unchanged_and_embeds_what_is_not() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..50));
    assert_eq!(bench.run().await.indexed, 50);
    let report = bench.run().await;
    assert_eq!((report.indexed, report.skipped, report.tokens), (0, 50, 0));
    assert_eq!(bench.embedder.embedded(), 50);
    bench.write("a.jsonl", documents(0..50).replace("number 7\"", "number seven\""));
    let report = bench.run().await;
    assert_eq!((report.indexed, report.skipped), (1, 49));
    assert_eq!(bench.embedder.embedded(), 51);
    assert_eq!(bench.stored("d7").await.unwrap().text, "document number seven");
}

#[tokio::test]
async fn a_document_that_became_shorter_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.write("a.md", sentences(100));
    bench.write("b.txt", sentences(3));
    bench.run().await;
    let before = bench.passages().await;
    assert!(before > 100, "{before}");
    // Its first passages stay as they are: nothing is embedded, and yet the end has to go.
    bench.write("a.md", sentences(5).trim());
    let report = bench.run().await;
    assert_eq!((report.indexed, report.skipped, bench.passages().await), (0, 8, 8));
    assert_eq!(report.deleted, before - 8);
    let stored = async |at: &str| bench.stored(&bench.id(at)).await.is_some();
    assert!(stored("a.md#4").await && !stored("a.md#5").await);
    bench.write("a.md", "");
    assert_eq!((bench.run().await.deleted, bench.passages().await), (5, 3));
}

#[tokio::test]
async fn a_new_document_costs_no_deletion_and_the_collection_is_prepared_and_tidied() {
    let bench = Bench::new();
    bench.write("a.md", sentences(10));
    let store = Arc::new(Failing::new(usize::MAX));
    let indexer = Indexer::new(bench.embedder.clone(), store.clone());
    indexer.run(&bench.sources(), |_| {}).await.unwrap();
    assert_eq!(*store.log.lock().unwrap(), ["index document_id Keyword", "optimize"]);
    // No passage has changed, but what is to be built over them may have: only the store knows.
    indexer.run(&bench.sources(), |_| {}).await.unwrap();
    assert_eq!(store.log.lock().unwrap()[2..], ["index document_id Keyword", "optimize"]);
}

#[tokio::test]
async fn stale_passages_are_deleted_by_their_ids_also_behind_a_gap() {
    let bench = Bench::new();
    bench.write("a.txt", sentences(1_500));
    let store = Arc::new(Failing::new(usize::MAX));
    let words = Arc::new(|text: &str| text.split_whitespace().count());
    let indexer = Indexer::new(bench.embedder.clone(), store.clone()).with_token_counter(words).with_passage_tokens(10);
    indexer.run(&bench.sources(), |_| {}).await.unwrap();
    // As if a run had failed with batches under way.
    let gap: Vec<_> = (200..600).map(|at| PointId::of(&bench.id(&format!("a.txt#{at}")))).collect();
    store.delete(&gap).await.unwrap();
    bench.write("a.txt", sentences(5));
    let report = indexer.run(&bench.sources(), |_| {}).await.unwrap();
    assert_eq!((report.deleted, store.info().await.unwrap().unwrap().passages), (1_500 - 400 - 5, 5));
    assert_eq!(
        *store.log.lock().unwrap(),
        [
            "index document_id Keyword",
            "optimize",
            "delete",
            "index document_id Keyword",
            "delete",
            "delete",
            "delete",
            "optimize"
        ]
    );
}

#[tokio::test]
async fn files_of_one_name_in_two_folders_are_two_documents() {
    let bench = Bench::new();
    for year in ["2023", "2024"] {
        bench.write(&format!("{year}/todo.md"), format!("Written in {year}."));
        bench.write(&format!("{year}/lines.jsonl"), format!("{{\"text\": \"said in {year}\"}}"));
        bench.indexer().run(&[bench.path().join(year)], |_| {}).await.unwrap();
    }
    assert_eq!(bench.passages().await, 4);
    for (id, text) in [("2023/todo.md#0", "Written in 2023."), ("2024/lines.jsonl:1", "said in 2024")] {
        assert_eq!(bench.stored(&bench.id(id)).await.unwrap().text, text);
    }
    // Another file that claims the path of the first.
    bench.write("2023/zzz.jsonl", serde_json::json!({"_id": bench.id("2023/todo.md"), "text": "t"}).to_string());
    let report = bench.indexer().run(&[bench.path().join("2023")], |_| {}).await.unwrap();
    let problem = report.problems.first[0].to_string();
    assert!(problem.contains("zzz.jsonl:1") && problem.contains("give it an id of its own"), "{problem}");
}

#[tokio::test]
async fn what_no_store_holds_is_one_lines_problem() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..3) + "{\"text\": \"t\", \"n\": 18446744073709551615}\n" + &documents(3..6));
    let report = bench.run().await;
    let problem = report.problems.first[0].to_string();
    assert!(problem.contains("a.jsonl:4: its `n` holds the whole number 18446744073709551615"), "{problem}");
    assert_eq!((report.indexed, report.problems.count), (6, 1));
}

#[tokio::test]
async fn stopped_midway_the_index_is_usable_and_the_next_run_goes_on() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..500));
    let (stop, stopped) = watch::channel(false);
    let indexer = bench.indexer().with_batch_size(10).with_concurrency(2).with_stop(stopped);
    let progress = |progress: &asktwice::index::Progress| {
        if progress.indexed >= 50 {
            stop.send_replace(true);
        }
    };
    let report = indexer.run(&bench.sources(), progress).await.unwrap();
    assert!(report.interrupted && (50..100).contains(&report.indexed), "{report:?}");
    assert_eq!(bench.passages().await, report.indexed);
    let rest = bench.run().await;
    assert_eq!((rest.skipped, rest.indexed, rest.interrupted), (report.indexed, 500 - report.indexed, false));
}

#[tokio::test]
async fn a_store_that_fails_midway_ends_the_run_with_what_was_done() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..500));
    let store = Arc::new(Failing::new(4));
    let indexer = Indexer::new(bench.embedder.clone(), store.clone()).with_batch_size(10).with_concurrency(3);
    let error = indexer.run(&bench.sources(), |_| {}).await.unwrap_err();
    assert!(matches!(error, IndexError::Store { .. }), "{error:?}");
    assert_eq!(error.report().unwrap().indexed, 30);
    assert_eq!(error.to_string(), "the store failed after 30 passages were indexed");
    assert_eq!(store.info().await.unwrap().unwrap().passages, 30);
    assert!(bench.embedder.embedded() < 100);
}

#[tokio::test]
async fn an_embedder_that_fails_ends_the_run_with_what_was_done() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..500));
    let embedder = Arc::new(Moody::new(3, 0));
    let indexer = Indexer::new(embedder, bench.store.clone()).with_batch_size(10).with_concurrency(2);
    let error = indexer.run(&bench.sources(), |_| {}).await.unwrap_err();
    assert!(matches!(error, IndexError::Embed { .. }), "{error:?}");
    assert_eq!((error.report().unwrap().indexed, bench.passages().await), (20, 20));
}

#[tokio::test]
async fn an_overloaded_embedder_is_waited_for() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..20));
    let embedder = Arc::new(Moody::new(usize::MAX, 2));
    let report = Indexer::new(embedder, bench.store.clone()).run(&bench.sources(), |_| {}).await.unwrap();
    assert_eq!(report.indexed, 20);
}

#[tokio::test]
async fn another_models_collection_is_refused_before_anything_is_read() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..20));
    bench.store.prepare(&Identity::new("other", "other", 64)).await.unwrap();
    let error = bench.indexer().run(&bench.sources(), |_| {}).await.unwrap_err();
    assert!(matches!(error, IndexError::Store { source: StoreError::Identity { .. }, .. }), "{error:?}");
    assert_eq!(bench.embedder.embedded(), 0);
}

#[tokio::test]
async fn both_channels_are_filled_from_the_same_text() {
    let bench = Bench::new();
    bench.write(
        "a.jsonl",
        "{\"_id\": \"a\", \"title\": \"Bread\", \"text\": \"rises slowly\"}\n{\"_id\": \"b\", \"text\": \"the\"}\n",
    );
    let encoder = Arc::new(Bm25::new("english").unwrap());
    let indexer = bench.indexer().with_sparse_encoder(encoder.clone());
    let report = indexer.run(&bench.sources(), |_| {}).await.unwrap();
    assert_eq!(report.indexed, 2);
    assert_eq!(bench.store.info().await.unwrap().unwrap().bm25.as_deref(), Some(encoder.identity()));
    let mut points = bench.store.scroll(ScrollRequest::new(9).with_vectors()).await.unwrap().points;
    points.sort_by(|a, b| a.passage.id.cmp(&b.passage.id));
    let words = |text: &str| Some(encoder.encode(Role::Passage, text));
    assert_eq!(points[0].vectors.as_ref().unwrap().bm25, words("Bread rises slowly"));
    assert_eq!(points[1].vectors.as_ref().unwrap().bm25, Some(SparseVector::default()));
    let found = bench.store.search(Search::bm25(encoder.encode(Role::Query, "breads"), 9)).await.unwrap();
    assert_eq!(found.entries().iter().map(|entry| entry.id).collect::<Vec<_>>(), [PointId::of("a")]);
    // A second run finds everything as it was.
    assert_eq!(indexer.run(&bench.sources(), |_| {}).await.unwrap().skipped, 2);
}

#[tokio::test]
async fn a_collection_without_words_is_refused_before_anything_is_read() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..20));
    bench.run().await;
    let indexer = bench.indexer().with_sparse_encoder(Bm25::new("german").unwrap());
    let error = indexer.run(&bench.sources(), |_| {}).await.unwrap_err();
    let IndexError::Store { source: StoreError::Identity { difference, .. }, .. } = error else { panic!("{error:?}") };
    assert!(difference.contains("no bm25 vectors") && difference.contains("german"), "{difference}");
    assert_eq!(bench.embedder.embedded(), 20);
}

#[tokio::test]
async fn a_token_counter_that_panics_is_an_error() {
    let bench = Bench::new();
    bench.write("a.txt", "text");
    let indexer = bench.indexer().with_token_counter(Arc::new(|_| panic!("a test's panic")));
    let error = indexer.run(&bench.sources(), |_| {}).await.unwrap_err();
    assert!(matches!(error, IndexError::Reader { .. }), "{error:?}");
}

#[tokio::test]
async fn thousands_of_documents_keep_several_batches_under_way_and_no_more() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..5000));
    let embedder = Arc::new(Moody::new(usize::MAX, 0));
    let told = Mutex::new(vec![]);
    let indexer = Indexer::new(embedder.clone(), bench.store.clone()).with_batch_size(32).with_concurrency(4);
    let report = indexer.run(&bench.sources(), |progress| told.lock().unwrap().push(*progress)).await.unwrap();
    assert_eq!((report.indexed, bench.passages().await), (5000, 5000));
    assert_eq!(embedder.most.load(Ordering::SeqCst), 4);
    let told = told.into_inner().unwrap();
    assert!(told.windows(2).all(|pair| pair[0].bytes_done <= pair[1].bytes_done));
    let last = told.last().unwrap();
    assert_eq!((last.bytes_done, last.documents, last.indexed), (last.bytes_total, 5000, 5000));
    assert!(report.passages_per_second() > 0.0 && report.tokens == 15_000);
}

#[tokio::test]
async fn a_stop_does_not_wait_until_a_large_document_is_cut() {
    let bench = Bench::new();
    bench.write("a.txt", sentences(20_000));
    let (stop, stopped) = watch::channel(false);
    let slow = Arc::new(|text: &str| {
        std::thread::sleep(Duration::from_micros(100));
        text.split_whitespace().count()
    });
    let indexer = bench.indexer().with_token_counter(slow).with_stop(stopped);
    let progress = |progress: &asktwice::index::Progress| {
        stop.send_replace(progress.indexed > 0);
    };
    let began = Instant::now();
    let report = indexer.run(&bench.sources(), progress).await.unwrap();
    assert!(report.interrupted && report.indexed < 1_000, "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
