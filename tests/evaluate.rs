//! Evaluation over a small collection in memory.

use std::{fs, path::Path, sync::Arc};

use asktwice::{
    Fusion, Passage, Ranking, StoreError, VectorStore, VectorStoreWriter,
    embed::{Embedder, Role},
    evaluate::{Configuration, Dataset, DatasetError, EvaluateError, Evaluation, Evaluator, Rewrites},
    ranking::PointId,
    rewrite::Limits,
    search::{CollectionInfo, MemoryStore, ScrollPage, ScrollRequest, Search},
};
use async_trait::async_trait;
use serde_json::json;

use crate::support::embedder::HashEmbedder;

const CORPUS: &str = r#"{"_id": "d1", "title": "", "text": "sourdough bread stays flat"}
{"_id": "d2", "text": "yeast starter feeding schedule"}
{"_id": "d3", "text": "engine oil change"}
{"_id": 4, "text": "car tyre pressure"}
"#;
const QUERIES: &str = r#"{"_id": "q1", "text": "sourdough flat"}
{"_id": "q2", "text": "car lubricant"}
{"_id": "q3", "text": "nobody judged this"}
"#;
const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t1\nq2\td3\t1\nq2\td8\t0\nq2\td9\t1\n";
const REWRITES: &str = "{\"_id\": \"q2\", \"rewrites\": [\"engine oil\", \" \"]}\n";

fn dataset(change: impl Fn(&Path)) -> (tempfile::TempDir, Result<Dataset, DatasetError>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("qrels")).unwrap();
    for (name, text) in
        [("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels/test.tsv", QRELS), ("r.jsonl", REWRITES)]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    change(folder.path());
    let dataset = Dataset::open(folder.path(), "test");
    (folder, dataset)
}

async fn filled(passages: Vec<Passage>) -> (Arc<HashEmbedder>, Arc<MemoryStore>) {
    let (embedder, store) = (Arc::new(HashEmbedder::new()), Arc::new(MemoryStore::new()));
    store.prepare(embedder.identity()).await.unwrap();
    let texts = passages.iter().map(Passage::embedded_text).collect();
    let vectors = embedder.embed(Role::Passage, texts).await.unwrap();
    store.upsert(passages.into_iter().zip(vectors.into_iter().map(|e| e.vector.into())).collect()).await.unwrap();
    (embedder, store)
}

fn passages() -> Vec<Passage> {
    [
        ("d1", "sourdough bread stays flat"),
        ("d2", "yeast starter feeding schedule"),
        ("d3", "engine oil change"),
        ("4", "car tyre pressure"),
    ]
    .map(|(id, text)| Passage::new(id, text))
    .to_vec()
}

async fn evaluated(passages: Vec<Passage>) -> Evaluation {
    let (folder, dataset) = dataset(|_| {});
    let (embedder, store) = filled(passages).await;
    let rewrites = Rewrites::open(folder.path().join("r.jsonl")).unwrap();
    let configurations = [
        Configuration::new("default", Fusion::default()),
        Configuration::new("k2", Fusion::Rrf { k: 2.0 }),
        Configuration::new("deaf", Fusion::default()).with_rewrite_weight(0.0),
    ];
    Evaluator::new(embedder, store).run(&dataset.unwrap(), &rewrites, &configurations, |_, _| {}).await.unwrap()
}

#[tokio::test]
async fn compares_asked_rewrite_and_fused_for_each_configuration() {
    let evaluation = evaluated(passages()).await;
    let names: Vec<_> = evaluation.runs.iter().map(|run| (run.configuration.as_str(), run.name)).collect();
    let expected: Vec<_> =
        ["default", "k2", "deaf"].iter().flat_map(|c| ["asked", "rewrite", "fused"].map(|r| (*c, r))).collect();
    assert_eq!(names, expected);
    let [asked, rewrite, fused] = &evaluation.runs[..3] else { panic!() };
    assert!(evaluation.runs.iter().all(|run| run.questions == 2 && run.recall_at_100 == 0.75));
    // q1 has no rewrite and counts as asked; q2 shares a word with the wrong document, its rewrite two with d3.
    assert_eq!(rewrite.delta_ndcg_at_10.mean, rewrite.ndcg_at_10 - asked.ndcg_at_10);
    assert!(rewrite.ndcg_at_10 > asked.ndcg_at_10, "{evaluation}");
    assert!(fused.ndcg_at_10 >= asked.ndcg_at_10, "{evaluation}");
    assert_eq!(evaluation.runs[8].ndcg_at_10, asked.ndcg_at_10, "a rewrite of no weight changes nothing");
    assert!(evaluation.notes[0].starts_with("1 questions have no usable rewrite"), "{evaluation}");
    assert!(evaluation.notes[1].starts_with("1 relevant documents are not in the corpus"), "{evaluation}");
}

