//! Fusion by properties, each stated in its own scope, and by what others make of the same rankings.

mod agreement;
mod engine;
mod explain;
mod golden;
mod names;
mod properties;
mod scores;
mod weighting;

use asktwice::{
    fuse::{Combination, Fuse, Fused, Fusion, Normalisation, Parity, Weighted},
    ranking::{PointId, Ranking, Scored},
    search::Channel,
};
use proptest::prelude::*;

const FILLED: Fusion = Fusion::Intersection { quorum: 0, strict: false };
const STRICT: Fusion = Fusion::Intersection { quorum: 0, strict: true };
const ALL: usize = usize::MAX;

const COMBINATIONS: [Combination; 6] =
    [Combination::Sum, Combination::Mnz, Combination::Anz, Combination::Max, Combination::Min, Combination::Med];

const NORMALISATIONS: [Normalisation; 8] = [
    Normalisation::MinMax,
    Normalisation::Max,
    Normalisation::Sum,
    Normalisation::ZScore,
    Normalisation::Rank,
    Normalisation::Distribution,
    Normalisation::Theoretical,
    Normalisation::None,
];

const PARITIES: [Parity; 14] = [
    Parity::QdrantRrf { k: 2 },
    Parity::QdrantDbsf,
    Parity::LangChain { c: 60 },
    Parity::LlamaIndexRrf,
    Parity::LlamaIndexRelative,
    Parity::LlamaIndexDistance,
    Parity::LlamaIndexSimple,
    Parity::HaystackRrf,
    Parity::HaystackDbsf,
    Parity::HaystackMerge,
    Parity::HaystackConcatenate,
    Parity::ElasticRrf { k: 60 },
    Parity::ElasticLinear,
    Parity::ElasticMinMax,
];

/// A ranking of these ids, best first.
fn ranking(ids: &[u64]) -> Ranking {
    let scored = |(rank, id): (usize, &u64)| Scored { id: PointId::Number(*id), score: -(rank as f32) };
    Ranking::new(ids.iter().enumerate().map(scored).collect())
}

/// A ranking of these ids and scores.
fn scored(found: &[(u64, f32)]) -> Ranking {
    Ranking::new(found.iter().map(|(id, score)| Scored { id: PointId::Number(*id), score: *score }).collect())
}

/// Each ranking as the only leg of a variant.
fn weighted(rankings: &[Ranking]) -> Vec<Weighted<'_>> {
    rankings.iter().zip(0..).map(|(ranking, variant)| Weighted::new(ranking, variant)).collect()
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

/// A leg with all that it takes.
#[derive(Debug, Clone)]
struct AnyLeg {
    ranking: Ranking,
    weight: f64,
    variant: usize,
    channel: Channel,
}

impl AnyLeg {
    fn weighted(&self) -> Weighted<'_> {
        let Self { ranking, weight, variant, channel } = self;
        Weighted { ranking, weight: *weight, variant: *variant, channel: *channel }
    }
}

fn legs(legs: &[AnyLeg]) -> Vec<Weighted<'_>> {
    legs.iter().map(AnyLeg::weighted).collect()
}

/// Up to 50 different ids, in any order.
fn any_ids() -> impl Strategy<Value = Vec<u64>> {
    Just((0..80).collect::<Vec<u64>>())
        .prop_shuffle()
        .prop_flat_map(|ids| (0..50usize).prop_map(move |n| ids[..n].to_vec()))
}

/// A ranking with scores above and below 0, some of them equal.
fn any_ranking() -> impl Strategy<Value = Ranking> {
    (any_ids(), prop::collection::vec(-40i16..200, 50)).prop_map(|(ids, scores)| {
        let found: Vec<(u64, f32)> =
            ids.into_iter().zip(scores.into_iter().map(|score| f32::from(score) / 8.0)).collect();
        scored(&found)
    })
}

fn any_leg() -> impl Strategy<Value = AnyLeg> {
    let channel = prop_oneof![Just(Channel::Dense), Just(Channel::Bm25)];
    (any_ranking(), 1..20u32, 0..3usize, channel).prop_map(|(ranking, weight, variant, channel)| AnyLeg {
        ranking,
        weight: f64::from(weight) / 10.0,
        variant,
        channel,
    })
}

fn any_legs() -> impl Strategy<Value = Vec<AnyLeg>> {
    prop::collection::vec(any_leg(), 0..5)
}

