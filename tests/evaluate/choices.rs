//! What judged questions choose: ablation, tuning, gate, calibration.

use asktwice::{
    RetrieveOptions, Retriever,
    evaluate::{CalibrationError, Grid},
    options::{ChannelWeights, Depths},
};
use serde_json::json;

use super::*;

const BASE: Choice = Choice {
    fusion: Fusion::Rrf { k: 60.0 },
    weight: Weighting::Adaptive,
    legs: Legs::Hybrid,
    channels: ChannelWeights { dense: 1.0, bm25: 1.0 },
    depth: 100,
    depths: Depths { dense: None, bm25: None, rewrite: None },
};

/// Twenty questions whose words stand in the wrong document, and rewrites whose words stand in the right one.
async fn rewarding() -> Searches {
    const WORDS: [&str; 20] = [
        "apple", "bridge", "candle", "desert", "engine", "forest", "garden", "hammer", "island", "jacket", "kettle",
        "ladder", "mirror", "needle", "orange", "pencil", "quarry", "rocket", "saddle", "tunnel",
    ];
    let word = |at: usize| WORDS[at % WORDS.len()];
    let passages =
        (0..20).map(|at| Passage::new(format!("d{at}"), format!("{} {} notes", word(at), word(at + 7)))).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.jsonl");
    let lines = (0..20).map(|at| format!("{{\"question\": \"{}\", \"answers\": [\"d{at}\"]}}\n", word(at + 3)));
    fs::write(&file, lines.collect::<String>()).unwrap();
    let dataset = Dataset::of_answers(&file).unwrap();
    let said = (0..20).map(|at| (word(at + 3), [format!("{} {}", word(at), word(at + 7))]));
    let said = RecordedRewriter::from_pairs(said);
    let said = RewriteSet::ask("said", &said, &dataset, NonZeroUsize::MIN, |_| {}).await;
    let said = Companion::Rewrites(said.unwrap());
    let (embedder, store) = filled(passages).await;
    let evaluator = Evaluator::new(embedder, store).with_sparse_encoder(Bm25::new("english").unwrap());
    evaluator.search(&dataset, &[said], |_| {}).await.unwrap()
}

#[tokio::test]
async fn an_ablation_has_every_fusion_with_every_weighting() {
    let searches = searched(passages()).await;
    let ablation = searches.ablation(BASE, &[Fusion::rrf(), Fusion::dbsf()], |_| {});
    let rows: Vec<_> = ablation.rows.iter().map(|row| format!("{} {}", row.fusion, row.weight)).collect();
    assert_eq!(rows, ["rrf 0.5", "rrf 1", "rrf adaptive", "dbsf 0.5", "dbsf 1", "dbsf adaptive"]);
    let evaluation = searches.evaluate(&[Choice { weight: Weighting::Fixed(0.5), ..BASE }.named("half")]);
    assert_eq!(ablation.rows[0].asked, evaluation.runs[0].ndcg_at_10);
    assert_eq!(ablation.rows[0].fused[0].ndcg_at_10, evaluation.runs[2].ndcg_at_10);
    assert_eq!(ablation.to_string().lines().count(), 8, "{ablation}");
}

#[tokio::test]
async fn tuning_recommends_what_gains_and_nothing_where_nothing_does() {
    let searches = rewarding().await;
    let mut grid = Grid::default();
    grid.fusions = vec![Fusion::rrf(), Fusion::min_max()];
    let deaf = Choice { weight: Weighting::Fixed(0.0), ..BASE };
    let tuning = searches.tune(Some(0), deaf, &grid, |_, _| {}).unwrap();
    let chosen = tuning.recommended().unwrap();
    assert_ne!(chosen.weight, Weighting::Fixed(0.0), "{tuning}");
    assert!(tuning.tuned_ndcg_at_10 <= tuning.chosen_ndcg_at_10 && tuning.gain.low > 0.0, "{tuning}");
    // From what it chose there is nothing to gain.
    let again = searches.tune(Some(0), chosen, &grid, |_, _| {}).unwrap();
    assert_eq!((again.recommended(), again.chosen), (None, chosen), "{again}");
    assert!(again.to_string().contains("nothing is recommended"), "{again}");
    // Two questions are fewer than the folds.
    assert_eq!(searched(passages()).await.tune(None, BASE, &grid, |_, _| {}), None);
}

#[tokio::test]
async fn a_gate_is_measured_where_there_are_legs_that_can_agree() {
    let searches = rewarding().await;
    let gates = searches.gate(&BASE.named("default"));
    let steps = &gates[0].steps;
    assert_eq!((gates[0].rewrites.as_str(), steps[0].saved, steps[steps.len() - 1].saved), ("said", 1.0, 0.0));
    let evaluation = searches.evaluate(&[BASE.named("default")]);
    assert_eq!(steps[0].ndcg_at_10, evaluation.runs[0].ndcg_at_10, "never asking");
    assert_eq!(steps[steps.len() - 1].ndcg_at_10, evaluation.runs[2].ndcg_at_10, "always asking");
    assert!(searches.gate(&Choice { legs: Legs::Dense, ..BASE }.named("dense")).is_empty());
}

