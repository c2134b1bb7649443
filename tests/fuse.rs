//! Fusion by properties, each stated in its own scope.

mod golden;

use asktwice::{
    fuse::{Fuse, Fused, Fusion, Weighted},
    ranking::{PointId, Ranking, Scored},
};
use proptest::prelude::*;

const FILLED: Fusion = Fusion::Intersection { quorum: 0, strict: false };
const STRICT: Fusion = Fusion::Intersection { quorum: 0, strict: true };
const ALL: usize = usize::MAX;

/// A ranking of these ids, best first.
fn ranking(ids: &[u64]) -> Ranking {
    let scored = |(rank, id): (usize, &u64)| Scored { id: PointId::Number(*id), score: -(rank as f32) };
    Ranking::new(ids.iter().enumerate().map(scored).collect())
}

fn weighted(rankings: &[Ranking]) -> Vec<Weighted<'_>> {
    let weighted = |(variant, ranking)| Weighted::new(ranking, variant);
    rankings.iter().enumerate().map(weighted).collect()
}

fn fuse(fusion: Fusion, rankings: &[Ranking], limit: usize) -> Vec<Fused> {
    fusion.fuse(&weighted(rankings), limit)
}

fn ids(fused: &[Fused]) -> Vec<u64> {
    let number = |fused: &Fused| match fused.id {
        PointId::Number(number) => number,
        PointId::Uuid(_) => panic!("only numbers are used here"),
    };
    fused.iter().map(number).collect()
}

/// Up to 50 different ids, in any order.
fn any_ids() -> impl Strategy<Value = Vec<u64>> {
    Just((0..80).collect::<Vec<u64>>())
        .prop_shuffle()
        .prop_flat_map(|ids| (0..50usize).prop_map(move |n| ids[..n].to_vec()))
}

fn any_rankings() -> impl Strategy<Value = Vec<Ranking>> {
    prop::collection::vec(any_ids().prop_map(|ids| ranking(&ids)), 0..5)
}

fn any_fusion() -> impl Strategy<Value = Fusion> {
    let rrf = (0.0..100.0).prop_map(|k| Fusion::Rrf { k });
    let intersection = any::<bool>().prop_map(|strict| Fusion::Intersection { quorum: 0, strict });
    prop_oneof![rrf, intersection]
}

#[test]
fn rrf_scores_as_in_the_paper() {
    let fused = fuse(Fusion::rrf(), &[ranking(&[1, 2]), ranking(&[2, 3])], ALL);
    assert_eq!(ids(&fused), [2, 1, 3]);
    assert_eq!(fused[0].score, 1.0 / 62.0 + 1.0 / 61.0);
    assert_eq!(fused[1].score, 1.0 / 61.0);
    assert_eq!(fused[2].score, 1.0 / 62.0);
}

#[test]
fn weights_count() {
    let rankings = [ranking(&[1]), ranking(&[2])];
    let mut weighted = weighted(&rankings);
    weighted[1].weight = 2.0;
    assert_eq!(ids(&Fusion::default().fuse(&weighted, ALL)), [2, 1]);
}

#[test]
fn ties_break_by_the_best_rank_then_by_id() {
    let rankings = [ranking(&[9, 4]), ranking(&[7, 5])];
    assert_eq!(ids(&fuse(Fusion::default(), &rankings, ALL)), [7, 9, 4, 5]);
}

#[test]
fn intersection_puts_what_all_found_first_and_strict_leaves_the_rest_out() {
    let rankings = [ranking(&[1, 2, 3]), ranking(&[4, 3, 5])];
    assert_eq!(ids(&fuse(FILLED, &rankings, ALL)), [3, 1, 4, 2, 5]);
    assert_eq!(ids(&fuse(STRICT, &rankings, ALL)), [3]);
    // Nothing in common: filled, not empty, unless the caller asked for strict.
    let apart = [ranking(&[1]), ranking(&[2])];
    assert_eq!(ids(&fuse(FILLED, &apart, ALL)), [1, 2]);
    assert!(fuse(STRICT, &apart, ALL).is_empty());
}

#[test]
fn intersection_counts_variants_and_a_leg_that_found_nothing_does_not_count() {
    let rankings = [ranking(&[1, 2]), ranking(&[1]), ranking(&[2]), ranking(&[])];
    let mut weighted = weighted(&rankings);
    // The first two legs belong to the same variant; the last found nothing.
    for (leg, variant) in [0, 0, 1, 2].into_iter().enumerate() {
        weighted[leg].variant = variant;
    }
    assert_eq!(ids(&STRICT.fuse(&weighted, ALL)), [2]);
    let quorum = Fusion::Intersection { quorum: 1, strict: true };
    assert_eq!(ids(&quorum.fuse(&weighted, ALL)), [1, 2]);
}

