//! Weights that know when a rewrite strayed.

use asktwice::{
    RewriteKind,
    fuse::{Signals, Weighting},
    rewrite::Signs,
};

use super::*;

fn signals(kind: RewriteKind, near: f64, answered: f64) -> Signals {
    let mut signals = Signals::new(kind);
    (signals.near, signals.answered) = (near, answered);
    signals
}

fn signs(strayed: usize, shortened: bool) -> Signs {
    Signs::default().with_strayed(strayed).with_shortened(shortened)
}

fn any_signals() -> impl Strategy<Value = Signals> {
    let kind = prop::sample::select(&RewriteKind::ALL[..]);
    let text = (0..20usize, any::<bool>(), 0..9usize);
    let legs = (0.0..=1.0, prop::option::of(0.0..=2.0), 0.0..=9.0, 0.0..=1.0);
    (kind, text, legs).prop_map(|(kind, (strayed, shortened, rewrites), (near, apart, answered, agreed))| {
        let signs = signs(strayed, shortened);
        let mut signals = signals(kind, near, answered).with_signs(signs).with_rewrites(rewrites).with_agreed(agreed);
        signals.apart = apart;
        signals
    })
}

fn adaptive(signals: Signals) -> f64 {
    Weighting::Adaptive.weight(&signals)
}

proptest! {
    #[test]
    fn it_is_monotone_in_each_signal_and_never_above_the_questions_own(given in any_signals(), more in 0.0..1.0) {
        let weight = adaptive(given);
        // Only the standalone question of a chat may outweigh the bare message.
        let ceiling = if given.kind == RewriteKind::Condense { 2.0 } else { 1.0 };
        prop_assert!((0.0..=ceiling).contains(&weight));
        let change = |near, answered, agreed| {
            let mut changed = given;
            (changed.near, changed.answered, changed.agreed) = (near, answered, agreed);
            adaptive(changed)
        };
        let mut farther = given;
        farther.apart = given.apart.map(|apart| apart + more);
        prop_assert!(adaptive(farther) <= weight);
        prop_assert!(change(f64::min(given.near + more, 1.0), given.answered, given.agreed) >= weight);
        prop_assert!(change(given.near, given.answered + more, given.agreed) >= weight);
        prop_assert!(change(given.near, given.answered, f64::min(given.agreed + more, 1.0)) <= weight);
        prop_assert!(adaptive(given.with_signs(signs(given.signs.strayed + 1, given.signs.shortened))) <= weight);
        prop_assert!(adaptive(given.with_rewrites(given.rewrites + 1)) <= weight);
    }

    #[test]
    fn fixed_is_fixed(signals in any_signals(), weight in -1.0..2.0) {
        prop_assert_eq!(Weighting::Fixed(weight).weight(&signals), f64::clamp(weight, 0.0, 1.0));
    }
}

#[test]
fn the_same_again_counts_half_and_twice_the_answer_counts_whole() {
    let weight = |near, answered| adaptive(signals(RewriteKind::Paraphrase, near, answered));
    assert_eq!(weight(1.0, 1.0), 0.5);
    assert_eq!(weight(1.0, 2.0), 1.0);
    assert_eq!(weight(1.0, 50.0), 1.0);
    assert_eq!(weight(0.5, 1.0), 0.25);
    assert_eq!(weight(0.0, 50.0), 0.0);
    for (agreed, weight) in [(0.5, 0.75), (1.0, 0.0), (f64::NAN, 1.0)] {
        assert_eq!(adaptive(signals(RewriteKind::Paraphrase, 1.0, 2.0).with_agreed(agreed)), weight);
    }
    let condense = signals(RewriteKind::Condense, 1.0, 2.0);
    assert_eq!(adaptive(condense), adaptive(condense.with_agreed(1.0)), "a bare message is no witness against it");
    let four = signals(RewriteKind::Multi, 1.0, 2.0).with_rewrites(4);
    assert_eq!(adaptive(four), 0.5, "four rewrites count together as much as two questions");
    // What is no number, or far too much, does no harm.
    for odd in [signals(RewriteKind::Multi, f64::NAN, f64::INFINITY), four.with_signs(signs(usize::MAX, false))] {
        assert!((0.0..=1.0).contains(&adaptive(odd)));
    }
}

