//! What the sources hold no more.

use super::*;

impl Bench {
    async fn sync(&self) -> Report {
        self.indexer().with_sync().run(&self.sources(), |_| {}).await.unwrap()
    }
}

#[tokio::test]
async fn what_vanished_stays_unless_it_is_to_be_synced() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..700));
    bench.write("b.md", sentences(10));
    bench.run().await;
    let before = bench.passages().await;
    bench.write("a.jsonl", documents(10..700));
    fs::remove_file(bench.path().join("b.md")).unwrap();
    let report = bench.run().await;
    assert_eq!((report.removed, bench.passages().await), (0, before));
    let report = bench.sync().await;
    assert_eq!((report.indexed, report.skipped, report.removed), (0, 690, before - 690));
    assert_eq!(bench.passages().await, 690);
    assert!(bench.stored("d9").await.is_none() && bench.stored("d10").await.is_some());
    assert_eq!(bench.sync().await.removed, 0);
}

#[tokio::test]
async fn what_is_from_elsewhere_goes_too() {
    let bench = Bench::new();
    bench.indexer().add(vec![Passage::new("by hand", "text")]).await.unwrap();
    bench.write("a.jsonl", documents(0..3));
    assert_eq!((bench.sync().await.removed, bench.passages().await), (1, 3));
}

#[tokio::test]
async fn what_could_not_be_read_is_not_gone() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..20));
    bench.run().await;
    // One line became unreadable, another vanished: nobody knows which ones.
    bench.write("a.jsonl", documents(0..18) + "{\"_id\": \"d18\", \"text\": \n");
    let report = bench.sync().await;
    assert_eq!((report.removed, report.problems.unread, bench.passages().await), (0, 1, 20));
    assert!(!report.is_whole());
    // What is left out for another reason was read.
    bench.write("a.jsonl", documents(0..18) + &documents(0..1));
    bench.write("empty.md", "");
    let report = bench.sync().await;
    assert_eq!((report.problems.count, report.problems.unread, report.removed), (2, 0, 2));
    assert_eq!(bench.passages().await, 18);
}

#[tokio::test]
async fn a_source_that_is_not_mounted_is_not_gone() {
    let bench = Bench::new();
    let sources = ["a", "b"].map(|name| bench.path().join(name));
    bench.write("a/a.jsonl", documents(0..2));
    bench.write("b/b.jsonl", documents(2..5));
    let sync = async || bench.indexer().with_sync().run(&sources, |_| {}).await.unwrap();
    assert!(sync().await.is_whole());
    fs::remove_file(sources[1].join("b.jsonl")).unwrap();
    let report = sync().await;
    assert_eq!((report.removed, report.problems.unread, bench.passages().await), (0, 1, 5));
}

#[tokio::test]
async fn an_interrupted_run_removes_nothing() {
    let bench = Bench::new();
    bench.write("a.jsonl", documents(0..500));
    bench.run().await;
    bench.write("a.jsonl", documents(0..400));
    let (_stop, stopped) = watch::channel(true);
    let report = bench.indexer().with_sync().with_stop(stopped).run(&bench.sources(), |_| {}).await.unwrap();
    assert!(report.interrupted);
    assert_eq!((report.removed, bench.passages().await), (0, 500));
    assert_eq!((bench.sync().await.removed, bench.passages().await), (100, 400));
}