#[tokio::test]
async fn serialises_to_the_agreed_form() {
    let evaluation = serde_json::to_value(evaluated(passages()).await).unwrap();
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&evaluation), ["runs"]);
    let run = &evaluation["runs"][0];
    assert_eq!(
        keys(run),
        [
            "configuration",
            "delta_ndcg_at_10",
            "mrr_at_10",
            "name",
            "ndcg_at_10",
            "questions",
            "recall_at_10",
            "recall_at_100"
        ]
    );
    assert_eq!(run["delta_ndcg_at_10"], json!({"mean": 0.0, "low": 0.0, "high": 0.0}));
    assert_eq!(
        (&run["configuration"], &run["name"], &run["questions"]),
        (&json!("default"), &json!("asked"), &json!(2))
    );
}

#[tokio::test]
async fn a_document_that_was_cut_counts_where_its_best_passage_stands() {
    let cut = |document: &str, position, text: &str| {
        Passage::new(format!("{document}#{position}"), text).cut_from(document, position)
    };
    let cut = vec![
        cut("d1", 0, "sourdough flat"),
        cut("d1", 1, "sourdough"),
        cut("d1", 2, "flat"),
        cut("d2", 0, "flat yeast starter"),
        cut("d3", 0, "engine oil"),
    ];
    let evaluation = evaluated(cut).await;
    // d1 at rank 1 and d2 at rank 2: had each passage a rank of its own, d2 would stand at rank 4.
    let (folder, dataset) =
        dataset(|folder| fs::write(folder.join("qrels/test.tsv"), "q1\td1\t1\nq1\td2\t1\n").unwrap());
    assert_eq!(dataset.as_ref().unwrap().questions.len(), 1, "{}", folder.path().display());
    assert!(evaluation.runs[0].recall_at_10 == 0.75);
    let (embedder, store) = filled(vec![
        Passage::new("d1#0", "sourdough flat").cut_from("d1", 0),
        Passage::new("d1#1", "sourdough flat").cut_from("d1", 1),
        Passage::new("d2#0", "flat yeast starter").cut_from("d2", 0),
    ])
    .await;
    let configurations = [Configuration::new("default", Fusion::default())];
    let evaluator = Evaluator::new(embedder, store);
    let evaluation = evaluator.run(&dataset.unwrap(), &Rewrites::default(), &configurations, |_, _| {}).await.unwrap();
    assert_eq!(evaluation.runs[0].ndcg_at_10, 1.0);
}

#[tokio::test]
async fn a_document_of_the_questions_own_id_is_left_out() {
    let (_folder, dataset) = dataset(|folder| fs::write(folder.join("qrels/test.tsv"), "q1\td1\t1\n").unwrap());
    let (embedder, store) =
        filled(vec![Passage::new("q1", "sourdough flat"), Passage::new("d1", "sourdough bread stays flat")]).await;
    let configurations = [Configuration::new("default", Fusion::default())];
    let evaluator = Evaluator::new(embedder, store);
    let evaluation = evaluator.run(&dataset.unwrap(), &Rewrites::default(), &configurations, |_, _| {}).await.unwrap();
    assert_eq!(evaluation.runs[0].mrr_at_10, 1.0);
}

