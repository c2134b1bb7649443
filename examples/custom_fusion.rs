//! A fusion of one's own: the best rank that any leg gave a passage. It is twenty lines, and everything around it
//! stays as it is.
//!
//! Run it with `cargo run --release --example custom_fusion`.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example shows what it found, and ranks are small"
)]

use std::collections::BTreeMap;

use asktwice::{
    Fuse, Fusion, Ranking,
    fuse::{Fused, Weighted},
    ranking::{FoundBy, PointId, Scored},
};

/// Orders by the best rank; equal ranks by the order of the legs.
#[derive(Debug)]
struct BestRank;

impl Fuse for BestRank {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        let mut found: BTreeMap<PointId, Vec<FoundBy>> = BTreeMap::new();
        for (leg, weighted) in rankings.iter().enumerate() {
            for (index, scored) in weighted.ranking.entries().iter().enumerate() {
                let rank = index + 1;
                let by = FoundBy::new(leg, rank, scored.score, 1.0 / rank as f64);
                found.entry(scored.id).or_default().push(by);
            }
        }
        let best = |by: &[FoundBy]| by.iter().map(|by| by.contribution).fold(0.0, f64::max);
        let mut fused: Vec<Fused> =
            found.into_iter().map(|(id, found_by)| Fused { id, score: best(&found_by), found_by }).collect();
        fused.sort_by(|a, b| b.score.total_cmp(&a.score));
        fused.truncate(limit);
        fused
    }
}

fn main() {
    let ranking = |ids: [u64; 3]| {
        let scored = |(rank, id): (usize, u64)| Scored { id: PointId::Number(id), score: 1.0 - rank as f32 / 10.0 };
        Ranking::new(ids.into_iter().enumerate().map(scored).collect())
    };
    let (asked, rewrite) = (ranking([1, 2, 3]), ranking([4, 2, 1]));
    let legs = [
        Weighted { ranking: &asked, weight: 1.0, variant: 0 },
        Weighted { ranking: &rewrite, weight: 1.0, variant: 1 },
    ];
    // A retriever takes it as it takes its own: `Retriever::new(…).with_fusion(BestRank)`.
    let fusions: [(&str, &dyn Fuse); 2] = [("best rank", &BestRank), ("reciprocal rank fusion", &Fusion::default())];
    for (name, fusion) in fusions {
        let order: Vec<String> = fusion.fuse(&legs, 10).iter().map(|fused| fused.id.to_string()).collect();
        println!("{name:<24} {}", order.join(" "));
    }
}
