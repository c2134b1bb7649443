//! A fusion of one's own: the best rank that any leg gave a passage. It is a formula, and everything around it
//! stays as it is.
//!
//! Run it with `cargo run --release --example custom_fusion`.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example shows what it found, and ranks are small"
)]

use asktwice::{
    Fuse, Fusion, Ranking,
    fuse::{Fused, Gathered, Weighted, explain},
    ranking::{PointId, Scored},
};

/// Orders by the best rank; equal ranks by id.
#[derive(Debug)]
struct BestRank;

impl Fuse for BestRank {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        // Of what the legs say of one passage, a score; 0..=1 is the range that scores can have.
        Gathered::of(rankings).fuse(limit, 0.0..=1.0, |found| {
            let best = found.iter().map(|by| by.rank).min();
            best.map_or(0.0, |rank| 1.0 / rank as f64)
        })
    }
}

fn main() {
    let ranking = |ids: [u64; 3]| {
        let scored = |(rank, id): (usize, u64)| Scored { id: PointId::Number(id), score: 1.0 - rank as f32 / 10.0 };
        Ranking::new(ids.into_iter().enumerate().map(scored).collect())
    };
    let (asked, rewrite) = (ranking([1, 2, 3]), ranking([4, 2, 1]));
    let legs = [Weighted::new(&asked, 0), Weighted::new(&rewrite, 1)];
    // A retriever takes it as it takes its own: `Retriever::new(…).with_fusion(BestRank)`.
    let fusions: [(&str, &dyn Fuse); 2] = [("best rank", &BestRank), ("reciprocal rank fusion", &Fusion::rrf())];
    for (name, fusion) in fusions {
        let fused = fusion.fuse(&legs, 10);
        let order: Vec<String> = fused.iter().map(|fused| fused.id.to_string()).collect();
        println!("{name:<24} {}", order.join(" "));
        // Why the first is first: this works for a fusion of one's own, too.
        for by in &explain(fusion, &legs, &fused)[0].found_by {
            println!("{:<24} leg {} at rank {} adds {:.4}", "", by.leg, by.rank, by.contribution);
        }
    }
}
