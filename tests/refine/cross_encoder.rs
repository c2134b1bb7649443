//! A local cross-encoder. No published one could be had where this was written, so the model is made by
//! `scripts/tiny_cross_encoder.py`: its inputs, output and files are those of a published one, its score is a count of
//! shared words (and one for the end marks of both texts), which a test can check by reading.

use std::{fs, path::Path};

use asktwice::rerank::{OnnxReranker, OnnxRerankerOptions};

use super::*;
use crate::support;

fn options() -> OnnxRerankerOptions {
    let mut options = OnnxRerankerOptions::default();
    options.library = support::library();
    options.workers = 2;
    options
}

fn fixture() -> std::path::PathBuf {
    support::root().join("tests/fixtures/cross-encoder")
}

/// The tiny model; `None`, said aloud, where ONNX Runtime is not set up.
fn reranker() -> Option<OnnxReranker> {
    support::model_folder()?;
    Some(OnnxReranker::open_with(fixture(), &options()).unwrap())
}

#[tokio::test]
async fn scores_each_pair_by_its_logit() {
    let Some(reranker) = reranker() else { return };
    let passages = ["the order is late", "cold food", "", "Where is my order, where?", "is is is"];
    let scores = reranker.rerank("where is my order", &passages).await.unwrap();
    assert_eq!(scores, [3.0, 1.0, 1.0, 6.0, 4.0]);
    assert!(reranker.rerank("where is my order", &[]).await.unwrap().is_empty());
    assert!(!reranker.leaves_host());
}

#[tokio::test]
async fn reads_as_much_as_the_model_can() {
    let Some(reranker) = reranker() else { return };
    // 32 tokens: three marks, the question's three, and 26 of the passage.
    let long = "late ".repeat(100_000);
    assert_eq!(reranker.rerank("late food was", &[&long]).await.unwrap(), [27.0]);
    // Of two long texts the longer loses first: 14 and 15 are left, each pair counts.
    assert_eq!(reranker.rerank(&long, &[&long]).await.unwrap(), [14.0 * 15.0 + 1.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_hits_into_its_order() {
    let Some(reranker) = reranker() else { return };
    let menu: [(&str, &[&str]); 1] = [("menu", &["late food late food late food", "late", "refund my money"])];
    let plain = retriever(&menu).await;
    let found = plain.clone().with_reranker(reranker).retrieve("refund late").await.unwrap();
    let scores: Vec<f32> = found.hits.iter().filter_map(|hit| hit.reranked).collect();
    assert_eq!((scores.as_slice(), kinds(&found)), ([4.0, 2.0, 2.0].as_slice(), vec![]));
    assert_eq!(ids(&found)[0], "menu#0");
    assert_ne!(ids(&plain.retrieve("refund late").await.unwrap())[0], "menu#0");
}

/// Opens a copy of the folder after a change to it, and returns the error.
fn refused(change: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.onnx"] {
        fs::copy(fixture().join(file), folder.path().join(file)).unwrap();
    }
    change(folder.path());
    let error = OnnxReranker::open_with(folder.path(), &options()).unwrap_err();
    asktwice::retrieval::Report(&error).to_string()
}

#[test]
fn what_is_no_cross_encoder_is_refused_when_it_is_opened() {
    let Some(embedder) = support::model_folder() else { return };
    for (change, said) in [
        (&(|folder: &Path| fs::remove_file(folder.join("model.onnx")).unwrap()) as &dyn Fn(&Path), "onnx/model.onnx"),
        (&|folder: &Path| fs::remove_file(folder.join("tokenizer.json")).unwrap(), "tokenizer.json"),
        (&|folder: &Path| fs::write(folder.join("tokenizer.json"), "{").unwrap(), "tokenizer.json"),
        (&|folder: &Path| fs::write(folder.join("config.json"), "{").unwrap(), "config.json is not understood"),
        (&|folder: &Path| fs::write(folder.join("model.onnx"), "no model").unwrap(), "ONNX Runtime refuses the model"),
    ] {
        let error = refused(change);
        assert!(error.contains(said), "{error}");
    }
    let error = OnnxReranker::open_with(embedder, &options()).unwrap_err();
    let error = asktwice::retrieval::Report(&error).to_string();
    assert!(error.contains("cannot score a pair") && error.contains("gives one, or two"), "{error}");
}
