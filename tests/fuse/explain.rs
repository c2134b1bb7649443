//! Why a hit is where it is.

use asktwice::fuse::explain;

use super::*;

/// Knows nothing of contributions.
#[derive(Debug)]
struct Opaque(Fusion);

impl Fuse for Opaque {
    fn fuse(&self, rankings: &[Weighted<'_>], limit: usize) -> Vec<Fused> {
        self.0.fuse(rankings, limit)
    }
}

#[test]
fn ranks_native_scores_and_contributions_are_told() {
    let rankings = [scored(&[(1, 0.9), (2, 0.8)]), scored(&[(2, 11.0), (3, 7.0)])];
    let weighted = weighted(&rankings);
    let fused = Fusion::rrf().fuse(&weighted, ALL);
    let explained = explain(&Fusion::rrf(), &weighted, &fused);
    let by: Vec<_> = explained[0].found_by.iter().map(|by| (by.leg, by.rank, by.score, by.contribution)).collect();
    assert_eq!(by, [(0, 2, 0.8, 1.0 / 62.0), (1, 1, 11.0, 1.0 / 61.0)]);
    let without: Vec<_> = explained[0].without.iter().map(|without| (without.variant, without.rank)).collect();
    assert_eq!(without, [(0, Some(1)), (1, Some(2))]);
    // What the question alone did not find is not there without the rewrite.
    assert_eq!(ids(&fused)[2], 3);
    assert_eq!(explained[2].without[1].rank, None);
}

#[test]
fn a_variant_is_left_out_with_all_its_channels() {
    let rankings = [ranking(&[1, 2]), ranking(&[2, 1]), ranking(&[3, 2]), ranking(&[3, 1])];
    let mut weighted = weighted(&rankings);
    for (leg, variant) in [4, 4, 7, 7].into_iter().enumerate() {
        weighted[leg].variant = variant;
    }
    let fused = Fusion::rrf().fuse(&weighted, 1);
    let explained = explain(&Fusion::rrf(), &weighted, &fused);
    let without: Vec<_> = explained[0].without.iter().map(|without| (without.variant, without.rank)).collect();
    assert_eq!((ids(&fused), without), (vec![1], vec![(4, Some(2)), (7, Some(1))]));
}

#[test]
fn nothing_fused_is_nothing_explained() {
    assert!(explain(&Fusion::rrf(), &[], &[]).is_empty());
}

#[test]
fn an_intersection_shares_a_variants_vote_among_its_channels() {
    let rankings = [ranking(&[1, 2]), ranking(&[1]), ranking(&[1])];
    let mut weighted = weighted(&rankings);
    weighted[1].variant = 0;
    let contributions = FILLED.contributions(&weighted, &[PointId::Number(1)]);
    for (contribution, expected) in contributions[0].iter().zip([0.5 / 61.0, 0.5 / 61.0, 1.0 / 61.0]) {
        assert!((contribution - expected).abs() < 1e-15);
    }
}

proptest! {
    /// Contributions make the score. Not a place in Condorcet's order, which is no sum; and the lift of what a quorum
    /// found is nobody's.
    #[test]
    fn contributions_sum_up_to_the_score(
        found in any_legs(),
        fusion in prop_oneof![any_own_fusion(2), any_parity()],
    ) {
        prop_assume!(fusion != Fusion::Condorcet);
        let legs = legs(&found);
        let fused = fusion.fuse(&legs, ALL);
        let ids: Vec<PointId> = fused.iter().map(|fused| fused.id).collect();
        // The most that a passage can have without a quorum.
        let lift = fused.iter().map(|fused| fused.score).fold(0.0, f64::max);
        for (fused, contributions) in fused.iter().zip(fusion.contributions(&legs, &ids)) {
            prop_assert_eq!(contributions.len(), legs.len());
            let sum: f64 = contributions.iter().sum();
            let near = |score: f64| (sum - score).abs() <= 1e-6 * score.abs().max(1.0);
            if let Fusion::Intersection { .. } = fusion {
                prop_assert!(near(fused.score) || sum <= lift && sum <= fused.score, "{} and {:?}", sum, fused);
            } else {
                prop_assert!(near(fused.score), "{} and {:?}", sum, fused);
            }
        }
    }

    /// What is computed for a fusion that says nothing is what a sum says.
    #[test]
    fn a_fusion_of_ones_own_is_explained_too(found in any_legs(), k in 0.0..100.0) {
        let (legs, own) = (legs(&found), Fusion::Rrf { k });
        let ids: Vec<PointId> = own.fuse(&legs, 5).iter().map(|fused| fused.id).collect();
        for (one, other) in own.contributions(&legs, &ids).iter().zip(Opaque(own).contributions(&legs, &ids)) {
            prop_assert_eq!(one.len(), other.len());
            prop_assert!(one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-12));
        }
    }

    #[test]
    fn ranks_without_a_variant_are_those_of_the_others(found in any_legs(), fusion in any_own_fusion(2)) {
        let all = legs(&found);
        let fused = fusion.fuse(&all, 10);
        for (fused, explained) in fused.iter().zip(explain(&fusion, &all, &fused)) {
            for without in explained.without {
                let others: Vec<Weighted<'_>> = all.iter().filter(|leg| leg.variant != without.variant).copied().collect();
                let place = fusion.fuse(&others, ALL).iter().position(|other| other.id == fused.id);
                prop_assert_eq!(without.rank, place.map(|place| place + 1));
            }
            for by in explained.found_by {
                let entry = all[by.leg].ranking.entries()[by.rank - 1];
                prop_assert_eq!((entry.id, entry.score), (fused.id, by.score));
            }
        }
    }
}
