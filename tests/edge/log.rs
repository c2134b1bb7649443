//! The engine's log: it stays bounded, and losing it loses nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use asktwice::{
    VectorStore, VectorStoreWriter,
    search::{EdgeStore, PayloadKind},
};

use super::{identity, open, options, point, search, vector, versions, written};

fn generations(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("generation-")).collect()
}

fn log(folder: &Path) -> PathBuf {
    let name = fs::read_to_string(folder.join("CURRENT")).unwrap();
    folder.join(name.trim()).join("wal")
}

fn log_bytes(folder: &Path) -> u64 {
    fs::read_dir(log(folder)).map_or(0, |files| files.map(|file| file.unwrap().metadata().unwrap().len()).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_and_searches_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.prepare(&identity()).await.unwrap();
    store.index_payload("bucket", PayloadKind::Integer).await.unwrap();
    store.upsert(written(0..250, 0)).await.unwrap();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut searches = 0_u64;
            loop {
                assert_eq!(store.search(search(vector(1, 1), 10)).await.unwrap().len(), 10);
                searches += 1;
                if searches.is_multiple_of(50) {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let mut longest = 0;
    for version in 1..=60 {
        store.upsert(written(0..250, version)).await.unwrap();
        longest = longest.max(log_bytes(folder.path()));
    }
    assert!(!reader.is_finished(), "{:?}", reader.await);
    reader.abort();
    assert!(longest < 4 * options().log_limit_bytes, "the log grew to {longest} bytes");
    assert!(fs::read_to_string(folder.path().join("CURRENT")).unwrap().as_str() > "generation-000002");
    assert_eq!(versions(&store, 0..250).await, vec![Some(60); 250]);
    assert_eq!(store.info().await.unwrap().unwrap().passages, 250);
    drop(store);
    assert_eq!(generations(folder.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_or_broken_log_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.prepare(&identity()).await.unwrap();
    for version in 1..=20 {
        store.upsert(written(0..50, version)).await.unwrap();
    }
    drop(store);
    for round in 0_u64..4 {
        damage(&log(folder.path()), round);
        let store = open(folder.path());
        let before = 20 + round;
        assert_eq!(versions(&store, 0..50).await, vec![Some(before); 50], "round {round}");
        // A log that begins anew numbers this write lower than the points: the engine alone would skip it.
        store.upsert(written(0..50, before + 1)).await.unwrap();
        assert_eq!(versions(&store, 0..50).await, vec![Some(before + 1); 50], "round {round}");
        let found = store.search(search(vector(7, before + 1), 1)).await.unwrap();
        assert_eq!(found.entries()[0].id, point(7));
    }
}

/// Nobody knows how many writes there were, and there is no room for the copy that would settle it: no write may pass
/// until there is, however often it is tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_stays_suspect_until_the_copy_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.prepare(&identity()).await.unwrap();
    for version in 1..=20 {
        store.upsert(written(0..50, version)).await.unwrap();
    }
    drop(store);
    damage(&log(folder.path()), 1);
    fs::write(generations(folder.path())[0].join("writes"), "?").unwrap();

    // A deletion may use half of the reserve, a copy may not.
    let free = fs4::available_space(folder.path()).unwrap();
    let store = EdgeStore::open_with(folder.path(), options().with_reserve(free + free / 2)).unwrap();
    for _ in 0..3 {
        let refused = store.delete(&[point(7)]).await.unwrap_err();
        assert!(refused.to_string().contains("free space"), "{refused}");
    }
    drop(store);
    let store = open(folder.path());
    assert_eq!(versions(&store, 0..50).await, vec![Some(20); 50]);
    store.delete(&[point(7)]).await.unwrap();
    assert_eq!(versions(&store, 7..9).await, [None, Some(20)]);
}

fn damage(log: &Path, round: u64) {
    let files = || fs::read_dir(log).unwrap().map(|file| file.unwrap().path());
    match round {
        0 => fs::remove_dir_all(log).unwrap(),
        1 => files().for_each(|file| fs::remove_file(file).unwrap()),
        2 => files().for_each(|file| fs::write(file, [7; 100]).unwrap()),
        // The header stays whole, the entries do not: the engine opens such a log and counts fewer entries.
        _ => files().for_each(|file| {
            let mut bytes = fs::read(&file).unwrap();
            bytes[200..].fill(0);
            fs::write(file, bytes).unwrap();
        }),
    }
}
