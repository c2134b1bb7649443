//! How fast the embedded store is. Measurements, not tests: `cargo test --release speed -- --ignored --nocapture`.

use std::time::Instant;

use asktwice::{VectorStore, VectorStoreWriter, embed::Identity, search::EdgeStore};

use super::{Dice, passage, search};

const WIDE: usize = 384;
const MANY: u64 = 5_000;

fn wide(dice: &mut Dice) -> Vec<f32> {
    (0..WIDE).map(|_| dice.below(2001) as f32 / 1000.0 - 1.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn search_speed() {
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(folder.path()).unwrap();
    store.prepare(&Identity::new("wide", "0", WIDE)).await.unwrap();
    let mut dice = Dice(1);
    let started = Instant::now();
    for batch in 0..MANY / 250 {
        let passages = (batch * 250..(batch + 1) * 250).map(|id| (passage(id, 1), wide(&mut dice))).collect();
        store.upsert(passages).await.unwrap();
    }
    println!("{MANY} passages of {WIDE} dimensions written in {} ms", started.elapsed().as_millis());
    measure(&store, &mut dice).await;
    let started = Instant::now();
    store.compact().await.unwrap();
    println!("compacted in {} ms", started.elapsed().as_millis());
    let started = Instant::now();
    store.optimize().await.unwrap();
    println!("optimized in {} ms", started.elapsed().as_millis());
    measure(&store, &mut dice).await;
    drop(store);
    let started = Instant::now();
    let store = EdgeStore::open(folder.path()).unwrap();
    println!("opened in {} ms", started.elapsed().as_millis());
    let started = Instant::now();
    store.upsert(vec![(passage(1, 2), wide(&mut dice))]).await.unwrap();
    println!("first write in {} ms", started.elapsed().as_millis());
}

async fn measure(store: &EdgeStore, dice: &mut Dice) {
    let mut times = vec![];
    for _ in 0..500 {
        let question = wide(dice);
        let started = Instant::now();
        store.search(search(question, 100)).await.unwrap();
        times.push(started.elapsed().as_micros());
    }
    times.sort_unstable();
    println!("search, depth 100: median {} us, p99 {} us", times[250], times[495]);
}