/// Any fusion that is not another system's; a quorum of at most `quorum`, where 0 asks for all.
fn any_own_fusion(quorum: usize) -> impl Strategy<Value = Fusion> {
    let scores = (prop::sample::select(&COMBINATIONS[..]), prop::sample::select(&NORMALISATIONS[..]));
    prop_oneof![
        (0.0..100.0).prop_map(|k| Fusion::Rrf { k }),
        (0..=quorum, any::<bool>()).prop_map(|(quorum, strict)| Fusion::Intersection { quorum, strict }),
        scores.prop_map(|(combination, normalisation)| Fusion::Scores { combination, normalisation }),
        (0.0..=1.0).prop_map(|alpha| Fusion::Convex { alpha }),
        Just(Fusion::Borda),
        Just(Fusion::Isr),
        Just(Fusion::LogIsr),
        (0.01..0.99).prop_map(|p| Fusion::Rbc { p }),
        Just(Fusion::Condorcet),
    ]
}

fn any_parity() -> impl Strategy<Value = Fusion> {
    prop::sample::select(&PARITIES[..]).prop_map(Fusion::Parity)
}

#[test]
fn rrf_scores_as_in_the_paper() {
    let fused = fuse(Fusion::rrf(), &[ranking(&[1, 2]), ranking(&[2, 3])], ALL);
    assert_eq!(ids(&fused), [2, 1, 3]);
    assert_eq!(fused[0].score, 1.0 / 62.0 + 1.0 / 61.0);
    assert_eq!(fused[1].score, 1.0 / 61.0);
    assert_eq!(fused[2].score, 1.0 / 62.0);
    // First in every leg would be 1.
    assert_eq!(fused[1].normalised, 0.5);
}

#[test]
fn weights_count_and_what_is_none_counts_as_nothing() {
    let rankings = [ranking(&[1]), ranking(&[2])];
    let order = |weight: f64| {
        let mut weighted = weighted(&rankings);
        weighted[1].weight = weight;
        ids(&Fusion::rrf().fuse(&weighted, ALL))
    };
    assert_eq!(order(2.0), [2, 1]);
    for none in [0.0, -2.0, f64::NAN, f64::INFINITY] {
        assert_eq!(order(none), [1], "{none}");
    }
    // Where there is nothing else, it is better than nothing.
    assert_eq!(ids(&Fusion::rrf().fuse(&[Weighted::new(&rankings[1], 0).with_weight(0.0)], ALL)), [2]);
}

#[test]
fn ties_break_by_the_best_rank_then_by_id() {
    let rankings = [ranking(&[9, 4]), ranking(&[7, 5])];
    assert_eq!(ids(&fuse(Fusion::rrf(), &rankings, ALL)), [7, 9, 4, 5]);
}

#[test]
fn numbers_and_uuids_are_told_apart() {
    // The same bits as an id of either form.
    let uuid = PointId::Uuid(uuid::Uuid::from_u64_pair(7, 0));
    let found = |id| Ranking::new(vec![Scored { id, score: 1.0 }]);
    let rankings = [found(PointId::Number(7)), found(uuid), found(PointId::Uuid(uuid::Uuid::from_u64_pair(7, 1)))];
    assert_eq!(fuse(Fusion::rrf(), &rankings, ALL).len(), 3);
}

#[test]
fn intersection_puts_what_all_found_first_and_strict_leaves_the_rest_out() {
    let rankings = [ranking(&[1, 2, 3]), ranking(&[4, 3, 5])];
    let filled = fuse(FILLED, &rankings, ALL);
    assert_eq!(ids(&filled), [3, 1, 4, 2, 5]);
    assert!(filled[0].normalised > 0.5 && filled[1].normalised <= 0.5);
    assert_eq!(ids(&fuse(STRICT, &rankings, ALL)), [3]);
    // Nothing in common: filled, not empty, unless the caller asked for strict.
    let apart = [ranking(&[1]), ranking(&[2])];
    assert_eq!(ids(&fuse(FILLED, &apart, ALL)), [1, 2]);
    assert!(fuse(STRICT, &apart, ALL).is_empty());
}