#[tokio::test]
async fn each_search_runs_once_and_a_missing_collection_is_an_error() {
    let (folder, dataset) = dataset(|_| {});
    let dataset = dataset.unwrap();
    let rewrites = Rewrites::open(folder.path().join("r.jsonl")).unwrap();
    let (embedder, store) = filled(passages()).await;
    let before = embedder.embedded();
    let configurations = ["a", "b", "c"].map(|name| Configuration::new(name, Fusion::default()));
    let told = std::cell::RefCell::new(vec![]);
    let progress = |done, total| told.borrow_mut().push((done, total));
    Evaluator::new(embedder.clone(), store).run(&dataset, &rewrites, &configurations, progress).await.unwrap();
    assert_eq!(embedder.embedded() - before, 3);
    assert_eq!(told.into_inner(), [(1, 2), (2, 2)]);
    let evaluator = Evaluator::new(embedder, Arc::new(MemoryStore::new()));
    let error = evaluator.run(&dataset, &rewrites, &configurations, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, EvaluateError::Search { .. }));
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
    let configurations = [Configuration::new("default", Fusion::default())];
    let evaluator = Evaluator::new(embedder, store);
    let error = evaluator.run(&dataset.unwrap(), &Rewrites::default(), &configurations, |_, _| {}).await.unwrap_err();
    let EvaluateError::Search { source, .. } = error else { panic!() };
    assert!(source.to_string().contains("0 rankings for 1 searches"), "{source}");
}

#[test]
fn errors_name_the_file_and_the_line() {
    let error = |name: &'static str, text: &'static str| {
        let (_folder, dataset) = dataset(move |folder| fs::write(folder.join(name), text).unwrap());
        dataset.unwrap_err().to_string()
    };
    let broken = error("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\n");
    assert!(broken.contains("test.tsv:2: has 2 columns"), "{broken}");
    let broken = error("qrels/test.tsv", "q1\td1\t1\n\nq1\td1\tmany\n");
    assert!(broken.contains("test.tsv:3: the grade \"many\""), "{broken}");
    let broken = error("corpus.jsonl", "{\"_id\": \"d1\"}\n{\n");
    assert!(broken.contains("corpus.jsonl:2: EOF"), "{broken}");
    let broken = error("queries.jsonl", "{\"_id\": \"q1\"}\n");
    assert!(broken.contains("queries.jsonl:1: missing field `text`"), "{broken}");
    let broken = error("queries.jsonl", "{\"_id\": \"other\", \"text\": \"t\"}\n");
    assert!(broken.contains("none of its questions is judged"), "{broken}");
    let (folder, _) = dataset(|_| {});
    assert!(matches!(Dataset::open(folder.path(), "dev"), Err(DatasetError::Read { .. })));
    let rewrites = folder.path().join("twice.jsonl");
    fs::write(&rewrites, "{\"_id\": \"q\", \"rewrites\": []}\n{\"_id\": \"q\", \"rewrites\": []}\n").unwrap();
    let error = Rewrites::open(&rewrites).unwrap_err().to_string();
    assert!(error.contains("twice.jsonl:2: the question \"q\" has rewrites on an earlier line"), "{error}");
    fs::write(&rewrites, "{\"_id\": 7, \"reply\": \"engine oil\"}\n{\"question\": \"q\", \"rewrites\": []}\n").unwrap();
    let error = Rewrites::open(&rewrites).unwrap_err().to_string();
    assert!(error.contains("twice.jsonl:2: it has no `_id`"), "{error}");
}

#[tokio::test]
async fn rewrites_are_what_the_product_makes_of_them() {
    let (_folder, dataset) = dataset(|_| {});
    let dataset = dataset.unwrap();
    let rewrites = |replies: &[&str]| -> Rewrites {
        [("q2".to_owned(), replies.iter().map(|reply| (*reply).to_owned()).collect())].into_iter().collect()
    };
    let cleaner = |rewrites: &[String], question: &str| Limits::expansion().clean_all(rewrites, question).rewrites;
    let (embedder, store) = filled(passages()).await;
    let evaluator = Evaluator::new(embedder.clone(), store).with_cleaner(Arc::new(cleaner));
    let said = ["1. engine oil\n2. motor oil", "Engine oil!", "gear oil", "brake oil", "hydraulic oil"];
    assert!(evaluator.has_rewrites(&dataset, &rewrites(&said)));
    let before = embedder.embedded();
    let configurations = [Configuration::new("default", Fusion::default())];
    evaluator.run(&dataset, &rewrites(&said), &configurations, |_, _| {}).await.unwrap();
    // Two questions, and four rewrites: one is a repetition, one is too many.
    assert_eq!(embedder.embedded() - before, 6);
    for useless in [&["Car lubricant."][..], &["I'm sorry, but I can't help with that."], &[]] {
        assert!(!evaluator.has_rewrites(&dataset, &rewrites(useless)), "{useless:?}");
    }
}
