//! The pure functions, by what is true of them for whatever they are given.

use std::collections::HashSet;

use asktwice::{
    Ranking,
    fuse::Fused,
    ranking::{PointId, Scored},
    refine::{Group, Selection, Threshold, diversify},
    search::Channel,
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;

fn ranking(scores: &[f32]) -> Ranking {
    Ranking::new(scores.iter().zip(0..).map(|(score, id)| Scored { id: PointId::Number(id), score: *score }).collect())
}

/// The definition, word by word: no running maxima, nothing left out.
fn by_definition(relevances: &[f64], vectors: &[Vec<f32>], diversity: f64) -> Vec<usize> {
    let cosine = |a: usize, b: usize| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let (a, b) = (vectors[a].as_slice(), vectors[b].as_slice());
        let lengths = dot(a, a).sqrt() * dot(b, b).sqrt();
        if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
    };
    let (low, high) = relevances.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
    let scaled = |x: f64| if high > low { (x - low) / (high - low) } else { 1.0 };
    let mut chosen: Vec<usize> = vec![];
    while chosen.len() < relevances.len() {
        let mut best: Option<(usize, f64)> = None;
        for at in (0..relevances.len()).filter(|at| !chosen.contains(at)) {
            let repeats = chosen.iter().map(|other| cosine(*other, at)).reduce(f64::max);
            let worth = match repeats {
                Some(repeats) => (1.0 - diversity) * scaled(relevances[at]) - diversity * repeats,
                None => scaled(relevances[at]),
            };
            if best.is_none_or(|(_, highest)| worth > highest) {
                best = Some((at, worth));
            }
        }
        chosen.push(best.unwrap().0);
    }
    chosen
}

proptest! {
    #[test]
    fn a_threshold_keeps_what_reaches_it_and_nothing_else(scores in vec(-1.0_f32..1.0, 0..30), least in -1.0_f32..1.0) {
        let whole = ranking(&scores);
        let threshold = Threshold::default().with_dense(least);
        let kept = threshold.leg(Channel::Dense, whole.clone());
        prop_assert_eq!(kept.len(), scores.iter().filter(|score| **score >= least).count());
        prop_assert_eq!(kept.entries(), &whole.entries()[..kept.len()]);
        // The other channel's scores are its own.
        prop_assert_eq!(threshold.leg(Channel::Bm25, whole.clone()), whole);
    }

    #[test]
    fn a_normalised_threshold_keeps_a_prefix(scores in vec(0.0_f64..1.0, 0..30), least in 0.0_f64..1.0) {
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let fused = |(score, id): (&f64, u64)| Fused { id: PointId::Number(id), score: *score * 7.0, normalised: *score };
        let whole: Vec<Fused> = sorted.iter().zip(0..).map(fused).collect();
        let mut kept = whole.clone();
        Threshold::default().with_normalised(least).fused(&mut kept);
        prop_assert_eq!(kept.len(), scores.iter().filter(|score| **score >= least).count());
        prop_assert_eq!(&kept[..], &whole[..kept.len()]);
    }

    #[test]
    fn groups_are_the_best_of_each_document(
        documents in vec(0_u8..8, 0..40), passages in 1_usize..4, offset in 0_usize..4, limit in 1_usize..6
    ) {
        let names: Vec<String> = documents.iter().map(u8::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chosen = Group::of(passages).choose(&names, offset, limit);
        // The documents, in the order of the best passage of each.
        let mut seen = HashSet::new();
        let order: Vec<u8> = documents.iter().copied().filter(|document| seen.insert(*document)).collect();
        let wanted: Vec<usize> = order.iter().skip(offset).take(limit).flat_map(|document| {
            documents.iter().enumerate().filter(|(_, of)| *of == document).map(|(at, _)| at).take(passages).collect::<Vec<_>>()
        }).collect();
        prop_assert_eq!(chosen, wanted);
    }

    #[test]
    fn pages_of_groups_are_the_whole(documents in vec(0_u8..8, 0..40), passages in 1_usize..4, limit in 1_usize..6) {
        let names: Vec<String> = documents.iter().map(u8::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let group = Group::of(passages);
        let pages: Vec<usize> = (0..8).flat_map(|page| group.choose(&names, page * limit, limit)).collect();
        prop_assert_eq!(pages, group.choose(&names, 0, usize::MAX));
    }

    #[test]
    fn mmr_is_its_definition(
        candidates in vec((0.0_f64..1.0, vec(-1.0_f32..1.0, 3)), 0..14), diversity in 0.0_f64..=1.0
    ) {
        let (relevances, vectors): (Vec<f64>, Vec<Vec<f32>>) = candidates.into_iter().unzip();
        let given: Vec<Option<&[f32]>> = vectors.iter().map(|vector| Some(vector.as_slice())).collect();
        prop_assert_eq!(diversify(&relevances, &given, diversity), by_definition(&relevances, &vectors, diversity));
    }

    #[test]
    fn mmr_without_diversity_changes_nothing_and_always_starts_with_the_best(
        relevances in vec(0.0_f64..1.0, 1..20), vectors in vec(vec(-1.0_f32..1.0, 2), 20), diversity in 0.0_f64..=1.0
    ) {
        let mut relevances = relevances;
        relevances.sort_by(|a, b| b.total_cmp(a));
        // Every third has no vector.
        let given = |(at, vector): (usize, &'_ Vec<f32>)| (at % 3 != 2).then(|| vector.clone());
        let vectors: Vec<Option<Vec<f32>>> = vectors.iter().enumerate().map(given).take(relevances.len()).collect();
        let given: Vec<Option<&[f32]>> = vectors.iter().map(Option::as_deref).collect();
        let unchanged: Vec<usize> = (0..relevances.len()).collect();
        prop_assert_eq!(&diversify(&relevances, &given, 0.0), &unchanged);
        let mut order = diversify(&relevances, &given, diversity);
        prop_assert_eq!(order[0], 0);
        order.sort_unstable();
        prop_assert_eq!(order, unchanged);
    }
}

#[test]
fn a_selection_leaves_what_it_says() {
    let whole = asktwice::Passage::new("id", "text").with_title("title").cut_from("document", 3);
    let serde_json::Value::Object(payload) = json!({"topic": "refunds", "year": 2024, "tags": ["a"]}) else { panic!() };
    let whole = whole.with_payload(payload);
    let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (selection, left) in [
        (Selection::All, json!({"topic": "refunds", "year": 2024, "tags": ["a"]})),
        (Selection::None, json!({})),
        (Selection::Include(names(&["year", "absent"])), json!({"year": 2024})),
        (Selection::Exclude(names(&["year", "absent"])), json!({"topic": "refunds", "tags": ["a"]})),
    ] {
        let mut passage = whole.clone();
        selection.apply(&mut passage);
        assert_eq!(serde_json::Value::Object(passage.payload.clone()), left, "{selection:?}");
        assert_eq!(passage.with_payload(whole.payload.clone()), whole);
    }
}
