//! Properties, each stated where it is true.

use super::*;

/// Fusions whose score is a sum over the legs of something that falls with the rank.
fn by_rank() -> impl Strategy<Value = Fusion> {
    const PARITIES: [Parity; 4] =
        [Parity::QdrantRrf { k: 2 }, Parity::LangChain { c: 60 }, Parity::LlamaIndexRrf, Parity::ElasticRrf { k: 60 }];
    prop_oneof![
        (0.0..100.0).prop_map(|k| Fusion::Rrf { k }),
        Just(Fusion::Borda),
        Just(Fusion::Isr),
        Just(Fusion::LogIsr),
        (0.01..0.99).prop_map(|p| Fusion::Rbc { p }),
        prop::sample::select(&PARITIES[..]).prop_map(Fusion::Parity),
    ]
}

fn bits(fused: &[Fused]) -> Vec<(PointId, u64, u64)> {
    fused.iter().map(|fused| (fused.id, fused.score.to_bits(), fused.normalised.to_bits())).collect()
}

/// Lets a passage of a leg change places with the one before it: it never falls behind where it was.
fn never_lowers(fusion: Fusion, found: &[AnyLeg], leg: usize, place: prop::sample::Index) -> Result<(), TestCaseError> {
    let mut order: Vec<PointId> = found[leg].ranking.entries().iter().map(|scored| scored.id).collect();
    let at = 1 + place.index(order.len() - 1);
    let moved = order[at];
    let place = |found: &[AnyLeg]| fusion.fuse(&legs(found), ALL).iter().position(|fused| fused.id == moved);
    order.swap(at, at - 1);
    let scored = |(rank, id): (usize, PointId)| Scored { id, score: -(rank as f32) };
    let mut changed = found.to_vec();
    changed[leg].ranking = Ranking::new(order.into_iter().enumerate().map(scored).collect());
    prop_assert!(place(&changed) <= place(found));
    Ok(())
}

