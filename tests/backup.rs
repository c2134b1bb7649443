//! A collection as a file, and back.

use std::{fs, path::Path};

use asktwice::{
    Passage, VectorStore, VectorStoreWriter,
    backup::{self, Backup, BackupError},
    embed::Identity,
    search::{
        EdgeOptions, EdgeStore, MemoryStore, PayloadKind, QdrantStore, Quantization, ScrollRequest, Scrolled, Search,
        SparseVector, Vectors,
    },
};
use serde_json::{Value, json};

use crate::support::front::Front;

const DIMENSION: usize = 8;
const PASSAGES: u32 = 700;

fn identity() -> Identity {
    let mut identity = Identity::new("a model", "its weights", DIMENSION).with_bm25("words by their numbers");
    "passage: ".clone_into(&mut identity.passage_prefix);
    identity
}

fn passage(n: u32) -> (Passage, Vectors) {
    let payload = json!({"n": n, "half": f64::from(n) / 2.0, "tags": ["é", "\n\"x\""], "deep": {"of": [null, true]}});
    let passage = Passage::new(format!("d {n}"), format!("text {n} ü"))
        .with_title(if n.is_multiple_of(2) { "A title" } else { "" })
        .cut_from("d", n)
        .with_payload(payload.as_object().cloned().unwrap());
    let dense: Vec<f32> = (0..DIMENSION as u32).map(|at| ((n * 7 + at * 13) % 31) as f32 / 31.0 - 0.4).collect();
    let words = match n % 5 {
        0 => SparseVector::default(),
        _ => SparseVector { indices: vec![n, n + 1_000], values: vec![1.234_567_8, 0.1] },
    };
    (passage, Vectors::from(dense).with_bm25(words))
}

async fn fill(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    store.index_payload("n", PayloadKind::Integer).await.unwrap();
    store.upsert((0..PASSAGES).map(passage).collect()).await.unwrap();
}

async fn all(store: &dyn VectorStore) -> Vec<Scrolled> {
    let (mut all, mut request) = (vec![], ScrollRequest::new(256).with_vectors());
    loop {
        let page = store.scroll(request.clone()).await.unwrap();
        all.extend(page.points);
        let Some(last) = page.next else { return all };
        request = request.after(last);
    }
}

