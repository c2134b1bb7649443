//! Weights that know when a rewrite strayed.

use asktwice::{
    RewriteKind,
    fuse::{Signals, Weighting, word_overlap},
};

use super::*;

fn any_signals() -> impl Strategy<Value = Signals> {
    let cosine = prop::option::of(-1.0..1.0);
    (prop::sample::select(&RewriteKind::ALL[..]), cosine, 0.0..=1.0, 0.0..=1.0, 0..20usize)
        .prop_map(|(kind, cosine, overlap, agreement, strayed)| Signals { kind, cosine, overlap, agreement, strayed })
}

fn adaptive(signals: Signals) -> f64 {
    Weighting::Adaptive.weight(&signals)
}

proptest! {
    #[test]
    fn it_is_monotone_in_each_signal_and_never_above_the_questions_own(signals in any_signals(), more in 0.0..1.0) {
        let weight = adaptive(signals);
        prop_assert!((0.0..=1.0).contains(&weight));
        let up = |value: f64| f64::min(value + more, 1.0);
        for better in [
            Signals { cosine: signals.cosine.map(up), ..signals },
            Signals { overlap: up(signals.overlap), ..signals },
            Signals { agreement: up(signals.agreement), ..signals },
        ] {
            prop_assert!(adaptive(better) >= weight);
        }
        let strayed = Signals { strayed: signals.strayed + 1, ..signals };
        prop_assert!(adaptive(strayed) < weight);
    }

    #[test]
    fn fixed_is_fixed(signals in any_signals(), weight in -1.0..2.0) {
        prop_assert_eq!(Weighting::Fixed(weight).weight(&signals), f64::clamp(weight, 0.0, 1.0));
    }
}

#[test]
fn a_rewrite_that_keeps_to_the_question_counts_more_than_one_that_strayed() {
    let kept = Signals { kind: RewriteKind::Paraphrase, cosine: Some(0.95), overlap: 0.8, agreement: 0.9, strayed: 0 };
    let strayed = Signals { cosine: Some(0.2), overlap: 0.0, agreement: 0.0, strayed: 2, ..kept };
    assert!(adaptive(kept) > 0.9 && adaptive(strayed) < 0.2, "{} {}", adaptive(kept), adaptive(strayed));
    // What is no number, or far too much, does no harm.
    let odd = Signals { cosine: Some(f64::NAN), overlap: f64::NAN, agreement: 7.0, strayed: usize::MAX, ..kept };
    assert!((0.0..=1.0).contains(&adaptive(odd)));
}

#[test]
fn words_are_compared_without_case_and_signs() {
    assert_eq!(word_overlap("Why is my sourdough flat?", "sourdough bread: flat, why"), 0.6);
    assert_eq!(word_overlap("?!", "anything"), 1.0);
    assert_eq!(word_overlap("anything", ""), 0.0);
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
