//! The channel `bm25`: words, weighed by their rarity.

use asktwice::search::Filter;

use super::*;

const ENCODER: &str = "words by their numbers";

fn hybrid() -> Identity {
    identity().with_bm25(ENCODER)
}

/// The rarity of a word that `f` of `n` passages have.
fn rarity(n: f32, f: f32) -> f32 {
    (1.0 + (n - f + 0.5) / (f + 0.5)).ln()
}

/// Four passages; all have word 1, two have word 2, one has word 3.
async fn filled(store: &dyn VectorStoreWriter) {
    store.prepare(&hybrid()).await.unwrap();
    let passages = [
        ("a", words([(1, 0.5), (2, 1.5)])),
        ("b", words([(1, 1.0)])),
        ("c", words([(1, 0.25), (3, 2.0)])),
        ("d", words([(1, 2.0), (2, 1.0), (40_000_000, 1.0)])),
    ];
    let passages = passages.into_iter().enumerate().map(|(n, (id, words))| {
        let passage = Passage::new(id, "text").cut_from(if n < 2 { "first" } else { "second" }, n as u32);
        (passage, both(n as f32, words))
    });
    store.upsert(passages.collect()).await.unwrap();
}

/// Ids and scores, best first.
async fn by_words(store: &dyn VectorStoreWriter, search: Search) -> Vec<(String, f32)> {
    let ranking = store.search(search).await.unwrap();
    let ids: Vec<_> = ranking.entries().iter().map(|entry| entry.id).collect();
    let passages = store.fetch(&ids).await.unwrap();
    passages.into_iter().zip(ranking.entries()).map(|((_, passage), entry)| (passage.id, entry.score)).collect()
}

fn assert_found(found: &[(String, f32)], wanted: &[(&str, f32)]) {
    let ids = |list: &[(String, f32)]| list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(found), wanted.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{found:?}");
    for ((id, score), (_, wanted)) in found.iter().zip(wanted) {
        assert!((score - wanted).abs() < 1e-5, "{id}: {score}, not {wanted}");
    }
}

pub async fn shared_words_are_found_and_rare_ones_count_more(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let (one, two, three) = (rarity(4.0, 4.0), rarity(4.0, 2.0), rarity(4.0, 1.0));
    // Word 2 counts twice in the question; word 77 no passage has.
    let found = by_words(store, Search::bm25(words([(1, 1.0), (2, 2.0), (77, 1.0)]), 9)).await;
    let wanted =
        [("a", 0.5 * one + 1.5 * 2.0 * two), ("d", 2.0 * one + 1.0 * 2.0 * two), ("b", 1.0 * one), ("c", 0.25 * one)];
    assert_found(&found, &wanted);
    let found = by_words(store, Search::bm25(words([(3, 1.0)]), 9)).await;
    assert_found(&found, &[("c", 2.0 * three)]);
    assert!(by_words(store, Search::bm25(words([(77, 1.0)]), 9)).await.is_empty());
    // However the passages come to lie.
    store.optimize().await.unwrap();
    let found = by_words(store, Search::bm25(words([(2, 1.0), (40_000_000, 1.0)]), 9)).await;
    assert_found(&found, &[("d", two + three), ("a", 1.5 * two)]);
}

pub async fn a_filter_does_not_change_scores(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let search = Search::bm25(words([(1, 1.0), (2, 1.0)]), 9).with_filter(Filter::equals("document_id", "first"));
    let (one, two) = (rarity(4.0, 4.0), rarity(4.0, 2.0));
    assert_found(&by_words(store, search).await, &[("a", 0.5 * one + 1.5 * two), ("b", one)]);
    let incomparable = Search::bm25(words([(1, 1.0)]), 9).with_filter(Filter::equals("price", 1.5));
    assert!(matches!(store.search(incomparable).await, Err(StoreError::Request { .. })));
}

pub async fn no_word_finds_nothing(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let nothing = || Search::bm25(SparseVector::default(), 9);
    assert!(store.search(nothing()).await.unwrap().is_empty());
    let filtered = nothing().with_filter(Filter::equals("document_id", "first"));
    let found = store.search_batch(vec![nothing(), search(9), filtered]).await;
    assert_eq!(found.into_iter().map(|found| found.unwrap().len()).collect::<Vec<_>>(), [0, 4, 0]);
}

pub async fn depth_bounds_a_ranking_of_words(store: &dyn VectorStoreWriter) {
    filled(store).await;
    for (depth, wanted) in [(0, 0), (1, 1), (3, 3), (1_000, 4)] {
        let found = store.search(Search::bm25(words([(1, 1.0)]), depth)).await.unwrap();
        assert_eq!(found.len(), wanted, "depth {depth}");
    }
}

pub async fn a_batch_may_mix_channels(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let lexical = Search::bm25(words([(2, 1.0)]), 9);
    let unsound = Search::bm25(words([(2, 1.0), (1, 1.0)]), 9);
    let found = store.search_batch(vec![lexical.clone(), search(2), unsound, lexical]).await;
    let found: Vec<_> = found.into_iter().map(|found| found.map_or(0, |found| found.len())).collect();
    assert_eq!(found, [2, 2, 0, 2]);
}

pub async fn replaced_words_are_forgotten(store: &dyn VectorStoreWriter) {
    filled(store).await;
    store.upsert(vec![(Passage::new("a", "new"), both(1.0, words([(3, 1.0)])))]).await.unwrap();
    let found = by_words(store, Search::bm25(words([(2, 1.0)]), 9)).await;
    assert_found(&found, &[("d", rarity(4.0, 1.0))]);
    let found = by_words(store, Search::bm25(words([(3, 1.0)]), 9)).await;
    assert_found(&found, &[("c", 2.0 * rarity(4.0, 2.0)), ("a", rarity(4.0, 2.0))]);
}