/// What two stores hold, and what they find, is the same.
async fn assert_same(a: &dyn VectorStore, b: &dyn VectorStore) {
    let info = async |store: &dyn VectorStore| store.info().await.unwrap().unwrap();
    let (info_a, info_b) = (info(a).await, info(b).await);
    assert_eq!((info_a.identity, info_a.passages), (info_b.identity, info_b.passages));
    assert_eq!(info_a.payload_indexes["n"], PayloadKind::Integer);
    assert_eq!(info_a.payload_indexes["n"], info_b.payload_indexes["n"]);
    for (a, b) in all(a).await.iter().zip(all(b).await) {
        assert_eq!((a.id, &a.passage), (b.id, &b.passage));
        let (a, b) = (a.vectors.as_ref().unwrap(), b.vectors.as_ref().unwrap());
        assert_eq!(a.bm25, b.bm25);
        // Each engine scales to length 1 what comes in.
        assert!(a.dense.iter().zip(&b.dense).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
    }
    let searches = || {
        let words = SparseVector { indices: vec![3, 1_007], values: vec![1.0, 1.0] };
        vec![Search::dense(passage(5).1.dense, 20), Search::bm25(words, 20)]
    };
    for (a, b) in a.search_batch(searches()).await.into_iter().zip(b.search_batch(searches()).await) {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(!a.entries().is_empty() && a.len() == b.len());
        assert!(a.entries().iter().zip(b.entries()).all(|(a, b)| (a.score - b.score).abs() < 1e-5));
    }
}

async fn exported(folder: &Path) -> (EdgeStore, std::path::PathBuf) {
    let store = EdgeStore::open(folder.join("store")).unwrap();
    fill(&store).await;
    let file = folder.join("backup.jsonl");
    assert_eq!(backup::export(&store, &file, |_| {}).await.unwrap(), u64::from(PASSAGES));
    (store, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_embedded_engine_and_back_into_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = exported(folder.path()).await;
    let backup = Backup::open(&file).await.unwrap();
    assert_eq!((backup.identity(), backup.passages()), (&identity(), u64::from(PASSAGES)));
    let front = Front::start().await;
    let stores: [Box<dyn VectorStoreWriter>; 3] = [
        Box::new(EdgeStore::open(folder.path().join("other")).unwrap()),
        Box::new(QdrantStore::connect(&front.url, "copy").unwrap()),
        Box::new(MemoryStore::new()),
    ];
    for other in stores {
        backup.import(&*other, |_| {}).await.unwrap();
        assert_same(&store, &*other).await;
        // Again, as after a kill in the middle, changes nothing.
        backup.import(&*other, |_| {}).await.unwrap();
        assert_same(&store, &*other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_server_into_the_embedded_engine() {
    let (folder, front) = (tempfile::tempdir().unwrap(), Front::start().await);
    let served = QdrantStore::connect(&front.url, "notes").unwrap();
    fill(&served).await;
    let file = folder.path().join("backup.jsonl");
    backup::export(&served, &file, |_| {}).await.unwrap();
    let store = EdgeStore::open(folder.path().join("store")).unwrap();
    Backup::open(&file).await.unwrap().import(&store, |_| {}).await.unwrap();
    assert_same(&served, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_in_the_place_of_a_collection_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = exported(folder.path()).await;
    let whole = all(&store).await;
    let extra = (Passage::new("later", "text"), passage(1).1);
    store.upsert(vec![extra.clone()]).await.unwrap();
    store.delete(&[whole[0].id]).await.unwrap();
    let backup = Backup::open(&file).await.unwrap();
    let successor = store.successor(backup.identity()).await.unwrap();
    // As if one had been begun from something else.
    successor.store().upsert(vec![extra]).await.unwrap();
    backup.import_alone(&*successor.store(), |_| {}).await.unwrap();
    assert_eq!(all(&store).await.len(), PASSAGES as usize);
    assert!(store.fetch(&[whole[0].id]).await.unwrap().is_empty(), "nothing has changed yet");
    successor.take_over().await.unwrap();
    let restored = all(&store).await;
    assert_eq!(
        restored.iter().map(|p| &p.passage).collect::<Vec<_>>(),
        whole.iter().map(|p| &p.passage).collect::<Vec<_>>()
    );
}

/// The error with which a changed file is refused; and nothing of it was stored.
async fn refused(folder: &Path, content: &[u8]) -> String {
    let file = folder.join("changed.jsonl");
    fs::write(&file, content).unwrap();
    Backup::open(&file).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cut_off_or_altered_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = exported(folder.path()).await;
    let whole = fs::read(&file).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), PASSAGES as usize + 2);

    let cuts = [0, 1, lines[0].len(), whole.len() / 2, whole.len() - lines.last().unwrap().len(), whole.len() - 1];
    for cut in cuts {
        let error = refused(folder.path(), &whole[..cut]).await;
        assert!(error.contains("cut off") || error.contains("no backup"), "{cut}: {error}");
    }
    // A byte of each part: a letter of a text, a digit of a weight, a letter of a vector, and so on.
    for at in (lines[0].len()..whole.len()).step_by(whole.len() / 97) {
        let mut altered = whole.clone();
        altered[at] = if altered[at] == b'1' { b'2' } else { b'1' };
        let error = refused(folder.path(), &altered).await;
        assert!(error.contains("changed.jsonl:") && error.contains("use another copy"), "{at}: {error}");
    }
    let without_one = [&lines[..5], &lines[6..]].concat().concat();
    assert!(refused(folder.path(), &without_one).await.contains("altered"));
    let longer = [&whole[..], b"\n"].concat();
    assert!(refused(folder.path(), &longer).await.contains("goes on after its end"));
    for other in ["{\"_id\": \"a\", \"text\": \"t\"}\n", "PNG", "\n", "{\"format\": \"other\", \"version\": 1}\n"] {
        assert!(refused(folder.path(), other.as_bytes()).await.contains("no backup of asktwice's"), "{other}");
    }
    let newer = String::from_utf8(lines[0].to_vec()).unwrap().replace("\"version\":1", "\"version\":2");
    assert!(refused(folder.path(), newer.as_bytes()).await.contains("version 2"));
}

#[tokio::test]
async fn settings_of_a_later_version_are_named_and_left_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = (MemoryStore::new(), folder.path().join("backup.jsonl"));
    store.prepare(&identity()).await.unwrap();
    backup::export(&store, &file, |_| {}).await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let mut head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    head["settings"]["compression"] = json!({"kind": "new"});
    head["comment"] = json!("by hand");
    write_empty(&file, &head);
    let backup = Backup::open(&file).await.unwrap();
    assert_eq!((backup.unknown_settings(), backup.identity()), (vec!["compression"], &identity()));
}

/// How a collection was compressed is told with it; a file of before, which does not tell, is read as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_says_how_the_collection_was_quantised() {
    let folder = tempfile::tempdir().unwrap();
    let options = EdgeOptions::default().with_quantization(Quantization::Binary);
    let (store, file) =
        (EdgeStore::open_with(folder.path().join("store"), options).unwrap(), folder.path().join("backup.jsonl"));
    store.prepare(&identity()).await.unwrap();
    backup::export(&store, &file, |_| {}).await.unwrap();
    let opened = Backup::open(&file).await.unwrap();
    assert_eq!((opened.quantization(), opened.unknown_settings()), (Some("binary"), vec![]));

    let text = fs::read_to_string(&file).unwrap();
    let mut head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    head["settings"].as_object_mut().unwrap().remove("quantization").unwrap();
    write_empty(&file, &head);
    let opened = Backup::open(&file).await.unwrap();
    assert_eq!(opened.quantization(), None);
    opened.import(&MemoryStore::new(), |_| {}).await.unwrap();
}

/// Writes a backup without passages, with this head.
fn write_empty(file: &Path, head: &Value) {
    let head = format!("{head}\n");
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&head);
    fs::write(file, format!("{head}{{\"passages\":0,\"sha256\":\"{hash:x}\"}}\n")).unwrap();
}

#[tokio::test]
async fn a_file_that_is_there_is_not_written_over_and_an_unfinished_one_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = (MemoryStore::new(), folder.path().join("backup.jsonl"));
    let empty = backup::export(&store, &file, |_| {}).await.unwrap_err();
    assert!(matches!(empty, BackupError::Empty), "{empty}");
    store.prepare(&identity()).await.unwrap();
    fs::write(&file, "mine").unwrap();
    let refused = backup::export(&store, &file, |_| {}).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    fs::remove_file(&file).unwrap();
    let nowhere = folder.path().join("none/backup.jsonl");
    assert!(matches!(backup::export(&store, &nowhere, |_| {}).await.unwrap_err(), BackupError::File { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_midway_leaves_no_file() {
    let (folder, front) = (tempfile::tempdir().unwrap(), Front::start().await);
    let served = QdrantStore::connect(&front.url, "notes").unwrap();
    fill(&served).await;
    let fail = |_| front.set(|behaviour| behaviour.always = Some(tonic::Status::internal("a test's failure")));
    let failed = backup::export(&served, &folder.path().join("backup.jsonl"), fail).await.unwrap_err();
    assert!(matches!(failed, BackupError::Store(_)), "{failed}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
