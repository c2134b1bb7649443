//! What other implementations make of the same random rankings: ranx for the fusions of the papers, and the libraries
//! themselves for the parity modes, or, of Elasticsearch, its formulas. The scripts scripts/golden_*.py wrote the fixtures; this file makes their cases anew.

use std::collections::HashMap;

use asktwice::{
    fuse::{Fuse, Fused, Fusion, Weighted},
    ranking::{PointId, Ranking, Scored},
};
use serde::Deserialize;

/// Scores in the fixtures are whole numbers of this.
const UNIT: f64 = 1e-10;
/// How far a score may be from the other implementation's.
const AGREEMENT: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    golden: Vec<Golden>,
}

/// What one fusion made of all cases.
#[derive(Deserialize)]
struct Golden {
    fusion: String,
    kind: Kind,
    weighted: bool,
    /// 0, 1, 2 and so on if it says nothing.
    #[serde(default)]
    seeds: Vec<u64>,
    cases: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Different scores, two entries at least.
    Plain,
    /// Empty and one-entry rankings and equal scores, too.
    Rough,
    /// Three rankings that all rank the same passages.
    Full,
}

/// The generator of Steele, Lea and Flood, as in `scripts/fusion_cases.py`.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}

/// The rankings of a case and their weights, as in `scripts/fusion_cases.py`.
fn case(seed: u64, kind: Kind) -> Vec<(f64, Ranking)> {
    let mut random = SplitMix64(seed);
    let legs = if kind == Kind::Full { 3 } else { 2 + random.below(3) };
    let passages = if kind == Kind::Full { 4 + random.below(5) } else { 6 + random.below(10) };
    let leg = |_| {
        let mut ids: Vec<u64> = (1..=passages).collect();
        for last in (1..ids.len()).rev() {
            let other = random.below(last as u64 + 1) as usize;
            ids.swap(last, other);
        }
        let deepest = passages.min(10);
        let size = match kind {
            Kind::Full => passages,
            Kind::Plain => 2 + random.below(deepest - 1),
            Kind::Rough => random.below(deepest + 1),
        };
        let flat = kind == Kind::Rough && random.below(4) == 0;
        let mut score = 2048 + random.below(12_000);
        let mut found = vec![];
        for id in &ids[..size as usize] {
            found.push(Scored { id: PointId::Number(*id), score: score as f32 / 1024.0 });
            let step = 1 + random.below(200);
            let same = kind == Kind::Rough && (flat || random.below(3) == 0);
            score -= if same { 0 } else { step };
        }
        ((1 + random.below(16)) as f64 / 8.0, Ranking::new(found))
    };
    (0..legs).map(leg).collect()
}

/// A fused list as the fixtures have it: per passage its id and, where it was told, its score.
fn read(written: &str) -> Vec<(PointId, Option<f64>)> {
    let passage = |passage: &str| {
        let (id, score) = passage.split_at(1);
        let score = (!score.is_empty()).then(|| i64::from_str_radix(score, 36).unwrap() as f64 * UNIT);
        (PointId::Number(u64::from_str_radix(id, 36).unwrap()), score)
    };
    written.split_whitespace().map(passage).collect()
}

/// Runs a check on every case of every fusion of a fixture; returns how many fusions there were.
fn check(fixture: &str, check: impl Fn(&str, &[Fused], &[(PointId, Option<f64>)])) -> usize {
    let fixture: Fixture = serde_json::from_str(fixture).unwrap();
    for golden in &fixture.golden {
        let fusion: Fusion = golden.fusion.parse().unwrap();
        assert_eq!(golden.cases.len(), 200);
        for (place, written) in golden.cases.iter().enumerate() {
            let seed = golden.seeds.get(place).copied().unwrap_or(place as u64);
            let rankings = case(seed, golden.kind);
            let weighted = |(variant, (weight, ranking)): (usize, &'_ (f64, Ranking))| {
                (variant, if golden.weighted { *weight } else { 1.0 }, ranking.clone())
            };
            let rankings: Vec<(usize, f64, Ranking)> = rankings.iter().enumerate().map(weighted).collect();
            let legs: Vec<Weighted<'_>> =
                rankings.iter().map(|(variant, weight, r)| Weighted::new(r, *variant).with_weight(*weight)).collect();
            let name = format!("{}, weighted {}, seed {seed}", golden.fusion, golden.weighted);
            check(&name, &fusion.fuse(&legs, usize::MAX), &read(written));
        }
    }
    fixture.golden.len()
}

fn scores_agree(name: &str, ours: &[Fused], theirs: &[(PointId, Option<f64>)]) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let ours: HashMap<PointId, f64> = ours.iter().map(|fused| (fused.id, fused.score)).collect();
    for (id, score) in theirs {
        let Some(score) = score else { continue };
        assert!((ours[id] - score).abs() < AGREEMENT, "{name}: passage {id} scores {}, not {score}", ours[id]);
    }
}

#[test]
fn the_fusions_of_the_papers_are_those_of_ranx() {
    let fusions = check(include_str!("../fixtures/golden_fusion.json"), |name, ours, theirs| {
        scores_agree(name, ours, theirs);
        // Where scores differ, the order is the same; equal ones may stand either way.
        let place: HashMap<PointId, usize> = ours.iter().enumerate().map(|(place, fused)| (fused.id, place)).collect();
        for (at, (higher, score)) in theirs.iter().enumerate() {
            for (lower, less) in &theirs[at + 1..] {
                let differ = score.unwrap() - less.unwrap() > AGREEMENT;
                assert!(!differ || place[higher] < place[lower], "{name}: {higher} and {lower}");
            }
        }
    });
    assert_eq!(fusions, 45);
}

fn scores_and_the_whole_order_agree(name: &str, ours: &[Fused], theirs: &[(PointId, Option<f64>)]) {
    scores_agree(name, ours, theirs);
    let order = |id: &PointId| id.to_string();
    let ours: Vec<String> = ours.iter().map(|fused| order(&fused.id)).collect();
    let theirs: Vec<String> = theirs.iter().map(|(id, _)| order(id)).collect();
    assert_eq!(ours, theirs, "{name}");
}

#[test]
fn the_parity_modes_give_the_whole_order_of_the_libraries_themselves() {
    let fusions = check(include_str!("../fixtures/golden_peers.json"), scores_and_the_whole_order_agree);
    assert_eq!(fusions, 18);
}

/// Not Elasticsearch itself: its formulas, written anew in Python.
#[test]
fn the_parity_modes_of_elasticsearch_give_the_whole_order_of_its_formulas() {
    let fusions = check(include_str!("../fixtures/golden_elastic.json"), scores_and_the_whole_order_agree);
    assert_eq!(fusions, 6);
}
