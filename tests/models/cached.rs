//! What Hugging Face's own tools have downloaded is not downloaded again.

use std::{fs, path::Path};

use asktwice::embed::{Hub, HubError, Precision, verify};

use super::{NAME, ONNX, command, manifest, said, wanted};
use crate::support::hub::{HubServer, Repository, sha256};

/// Lays the given files of a repository into a cache, as `huggingface_hub` does, and names the commit `main`.
fn lay(cache: &Path, repository: &Repository, files: &[&str]) {
    let of_model = cache.join(format!("models--{}", NAME.replace('/', "--")));
    for file in files {
        let path = of_model.join("snapshots").join(&repository.commit).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &repository.files[*file]).unwrap();
    }
    fs::create_dir_all(of_model.join("refs")).unwrap();
    fs::write(of_model.join("refs/main"), &repository.commit).unwrap();
}

const FILES: [&str; 4] = ["config.json", "1_Pooling/config.json", "tokenizer.json", ONNX];

#[tokio::test]
async fn files_in_the_cache_are_taken_where_they_are_what_the_hub_states() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("hub");
    let hub = Hub::new(&server.hub.url()).unwrap().with_cache(&cache);
    lay(&cache, &repository, &FILES[1..]);
    let target = directory.path().join("a");
    let pulled = hub.pull(&wanted(), &target, &|_| {}).await.unwrap();
    assert_eq!((pulled.is_new, pulled.cached), (true, 3));
    assert_eq!(server.storage.requests().len(), 0);
    assert!(server.hub.requests().iter().all(|request| !request.target.contains("tokenizer.json")));
    assert!(verify(&target).unwrap().is_intact());

    let mut other = repository.clone();
    other.files.get_mut(ONNX).unwrap()[1_000] ^= 1;
    lay(&cache, &other, &[ONNX]);
    let pulled = hub.pull(&wanted(), &directory.path().join("b"), &|_| {}).await.unwrap();
    assert_eq!((pulled.cached, server.storage.requests().len()), (2, 1));
    assert_eq!(fs::read(directory.path().join("b").join(ONNX)).unwrap(), repository.files[ONNX]);
}

#[tokio::test]
async fn offline_a_model_is_made_of_the_cache_alone() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let (cache, target) = (directory.path().join("hub"), directory.path().join("model"));
    let hub = Hub::new(&server.hub.url()).unwrap().with_cache(&cache).with_offline(true);
    let error = hub.pull(&wanted(), &target, &|_| {}).await.unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    lay(&cache, &repository, &FILES[..3]);
    let error = hub.pull(&wanted(), &target, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("has no ONNX file"), "{error}");

    lay(&cache, &repository, &FILES);
    let wrong = wanted().with_sha256(&"1".repeat(64)).unwrap();
    let error = hub.pull(&wrong, &target, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("is pinned to 111") && !target.exists(), "{error}");
    let other = hub.pull(&wanted().with_revision("1".repeat(40)), &target, &|_| {}).await.unwrap_err();
    assert!(matches!(other, HubError::Offline { .. }), "{other}");
    let pulled = hub.pull(&wanted(), &target, &|_| {}).await.unwrap();
    assert_eq!((pulled.is_new, pulled.cached, pulled.precision), (true, 4, Precision::Int8));
    assert_eq!(pulled.source.commit, repository.commit);
    assert_eq!(manifest(&target)["files"][ONNX], sha256(&repository.files[ONNX]));
    assert!(verify(&target).unwrap().is_intact());
    // The next time it is there, and the same commit can be asked for by its number.
    assert!(!hub.pull(&wanted().with_revision(&repository.commit), &target, &|_| {}).await.unwrap().is_new);
    assert_eq!(server.hub.requests().len() + server.storage.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_finds_the_cache_below_hf_home_and_says_so() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let home = tempfile::tempdir().unwrap();
    lay(&home.path().join("hf/hub"), &repository, &FILES);
    let run = |arguments: &[&str]| said(command(home.path(), &server.hub.url()).args(arguments));
    let (code, text) = run(&["models", "pull", NAME, "--offline"]);
    assert!(code == Some(0) && text.contains("No hub was asked"), "{text}");
    assert_eq!(server.hub.requests().len(), 0);
    let (code, text) = run(&["models", "pull", NAME, "--to", "other"]);
    assert!(code == Some(0) && text.contains("4 of its files were in Hugging Face's cache"), "{text}");
    assert_eq!(server.storage.requests().len(), 0);
}
