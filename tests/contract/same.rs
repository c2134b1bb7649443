//! All stores rank alike: the same passages, the same questions, the same order and scores.

use asktwice::embed::{Bm25, Role, SparseEncoder};

use super::*;
use crate::edge::Dice;

const PASSAGES: u64 = 400;
const QUESTIONS: u64 = 60;

/// A text of words of which few are common and most are rare.
pub(super) fn text(dice: &mut Dice, length: u64) -> String {
    let word = |dice: &mut Dice| {
        let most = dice.below(600) + 1;
        format!("word{} ", dice.below(most))
    };
    (0..length).map(|_| word(dice)).collect()
}

fn dense(dice: &mut Dice) -> Vec<f32> {
    (0..DIMENSION).map(|_| dice.below(2_001) as f32 / 1_000.0 - 1.0).collect()
}

async fn fill_alike(store: &dyn VectorStoreWriter, encoder: &Bm25) {
    store.prepare(&identity().with_bm25(encoder.identity())).await.unwrap();
    let mut dice = Dice(7);
    let passages = (0..PASSAGES).map(|n| {
        let length = 5 + dice.below(60);
        let passage = Passage::new(n.to_string(), text(&mut dice, length)).cut_from(format!("{}", n % 3), 0);
        let words = encoder.encode(Role::Passage, &passage.embedded_text());
        (passage, Vectors::from(dense(&mut dice)).with_bm25(words))
    });
    store.upsert(passages.collect()).await.unwrap();
    // Some once more, with other words.
    let again = (0..PASSAGES).step_by(5).map(|n| {
        let passage = Passage::new(n.to_string(), text(&mut dice, 30)).cut_from(format!("{}", n % 3), 0);
        let words = encoder.encode(Role::Passage, &passage.embedded_text());
        (passage, Vectors::from(dense(&mut dice)).with_bm25(words))
    });
    store.upsert(again.collect()).await.unwrap();
}

fn searches(encoder: &Bm25) -> Vec<Search> {
    let mut dice = Dice(11);
    let mut searches = vec![];
    for question in 0..QUESTIONS {
        let depth = if question % 2 == 0 { 20 } else { PASSAGES as usize };
        let length = 1 + dice.below(8);
        let lexical = Search::bm25(encoder.encode(Role::Query, &text(&mut dice, length)), depth);
        let dense = Search::dense(dense(&mut dice), depth);
        for search in [lexical, dense] {
            searches.push(search.clone().with_filter(Filter::equals("document_id", "1")));
            searches.push(search);
        }
    }
    searches
}

/// The same scores at the same ranks, and the same points but where scores are as good as equal: each store adds in an
/// order of its own.
pub(super) fn assert_alike(one: &Ranking, other: &Ranking, what: &str) {
    assert_eq!(one.len(), other.len(), "{what}");
    let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
    for (rank, (a, b)) in one.entries().iter().zip(other.entries()).enumerate() {
        assert!(near(a.score, b.score), "{what}, rank {}: {a:?} {b:?}", rank + 1);
        if a.id != b.id {
            let there = one.entries().iter().find(|entry| entry.id == b.id);
            // At the end of a ranking one of two equals may be cut off.
            let last = one.entries().last().is_some_and(|last| near(last.score, b.score));
            assert!(there.map_or(last, |entry| near(entry.score, b.score)), "{what}, rank {}: {a:?} {b:?}", rank + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stores_rank_alike() {
    let encoder = Bm25::new("english").unwrap();
    let searches = searches(&encoder);
    let made = [memory().await, embedded().await, qdrant_through_the_front().await, qdrant_server().await];
    let mut wanted: Option<Vec<Ranking>> = None;
    for made in made.into_iter().flatten() {
        let store = &*made.store;
        fill_alike(store, &encoder).await;
        let found: Vec<_> = store.search_batch(searches.clone()).await.into_iter().map(Result::unwrap).collect();
        store.optimize().await.unwrap();
        let tidied: Vec<_> = store.search_batch(searches.clone()).await.into_iter().map(Result::unwrap).collect();
        let wanted = wanted.get_or_insert_with(|| found.clone());
        for (n, search) in searches.iter().enumerate() {
            for found in [&found[n], &tidied[n]] {
                assert_alike(&wanted[n], found, &format!("{store:?}, search {n}: {:?}", search.vector));
            }
        }
        let lengths = wanted.iter().map(Ranking::len);
        assert!(lengths.clone().sum::<usize>() > 10_000 && lengths.max() == Some(PASSAGES as usize));
        made.tidy().await;
    }
}
