//! What every store does, and what only a folder can do wrong.

use std::{
    fs,
    time::{Duration, Instant},
};

use asktwice::{
    ErrorKind, Passage, StoreError, VectorStore, VectorStoreWriter,
    embed::Identity,
    search::{EdgeStore, Filter, PayloadKind, Search, SparseVector},
};

use super::{
    DIMENSION,
    child::{Kind, Running, Word},
    identity, open, options, passage, point, search, vector, vectors, versions, words, written,
};

/// What to do about files that are damaged.
const RESTORE: &str = "; restore a backup of the folder, or index into a new one";

async fn filled(folder: &std::path::Path) -> EdgeStore {
    let store = open(folder);
    store.prepare(&identity()).await.unwrap();
    store.upsert(written(0..100, 1)).await.unwrap();
    store
}

fn filtered(depth: usize, filter: Filter) -> Search {
    search(vector(3, 1), depth).with_filter(filter)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_nothing_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("not/there"), folder.path().to_owned()] {
        let store = EdgeStore::open(&path).unwrap();
        assert_eq!(store.info().await.unwrap(), None);
        assert!(matches!(store.search(search(vector(1, 1), 3)).await, Err(StoreError::Missing { .. })));
        assert!(matches!(store.fetch(&[point(1)]).await, Err(StoreError::Missing { .. })));
        assert!(matches!(store.upsert(written([1], 1)).await, Err(StoreError::Missing { .. })));
        drop(store);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let check = async |store: &EdgeStore| {
        let found = store.search(search(vector(42, 1), 5)).await.unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!(found.entries()[0].id, point(42));
        let found_by_words = store.search(Search::bm25(words(42, 1), 5)).await.unwrap();
        assert_eq!((found_by_words.len(), found_by_words.entries()[0].id), (5, point(42)));
        assert!((found.entries()[0].score - 1.0).abs() < 1e-5);
        assert!(found.entries().is_sorted_by(|a, b| a.score >= b.score));
        assert_eq!(store.search(search(vector(42, 1), 0)).await.unwrap().len(), 0);
        assert_eq!(store.search(search(vector(42, 1), 1000)).await.unwrap().len(), 100);
        let fetched = store.fetch(&[point(9), point(1), point(500), point(9)]).await.unwrap();
        assert_eq!(fetched, [(point(9), passage(9, 1)), (point(1), passage(1, 1)), (point(9), passage(9, 1))]);
        let info = store.info().await.unwrap().unwrap();
        assert_eq!((info.passages, info.dimension, info.identity), (100, DIMENSION, Some(identity())));
    };
    check(&store).await;
    drop(store);
    let store = open(folder.path());
    check(&store).await;
    store.optimize().await.unwrap();
    check(&store).await;
    store.compact().await.unwrap();
    check(&store).await;
    drop(store);
    check(&open(folder.path())).await;
}

/// The engine's count of passages must not hold what only our own machinery wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rarity_of_words_does_not_depend_on_how_points_lie() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    store.upsert(written(0..50, 2)).await.unwrap();
    let rare = (1.0 + (100.0 - 1.0 + 0.5) / (1.0 + 0.5) as f32).ln();
    let check = async |store: &EdgeStore, when: &str| {
        let id_only = SparseVector { indices: vec![42], values: vec![1.0] };
        let found = store.search(Search::bm25(id_only, 5)).await.unwrap();
        assert_eq!(found.len(), 1, "{when}");
        assert!((found.entries()[0].score - 1.5 * rare).abs() < 1e-5, "{when}: {found:?}");
    };
    check(&store, "written").await;
    drop(store);
    let store = EdgeStore::open_with(folder.path(), options().with_index_above(1)).unwrap();
    check(&store, "reopened").await;
    store.upsert(written([7], 3)).await.unwrap();
    check(&store, "written again").await;
    store.compact().await.unwrap();
    check(&store, "compacted").await;
    store.optimize().await.unwrap();
    check(&store, "optimized").await;
    drop(store);
    check(&open(folder.path()), "reopened once more").await;
}

