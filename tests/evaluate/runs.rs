//! What is measured.

use asktwice::{
    EmbedError, Ranking, RewriteKind, StoreError, VectorStore,
    embed::{Embedding, Identity},
    ranking::PointId,
    rewrite::Feedback,
    search::{CollectionInfo, ScrollPage, ScrollRequest, Search},
};
use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::support::embedder::vector;

async fn evaluated(passages: Vec<Passage>) -> Evaluation {
    let configurations = [
        Configuration::new("default", Fusion::rrf()).with_weighting(Weighting::Fixed(1.0)),
        Configuration::new("k2", Fusion::Rrf { k: 2.0 }),
        Configuration::new("deaf", Fusion::rrf()).with_weighting(Weighting::Fixed(0.0)),
        Configuration::new("dense", Fusion::rrf()).with_legs(Legs::Dense).with_depth(2),
    ];
    searched(passages).await.evaluate(&configurations)
}

#[tokio::test]
async fn compares_asked_rewrite_and_fused_for_each_configuration() {
    let evaluation = evaluated(passages()).await;
    let names: Vec<_> = evaluation.runs.iter().map(|run| (run.configuration.as_str(), run.name)).collect();
    let expected: Vec<_> = ["default", "k2", "deaf", "dense"]
        .iter()
        .flat_map(|c| ["asked", "rewrite", "fused"].map(|r| (*c, r)))
        .collect();
    assert_eq!(names, expected);
    let [asked, rewrite, fused] = &evaluation.runs[..3] else { panic!() };
    assert!(evaluation.runs.iter().all(|run| run.questions == 2));
    assert_eq!((asked.rewrites.as_deref(), asked.llm_calls), (None, 0));
    assert_eq!((fused.rewrites.as_deref(), fused.llm_calls), (Some("said"), 2));
    assert!(evaluation.to_string().lines().next().unwrap().contains("LLM calls   LLM ms"), "{evaluation}");
    // q1 has no rewrite and counts as asked; q2 shares a word with the wrong document, its rewrite two with d3.
    assert_eq!(rewrite.delta_ndcg_at_10.mean, rewrite.ndcg_at_10 - asked.ndcg_at_10);
    assert!(rewrite.ndcg_at_10 > asked.ndcg_at_10, "{evaluation}");
    assert_eq!((rewrite.wins, rewrite.ties, rewrite.losses), (1, 1, 0));
    assert!(fused.ndcg_at_10 >= asked.ndcg_at_10, "{evaluation}");
    assert_eq!(evaluation.runs[8].ndcg_at_10, asked.ndcg_at_10, "a rewrite of no weight changes nothing");
    // Two dense hits: what the question finds, and one more.
    assert!(evaluation.runs[9].recall_at_100 <= asked.recall_at_100);
    let questions: Vec<f64> = evaluation.questions.iter().map(|question| question.ndcg_at_10[1]).collect();
    assert_eq!(questions.iter().sum::<f64>() / 2.0, rewrite.ndcg_at_10);
    assert!(evaluation.notes[0].starts_with("1 questions have no usable rewrite in said"), "{evaluation}");
    assert!(evaluation.notes[1].starts_with("1 relevant documents are not in the corpus"), "{evaluation}");
}

