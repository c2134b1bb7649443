//! How much legs agree.

use asktwice::fuse::{agreement, agreement_within, rank_biased_overlap};

use super::*;

/// A ranking of letters.
fn letters(text: &str) -> Ranking {
    ranking(&text.bytes().map(u64::from).collect::<Vec<_>>())
}

#[test]
fn overlap_is_that_of_another_implementation() {
    // `rbo_ext` of rbo 0.1.3 (PyPI).
    for (one, other, p, expected) in [
        ("abcde", "badcefg", 0.9, 0.873),
        ("abcde", "badcefg", 0.5, 0.458_333_333_333_333_3),
        ("abcde", "badcefg", 0.98, 0.973_597_333_333_333_3),
        ("abcdefghij", "xaybzcdwev", 0.9, 0.436_126_491_642_857_2),
        ("ab", "cdefga", 0.9, 0.098_415),
    ] {
        let overlap = rank_biased_overlap(&letters(one), &letters(other), p);
        assert!((overlap - expected).abs() < 1e-12, "{one} {other} {p}: {overlap}");
    }
}

#[test]
fn legs_that_found_nothing_have_no_opinion() {
    let rankings = [letters("abc"), letters(""), letters("abc"), letters("xyz")];
    let legs = weighted(&rankings);
    assert_eq!(agreement(&legs[..2]), None);
    assert!((agreement(&legs[..3]).unwrap() - 1.0).abs() < 1e-12);
    // Of three pairs one agrees.
    assert!((agreement(&legs).unwrap() - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn a_variants_own_legs_are_compared_with_each_other_alone() {
    let rankings = [letters("abcd"), letters("abxy"), letters("klm"), letters("abcd")];
    let mut legs = weighted(&rankings);
    for (leg, variant) in legs.iter_mut().zip([0, 0, 1, 2]) {
        leg.variant = variant;
    }
    assert_eq!(agreement_within(&legs, 0), Some(rank_biased_overlap(&rankings[0], &rankings[1], 0.9)));
    assert_eq!(agreement_within(&legs, 1), None, "there is one leg only");
    assert_eq!(agreement_within(&legs, 7), None);
}

proptest! {
    #[test]
    fn overlap_is_symmetric_and_between_0_and_1(one in any_ranking(), other in any_ranking(), p in 0.01..0.99) {
        let overlap = rank_biased_overlap(&one, &other, p);
        prop_assert!((0.0..=1.0).contains(&overlap));
        prop_assert_eq!(overlap.to_bits(), rank_biased_overlap(&other, &one, p).to_bits());
        prop_assert!((rank_biased_overlap(&one, &one, p) - 1.0).abs() < 1e-9);
    }

    /// For rankings of equal length: from disjoint to the same, more in common never means less overlap.
    #[test]
    fn sharing_one_more_never_lowers_it(ids in any_ids(), at in any::<prop::sample::Index>(), p in 0.01..0.99) {
        prop_assume!(!ids.is_empty());
        let at = at.index(ids.len());
        let strangers: Vec<u64> = (100..).take(ids.len()).collect();
        let mut shared = strangers.clone();
        shared[at] = ids[at];
        let overlap = |other: &[u64]| rank_biased_overlap(&ranking(&ids), &ranking(other), p);
        prop_assert!(overlap(&strangers) < overlap(&shared) && overlap(&shared) <= overlap(&ids) + 1e-12);
    }
}
