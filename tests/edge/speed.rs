//! How fast the embedded store is. Measurements, not tests: `cargo test --release speed -- --ignored --nocapture`.

use std::time::Instant;

use asktwice::{
    VectorStore, VectorStoreWriter,
    embed::{Bm25, Identity, Role, SparseEncoder},
    search::{EdgeStore, Search, SparseVector, Vectors},
};

use super::{Dice, passage, search};

const WIDE: usize = 384;
const MANY: u64 = 5_000;

/// Words that a hundred-word abstract may have: few are common, most are rare.
fn words(dice: &mut Dice, most: u64) -> SparseVector {
    let word = |dice: &mut Dice| {
        let most = dice.below(30_000) + 1;
        dice.below(most) as u32
    };
    let words: std::collections::BTreeSet<u32> = (0..most).map(|_| word(dice)).collect();
    SparseVector { values: vec![1.0; words.len()], indices: words.into_iter().collect() }
}

fn wide(dice: &mut Dice) -> Vec<f32> {
    (0..WIDE).map(|_| dice.below(2001) as f32 / 1000.0 - 1.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn search_speed() {
    println!("dense vectors alone:");
    measure_all(Identity::new("wide", "0", WIDE)).await;
    println!("with words:");
    measure_all(Identity::new("wide", "0", WIDE).with_bm25("words")).await;
}

async fn measure_all(identity: Identity) {
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(folder.path()).unwrap();
    store.prepare(&identity).await.unwrap();
    let hybrid = identity.bm25.is_some();
    let vectors = |dice: &mut Dice| {
        let dense = Vectors::from(wide(dice));
        if hybrid { dense.with_bm25(words(dice, 100)) } else { dense }
    };
    let mut dice = Dice(1);
    let started = Instant::now();
    for batch in 0..MANY / 250 {
        let passages = (batch * 250..(batch + 1) * 250).map(|id| (passage(id, 1), vectors(&mut dice))).collect();
        store.upsert(passages).await.unwrap();
    }
    println!("{MANY} passages of {WIDE} dimensions written in {} ms", started.elapsed().as_millis());
    measure(&store, &mut dice, hybrid).await;
    let started = Instant::now();
    store.compact().await.unwrap();
    println!("compacted in {} ms", started.elapsed().as_millis());
    let started = Instant::now();
    store.optimize().await.unwrap();
    println!("optimized in {} ms", started.elapsed().as_millis());
    measure(&store, &mut dice, hybrid).await;
    drop(store);
    let started = Instant::now();
    let store = EdgeStore::open(folder.path()).unwrap();
    println!("opened in {} ms", started.elapsed().as_millis());
    let started = Instant::now();
    store.upsert(vec![(passage(1, 2), vectors(&mut dice))]).await.unwrap();
    println!("first write in {} ms", started.elapsed().as_millis());
}

async fn measure(store: &EdgeStore, dice: &mut Dice, hybrid: bool) {
    for channel in ["dense", "bm25"].into_iter().take(1 + usize::from(hybrid)) {
        let mut times = vec![];
        for _ in 0..500 {
            let search = match channel {
                "dense" => search(wide(dice), 100),
                _ => Search::bm25(words(dice, 12), 100),
            };
            let started = Instant::now();
            store.search(search).await.unwrap();
            times.push(started.elapsed().as_micros());
        }
        times.sort_unstable();
        println!("{channel}, depth 100: median {} us, p99 {} us", times[250], times[495]);
    }
}

#[test]
#[ignore = "a measurement"]
fn encoding_speed() {
    let encoder = Bm25::new("english").unwrap();
    let mut dice = Dice(1);
    let texts: Vec<String> =
        (0..500).map(|_| (0..200).map(|_| format!("retrievals{} ", dice.below(5_000))).collect()).collect();
    for (role, words) in [(Role::Passage, 200), (Role::Query, 12)] {
        let cut = |text: &str| text.split_inclusive(' ').take(words).collect::<String>();
        let texts: Vec<_> = texts.iter().map(|text| cut(text)).collect();
        let started = Instant::now();
        let found: usize = texts.iter().map(|text| encoder.encode(role, text).indices.len()).sum();
        println!("{role:?} of {words} words: {} us each, {found} words", started.elapsed().as_micros() / 500);
    }
}