/// A collection of before there were words: no `bm25` in its identity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_collection_is_read_and_not_written_by_who_writes_words() {
    let folder = tempfile::tempdir().unwrap();
    let dense = Identity::new("test", "0123456789abcdef", DIMENSION);
    let store = open(folder.path());
    store.prepare(&dense).await.unwrap();
    store.upsert(vec![(passage(1, 1), vector(1, 1).into())]).await.unwrap();
    drop(store);
    assert!(!fs::read_to_string(folder.path().join("collection.json")).unwrap().contains("bm25"));
    let store = open(folder.path());
    let info = store.info().await.unwrap().unwrap();
    info.accepts(&identity()).unwrap();
    assert_eq!(info.bm25, None);
    assert_eq!(store.search(search(vector(1, 1), 5)).await.unwrap().len(), 1);
    let refused = store.prepare(&identity()).await.unwrap_err().to_string();
    assert!(refused.contains("it has no bm25 vectors") && refused.contains("a new collection"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_texts_come_back_as_they_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    for id in ["", " ", "a/b#c", "Grüße 你好 \u{1F600}", "00000000-0000-0000-0000-000000000000", "17"] {
        let given = Passage::new(id, "text\0with\u{7}everything").with_title("title").cut_from("doc", 3);
        store.upsert(vec![(given.clone(), vectors(1, 9))]).await.unwrap();
        assert_eq!(store.fetch(&[given.point_id()]).await.unwrap(), [(given.point_id(), given)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_choose_and_delete() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    for (key, kind) in [("topic", PayloadKind::Keyword), ("bucket", PayloadKind::Integer)] {
        store.index_payload(key, kind).await.unwrap();
        store.index_payload(key, kind).await.unwrap();
    }
    let even = || Filter::equals("topic", "even");
    assert_eq!(store.search(filtered(100, even())).await.unwrap().len(), 50);
    store.compact().await.unwrap();
    assert_eq!(store.search(filtered(100, even())).await.unwrap().len(), 50);
    assert_eq!(store.search(filtered(100, even().and(Filter::equals("bucket", 3)))).await.unwrap().len(), 7);
    let ids: Filter = r#"{"must": [{"has_id": ["p/3", "p/4", "nobody"]}]}"#.parse().unwrap();
    assert_eq!(store.search(filtered(100, ids)).await.unwrap().len(), 2);
    let late: Filter = r#"{"must": {"key": "version", "range": {"gte": 1, "lt": 2}}}"#.parse().unwrap();
    assert_eq!(store.search(filtered(100, late)).await.unwrap().len(), 100);

    store.delete_matching(&Filter::equals("document_id", "d4")).await.unwrap();
    assert_eq!(store.info().await.unwrap().unwrap().passages, 90);
    store.delete(&[point(0), point(1), point(40), point(777)]).await.unwrap();
    assert_eq!(store.info().await.unwrap().unwrap().passages, 88);
    assert_eq!(versions(&store, 0..3).await, [None, None, Some(1)]);
    store.upsert(written([0], 2)).await.unwrap();
    assert_eq!(versions(&store, 0..1).await, [Some(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_passage_side_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    store.prepare(&identity()).await.unwrap();
    let other = Identity::new("other", "fedcba9876543210", DIMENSION);
    let refused = store.prepare(&other).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Identity { .. }), "{refused}");
    drop(store);
    let store = open(folder.path());
    assert!(matches!(store.prepare(&other).await, Err(StoreError::Identity { .. })));

    let refused = store.upsert(vec![(passage(1, 2), vec![1.0; DIMENSION + 1].into())]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Dimension { stored: DIMENSION, given: 33, .. }), "{refused}");
    let refused = store.search(search(vec![1.0; 3], 5)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Dimension { given: 3, .. }), "{refused}");
    let mut poison = vectors(1, 2);
    poison.dense[0] = f32::NAN;
    let refused = store.upsert(vec![(passage(2, 2), vectors(2, 2)), (passage(1, 2), poison)]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert_eq!(versions(&store, 1..3).await, [Some(1), Some(1)]);
    assert!(matches!(store.index_payload("a[b", PayloadKind::Bool).await, Err(StoreError::Request { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    assert!(matches!(EdgeStore::open(folder.path()), Err(StoreError::Locked { .. })));
    let word = Running::start(folder.path(), 0, 0, Kind::Open).next();
    assert!(matches!(&word, Some(Word::Failed(error)) if error.contains("in use by another process")), "{word:?}");
    let clone = store.clone();
    drop(store);
    assert!(matches!(EdgeStore::open(folder.path()), Err(StoreError::Locked { .. })));
    drop(clone);
    let word = Running::start(folder.path(), 0, 0, Kind::Open).next();
    assert!(matches!(word, Some(Word::Done)), "{word:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_made_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let reader = open(folder.path());
    assert_eq!(reader.info().await.unwrap(), None);
    let writer = filled(folder.path()).await;
    // Long enough to look; what the other one has is not there yet.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(reader.info().await.unwrap(), None);
    drop(writer);
    let started = Instant::now();
    while reader.info().await.unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(20), "never found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(reader.search(search(vector(42, 1), 1)).await.unwrap().entries()[0].id, point(42));
    reader.upsert(written([42], 2)).await.unwrap();
    assert_eq!(versions(&reader, 42..43).await, [Some(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    let file = |name: &str| folder.path().join(name);
    let refused = || {
        let error = EdgeStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Setup);
        error.to_string()
    };

    let description = fs::read_to_string(file("collection.json")).unwrap();
    fs::write(file("collection.json"), description.replace("\"layout\": 1", "\"layout\": 2")).unwrap();
    let said = refused();
    assert!(said.contains("layout 2") && said.ends_with("or index again into a new folder"), "{said}");
    fs::write(file("collection.json"), &description[..20]).unwrap();
    let said = refused();
    assert!(said.contains("collection.json is damaged") && said.ends_with(RESTORE), "{said}");
    fs::remove_file(file("collection.json")).unwrap();
    assert!(refused().contains("collection.json is missing"));
    fs::write(file("collection.json"), description).unwrap();
    fs::write(file("CURRENT"), "../../etc\n").unwrap();
    let said = refused();
    assert!(said.contains("CURRENT names \"../../etc\""), "{said}");
    assert!(said.ends_with("the newest whole one of [\"generation-000001\"] into it"), "{said}");
    fs::write(file("CURRENT"), [0xFF; 8]).unwrap();
    let said = refused();
    assert!(said.contains("CURRENT failed") && said.ends_with(RESTORE), "{said}");

    // Lost, but there is only one that it can have named.
    fs::remove_file(file("CURRENT")).unwrap();
    fs::create_dir(file("elsewhere")).unwrap();
    assert_eq!(versions(&open(folder.path()), 0..100).await, vec![Some(1); 100]);

    // What a compaction left half-made goes; what is none of ours stays.
    fs::create_dir_all(file("generation-000002/segments")).unwrap();
    drop(open(folder.path()));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!file("generation-000002").exists() && file("elsewhere").exists(), "{left:?}");

    let segments = file("generation-000001/segments");
    for entry in fs::read_dir(&segments).unwrap() {
        for inner in fs::read_dir(entry.unwrap().path()).unwrap() {
            let inner = inner.unwrap().path();
            if inner.is_file() {
                fs::write(inner, [0xFF; 64]).unwrap();
            }
        }
    }
    let said = refused();
    assert!(said.ends_with(RESTORE), "{said}");
    fs::remove_dir_all(file("generation-000001")).unwrap();
    let said = refused();
    assert!(said.contains("not a generation") && said.ends_with(RESTORE), "{said}");
}

/// Neither root nor anyone else may make a folder there.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbidden_folder_is_said_to_be_one() {
    let refused = open("/sys/asktwice".as_ref()).prepare(&identity()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unusable { .. }), "{refused}");
    assert!(refused.to_string().ends_with("; let this user read and write the folder and all in it"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_given_up_leave_their_place_free() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    for _ in 0..500 {
        drop(tokio::time::timeout(std::time::Duration::ZERO, store.search(search(vector(1, 1), 50))).await);
    }
    let searches = (0..64).map(|id| store.search(search(vector(id, 1), 1)));
    for (id, found) in futures::future::join_all(searches).await.into_iter().enumerate() {
        assert_eq!(found.unwrap().entries()[0].id, point(id as u64));
    }
}