proptest! {
    /// Not a parity mode's: those add in the order of the legs, as their systems do.
    #[test]
    fn the_order_of_the_legs_changes_nothing(
        (found, shuffled) in any_legs().prop_flat_map(|legs| (Just(legs.clone()), Just(legs).prop_shuffle())),
        fusion in any_own_fusion(3),
    ) {
        let (one, other) = (fusion.fuse(&legs(&found), ALL), fusion.fuse(&legs(&shuffled), ALL));
        prop_assert_eq!(bits(&one), bits(&other));
    }

    /// Not with a quorum of two or more, which a single variant cannot reach.
    #[test]
    fn a_single_leg_stays_as_it_is(leg in any_leg(), fusion in any_own_fusion(1)) {
        let fused = fusion.fuse(&legs(std::slice::from_ref(&leg)), ALL);
        let order: Vec<PointId> = leg.ranking.entries().iter().map(|scored| scored.id).collect();
        prop_assert_eq!(fused.iter().map(|fused| fused.id).collect::<Vec<_>>(), order);
    }

    #[test]
    fn an_empty_leg_is_a_no_op(found in any_legs(), at in 0..5usize, leg in any_leg(), fusion in any_own_fusion(3)) {
        let mut more = found.clone();
        more.insert(at.min(found.len()), AnyLeg { ranking: Ranking::default(), ..leg });
        prop_assert_eq!(bits(&fusion.fuse(&legs(&found), ALL)), bits(&fusion.fuse(&legs(&more), ALL)));
    }

    #[test]
    fn a_leg_that_weighs_nothing_is_as_one_that_found_nothing(
        found in any_legs(), at in 0..5usize, leg in any_leg(), fusion in any_own_fusion(3),
    ) {
        prop_assume!(found.iter().any(|leg| !leg.ranking.is_empty()));
        let with = |ranking: &Ranking| {
            let mut more = found.clone();
            more.insert(at.min(found.len()), AnyLeg { ranking: ranking.clone(), weight: 0.0, ..leg.clone() });
            let fused = fusion.fuse(&legs(&more), ALL);
            let ids: Vec<PointId> = leg.ranking.ids().collect();
            (bits(&fused), fusion.contributions(&legs(&more), &ids))
        };
        prop_assert_eq!(with(&leg.ranking), with(&Ranking::default()));
    }

    #[test]
    fn the_first_n_are_a_prefix_of_more(
        found in any_legs(),
        fusion in prop_oneof![any_own_fusion(3), any_parity()],
        n in 0..60usize,
    ) {
        let all = fusion.fuse(&legs(&found), ALL);
        prop_assert_eq!(&fusion.fuse(&legs(&found), n)[..], &all[..n.min(all.len())]);
    }

    #[test]
    fn each_point_once_scores_fall_and_normalised_ones_with_them(
        found in any_legs(),
        fusion in prop_oneof![any_own_fusion(3), any_parity()],
    ) {
        let fused = fusion.fuse(&legs(&found), ALL);
        let mut seen = std::collections::HashSet::new();
        for point in &fused {
            prop_assert!(seen.insert(point.id));
            prop_assert!(point.score.is_finite());
            prop_assert!((0.0..=1.0).contains(&point.normalised), "{:?}", point);
        }
        for pair in fused.windows(2) {
            prop_assert!(pair[0].score >= pair[1].score);
            prop_assert!(pair[0].normalised >= pair[1].normalised);
            prop_assert!(pair[0].score > pair[1].score || pair[0].normalised == pair[1].normalised);
        }
        let found: std::collections::HashSet<PointId> =
            found.iter().flat_map(|leg| leg.ranking.entries()).map(|scored| scored.id).collect();
        prop_assert!(seen.is_subset(&found));
        if !matches!(fusion, Fusion::Intersection { strict: true, .. }) {
            prop_assert_eq!(seen, found);
        }
    }

    /// An intersection breaks ties by the best rank that a *variant* gave; the others by that of a leg.
    #[test]
    fn ties_break_by_the_best_rank_then_by_id(found in any_legs(), fusion in any_own_fusion(0)) {
        prop_assume!(!matches!(fusion, Fusion::Intersection { .. }));
        let best = |id: PointId| {
            let rank = |leg: &AnyLeg| leg.ranking.entries().iter().position(|scored| scored.id == id);
            found.iter().filter_map(rank).min()
        };
        for pair in fusion.fuse(&legs(&found), ALL).windows(2) {
            if pair[0].score == pair[1].score {
                prop_assert!((best(pair[0].id), pair[0].id) < (best(pair[1].id), pair[1].id));
            }
        }
    }

    /// A store that returns a point twice gives it one vote.
    #[test]
    fn duplicates_are_counted_once(found in any_ids(), other in any_leg(), fusion in any_own_fusion(2)) {
        let once: Vec<(u64, f32)> = found.iter().zip(0..).map(|(id, rank)| (*id, 50.0 - rank as f32)).collect();
        let twice: Vec<(u64, f32)> = once.iter().flat_map(|(id, score)| [(*id, *score), (*id, *score - 0.5)]).collect();
        let fused = |own: &[(u64, f32)]| {
            let own = AnyLeg { ranking: scored(own), variant: 9, ..other.clone() };
            bits(&fusion.fuse(&legs(&[own, other.clone()]), ALL))
        };
        prop_assert_eq!(fused(&once), fused(&twice));
    }

    #[test]
    fn moving_up_in_a_leg_never_lowers(
        found in any_legs(), leg in any_leg(), fusion in by_rank(), place in any::<prop::sample::Index>(),
    ) {
        prop_assume!(leg.ranking.len() > 1);
        let found = [found, vec![leg]].concat();
        never_lowers(fusion, &found, found.len() - 1, place)?;
    }

    /// Not an intersection's over several channels: what a passage gains in its variant's own ranking, the one that it
    /// overtook loses to others, too.
    #[test]
    fn moving_up_in_a_leg_of_an_intersection_over_one_channel_never_lowers(
        found in any_legs(), leg in any_leg(), quorum in 0..=3usize, strict in any::<bool>(),
        place in any::<prop::sample::Index>(),
    ) {
        prop_assume!(leg.ranking.len() > 1);
        let own = |(variant, leg)| AnyLeg { variant, channel: Channel::Dense, ..leg };
        let found: Vec<AnyLeg> = [found, vec![leg]].concat().into_iter().enumerate().map(own).collect();
        never_lowers(Fusion::Intersection { quorum, strict }, &found, found.len() - 1, place)?;
    }

    /// Condorcet's only where the majority is an order, here because one leg outweighs all others and ranks everything.
    /// Elsewhere duels may go round in a circle or end in a draw, and one duel that turns may open the circle at another
    /// place.
    #[test]
    fn moving_up_in_a_leg_never_lowers_where_the_majority_is_an_order(
        found in any_legs(), all in Just((0..80).collect::<Vec<u64>>()).prop_shuffle(),
        leg in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(),
    ) {
        let heavy = AnyLeg { ranking: ranking(&all), weight: 100.0, variant: 3, channel: Channel::Dense };
        let found = [found, vec![heavy]].concat();
        let leg = leg.index(found.len());
        prop_assume!(found[leg].ranking.len() > 1);
        never_lowers(Fusion::Condorcet, &found, leg, place)?;
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
        prop_assert_eq!(ids(&fuse(Fusion::rrf(), &rankings, ALL)), ids(&fuse(FILLED, &rankings, ALL)));
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
