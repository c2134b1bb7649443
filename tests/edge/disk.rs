//! A full disk: one that looks full, everywhere, and one that is, on a small file system. That needs root; where it
//! cannot be had, those tests say on stderr that they were skipped.

use std::{fs, io::Write, path::Path, process::Command};

use asktwice::{
    ErrorKind, StoreError, VectorStore, VectorStoreWriter,
    search::{EdgeStore, PayloadKind},
};

use super::{
    child::{Kind, Running, Step, Word},
    identity, open, options, point, search, vector, versions, written,
};

/// A file system of its own in a file, mounted; unmounted when dropped. It is ext4, not tmpfs: on tmpfs even reading a
/// hole of a sparse file takes space, so there the engine's files are not sparse.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn make(mebibytes: u64) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let image = disk.0.path().join("image");
        fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        fs::create_dir(disk.path()).unwrap();
        let ran = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let mounted = ran(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))
            && ran(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(disk.path()));
        if !mounted {
            // Past the harness, which shows nothing that a passing test prints.
            let _ = writeln!(std::io::stderr(), "SKIPPED a test of the full disk: it needs root, mkfs.ext4 and mount");
            return None;
        }
        Some(disk)
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A reserve that is larger than what is free makes any disk a full one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reserve_that_is_not_free_refuses_writes_and_keeps_reads() {
    let folder = tempfile::tempdir().unwrap();
    let reserving = |bytes| EdgeStore::open_with(folder.path(), options().with_reserve(bytes)).unwrap();
    let full = |done: Result<(), StoreError>| {
        let refused = done.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
        let said = refused.to_string();
        assert!(said.contains("the disk is full") && said.ends_with("; free space and write again"), "{said}");
    };
    let store = open(folder.path());
    store.prepare(&identity()).await.unwrap();
    store.upsert(written(0..100, 1)).await.unwrap();
    store.optimize().await.unwrap();
    drop(store);

    let free = fs4::available_space(folder.path()).unwrap();
    let store = reserving(free * 4);
    store.prepare(&identity()).await.unwrap();
    full(store.upsert(written(0..200, 2)).await);
    full(store.delete(&[point(0)]).await);
    full(store.index_payload("topic", PayloadKind::Keyword).await);
    full(store.compact().await);
    assert_eq!(versions(&store, 0..101).await[99..], [Some(1), None]);
    assert_eq!(store.search(search(vector(5, 1), 10)).await.unwrap().len(), 10);
    // There is nothing to optimize, so no space is needed.
    store.optimize().await.unwrap();
    drop(store);

    // Half of the reserve is there: enough to delete.
    let store = reserving(free + free / 2);
    full(store.upsert(written(0..200, 2)).await);
    store.delete(&[point(0)]).await.unwrap();
    full(store.optimize().await);
    drop(store);

    let store = open(folder.path());
    assert_eq!(versions(&store, 0..2).await, [None, Some(1)]);
    store.upsert(written(0..200, 2)).await.unwrap();
    store.optimize().await.unwrap();
    assert_eq!(versions(&store, 0..200).await, vec![Some(2); 200]);
    drop(store);

    // Nothing is created on a full disk either, and nothing of it stands in the way later.
    let fresh = folder.path().join("fresh");
    full(EdgeStore::open_with(&fresh, options().with_reserve(free * 4)).unwrap().prepare(&identity()).await);
    open(&fresh).prepare(&identity()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_keeps_reads() {
    let Some(disk) = SmallDisk::make(48) else { return };
    let (ballast, folder) = (disk.path().join("ballast"), disk.path().join("store"));
    fs::write(&ballast, vec![1; 24 << 20]).unwrap();
    let store = open(&folder);
    store.prepare(&identity()).await.unwrap();
    let mut stored = 0;
    let refused = loop {
        match store.upsert(written(stored..stored + 200, 1)).await {
            Ok(()) => stored += 200,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, StoreError::Unavailable { .. }) && refused.to_string().contains("free space"),
        "{refused}"
    );
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(stored >= 1000, "only {stored} fitted");
    assert_eq!(versions(&store, 0..stored).await, vec![Some(1); stored as usize]);
    assert_eq!(store.search(search(vector(5, 1), 10)).await.unwrap().len(), 10);
    store.delete(&[point(0)]).await.unwrap();

    fs::remove_file(ballast).unwrap();
    store.upsert(written(0..200, 2)).await.unwrap();
    store.upsert(written(stored..stored + 200, 2)).await.unwrap();
    drop(store);
    let store = open(&folder);
    let found = versions(&store, 0..stored + 200).await;
    assert!(found[..200].iter().chain(&found[stored as usize..]).all(|version| *version == Some(2)));
    assert!(found[200..stored as usize].iter().all(|version| *version == Some(1)));
}

/// Without a reserve, and with another program that fills the disk meanwhile, the engine meets the full disk itself:
/// the child ends with an error or is killed by the system (SIGBUS). Neither may cost anything acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_under_the_engine_loses_nothing_acknowledged() {
    for patience in 1..=5 {
        let Some(disk) = SmallDisk::make(24) else { return };
        let (ballast, folder) = (disk.path().join("ballast"), disk.path().join("store"));
        let mut child = Running::start(&folder, 1, 0, Kind::Fill);
        let (mut stored, mut begun, mut end) = (0, 0, None);
        while let Some(word) = child.next() {
            match word {
                Word::Begun(Step::Upsert { .. }) => begun += 400,
                Word::Done => stored += 400,
                word => end = Some(word),
            }
            if begun == patience * 400 {
                fill(&ballast);
            }
        }
        let status = child.process.wait().unwrap();
        println!("{begun} begun, {stored} stored, then {end:?}, {status}");
        assert!(begun >= stored && stored >= (patience - 1) * 400);
        drop(child);
        fs::remove_file(ballast).unwrap();
        let store = open(&folder);
        let expected: Vec<_> = (0..stored).map(|id| Some(id / 400)).collect();
        assert_eq!(versions(&store, 0..stored).await, expected);
        store.upsert(written(0..100, 9_999)).await.unwrap();
        assert_eq!(versions(&store, 0..100).await, vec![Some(9_999); 100]);
    }
}

/// Writes until nothing more fits.
fn fill(ballast: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(ballast).unwrap();
    while file.write_all(&[1; 64 << 10]).and_then(|()| file.sync_data()).is_ok() {}
}
