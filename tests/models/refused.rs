//! What is refused: content that differs, hubs that contradict themselves or lead astray, folders that hold something
//! else.

use std::{error::Error as _, fs, path::Path};

use asktwice::{
    ErrorKind,
    embed::{Hub, HubError, OnnxEmbedder, OnnxOptions, Wanted, verify},
};

use super::{NAME, ONNX, pull, pull_as, wanted};
use crate::support::{
    http_server::{HttpServer, Reply, Request},
    hub::{HubServer, Repository, sha256},
};

#[tokio::test]
async fn what_is_not_what_the_hub_states_is_refused_and_thrown_away() {
    let repository = Repository::of_noise(NAME);
    let mut other = repository.files[ONNX].clone();
    other[1000] ^= 1;
    let longer = [repository.files[ONNX].as_slice(), b"more"].concat();
    for (content, said) in [(other, "what came has"), (longer, "more than the")] {
        let storage = move |request: &Request| Some(Reply::content(request, &content));
        let server = HubServer::with(repository.clone(), Box::new(|_| None), Box::new(storage)).await;
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("model");
        let error = pull(&server, &target).await.unwrap_err();
        assert!(matches!(&error, HubError::File { file, .. } if file == ONNX), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.kind(), ErrorKind::Setup);
        assert!(!target.exists());
        let left = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        let unfinished = left(directory.path()).pop().unwrap();
        assert!(left(&unfinished.join("onnx")).is_empty());
    }
}

