//! Why the hits are where they are. A step of its own over the few hits that survive fusion, so that fusing itself stays
//! fast; everything is computed from the rankings that are there, nothing is searched again.

use super::{Fuse, Fused, Weighted, gathered::Gathered};
use crate::ranking::{FoundBy, PointId, Without};

/// Why one hit is where it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// What each ranking that found it says of it and adds to its score, in the order of the rankings.
    pub found_by: Vec<FoundBy>,
    /// Where it would stand without each variant, in the order of the variants' numbers.
    pub without: Vec<Without>,
}

/// Explains what a fusion made of these rankings. Costs one fusing per variant.
///
/// ```
/// use asktwice::{Fuse, Fusion, Ranking, fuse::{Weighted, explain}, ranking::{PointId, Scored}};
///
/// let ranking = |ids: [u64; 2]| {
///     Ranking::new(ids.iter().zip([0.9, 0.5]).map(|(id, score)| Scored { id: PointId::Number(*id), score }).collect())
/// };
/// let (asked, rewrite) = (ranking([1, 2]), ranking([2, 3]));
/// let legs = [Weighted::new(&asked, 0), Weighted::new(&rewrite, 1)];
/// let fused = Fusion::rrf().fuse(&legs, 10);
/// let explained = explain(&Fusion::rrf(), &legs, &fused);
///
/// assert_eq!(fused[0].id, PointId::Number(2));
/// assert_eq!((explained[0].found_by[0].rank, explained[0].found_by[1].rank), (2, 1));
/// assert_eq!(explained[0].without[1].rank, Some(2), "without the rewrite it would be second");
/// ```
#[must_use]
pub fn explain(fusion: &dyn Fuse, rankings: &[Weighted<'_>], fused: &[Fused]) -> Vec<Explanation> {
    let ids: Vec<PointId> = fused.iter().map(|fused| fused.id).collect();
    let without = without(fusion, rankings, &ids);
    found_by(fusion, rankings, fused)
        .into_iter()
        .zip(without)
        .map(|(of, without)| Explanation { without, ..of })
        .collect()
}

/// The cheap half of an explanation: which rankings found each point, without where it would stand otherwise.
pub(crate) fn found_by(fusion: &dyn Fuse, rankings: &[Weighted<'_>], fused: &[Fused]) -> Vec<Explanation> {
    let ids: Vec<PointId> = fused.iter().map(|fused| fused.id).collect();
    let gathered = Gathered::of(rankings);
    let of = |(id, contributions): (&PointId, Vec<f64>)| {
        let by = gathered.of_passage(*id).into_iter().map(|found| {
            let contribution = contributions.get(found.leg).copied().unwrap_or_default();
            FoundBy::new(found.leg, found.rank, found.score, contribution)
        });
        Explanation { found_by: by.collect(), without: vec![] }
    };
    ids.iter().zip(fusion.contributions(rankings, &ids)).map(of).collect()
}

/// Where each of these points would stand without each variant.
fn without(fusion: &dyn Fuse, rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<Without>> {
    let mut variants: Vec<usize> = rankings.iter().map(|weighted| weighted.variant).collect();
    variants.sort_unstable();
    variants.dedup();
    let mut places: Vec<(PointId, usize)> = ids.iter().copied().zip(0..).collect();
    places.sort_unstable();
    let mut without = vec![Vec::with_capacity(variants.len()); ids.len()];
    for variant in variants {
        let others: Vec<Weighted<'_>> = rankings.iter().filter(|other| other.variant != variant).copied().collect();
        for of in &mut without {
            of.push(Without::new(variant, None));
        }
        for (rank, fused) in (1..).zip(fusion.fuse(&others, usize::MAX)) {
            if let Ok(at) = places.binary_search_by_key(&fused.id, |(id, _)| *id)
                && let Some(last) = without[places[at].1].last_mut()
            {
                last.rank = Some(rank);
            }
        }
    }
    without
}

/// What each ranking adds to the scores under a fusion of which nothing else is known: what the score would lose without
/// it.
pub(super) fn losses(fusion: &(impl Fuse + ?Sized), rankings: &[Weighted<'_>], ids: &[PointId]) -> Vec<Vec<f64>> {
    let scores = |rankings: &[Weighted<'_>]| {
        let mut scores = vec![0.0; ids.len()];
        for fused in fusion.fuse(rankings, usize::MAX) {
            if let Some(at) = ids.iter().position(|id| *id == fused.id) {
                scores[at] = fused.score;
            }
        }
        scores
    };
    let full = scores(rankings);
    let mut losses = vec![Vec::with_capacity(rankings.len()); ids.len()];
    for leg in 0..rankings.len() {
        let others: Vec<Weighted<'_>> = [&rankings[..leg], &rankings[leg + 1..]].concat();
        for ((losses, full), rest) in losses.iter_mut().zip(&full).zip(scores(&others)) {
            losses.push(full - rest);
        }
    }
    losses
}