#[tokio::test]
async fn calibration_wants_enough_questions_that_ended_differently() {
    let few = searched(passages()).await.calibrate(&BASE.named("default"), None, 1);
    assert!(matches!(few, Err(CalibrationError::TooFew { questions: 2 })));
    let searches = rewarding().await;
    // Alone, every question finds the document that has its word, and that is the wrong one.
    let wrong = searches.calibrate(&BASE.named("default"), None, 1);
    assert!(matches!(wrong, Err(CalibrationError::Alike { right: false, questions: 20, .. })), "{wrong:?}");
}

/// One question with one answer, and what it is rewritten to.
async fn single(passages: Vec<Passage>, question: &str, answer: &str, rewrite: &str) -> Searches {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.jsonl");
    fs::write(&file, json!({"question": question, "answers": [answer]}).to_string()).unwrap();
    let dataset = Dataset::of_answers(&file).unwrap();
    let said = RecordedRewriter::from_pairs([(question, [rewrite])]);
    let said = RewriteSet::ask("said", &said, &dataset, NonZeroUsize::MIN, |_| {}).await.unwrap();
    let (embedder, store) = filled(passages).await;
    let evaluator = Evaluator::new(embedder, store).with_sparse_encoder(Bm25::new("english").unwrap());
    evaluator.search(&dataset, &[Companion::Rewrites(said)], |_| {}).await.unwrap()
}

#[tokio::test]
async fn the_weights_of_channels_count_as_they_do_in_a_retriever() {
    // By its embedding "late late late food" is nearer; by words the rare one counts more.
    let mut passages: Vec<Passage> = (0..9).map(|at| Passage::new(format!("d{at}"), "late late late food")).collect();
    passages.push(Passage::new("rare", "courier of some quite other company"));
    let searches = single(passages, "late courier", "rare", "who brings it").await;
    let weighted = |part: &str| BASE.changed(part).unwrap().named(part);
    let evaluation = searches.evaluate(&["dense_weight:9", "bm25_weight:9"].map(weighted));
    assert!(evaluation.runs[0].mrr_at_10 < 1.0, "{evaluation}");
    assert_eq!(evaluation.runs[3].mrr_at_10, 1.0, "{evaluation}");
}

#[tokio::test]
async fn each_leg_searches_as_deep_as_its_configuration_says() {
    let searches = single(passages(), "pressure of what?", "d1", "engine oil, sourdough").await;
    let dense = ["", "rewrite_depth:1", "dense_depth:1", "dense_depth:1,rewrite_depth:2"];
    let configurations =
        dense.map(|parts| BASE.changed(&format!("legs:dense,weight:0.5,{parts}")).unwrap().named(parts));
    let evaluation = searches.evaluate(&configurations);
    let found: Vec<f64> = evaluation.runs.iter().map(|run| run.recall_at_100).collect();
    // The question, the rewrite, and both; the answer is the rewrite's second hit.
    assert_eq!(found, [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], "{evaluation}");
}

#[tokio::test]
async fn a_retrieval_is_as_sure_as_the_calibration_that_was_measured() {
    // Every third question is asked in the words of another document.
    let passages: Vec<Passage> = (0..12).map(|at| Passage::new(format!("d{at}"), format!("word{at} notes"))).collect();
    let asked = |at: usize| format!("word{} notes{}", at + usize::from(at.is_multiple_of(3) && at > 0), at % 2);
    let lines = (0..12).map(|at| json!({"question": asked(at), "answers": [format!("d{at}")]}).to_string());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.jsonl");
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let dataset = Dataset::of_answers(&file).unwrap();
    let (embedder, store) = filled(passages).await;
    let bm25 = Arc::new(Bm25::new("english").unwrap());
    let evaluator = Evaluator::new(embedder.clone(), store.clone()).with_sparse_encoder(bm25.clone());
    let searches = evaluator.search(&dataset, &[], |_| {}).await.unwrap();
    let configuration = BASE.named("default");
    let calibration = searches.calibrate(&configuration, None, 1).unwrap();
    let plain = Retriever::new(embedder, store).with_sparse_encoder(bm25).with_fusion(BASE.fusion);
    let sure = plain.clone().with_calibration(calibration.clone());
    let observations = searches.observations(&configuration, None, 1);
    for (question, observed) in dataset.questions.iter().zip(observations) {
        assert_eq!(plain.retrieve(&question.text).await.unwrap().probability, None);
        let said = sure.retrieve(&question.text).await.unwrap().probability.unwrap();
        let measured = calibration.probability(observed.agreement, observed.score);
        assert!((said - measured).abs() < 1e-12 && (0.0..=1.0).contains(&said), "{said} {measured}");
    }
    // Another fusion's scores mean something else.
    for options in
        [RetrieveOptions::default().with_fusion(Fusion::dbsf()), RetrieveOptions::default().with_legs(Legs::Dense)]
    {
        assert_eq!(sure.retrieve_with("word1", &options).await.unwrap().probability, None);
    }
}