pub async fn deleted_passages_are_not_found_by_words(store: &dyn VectorStoreWriter) {
    filled(store).await;
    store.delete(&[PointId::of("d")]).await.unwrap();
    store.delete_matching(&Filter::equals("position", 0)).await.unwrap();
    // Their scores are the engines' affair: deleted passages count until they are merged away.
    let ids = |found: Vec<(String, f32)>| found.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(by_words(store, Search::bm25(words([(1, 1.0), (2, 1.0)]), 9)).await), ["b", "c"]);
    assert!(by_words(store, Search::bm25(words([(2, 1.0)]), 9)).await.is_empty());
}

pub async fn passages_without_words_are_kept(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let wordless = |id: &str| (Passage::new(id, "the"), both(5.0, SparseVector::default()));
    store.upsert(vec![wordless("e"), wordless("f")]).await.unwrap();
    assert_eq!((count(store).await, found(store, 9, None).await.len()), (6, 6));
    let search = || Search::bm25(words([(3, 1.0)]), 9);
    // They count among no words.
    assert_found(&by_words(store, search()).await, &[("c", 2.0 * rarity(4.0, 1.0))]);
    store.upsert(vec![(Passage::new("e", "tea"), both(5.0, words([(3, 1.0)])))]).await.unwrap();
    let wanted = [("c", 2.0 * rarity(5.0, 2.0)), ("e", rarity(5.0, 2.0))];
    assert_found(&by_words(store, search()).await, &wanted);
    store.upsert(vec![wordless("e")]).await.unwrap();
    assert_found(&by_words(store, search()).await, &[("c", 2.0 * rarity(4.0, 1.0))]);
}

pub async fn unsound_words_are_refused(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let cases = [
        (words([(2, 1.0), (1, 1.0)]), "order"),
        (words([(1, 1.0), (1, 1.0)]), "twice"),
        (words([(1, f32::NAN)]), "finite"),
        (words([(1, f32::INFINITY)]), "finite"),
        (SparseVector { indices: vec![1, 2], values: vec![1.0] }, "as many"),
        (SparseVector { indices: vec![], values: vec![1.0] }, "as many"),
    ];
    for (unsound, wanted) in cases {
        let sound = (Passage::new("g", "text"), both(0.0, words([(1, 1.0)])));
        let written = vec![sound, (Passage::new("the bad one", "text"), both(0.0, unsound.clone()))];
        let written = store.upsert(written).await.unwrap_err();
        assert!(written.to_string().contains("\"the bad one\""), "{written}");
        for error in [written, store.search(Search::bm25(unsound, 9)).await.unwrap_err()] {
            assert!(matches!(error, StoreError::Request { .. }), "{error}");
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
    let poison = store.search(Search::dense(vec![f32::NAN; DIMENSION], 9)).await.unwrap_err();
    assert!(matches!(poison, StoreError::Request { .. }), "{poison}");
    assert_eq!(count(store).await, 4);
}

pub async fn every_passage_has_a_vector_for_every_channel(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let sound = || (Passage::new("e", "text"), both(0.0, words([(1, 1.0)])));
    let error = store.upsert(vec![sound(), (Passage::new("f", "text"), at(0.0).into())]).await.unwrap_err();
    assert!(matches!(error, StoreError::Request { .. }), "{error}");
    assert!(error.to_string().contains("\"f\" has no bm25 vector"), "{error}");
    assert_eq!(count(store).await, 4);
}

pub async fn a_channel_that_nothing_fills_is_refused(store: &dyn VectorStoreWriter) {
    fill(store, [Passage::new("a", "text")]).await;
    for words in [words([(1, 1.0)]), SparseVector::default()] {
        let error = store.search(Search::bm25(words, 3)).await.unwrap_err();
        assert!(matches!(error, StoreError::Request { .. }), "{error}");
        assert!(error.to_string().contains("no channel bm25"), "{error}");
    }
    let written = store.upsert(vec![(Passage::new("b", "text"), both(0.0, words([(1, 1.0)])))]).await.unwrap_err();
    assert!(matches!(written, StoreError::Request { .. }), "{written}");
    assert_eq!(count(store).await, 1);
}

pub async fn another_lexical_side_is_refused(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let others = [
        (identity(), "it has the bm25 vectors of words by their numbers, this one makes none"),
        (identity().with_bm25("other words"), "are those of words by their numbers, this one's of other words"),
    ];
    for (other, wanted) in others {
        let error = store.prepare(&other).await.unwrap_err();
        assert!(matches!(error, StoreError::Identity { .. }), "{error}");
        assert!(error.to_string().contains(wanted) && error.to_string().contains("a new collection"), "{error}");
    }
    store.prepare(&hybrid()).await.unwrap();

    // Who only searches is let in: by its embeddings in any case, by its words if they are the same.
    let info = store.info().await.unwrap().unwrap();
    assert_eq!((info.bm25.as_deref(), info.identity.as_ref()), (Some(ENCODER), Some(&hybrid())));
    info.accepts(&identity()).unwrap();
    assert!(info.accepts_bm25(ENCODER).unwrap());
    assert!(matches!(info.accepts_bm25("other words"), Err(StoreError::Identity { .. })));
    assert_eq!(found(store, 9, None).await.len(), 4);
}