#[tokio::test]
async fn small_files_are_checked_too_and_contradictions_refused() {
    let repository = Repository::of_noise(NAME);
    let tokenizer = |request: &Request| request.target.ends_with("/tokenizer.json").then(|| Reply::new(200, "[]"));
    let server = HubServer::with(repository.clone(), Box::new(tokenizer), Box::new(|_| None)).await;
    let directory = tempfile::tempdir().unwrap();
    let error = pull(&server, &directory.path().join("model")).await.unwrap_err().to_string();
    assert!(error.contains("tokenizer.json was refused") && error.contains("Git object id"), "{error}");

    let storage = HttpServer::start(|_| Reply::new(200, "")).await;
    let elsewhere = storage.url();
    let contradicting = move |request: &Request| {
        let tag = format!("\"{}\"", "0".repeat(64));
        request.target.contains("/onnx/").then(|| Reply::redirect(&elsewhere).with("x-linked-etag", tag))
    };
    let server = HubServer::with(repository, Box::new(contradicting), Box::new(|_| None)).await;
    let error = pull(&server, &directory.path().join("other")).await.unwrap_err().to_string();
    assert!(error.contains("serves it with 000"), "{error}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let cases = [
        (401, "RepoNotFound", "check the name, or set HF_TOKEN", ErrorKind::Setup),
        (401, "", "check the name, or set HF_TOKEN", ErrorKind::Setup),
        (403, "GatedRepo", "accept them on its page", ErrorKind::Setup),
        (403, "", "is the token in HF_TOKEN valid", ErrorKind::Setup),
        (404, "RevisionNotFound", "check --revision", ErrorKind::Setup),
        (429, "", "asked too often", ErrorKind::Unavailable),
        (503, "", "try again later", ErrorKind::Unavailable),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (status, code, said, kind) in cases {
        let refusing = move |_: &Request| Some(Reply::new(status, "{}").with("x-error-code", code));
        let server = HubServer::with(Repository::of_noise(NAME), Box::new(refusing), Box::new(|_| None)).await;
        let error = pull(&server, &directory.path().join("model")).await.unwrap_err();
        assert!(error.to_string().contains(said), "{status} {code}: {error}");
        assert_eq!(error.kind(), kind, "{status} {code}");
    }
    for body in ["<html>hello</html>", "{}", r#"{"sha": "main"}"#, r#"{"sha": "../../../etc"}"#] {
        let page = move |_: &Request| Some(Reply::new(200, body));
        let server = HubServer::with(Repository::of_noise(NAME), Box::new(page), Box::new(|_| None)).await;
        let error = pull(&server, &directory.path().join("model")).await.unwrap_err();
        assert!(matches!(error, HubError::Reply { .. }), "{body}: {error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = Hub::new(&format!("http://{closed}")).unwrap();
    let error = hub.pull(&wanted(), &directory.path().join("model"), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("refused the connection"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn redirects_are_followed_for_files_only_and_not_for_ever() {
    let repository = Repository::of_noise(NAME);
    let directory = tempfile::tempdir().unwrap();
    // A repository that was renamed, on the same hub.
    let renamed = |request: &Request| {
        let new = request.target.strip_prefix("/api/models/old/name/")?;
        Some(Reply::redirect(format!("/api/models/{NAME}/{new}")))
    };
    let server = HubServer::with(repository.clone(), Box::new(renamed), Box::new(|_| None)).await;
    let error = pull_as(&server, &directory.path().join("model"), Wanted::new("old/name").unwrap()).await.unwrap_err();
    // Its listing is read; its files are not there, for this hub forgets to redirect them.
    assert!(matches!(&error, HubError::Status { status: 401, .. }), "{error}");

    let impostor = HubServer::start(repository.clone()).await;
    let base = impostor.hub.url();
    let elsewhere = move |request: &Request| Some(Reply::redirect(format!("{base}{}", request.target)));
    let server = HubServer::with(repository.clone(), Box::new(elsewhere), Box::new(|_| None)).await;
    let error = pull(&server, &directory.path().join("model")).await.unwrap_err().to_string();
    assert!(error.contains("only the hub itself may say"), "{error}");
    assert_eq!(impostor.hub.requests().len(), 0);

    let circle = |request: &Request| Some(Reply::redirect(&request.target));
    let server = HubServer::with(repository, Box::new(circle), Box::new(|_| None)).await;
    let error = pull(&server, &directory.path().join("model")).await.unwrap_err().to_string();
    assert!(error.contains("in a circle"), "{error}");
}

#[tokio::test]
async fn names_that_lead_outside_write_nothing_there() {
    let mut repository = Repository::of_noise(NAME);
    for evil in ["../evil", "/tmp/evil", "onnx/../../evil.onnx"] {
        repository.files.insert(evil.to_owned(), b"evil".to_vec());
    }
    let server = HubServer::start(repository).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    pull(&server, &target).await.unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    let written = fs::read_to_string(target.join("asktwice.json")).unwrap().replace("tokenizer.json", "../evil");
    fs::write(target.join("asktwice.json"), written).unwrap();
    let error = verify(&target).unwrap_err().to_string();
    assert!(error.contains("\"../evil\", which is not inside the folder"), "{error}");
}

#[tokio::test]
async fn folders_that_are_something_else_are_left_alone() {
    let server = HubServer::start(Repository::of_noise(NAME)).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("diary.txt"), "private").unwrap();
    for manifest in [None, Some(r#"{"name": "m", "weights": "w", "files": {}}"#)] {
        if let Some(manifest) = manifest {
            fs::write(target.join("asktwice.json"), manifest).unwrap();
        }
        let error = pull(&server, &target).await.unwrap_err();
        assert!(matches!(error, HubError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("name another folder"), "{error}");
    }
    assert_eq!(fs::read_to_string(target.join("diary.txt")).unwrap(), "private");
    assert_eq!(server.hub.requests().len(), 0);
}

/// An ONNX file with one tensor, whose numbers are in another file.
fn with_a_second_file() -> Vec<u8> {
    let field = |number: u8, content: Vec<u8>| [vec![(number << 3) | 2, content.len() as u8], content].concat();
    let entry = [field(1, b"location".to_vec()), field(2, b"model.onnx_data".to_vec())].concat();
    let tensor = [field(8, b"weight".to_vec()), field(13, entry), vec![14 << 3, 1]].concat();
    field(7, field(5, tensor))
}

/// ONNX Runtime would read the second file itself, and nobody would have compared it with anything.
#[tokio::test]
async fn weights_in_a_second_file_are_refused() {
    let mut repository = Repository::of_noise(NAME);
    repository.files.insert(ONNX.to_owned(), with_a_second_file());
    repository.files.insert(format!("{ONNX}_data"), vec![0; 1_000]);
    let server = HubServer::start(repository).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    let error = pull(&server, &target).await.unwrap_err();
    assert!(matches!(&error, HubError::Model(_)) && !target.exists(), "{error}");
    let error = error.source().unwrap().to_string();
    assert!(error.contains("in a second file (model.onnx_data), which is not supported"), "{error}");

    // So it is when such a folder was made otherwise.
    fs::create_dir_all(target.join("onnx")).unwrap();
    let mut files = serde_json::Map::new();
    for (file, content) in &Repository::of_noise(NAME).files {
        let content = if file == ONNX { &with_a_second_file() } else { content };
        fs::create_dir_all(target.join(file).parent().unwrap()).unwrap();
        fs::write(target.join(file), content).unwrap();
        files.insert(file.clone(), sha256(content).into());
    }
    let manifest = serde_json::json!({"name": "m", "weights": "w", "files": files});
    fs::write(target.join("asktwice.json"), manifest.to_string()).unwrap();
    // Before the library is needed.
    let error = OnnxEmbedder::open_with(&target, &OnnxOptions::default()).unwrap_err().to_string();
    assert!(error.contains("in a second file"), "{error}");
}
