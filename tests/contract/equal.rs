//! The embedded engine and the protocol front give the same order: 300 questions, each with a rewrite, through both
//! channels, and every fusion of what they find; but for what scores as good as the same. A real server is held to the same where `ASKTWICE_TEST_QDRANT` names
//! one; only such a run says anything of Qdrant.

use std::collections::HashMap;

use asktwice::{
    Fuse, Fusion,
    embed::{Bm25, Role, SparseEncoder},
    fuse::{Parity, Weighted},
    search::Channel,
};

use super::{
    same::{assert_alike, text},
    *,
};
use crate::{edge::Dice, support::shared_data};

const QUESTIONS: usize = 300;
const DEPTH: usize = 100;
const LIMIT: usize = 50;

struct Corpus {
    passages: Vec<Passage>,
    /// A question and its rewrite.
    questions: Vec<[String; 2]>,
}

impl Corpus {
    fn synthetic() -> Self {
        let mut dice = Dice(23);
        let mut some = |most: u64| {
            let length = 3 + dice.below(most);
            text(&mut dice, length)
        };
        let passages = (0..1_000).map(|n| Passage::new(n.to_string(), some(60))).collect();
        Self { passages, questions: (0..QUESTIONS).map(|_| [some(8), some(8)]).collect() }
    }

    /// The test claims and their recorded paraphrases.
    fn scifact() -> Option<Self> {
        let folder = shared_data("scifact")?;
        let lines = |file: &str| {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let passage =
            |line: &Value| Passage::new(field(line, "_id"), field(line, "text")).with_title(field(line, "title"));
        let claims = lines("queries.jsonl");
        let claims: HashMap<_, _> = claims.iter().map(|line| (field(line, "_id"), field(line, "text"))).collect();
        let rewrites = lines("rewrites/gpt-4o_paraphrase.jsonl");
        let both = |line: &Value| {
            let claim = claims.get(&field(line, "_id"))?.clone();
            Some([claim, line["rewrites"][0].as_str()?.to_owned()])
        };
        let passages = lines("corpus.jsonl").iter().map(passage).collect();
        Some(Self { passages, questions: rewrites.iter().filter_map(both).take(QUESTIONS).collect() })
    }
}

/// A dense vector of a text: the sum of a random direction for each of its words. No model's, but as close and as far.
fn dense(text: &str) -> Vec<f32> {
    const WIDTH: usize = 64;
    let mut sum = vec![0.0; WIDTH];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let seed = word
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        let mut dice = Dice(seed | 1);
        for number in &mut sum {
            *number += dice.below(2_001) as f32 / 1_000.0 - 1.0;
        }
    }
    sum
}

async fn fill(store: &dyn VectorStoreWriter, encoder: &Bm25, corpus: &Corpus) {
    let width = dense("").len();
    store.prepare(&Identity::new("words", "random", width).with_bm25(encoder.identity())).await.unwrap();
    for passages in corpus.passages.chunks(500) {
        let vectors = |passage: &Passage| {
            let text = passage.embedded_text();
            let mut vector = dense(&text);
            if vector.iter().all(|number| *number == 0.0) {
                vector[0] = 1.0;
            }
            Vectors::from(vector).with_bm25(encoder.encode(Role::Passage, &text))
        };
        store.upsert(passages.iter().map(|passage| (passage.clone(), vectors(passage))).collect()).await.unwrap();
    }
}

/// What each question's four legs find: question and rewrite through both channels.
async fn legs(store: &dyn VectorStoreWriter, encoder: &Bm25, corpus: &Corpus) -> Vec<Vec<Ranking>> {
    let mut found = vec![];
    for variants in &corpus.questions {
        let searches = variants.iter().flat_map(|text| {
            [Search::dense(dense(text), DEPTH), Search::bm25(encoder.encode(Role::Query, text), DEPTH)]
        });
        let rankings = store.search_batch(searches.collect()).await;
        found.push(rankings.into_iter().map(|ranking| settled(ranking.unwrap())).collect());
    }
    found
}

/// A ranking without those that score as good as the same as its last: which of equals is cut off, an engine decides by where it keeps
/// them.
fn settled(ranking: Ranking) -> Ranking {
    let Some(last) = ranking.entries().last().filter(|_| ranking.len() == DEPTH).map(|last| last.score) else {
        return ranking;
    };
    let above = ranking.entries().iter().filter(|entry| entry.score > last + 1e-5 * last.abs()).count();
    ranking.top(above)
}

fn fused(fusion: Fusion, legs: &[Ranking]) -> Vec<PointId> {
    let channels = [Channel::Dense, Channel::Bm25];
    let weighted = |(place, ranking): (usize, _)| {
        let weight = if place < 2 { 1.0 } else { 0.6 };
        Weighted::new(ranking, place / 2).with_channel(channels[place % 2]).with_weight(weight)
    };
    let weighted: Vec<Weighted<'_>> = legs.iter().enumerate().map(weighted).collect();
    fusion.fuse(&weighted, LIMIT).into_iter().map(|fused| fused.id).collect()
}

fn fusions() -> Vec<Fusion> {
    let parities = [Parity::QdrantRrf { k: 2 }, Parity::QdrantDbsf].map(Fusion::Parity);
    Fusion::all().into_iter().chain(parities).collect()
}

fn order(ranking: &Ranking) -> Vec<PointId> {
    ranking.ids().collect()
}

async fn assert_equal(corpus: Corpus) {
    assert_eq!(corpus.questions.len(), QUESTIONS);
    let encoder = Bm25::new("english").unwrap();
    let made = embedded().await.unwrap();
    fill(&*made.store, &encoder, &corpus).await;
    let wanted = legs(&*made.store, &encoder, &corpus).await;
    made.tidy().await;
    assert!(wanted.iter().flatten().map(Ranking::len).sum::<usize>() > QUESTIONS * DEPTH * 2);
    for made in [qdrant_through_the_front().await, qdrant_server().await].into_iter().flatten() {
        fill(&*made.store, &encoder, &corpus).await;
        let found = legs(&*made.store, &encoder, &corpus).await;
        made.tidy().await;
        let mut same = 0;
        for (n, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            for (leg, (one, other)) in wanted.iter().zip(found).enumerate() {
                assert_alike(one, other, &format!("question {n}, leg {leg}"));
            }
            // The same words may be added in another order, which can swap two that are as good as equal by the last digit of
            // their scores. Then fusions may differ, too.
            if wanted.iter().map(order).ne(found.iter().map(order)) {
                continue;
            }
            same += 1;
            for fusion in fusions() {
                assert_eq!(fused(fusion, wanted), fused(fusion, found), "question {n}, {fusion}");
            }
        }
        eprintln!("{same} of {QUESTIONS} questions have the same order in every leg and every fusion");
        assert!(same * 100 >= QUESTIONS * 98, "only {same} questions have the same order in every leg");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_questions_have_the_same_order() {
    assert_equal(Corpus::synthetic()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scifact_has_the_same_order() {
    if let Some(corpus) = Corpus::scifact() {
        assert_equal(corpus).await;
    }
}
