//! Evaluation over a small collection in memory.

mod adapt;
mod choices;
mod runs;

use std::{fs, num::NonZeroUsize, path::Path, sync::Arc};

use asktwice::{
    Fusion, Passage, VectorStoreWriter,
    embed::{Bm25, Embedder, Role, SparseEncoder as _},
    evaluate::{
        Choice, Companion, Configuration, Dataset, DatasetError, EvaluateError, Evaluation, Evaluator, RewriteSet,
        Searches,
    },
    fuse::Weighting,
    options::Legs,
    rewrite::RecordedRewriter,
    search::{MemoryStore, Vectors},
};

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

/// A dataset in a folder, changed before it is read.
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

/// A collection of these passages, with both channels.
async fn filled(passages: Vec<Passage>) -> (Arc<HashEmbedder>, Arc<MemoryStore>) {
    let (embedder, store) = (Arc::new(HashEmbedder::new()), Arc::new(MemoryStore::new()));
    let bm25 = Bm25::new("english").unwrap();
    store.prepare(&embedder.identity().clone().with_bm25(bm25.identity())).await.unwrap();
    let texts = passages.iter().map(Passage::embedded_text).collect();
    let dense = embedder.embed(Role::Passage, texts).await.unwrap();
    let vectors = |(passage, dense): (Passage, asktwice::embed::Embedding)| {
        let words = bm25.encode(Role::Passage, &passage.embedded_text());
        (passage, Vectors::from(dense.vector).with_bm25(words))
    };
    store.upsert(passages.into_iter().zip(dense).map(vectors).collect()).await.unwrap();
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

/// Asks a rewriter that says this to q2 and nothing to q1.
async fn rewrites(dataset: &Dataset, said: &[&str]) -> Result<RewriteSet, EvaluateError> {
    let said = RecordedRewriter::from_pairs([("car lubricant", said.iter().copied())]);
    RewriteSet::ask("said", &said, dataset, NonZeroUsize::MIN, |_| {}).await
}

/// Searches a collection of these passages with the dataset and one rewrite.
async fn searched(passages: Vec<Passage>) -> Searches {
    let (_folder, dataset) = dataset(|_| {});
    let dataset = dataset.unwrap();
    let (embedder, store) = filled(passages).await;
    let said = Companion::Rewrites(rewrites(&dataset, &["engine oil"]).await.unwrap());
    let evaluator = Evaluator::new(embedder, store).with_sparse_encoder(Bm25::new("english").unwrap());
    evaluator.search(&dataset, &[said], |_| {}).await.unwrap()
}

/// Measures one configuration on the question alone.
async fn asked(dataset: &Dataset, passages: Vec<Passage>) -> Evaluation {
    let (embedder, store) = filled(passages).await;
    let searches = Evaluator::new(embedder, store).search(dataset, &[], |_| {}).await.unwrap();
    searches.evaluate(&[Configuration::new("default", Fusion::default())])
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
    assert!(broken.contains("no question is judged; queries.jsonl has none"), "{broken}");
    let (folder, _) = dataset(|_| {});
    assert!(matches!(Dataset::open(folder.path(), "dev"), Err(DatasetError::Read { .. })));
}

#[test]
fn splits_can_be_joined() {
    let (folder, one) = dataset(|folder| fs::write(folder.join("qrels/train.tsv"), "q3\td1\t1\n").unwrap());
    assert_eq!(one.unwrap().questions.len(), 2);
    assert_eq!(Dataset::open(folder.path(), "train").unwrap().questions.len(), 1);
    assert_eq!(Dataset::open(folder.path(), "train, test").unwrap().questions.len(), 3);
}

#[tokio::test]
async fn a_plain_file_of_questions_names_passages_or_documents() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.jsonl");
    let write = |text: &str| {
        fs::write(&file, text).unwrap();
        Dataset::of_answers(&file)
    };
    let cut = vec![
        Passage::new("guide#0", "yeast starter feeding").cut_from("guide", 0),
        Passage::new("guide#1", "sourdough flat").cut_from("guide", 1),
        Passage::new("5", "engine oil"),
    ];
    let lines = "{\"question\": \"sourdough flat\", \"answers\": [\"guide\"]}\n\
                 {\"question\": \"yeast starter\", \"answers\": [\"guide#0\"]}\n\
                 {\"_id\": \"oil\", \"question\": \"engine oil\", \"answers\": [5]}\n";
    let evaluation = asked(&write(lines).unwrap(), cut.clone()).await;
    assert_eq!(evaluation.questions.iter().map(|q| q.id.as_str()).collect::<Vec<_>>(), ["1", "2", "oil"]);
    assert_eq!(evaluation.runs[0].ndcg_at_10, 1.0, "{evaluation}");
    assert!(evaluation.notes.is_empty(), "{evaluation}");
    // The line's number is the question's id and says nothing of a document.
    let numbered = write("{\"question\": \"engine oil\", \"answers\": [1]}\n").unwrap();
    let evaluation = asked(&numbered, vec![Passage::new("1", "engine oil"), Passage::new("2", "oil")]).await;
    assert_eq!(evaluation.runs[0].mrr_at_10, 1.0, "{evaluation}");
    let lost = write("{\"question\": \"engine oil\", \"answers\": [\"guide.md\"]}\n").unwrap();
    let evaluation = asked(&lost, cut).await;
    assert!(
        evaluation.notes[0].starts_with("no search found an answer of 1 questions, the first is 1"),
        "{evaluation}"
    );
    for (text, problem) in [
        ("{\"question\": \"q\", \"answers\": []}\n", ":1: names no answer"),
        ("{\"question\": \"q\"}\n", ":1: missing field `answers`"),
        (
            "{\"_id\": 2, \"question\": \"q\", \"answers\": [1]}\n{\"question\": \"r\", \"answers\": [1]}\n",
            ":2: the id \"2\"",
        ),
        ("\n", "no question is judged"),
    ] {
        let error = write(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