#[test]
fn what_only_leaves_words_out_has_to_stay_where_the_question_is() {
    let weight = |apart, shortened| {
        let mut signals = signals(RewriteKind::Paraphrase, 1.0, 1.0).with_signs(signs(0, shortened));
        signals.apart = apart;
        adaptive(signals)
    };
    for (apart, weighs) in [(0.0, 1.0), (0.16, 1.0), (0.25, 0.5), (0.34, 0.0), (5.0, 0.0), (f64::NAN, 0.0)] {
        assert!((weight(Some(apart), true) - weighs).abs() < 1e-9, "{apart}");
        assert_eq!(weight(Some(apart), false), 0.5);
    }
    assert_eq!(weight(None, true), 0.5, "what is not known speaks neither for nor against it");
    let mut stripped = signals(RewriteKind::Paraphrase, 1.0, 1.0).with_signs(signs(1, true));
    stripped.apart = Some(0.0);
    assert_eq!(adaptive(stripped), 0.4, "without its \"not\" it is another question, however near");
}

#[test]
fn the_legs_show_how_near_a_rewrite_is_and_how_strongly_it_is_answered() {
    let scored = |scores: &[f32]| {
        Ranking::new((0..).zip(scores).map(|(id, score)| Scored { id: PointId::Number(id), score: *score }).collect())
    };
    let (asked, said) = (scored(&[0.6, 0.5, 0.2]), scored(&[0.9, 0.1]));
    let (asked_words, said_words) = (scored(&[8.0, 1.0]), scored(&[12.0]));
    let leg = |ranking, variant, channel| Weighted::new(ranking, variant).with_channel(channel);
    let legs = [
        leg(&asked, 0, Channel::Dense),
        leg(&asked_words, 0, Channel::Bm25),
        leg(&said, 1, Channel::Dense),
        leg(&said_words, 1, Channel::Bm25),
    ];
    let seen = |legs: &[Weighted<'_>], cosine| {
        let seen = Signals::new(RewriteKind::Paraphrase).with_legs(legs, 0, 1, cosine);
        (seen.near, seen.answered)
    };
    let close = |(a, b): (f64, f64), (c, d): (f64, f64)| {
        assert!((a - c).abs() < 1e-6 && (b - d).abs() < 1e-6, "({a}, {b}) is not ({c}, {d})");
    };
    // Between 0.2 and 0.6; 0.9 / 0.6 · 12 / 8.
    close(seen(&legs, Some(0.4)), (0.5, 2.25));
    close(seen(&legs, Some(0.7)), (1.0, 2.25));
    close(seen(&legs, Some(-0.1)), (0.0, 2.25));
    let apart = |cosine| Signals::new(RewriteKind::Paraphrase).with_legs(&legs, 0, 1, cosine).apart;
    assert!((apart(Some(0.8)).unwrap() - 0.5).abs() < 1e-6, "0.2 / 0.4");
    assert_eq!(apart(None), None);
    let passage = scored(&[1.0]);
    let beside = |cosine| {
        let legs = [leg(&passage, 0, Channel::Dense)];
        Signals::new(RewriteKind::Paraphrase).with_legs(&legs, 0, 1, Some(cosine)).apart
    };
    assert_eq!((beside(0.99), beside(1.0)), (Some(f64::INFINITY), Some(0.0)), "the question is a passage itself");
    // What is not known speaks neither for nor against it.
    close(seen(&legs, None), (1.0, 2.25));
    close(seen(&legs[..3], Some(0.4)), (0.5, 1.5));
    close(seen(&legs[1..], Some(0.4)), (1.0, 1.5));
    let nothing = Ranking::default();
    close(seen(&[leg(&nothing, 0, Channel::Dense), legs[2]], Some(0.4)), (1.0, 1.0));
    // One hit is its own first and last.
    let one = scored(&[0.5]);
    close(seen(&[leg(&one, 0, Channel::Dense)], Some(0.5)), (1.0, 1.0));
    close(seen(&[leg(&one, 0, Channel::Dense)], Some(0.4)), (0.0, 1.0));
}

#[test]
fn weightings_are_a_number_or_a_word() {
    for (text, weighting) in
        [("adaptive", Weighting::Adaptive), ("0.5", Weighting::Fixed(0.5)), ("1", Weighting::Fixed(1.0))]
    {
        assert_eq!(text.parse(), Ok(weighting));
        assert_eq!(weighting.to_string(), text);
        let json = serde_json::to_value(weighting).unwrap();
        assert_eq!(serde_json::from_value::<Weighting>(json).unwrap(), weighting);
        assert_eq!(serde_json::from_value::<Weighting>(text.into()).unwrap(), weighting);
    }
    for text in ["", "Adaptive", "1.5", "-0.1", "NaN"] {
        assert!(text.parse::<Weighting>().is_err(), "{text}");
    }
}