#[test]
fn intersection_means_variants_and_a_leg_that_found_nothing_does_not_count() {
    // The question's two channels, the rewrite's two, and a variant that found nothing.
    let rankings = [ranking(&[1, 2]), ranking(&[3, 1]), ranking(&[4, 2]), ranking(&[3, 5]), ranking(&[])];
    let mut weighted = weighted(&rankings);
    for (leg, variant) in [0, 0, 1, 1, 2].into_iter().enumerate() {
        weighted[leg].variant = variant;
    }
    // Fused within the variants first: 1 3 2 and 3 4 2 5. Passage 3 is second and first, passage 2 third and third.
    let fused = FILLED.fuse(&weighted, ALL);
    assert_eq!(ids(&fused), [3, 2, 1, 4, 5]);
    assert_eq!(ids(&STRICT.fuse(&weighted, ALL)), [3, 2]);
    let lift = 2.0 / 61.0;
    assert!((fused[0].score - lift - 1.0 / 62.0 - 1.0 / 61.0).abs() < 1e-15);
    let quorum = |quorum| Fusion::Intersection { quorum, strict: true }.fuse(&weighted, ALL);
    assert_eq!(quorum(1).len(), 5);
    assert!(quorum(3).is_empty());
}

#[test]
fn what_a_quorum_found_stands_first_even_if_it_weighs_little() {
    let rankings = [ranking(&[1, 2]), ranking(&[9, 3]), ranking(&[9, 4])];
    let mut weighted = weighted(&rankings);
    (weighted[1].weight, weighted[2].weight) = (1e-9, 1e-9);
    let quorum = Fusion::Intersection { quorum: 2, strict: false };
    assert_eq!(ids(&quorum.fuse(&weighted, ALL))[0], 9);
}

#[test]
fn condorcet_lets_the_majority_of_legs_decide() {
    // Two of three put 2 before 1, and both before 3.
    let rankings = [ranking(&[2, 1, 3]), ranking(&[2, 1, 3]), ranking(&[1, 3, 2])];
    assert_eq!(ids(&fuse(Fusion::Condorcet, &rankings, ALL)), [2, 1, 3]);
    // A heavy leg is a majority of its own.
    let mut weighted = weighted(&rankings);
    weighted[2].weight = 3.0;
    assert_eq!(ids(&Fusion::Condorcet.fuse(&weighted, ALL)), [1, 3, 2]);
    // Two light legs and a heavy one are a draw, whatever a leg that found nothing would weigh.
    let rankings = [ranking(&[2, 1]), ranking(&[2, 1]), ranking(&[1, 2]), ranking(&[])];
    let legs =
        rankings.iter().zip([0.1, 0.1, 0.2, 0.6]).map(|(found, weight)| Weighted::new(found, 0).with_weight(weight));
    assert_eq!(ids(&Fusion::Condorcet.fuse(&legs.collect::<Vec<_>>(), ALL)), [1, 2]);
    // Found beats not found; and where duels go round in a circle there is an order all the same.
    assert_eq!(ids(&fuse(Fusion::Condorcet, &[ranking(&[5]), ranking(&[5, 6])], ALL)), [5, 6]);
    let circle = [ranking(&[1, 2, 3]), ranking(&[2, 3, 1]), ranking(&[3, 1, 2])];
    assert_eq!(fuse(Fusion::Condorcet, &circle, ALL).len(), 3);
}

#[test]
fn log_isr_leaves_what_one_leg_found_behind() {
    let rankings = [ranking(&[1, 2, 3]), ranking(&[4, 5, 3])];
    let fused = fuse(Fusion::LogIsr, &rankings, ALL);
    assert_eq!(ids(&fused), [3, 1, 4, 2, 5]);
    assert_eq!((fused[0].score, fused[1].score), (2.0_f64.ln() * 2.0 / 9.0, 0.0));
}

#[test]
fn parity_with_elasticsearch_is_its_formulas() {
    // No Elasticsearch runs here: these numbers were worked out by hand from its source. golden.rs has more of them.
    let rankings = [scored(&[(1, 3.0), (2, 2.0), (3, 1.0)]), scored(&[(2, 5.0), (9, 5.0)])];
    let mut weighted = weighted(&rankings);
    weighted[1].weight = 0.5;
    let fused = |parity| {
        let fused = Fusion::Parity(parity).fuse(&weighted, ALL);
        fused.iter().map(|fused| (ids(&[*fused])[0], fused.score as f32)).collect::<Vec<_>>()
    };
    assert_eq!(
        fused(Parity::ElasticRrf { k: 60 }),
        [(2, 1.0 / 62.0 + 0.5 * (1.0 / 61.0)), (1, 1.0 / 61.0), (3, 1.0 / 63.0), (9, 0.5 * (1.0 / 62.0))]
    );
    assert_eq!(fused(Parity::ElasticLinear), [(2, 4.5), (1, 3.0), (9, 2.5), (3, 1.0)]);
    // Equal scores stay as they are.
    assert_eq!(fused(Parity::ElasticMinMax), [(2, 3.0), (9, 2.5), (1, 1.0), (3, 0.0)]);
}