#[tokio::test]
async fn serialises_to_the_agreed_form() {
    let evaluation = serde_json::to_value(evaluated(passages()).await).unwrap();
    let run = &evaluation["runs"][0];
    for key in ["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "wins", "llm_calls", "search_milliseconds"]
    {
        assert!(run[key].is_number(), "{key} is missing in {run}");
    }
    assert_eq!(run["delta_ndcg_at_10"], json!({"mean": 0.0, "low": 0.0, "high": 0.0}));
    assert_eq!(
        (&run["configuration"], &run["name"], &run["rewrites"], &run["questions"]),
        (&json!("default"), &json!("asked"), &json!(null), &json!(2))
    );
    assert_eq!(evaluation["questions"][0]["ndcg_at_10"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn the_report_is_one_page_that_shows_every_run_and_escapes_what_was_asked() {
    let (_folder, dataset) = dataset(|folder| {
        fs::write(folder.join("queries.jsonl"), "{\"_id\": \"q2\", \"text\": \"car <b> lubricant\"}\n").unwrap();
    });
    let (dataset, (embedder, store)) = (dataset.unwrap(), filled(passages()).await);
    let said = RecordedRewriter::from_pairs([("car <b> lubricant", ["engine oil"])]);
    let said = RewriteSet::ask("said", &said, &dataset, NonZeroUsize::MIN, |_| {}).await.unwrap();
    let searches =
        Evaluator::new(embedder, store).search(&dataset, &[Companion::Rewrites(said)], |_| {}).await.unwrap();
    let configuration = Configuration::new("plain", Fusion::rrf()).with_weighting(Weighting::Fixed(1.0));
    let page = searches.evaluate(&[configuration]).to_html();
    assert_eq!(page.matches("<tr>").count(), 4, "{page}");
    assert!(page.contains("car &lt;b&gt; lubricant") && !page.contains("<b>"), "{page}");
    assert!(page.contains("<th>LLM ms</th>"), "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "nothing comes from elsewhere: {page}");
}

#[tokio::test]
async fn a_document_that_was_cut_counts_where_its_best_passage_stands() {
    let (_folder, dataset) =
        dataset(|folder| fs::write(folder.join("qrels/test.tsv"), "q1\td1\t1\nq1\td2\t1\n").unwrap());
    let cut = vec![
        Passage::new("d1#0", "sourdough flat").cut_from("d1", 0),
        Passage::new("d1#1", "sourdough flat").cut_from("d1", 1),
        Passage::new("d2#0", "flat yeast starter").cut_from("d2", 0),
    ];
    // d1 at rank 1 and d2 at rank 2: had each passage a rank of its own, d2 would stand at rank 3.
    assert_eq!(asked(&dataset.unwrap(), cut).await.runs[0].ndcg_at_10, 1.0);
}

#[tokio::test]
async fn a_document_of_the_questions_own_id_is_left_out() {
    let (_folder, dataset) = dataset(|folder| fs::write(folder.join("qrels/test.tsv"), "q1\td1\t1\n").unwrap());
    let passages = vec![Passage::new("q1", "sourdough flat"), Passage::new("d1", "sourdough bread stays flat")];
    assert_eq!(asked(&dataset.unwrap(), passages).await.runs[0].mrr_at_10, 1.0);
}

#[tokio::test]
async fn each_search_runs_once_and_a_missing_collection_is_an_error() {
    let (_folder, dataset) = dataset(|_| {});
    let dataset = dataset.unwrap();
    let said = [Companion::Rewrites(rewrites(&dataset, &["engine oil"]).await.unwrap())];
    let (embedder, store) = filled(passages()).await;
    let before = embedder.embedded();
    let told = std::cell::RefCell::new(vec![]);
    let progress = |done| told.borrow_mut().push(done);
    let searches = Evaluator::new(embedder.clone(), store).search(&dataset, &said, progress).await.unwrap();
    let _ = searches.evaluate(&["a", "b", "c"].map(|name| Configuration::new(name, Fusion::default())));
    assert_eq!(embedder.embedded() - before, 3);
    assert_eq!(told.into_inner(), [1, 2]);
    let evaluator = Evaluator::new(embedder, Arc::new(MemoryStore::new()));
    let error = evaluator.search(&dataset, &said, |_| {}).await.unwrap_err();
    assert!(matches!(error, EvaluateError::Search { .. }));
}

#[tokio::test]
async fn feedback_is_searched_with_what_the_question_found() {
    let (_folder, dataset) = dataset(|_| {});
    let (dataset, (embedder, store)) = (dataset.unwrap(), filled(passages()).await);
    let before = embedder.embedded();
    let feedback = [Companion::Feedback(Feedback::Average { top: 1 })];
    let searches = Evaluator::new(embedder.clone(), store).search(&dataset, &feedback, |_| {}).await.unwrap();
    assert_eq!(embedder.embedded() - before, 2, "it needs no text");
    let evaluation = searches.evaluate(&[Configuration::new("default", Fusion::rrf())]);
    assert_eq!(evaluation.runs[2].rewrites.as_deref(), Some("feedback average:1"));
    assert_eq!(evaluation.runs[2].llm_calls, 0);
}

/// Loses the last ranking of a batch.
#[derive(Debug)]
struct Short(MemoryStore);

#[async_trait]
impl VectorStore for Short {
    async fn search(&self, search: Search) -> Result<Ranking, StoreError> {
        self.0.search(search).await
    }

    async fn search_batch(&self, mut searches: Vec<Search>) -> Vec<Result<Ranking, StoreError>> {
        searches.pop();
        self.0.search_batch(searches).await
    }

    async fn fetch(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        self.0.fetch(ids).await
    }

    async fn vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        self.0.vectors(ids).await
    }

    async fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage, StoreError> {
        self.0.scroll(request).await
    }

    async fn info(&self) -> Result<Option<CollectionInfo>, StoreError> {
        self.0.info().await
    }
}

#[tokio::test]
async fn a_store_that_loses_a_ranking_is_an_error() {
    let (_folder, dataset) = dataset(|_| {});
    let (embedder, store) = filled(passages()).await;
    let store = Arc::new(Short(Arc::into_inner(store).unwrap()));
    let error = Evaluator::new(embedder, store).search(&dataset.unwrap(), &[], |_| {}).await.unwrap_err();
    let EvaluateError::Search { source, .. } = error else { panic!() };
    assert!(source.to_string().contains("0 rankings for 1 searches"), "{source}");
}

#[tokio::test]
async fn rewrites_are_what_the_rewriter_makes_of_them() {
    let (_folder, dataset) = dataset(|_| {});
    let dataset = dataset.unwrap();
    let (embedder, store) = filled(passages()).await;
    let said = rewrites(&dataset, &["1. engine oil\n2. motor oil", "Engine oil!"]).await.unwrap();
    let before = embedder.embedded();
    let said = [Companion::Rewrites(said)];
    Evaluator::new(embedder.clone(), store).search(&dataset, &said, |_| {}).await.unwrap();
    // Two questions, and two rewrites: one is a repetition.
    assert_eq!(embedder.embedded() - before, 4);
    for useless in [&["Car lubricant."][..], &["I'm sorry, but I can't help with that."], &[]] {
        let error = rewrites(&dataset, useless).await.unwrap_err();
        assert!(matches!(&error, EvaluateError::NoRewrite { set, .. } if set == "said"), "{error}");
    }
}

/// Another model with vectors as long.
#[derive(Debug)]
struct Other(Identity);

#[async_trait]
impl Embedder for Other {
    async fn embed(&self, _role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        Ok(texts.iter().map(|text| Embedding::new(vector(text), 1)).collect())
    }

    fn identity(&self) -> &Identity {
        &self.0
    }
}

#[tokio::test]
async fn another_model_is_refused_though_its_vectors_are_as_long() {
    let (_folder, dataset) = dataset(|_| {});
    let (embedder, store) = filled(passages()).await;
    let other = Other(Identity::new("other", "other-1", embedder.identity().dimension));
    let error = Evaluator::new(Arc::new(other), store).search(&dataset.unwrap(), &[], |_| {}).await.unwrap_err();
    assert!(matches!(error, EvaluateError::Mismatch { source: StoreError::Identity { .. } }), "{error}");
}

#[tokio::test]
async fn a_hypothetical_passage_is_searched_by_its_embedding_alone() {
    let (_folder, dataset) = dataset(|_| {});
    let (dataset, (embedder, store)) = (dataset.unwrap(), filled(passages()).await);
    // Its words stand in d3.
    let said = RecordedRewriter::from_pairs([("car lubricant", ["An engine needs another oil from time to time."])]);
    let said = said.with_kind(RewriteKind::Hyde);
    let said = RewriteSet::ask("said", &said, &dataset, NonZeroUsize::MIN, |_| {}).await.unwrap();
    let evaluator = Evaluator::new(embedder, store).with_sparse_encoder(Bm25::new("english").unwrap());
    let searches = evaluator.search(&dataset, &[Companion::Rewrites(said)], |_| {}).await.unwrap();
    let words = Configuration::new("bm25", Fusion::rrf()).with_legs(Legs::Bm25);
    let evaluation = searches.evaluate(&[words, Configuration::new("dense", Fusion::rrf()).with_legs(Legs::Dense)]);
    // Its lexical leg is one that no retriever runs, so that nothing is found by words alone.
    assert_eq!(evaluation.questions[1].ndcg_at_10[1], 0.0, "{evaluation}");
    assert!(evaluation.questions[1].ndcg_at_10[4] > 0.0, "{evaluation}");
}