#[test]
fn names_are_read_and_refused() {
    assert_eq!("rrf".parse(), Ok(Fusion::Rrf { k: 60.0 }));
    assert_eq!("rrf:10".parse(), Ok(Fusion::Rrf { k: 10.0 }));
    assert_eq!("intersection".parse(), Ok(FILLED));
    assert_eq!("intersection:strict".parse(), Ok(STRICT));
    for name in ["", "RRF", "rrf:", "rrf:-1", "rrf:inf", "rrf:NaN", "intersection:lax", "borda"] {
        assert!(name.parse::<Fusion>().is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn the_order_of_the_rankings_changes_nothing(rankings in any_rankings(), fusion in any_fusion()) {
        let mut turned = rankings.clone();
        turned.reverse();
        let (one, other) = (fuse(fusion, &rankings, ALL), fuse(fusion, &turned, ALL));
        prop_assert_eq!(ids(&one), ids(&other));
        let scores = |fused: &[Fused]| fused.iter().map(|f| f.score.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(scores(&one), scores(&other));
    }

    #[test]
    fn a_single_ranking_stays_as_it_is(found in any_ids(), fusion in any_fusion()) {
        prop_assert_eq!(ids(&fuse(fusion, &[ranking(&found)], ALL)), found);
    }

    #[test]
    fn an_empty_ranking_is_a_no_op(rankings in any_rankings(), fusion in any_fusion()) {
        let mut more = rankings.clone();
        more.push(Ranking::default());
        prop_assert_eq!(ids(&fuse(fusion, &rankings, ALL)), ids(&fuse(fusion, &more, ALL)));
    }

    #[test]
    fn the_first_n_are_a_prefix_of_more(rankings in any_rankings(), fusion in any_fusion(), n in 0..60usize) {
        let all = fuse(fusion, &rankings, ALL);
        prop_assert_eq!(&fuse(fusion, &rankings, n)[..], &all[..n.min(all.len())]);
    }

    #[test]
    fn each_point_once_and_only_what_was_found(rankings in any_rankings(), fusion in any_fusion()) {
        let fused = fuse(fusion, &rankings, ALL);
        let mut seen = std::collections::HashSet::new();
        for point in &fused {
            prop_assert!(seen.insert(point.id));
            prop_assert!(point.score.is_finite());
        }
        prop_assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }

    #[test]
    fn moving_up_in_a_leg_never_lowers(rankings in any_rankings(), k in 0.0..100.0, leg in 0..4usize, at in 1..50usize) {
        prop_assume!(leg < rankings.len() && at < rankings[leg].len());
        let order: Vec<PointId> = rankings[leg].entries().iter().map(|scored| scored.id).collect();
        let moved = order[at];
        let place = |rankings: &[Ranking]| fuse(Fusion::Rrf { k }, rankings, ALL).iter().position(|f| f.id == moved);
        let before = place(&rankings);
        let mut higher = order;
        higher.swap(at, at - 1);
        let scored = |(rank, id): (usize, PointId)| Scored { id, score: -(rank as f32) };
        let mut changed = rankings.clone();
        changed[leg] = Ranking::new(higher.into_iter().enumerate().map(scored).collect());
        prop_assert!(place(&changed) <= before);
    }

    /// For two equally weighted rankings of depth ≤ k + 1, what both found at rank D stands above what a single one
    /// found first exactly when D < k + 2.
    #[test]
    fn rrf_is_intersection_first_within_its_scope(k in 1..61u64, depth in 1..61u64) {
        let depth = depth.min(k + 1);
        // Number 0 is found by both, at rank `depth`; every other passage by one ranking only.
        let list = |first: u64| (first..first + depth - 1).chain([0]).collect::<Vec<_>>();
        let fused = fuse(Fusion::Rrf { k: k as f64 }, &[ranking(&list(100)), ranking(&list(200))], ALL);
        prop_assert!(depth < k + 2);
        prop_assert_eq!(ids(&fused)[0], 0);
    }

    /// So at k = 60 and a depth of at most 61, reciprocal rank fusion and the filled intersection give one order.
    #[test]
    fn at_sixty_rrf_and_filled_intersection_agree(one in any_ids(), other in any_ids()) {
        let rankings = [ranking(&one), ranking(&other)];
        prop_assert_eq!(ids(&fuse(Fusion::default(), &rankings, ALL)), ids(&fuse(FILLED, &rankings, ALL)));
    }
}

/// Outside its scope the theorem ends: at rank D = k + 2 both fall behind one first place.
#[test]
fn beyond_its_scope_rrf_is_not_intersection_first() {
    let k = 3;
    let list = |first: u64| (first..=first + k).chain([0]).collect::<Vec<_>>();
    let rankings = [ranking(&list(100)), ranking(&list(200))];
    assert_ne!(ids(&fuse(Fusion::Rrf { k: k as f64 }, &rankings, ALL))[0], 0);
    assert_eq!(ids(&fuse(FILLED, &rankings, ALL))[0], 0);
}
