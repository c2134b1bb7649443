//! The embedded store: ordinary behaviour, crashes, a growing log, a full disk.

mod behaviour;
mod child;
mod crash;
mod disk;
mod log;
mod speed;
mod succession;

use asktwice::{
    Passage, VectorStore,
    embed::Identity,
    ranking::PointId,
    search::{EdgeOptions, EdgeStore, Search, SparseVector, Vectors},
};
use serde_json::json;
use std::path::Path;

/// The dimension of the test's vectors.
pub const DIMENSION: usize = 32;

pub fn identity() -> Identity {
    Identity::new("test", "0123456789abcdef", DIMENSION).with_bm25("words of ids")
}

/// A passage that says which version of it was written.
pub fn passage(id: u64, version: u64) -> Passage {
    let payload =
        json!({"version": version, "bucket": id % 7, "topic": if id.is_multiple_of(2) { "even" } else { "odd" }});
    let payload = payload.as_object().cloned().unwrap();
    Passage::new(format!("p/{id}"), format!("text {id} {version} {}", "x".repeat(200)))
        .cut_from(format!("d{}", id / 10), (id % 10) as u32)
        .with_payload(payload)
}

/// A vector of its own for every version of every passage.
pub fn vector(id: u64, version: u64) -> Vec<f32> {
    let mut dice = Dice(id.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ version.wrapping_mul(0xD1B5_4A32_D192_ED03) | 1);
    (0..DIMENSION).map(|_| dice.below(2001) as f32 / 1000.0 - 1.0).collect()
}

/// One word for every passage, and one for every version.
pub fn words(id: u64, version: u64) -> SparseVector {
    SparseVector { indices: vec![id as u32, 1_000_000 + version as u32], values: vec![1.5, 0.5] }
}

pub fn vectors(id: u64, version: u64) -> Vectors {
    Vectors::from(vector(id, version)).with_bm25(words(id, version))
}

pub fn written(ids: impl IntoIterator<Item = u64>, version: u64) -> Vec<(Passage, Vectors)> {
    ids.into_iter().map(|id| (passage(id, version), vectors(id, version))).collect()
}

pub fn point(id: u64) -> PointId {
    PointId::of(&format!("p/{id}"))
}

pub fn search(vector: Vec<f32>, depth: usize) -> Search {
    Search::dense(vector, depth)
}

/// A small log limit and reserve, so that tests reach both.
pub fn options() -> EdgeOptions {
    EdgeOptions::default().with_log_limit(2 << 20).with_reserve(4 << 20)
}

pub fn open(folder: &Path) -> EdgeStore {
    EdgeStore::open_with(folder, options()).unwrap()
}

/// Which version of each passage is stored.
pub async fn versions(store: &EdgeStore, ids: std::ops::Range<u64>) -> Vec<Option<u64>> {
    let points: Vec<_> = ids.clone().map(point).collect();
    let found: std::collections::HashMap<_, _> = store.fetch(&points).await.unwrap().into_iter().collect();
    let version = |id: u64| {
        let passage = found.get(&point(id))?;
        let version = passage.payload["version"].as_u64().unwrap();
        assert_eq!(*passage, self::passage(id, version), "a passage of mixed versions");
        Some(version)
    };
    ids.map(version).collect()
}

/// Random numbers that are the same in every run (xorshift64*).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}
