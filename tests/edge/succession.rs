//! A successor in the embedded engine: killed at any moment, made while another process has the collection open, and
//! what is left of it after a compaction.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use asktwice::{
    VectorStore, VectorStoreWriter,
    embed::Identity,
    search::{EdgeStore, ScrollRequest, Succession, Successor},
};

use super::{DIMENSION, Dice, identity, open, options, passage, point, search, vector, versions, written};
use crate::support::child::{self, Running};

const TEST: &str = "edge::succession::killed_at_any_moment_the_old_or_the_new_one_is_there";
const PASSAGES: u64 = 120;
const KILLS: u64 = 25;

async fn fill(successor: &Successor, version: u64) {
    successor.store().upsert(written(0..PASSAGES, version)).await.unwrap();
}

/// Rebuilds for ever, saying when each is about to take over and when it has.
async fn work(folder: &Path, from: u64) {
    let store = open(folder);
    for version in from.. {
        let successor = store.successor(&identity()).await.unwrap();
        fill(&successor, version).await;
        child::say(&format!("begun {version}"));
        assert_eq!(successor.take_over().await.unwrap(), Succession::Done);
        child::say(&format!("done {version}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_the_old_or_the_new_one_is_there() {
    if let Some(task) = child::task(TEST) {
        let (from, folder) = task.split_once(' ').unwrap();
        return work(Path::new(folder), from.parse().unwrap()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut done, mut half, mut hit) = (None::<u64>, 0, 0);
    for kill in 0..KILLS {
        let from = (kill + 1) * 1_000;
        let mut running = Running::start(TEST, &format!("{from} {}", folder.path().display()));
        assert_eq!(running.next().unwrap(), format!("begun {from}"));
        let started = Instant::now();
        assert_eq!(running.next().unwrap(), format!("done {from}"));
        let took = started.elapsed();
        // While the second one takes over, at some moment of that, or soon after.
        assert_eq!(running.next().unwrap(), format!("begun {}", from + 1));
        std::thread::sleep(took.mul_f64(Dice(kill * 7919 + 1).below(120) as f64 / 100.0));
        running.process.kill().unwrap();
        let (mut begun, mut acknowledged) = (from + 1, from);
        while let Some(word) = running.next() {
            let (what, version) = word.split_once(' ').unwrap();
            let version = version.parse().unwrap();
            if what == "begun" { begun = version } else { acknowledged = version }
        }
        drop(running);
        let store = open(folder.path());
        let found = versions(&store, 0..PASSAGES).await;
        let version = found[0].expect("a passage is gone");
        assert!(found.iter().all(|found| *found == Some(version)), "kill {kill}: a mixture: {found:?}");
        assert!((acknowledged..=begun).contains(&version), "kill {kill}: {acknowledged} <= {version} <= {begun}");
        assert_eq!(store.info().await.unwrap().unwrap().passages, PASSAGES);
        half += u64::from(version == begun && begun > acknowledged);
        hit += u64::from(begun > acknowledged);
        // It can be written, and what it is written survives.
        store.upsert(written(0..1, version)).await.unwrap();
        let best = store.search(search(vector(7, version), 1)).await.unwrap();
        assert_eq!(best.entries()[0].id, point(7));
        done = Some(version);
    }
    println!("{KILLS} kills, {hit} of them within a take-over, {half} of those after the switch; the last: {done:?}");
    assert!(hit > KILLS / 3, "too few kills hit a take-over: {hit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_collection_open_takes_over_what_another_made() {
    let folder = tempfile::tempdir().unwrap();
    let holder = open(folder.path());
    holder.prepare(&identity()).await.unwrap();
    holder.upsert(written(0..PASSAGES, 1)).await.unwrap();
    // Another process would find the folder locked, as this second handle does.
    EdgeStore::open(folder.path()).unwrap_err();
    let successor = EdgeStore::successor_beside(folder.path(), options(), &identity()).await.unwrap();
    fill(&successor, 2).await;
    let reading = async {
        loop {
            let found = versions(&holder, 0..PASSAGES).await;
            assert!(
                found == vec![Some(1); PASSAGES as usize] || found == vec![Some(2); PASSAGES as usize],
                "{found:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let taken = tokio::select! {
        taken = successor.take_over() => taken,
        () = reading => unreachable!(),
    };
    assert_eq!(taken.unwrap(), Succession::Done);
    assert_eq!(versions(&holder, 0..PASSAGES).await, vec![Some(2); PASSAGES as usize]);
    holder.upsert(written(0..1, 3)).await.unwrap();
    drop(holder);
    assert_eq!(versions(&open(folder.path()), 0..1).await, [Some(3)]);
    assert!(!folder.path().join("successor").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_another_model_waits_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let holder = open(folder.path());
    holder.prepare(&identity()).await.unwrap();
    holder.upsert(written(0..3, 1)).await.unwrap();
    let other = Identity::new("another", "other weights", DIMENSION).with_bm25("words of ids");
    let successor = EdgeStore::successor_beside(folder.path(), options(), &other).await.unwrap();
    fill(&successor, 2).await;
    let reading = async {
        loop {
            assert_eq!(versions(&holder, 0..1).await, [Some(1)]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let taken = tokio::select! {
        taken = successor.take_over() => taken,
        () = reading => unreachable!(),
    };
    assert_eq!(taken.unwrap(), Succession::Pending);
    let busy = EdgeStore::successor_beside(folder.path(), options(), &other).await.unwrap_err().to_string();
    assert!(busy.contains("waits for the process"), "{busy}");
    drop(holder);
    let store = open(folder.path());
    assert_eq!(store.info().await.unwrap().unwrap().identity, Some(other.clone()));
    assert_eq!(versions(&store, 0..PASSAGES).await, vec![Some(2); PASSAGES as usize]);
    // A copy is of the same passage side.
    store.compact().await.unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.info().await.unwrap().unwrap().identity, Some(other));
    assert_eq!(store.scroll(ScrollRequest::new(1)).await.unwrap().points[0].passage.payload["version"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_write_to_the_old_one_is_none_to_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.prepare(&identity()).await.unwrap();
    store.upsert(written(0..3, 1)).await.unwrap();
    let successor = store.successor(&identity()).await.unwrap();
    fill(&successor, 2).await;
    // What a crash in the middle of a write leaves; not one that can be read, so that only its end counts.
    std::fs::write(folder.path().join("unfinished"), "x").unwrap();
    assert_eq!(successor.take_over().await.unwrap(), Succession::Done);
    assert!(!folder.path().join("unfinished").exists());
    assert_eq!(store.fetch(&[point(1)]).await.unwrap()[0].1, passage(1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_of_one_that_took_over_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let successor = store.successor(&identity()).await.unwrap();
    fill(&successor, 1).await;
    successor.take_over().await.unwrap();
    // Removing its folder was cut off.
    let left = folder.path().join("successor");
    std::fs::create_dir(&left).unwrap();
    std::fs::copy(folder.path().join("collection.json"), left.join("collection.json")).unwrap();
    std::fs::write(left.join("CURRENT"), "generation-000001\n").unwrap();
    let successor = store.successor(&identity()).await.unwrap();
    fill(&successor, 2).await;
    assert_eq!(successor.take_over().await.unwrap(), Succession::Done);
    assert_eq!(versions(&store, 0..PASSAGES).await, vec![Some(2); PASSAGES as usize]);
}
