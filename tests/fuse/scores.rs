//! What normalisations do where there is little to normalise.

use super::*;

/// A single leg's normalised scores.
fn normalised(normalisation: Normalisation, scores: &[f32], channel: Channel) -> Vec<f64> {
    let found: Vec<(u64, f32)> = (0..).zip(scores.iter().copied()).collect();
    let ranking = scored(&found);
    let leg = Weighted::new(&ranking, 0).with_channel(channel);
    let fused = Fusion::Scores { combination: Combination::Sum, normalisation }.fuse(&[leg], ALL);
    fused.iter().map(|fused| fused.score).collect()
}

#[test]
fn normalisations_are_their_formulas() {
    let of = |normalisation| normalised(normalisation, &[4.0, 2.0, 1.0, 1.0], Channel::Bm25);
    assert_eq!(of(Normalisation::MinMax), [1.0, 1.0 / 3.0, 0.0, 0.0]);
    assert_eq!(of(Normalisation::Max), [1.0, 0.5, 0.25, 0.25]);
    assert_eq!(of(Normalisation::Sum), [0.75, 0.25, 0.0, 0.0]);
    assert_eq!(of(Normalisation::Rank), [1.0, 0.75, 0.5, 0.25]);
    assert_eq!(of(Normalisation::Theoretical), [1.0, 0.5, 0.25, 0.25]);
    assert_eq!(of(Normalisation::None), [4.0, 2.0, 1.0, 1.0]);
    // Mean 2, squared distances 4, 0, 1, 1: the population's variance is 1.5, the sample's 2.
    assert_eq!(of(Normalisation::ZScore), [2.0 / 1.5_f64.sqrt(), 0.0, -1.0 / 1.5_f64.sqrt(), -1.0 / 1.5_f64.sqrt()]);
    let far = 1.0 / (6.0 * 2.0_f64.sqrt());
    for (score, expected) in
        of(Normalisation::Distribution).into_iter().zip([0.5 + 2.0 * far, 0.5, 0.5 - far, 0.5 - far])
    {
        assert!((score - expected).abs() < 1e-15);
    }
    // A cosine can be −1.
    let dense = normalised(Normalisation::Theoretical, &[0.5, 0.2], Channel::Dense);
    assert!((dense[0] - 1.0).abs() < 1e-15 && (dense[1] - 0.8).abs() < 1e-7, "{dense:?}");
}

#[test]
fn one_entry_and_equal_scores_are_neither_good_nor_bad() {
    for (normalisation, one, of_four) in [
        (Normalisation::MinMax, 1.0, 1.0),
        (Normalisation::Max, 1.0, 1.0),
        (Normalisation::Sum, 1.0, 0.25),
        (Normalisation::ZScore, 0.0, 0.0),
        (Normalisation::Distribution, 0.5, 0.5),
        (Normalisation::Theoretical, 1.0, 1.0),
        (Normalisation::None, 0.1_f32.into(), 0.1_f32.into()),
    ] {
        assert_eq!(normalised(normalisation, &[0.1], Channel::Bm25), [one], "{normalisation}");
        assert_eq!(normalised(normalisation, &[0.1; 4], Channel::Bm25), [of_four; 4], "{normalisation}");
        assert!(normalised(normalisation, &[], Channel::Bm25).is_empty());
    }
}

#[test]
fn combinations_are_their_formulas() {
    let rankings =
        [scored(&[(1, 4.0), (2, 1.0)]), scored(&[(1, 2.0)]), scored(&[(1, 1.0), (3, 1.0)]), scored(&[(1, 5.0)])];
    let best = |combination| fuse(Fusion::Scores { combination, normalisation: Normalisation::None }, &rankings, 1)[0];
    for (combination, expected) in COMBINATIONS.into_iter().zip([12.0, 48.0, 3.0, 5.0, 1.0, 3.0]) {
        assert_eq!((best(combination).id, best(combination).score), (PointId::Number(1), expected), "{combination}");
    }
}

#[test]
fn a_weight_multiplies_the_normalised_score() {
    let rankings = [scored(&[(1, 9.0), (2, 6.0), (3, 5.0)]), scored(&[(2, 0.9), (1, 0.4)])];
    let mut weighted = weighted(&rankings);
    weighted[1].weight = 0.5;
    let fused = Fusion::min_max().fuse(&weighted, ALL);
    assert_eq!(fused.iter().map(|fused| fused.score).collect::<Vec<_>>(), [1.0, 0.75, 0.0]);
    assert_eq!(fused[0].normalised, 1.0 / 1.5);
}

#[test]
fn a_convex_combination_weighs_the_channels() {
    let rankings = [scored(&[(1, 0.8), (2, 0.44)]), scored(&[(2, 20.0), (1, 5.0)])];
    let mut weighted = weighted(&rankings);
    weighted[1].channel = Channel::Bm25;
    // By hand: 0.75 · 1 + 0.25 · 5/20 and 0.75 · 1.44/1.8 + 0.25 · 1.
    let fused = Fusion::Convex { alpha: 0.75 }.fuse(&weighted, ALL);
    assert_eq!(ids(&fused), [2, 1]);
    assert!((fused[0].score - 0.85).abs() < 1e-7 && (fused[1].score - 0.8125).abs() < 1e-7, "{fused:?}");
    assert_eq!(ids(&Fusion::Convex { alpha: 1.0 }.fuse(&weighted, ALL)), [1, 2]);
}

#[test]
fn scores_that_are_no_numbers_stay_out_of_sums() {
    let rankings = [
        scored(&[(1, f32::INFINITY), (2, f32::NAN), (3, 1.0), (4, f32::NEG_INFINITY)]),
        scored(&[(1, f32::MAX), (3, f32::MIN)]),
    ];
    for fusion in Fusion::all() {
        for fused in fuse(fusion, &rankings, ALL) {
            assert!(fused.score.is_finite() && (0.0..=1.0).contains(&fused.normalised), "{fusion}: {fused:?}");
        }
    }
}

#[test]
fn constants_that_make_no_sense_are_taken_as_the_nearest_that_do() {
    let rankings = [ranking(&[1, 2]), ranking(&[3])];
    for (odd, sane) in [
        (Fusion::Rrf { k: -5.0 }, Fusion::Rrf { k: 0.0 }),
        (Fusion::Rrf { k: f64::NAN }, Fusion::Rrf { k: 0.0 }),
        (Fusion::Convex { alpha: 2.0 }, Fusion::Convex { alpha: 1.0 }),
    ] {
        assert_eq!(fuse(odd, &rankings, ALL), fuse(sane, &rankings, ALL));
    }
    for p in [-1.0, 0.0, 1.0, f64::NAN] {
        assert!(fuse(Fusion::Rbc { p }, &rankings, ALL).iter().all(|fused| fused.score.is_finite()));
    }
}
