//! Models from a hub: downloaded, resumed, verified, refused. The hub is one of our own, over HTTP.

mod cached;
mod refused;

use std::{fs, path::Path};

use asktwice::{
    Embedder,
    embed::{FileState, Hub, HubError, OnnxEmbedder, OnnxOptions, Precision, Pulled, Role, Wanted, verify},
};
use serde_json::Value;

use crate::support::{
    self,
    http_server::{HttpServer, Reply},
    hub::{HubServer, Repository, sha256},
};

const NAME: &str = "someone/model";
const ONNX: &str = "onnx/model_quantized.onnx";

async fn pull(hub: &HubServer, target: &Path) -> Result<Pulled, HubError> {
    pull_as(hub, target, wanted()).await
}

fn wanted() -> Wanted {
    Wanted::new(NAME).unwrap()
}

async fn pull_as(server: &HubServer, target: &Path, wanted: Wanted) -> Result<Pulled, HubError> {
    Hub::new(&server.hub.url())?.pull(&wanted, target, &|_| {}).await
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("asktwice.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_model_is_downloaded_with_its_commit_and_hashes() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    let heard = std::sync::Mutex::new(vec![]);
    let hub = Hub::new(&server.hub.url()).unwrap().with_token("hf_hunter2".into()).unwrap();
    assert!(!format!("{hub:?}").contains("hunter2"));
    let watch = |download: &asktwice::embed::Download| heard.lock().unwrap().push((download.done, download.total));
    let pulled = hub.pull(&wanted(), &target, &watch).await.unwrap();

    assert_eq!((pulled.precision, pulled.is_new), (Precision::Int8, true));
    assert_eq!(fs::read(target.join(ONNX)).unwrap(), repository.files[ONNX]);
    // Only what is needed, and nothing left over beside the folder.
    assert!(!target.join("README.md").exists() && !target.join("onnx/model.onnx").exists());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    let manifest = manifest(&target);
    assert_eq!(manifest["source"]["commit"], repository.commit);
    assert_eq!(manifest["source"]["repository"], NAME);
    assert_eq!(manifest["files"][ONNX], sha256(&repository.files[ONNX]));
    assert_eq!(manifest["files"].as_object().unwrap().len(), 4);
    // The identity is that of the published weights, whichever precision was fetched.
    assert_eq!(manifest["weights"], sha256(&repository.files["onnx/model.onnx"]));
    assert!(verify(&target).unwrap().is_intact());
    let heard = heard.into_inner().unwrap();
    let total = 1 << 20;
    assert!(heard.is_sorted() && heard.last().unwrap().0 == heard.last().unwrap().1, "{heard:?}");
    assert!(heard.last().unwrap().1 > total);
    // The token is for the hub, not for where it sends us.
    assert!(server.hub.requests().iter().all(|request| request.header("authorization") == Some("Bearer hf_hunter2")));
    assert!(server.storage.requests().iter().all(|request| request.header("authorization").is_none()));
    assert_eq!(server.storage.requests().len(), 1);
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let cut = std::sync::atomic::AtomicUsize::new(0);
    let repository = Repository::of_noise(NAME);
    let content = repository.files[ONNX].clone();
    let storage = move |request: &support::http_server::Request| {
        let nth = cut.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut reply = Reply::content(request, &content);
        match nth {
            0 => reply.cut = Some(100_000),
            1 => reply.cut = Some(50_000),
            // A signature that has run out ends this run.
            2 => reply = Reply::new(403, ""),
            _ => {}
        }
        Some(reply)
    };
    let server = HubServer::with(repository.clone(), Box::new(|_| None), Box::new(storage)).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    let error = pull(&server, &target).await.unwrap_err();
    assert!(matches!(error, HubError::Status { status: 403, .. }), "{error}");
    assert!(!target.exists());
    pull(&server, &target).await.unwrap();
    assert_eq!(server.starts(), [None, Some(100_000), Some(150_000), Some(150_000)]);
    assert_eq!(fs::read(target.join(ONNX)).unwrap(), repository.files[ONNX]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_server_that_cannot_resume_starts_over() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let repository = Repository::of_noise(NAME);
    let content = repository.files[ONNX].clone();
    let storage = move |_: &support::http_server::Request| {
        // Whatever part is asked for, it sends the whole.
        let mut reply = Reply::new(200, content.clone());
        reply.cut = first.swap(false, std::sync::atomic::Ordering::SeqCst).then_some(100_000);
        Some(reply)
    };
    let server = HubServer::with(repository, Box::new(|_| None), Box::new(storage)).await;
    let directory = tempfile::tempdir().unwrap();
    pull(&server, &directory.path().join("model")).await.unwrap();
    assert_eq!(server.starts(), [None, Some(100_000)]);
}

#[tokio::test]
async fn revisions_and_hashes_can_be_pinned() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    let right = sha256(&repository.files[ONNX]);
    let pinned = wanted().with_revision(&repository.commit).with_sha256(&right).unwrap();
    pull_as(&server, &target, pinned).await.unwrap();

    let wrong = wanted().with_sha256(&"1".repeat(64)).unwrap();
    let error = pull_as(&server, &directory.path().join("b"), wrong).await.unwrap_err().to_string();
    assert!(error.contains("is pinned to 111") && error.contains(&right), "{error}");
    let elsewhere = wanted().with_revision("1".repeat(40));
    let error = pull_as(&server, &directory.path().join("c"), elsewhere).await.unwrap_err().to_string();
    assert!(error.contains("no such revision"), "{error}");
    assert_eq!(server.storage.requests().len(), 1);

    // A hub that answers with another commit than asked for.
    let lying = |request: &support::http_server::Request| {
        let sha = format!(r#"{{"sha": "{}"}}"#, "2".repeat(40));
        request.target.contains("/revision/").then(|| Reply::new(200, sha))
    };
    let server = HubServer::with(repository, Box::new(lying), Box::new(|_| None)).await;
    let error =
        pull_as(&server, &directory.path().join("d"), wanted().with_revision("1".repeat(40))).await.unwrap_err();
    assert!(error.to_string().contains("answers with commit 222"), "{error}");
}

#[tokio::test]
async fn a_listing_in_pages_is_read_to_its_end() {
    let repository = Repository::of_noise(NAME);
    let commit = repository.commit.clone();
    let paged = move |request: &support::http_server::Request| {
        let first = request.target == format!("/api/models/{NAME}/tree/{commit}?recursive=true");
        let next = format!("</api/models/{NAME}/tree/{commit}?cursor=2>; rel=\"next\"");
        first.then(|| Reply::new(200, "[]").with("link", next))
    };
    let server = HubServer::with(repository, Box::new(paged), Box::new(|_| None)).await;
    let directory = tempfile::tempdir().unwrap();
    pull(&server, &directory.path().join("model")).await.unwrap();
    assert!(server.hub.requests().iter().any(|request| request.target.ends_with("?cursor=2")));
}

#[tokio::test]
async fn a_second_pull_fetches_only_what_changed() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    pull(&server, &target).await.unwrap();
    assert!(!pull(&server, &target).await.unwrap().is_new);
    assert_eq!(server.storage.requests().len(), 1);

    // Another precision of the same commit joins the first.
    let fp32 = pull_as(&server, &target, wanted().with_precision(Precision::Fp32)).await.unwrap();
    assert!(fp32.is_new && target.join(ONNX).exists() && target.join("onnx/model.onnx").exists());
    assert_eq!(server.storage.requests().len(), 2);

    // A damaged file is fetched again.
    fs::write(target.join(ONNX), "damaged").unwrap();
    assert_eq!(verify(&target).unwrap().files.iter().filter(|(_, state)| *state == FileState::Changed).count(), 1);
    pull(&server, &target).await.unwrap();
    assert!(verify(&target).unwrap().is_intact());
    assert_eq!(server.storage.requests().len(), 3);

    // A new commit, in which only a setting is new.
    server.change(|repository| {
        repository.commit = "d".repeat(40);
        repository.files.insert("config.json".to_owned(), br#"{"hidden_size": 5}"#.to_vec());
    });
    assert!(pull(&server, &target).await.unwrap().is_new);
    assert_eq!(server.storage.requests().len(), 3);
    assert_eq!(manifest(&target)["source"]["commit"], "d".repeat(40));
}

#[tokio::test]
async fn offline_what_is_here_has_to_do() {
    let repository = Repository::of_noise(NAME);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    let offline = || Hub::new(&server.hub.url()).unwrap().with_offline(true);
    let error = offline().pull(&wanted(), &target, &|_| {}).await.unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }) && error.to_string().contains("go online once"), "{error}");
    pull(&server, &target).await.unwrap();
    let before = server.hub.requests().len();
    let pulled = offline().pull(&wanted().with_revision(&repository.commit), &target, &|_| {}).await.unwrap();
    assert!(!pulled.is_new && pulled.source.commit == repository.commit);
    let cases = [
        (wanted().with_revision("1".repeat(40)), "another revision"),
        (wanted().with_precision(Precision::Fp32), "lacks the precision"),
    ];
    for (wanted, said) in cases {
        let error = offline().pull(&wanted, &target, &|_| {}).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // What is pinned or named is compared with what is here.
    let right = sha256(&repository.files[ONNX]);
    let pinned = |hash: &str| wanted().with_sha256(hash).unwrap();
    assert!(offline().pull(&pinned(&right), &target, &|_| {}).await.is_ok());
    let error = offline().pull(&pinned(&"1".repeat(64)), &target, &|_| {}).await.unwrap_err();
    assert!(matches!(&error, HubError::File { file, .. } if file == ONNX), "{error}");
    assert!(error.to_string().contains("is pinned to 111") && error.to_string().contains(&right), "{error}");
    assert!(offline().pull(&wanted().with_file(ONNX).unwrap(), &target, &|_| {}).await.is_ok());
    let other = wanted().with_file("onnx/model_O4.onnx").unwrap();
    let error = offline().pull(&other, &target, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("lacks onnx/model_O4.onnx"), "{error}");
    fs::write(target.join(ONNX), "damaged").unwrap();
    let error = offline().pull(&wanted(), &target, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
    assert_eq!(server.hub.requests().len(), before);
}

/// Where int8 is wanted and there is none, fp32 has to do offline as it does online, and what was made of it counts.
#[tokio::test]
async fn offline_a_model_of_fp32_alone_will_do_and_so_will_what_was_made_of_it() {
    let mut repository = Repository::of_noise(NAME);
    repository.files.remove(ONNX);
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    pull(&server, &target).await.unwrap();
    let offline = || Hub::new(&server.hub.url()).unwrap().with_offline(true);
    assert_eq!(offline().pull(&wanted(), &target, &|_| {}).await.unwrap().precision, Precision::Fp32);

    // As `models optimize` leaves it.
    fs::write(target.join("model_int8.onnx"), "made").unwrap();
    let mut manifest = manifest(&target);
    manifest["files"]["model_int8.onnx"] = sha256(b"made").into();
    fs::write(target.join("asktwice.json"), manifest.to_string()).unwrap();
    let pin = sha256(&repository.files["onnx/model.onnx"]);
    let pinned = || wanted().with_sha256(&pin).unwrap();
    assert_eq!(offline().pull(&pinned(), &target, &|_| {}).await.unwrap().precision, Precision::Int8);
    let online = pull_as(&server, &target, pinned()).await.unwrap();
    assert_eq!((online.precision, online.is_new), (Precision::Int8, false));
}

#[tokio::test]
async fn repositories_without_a_usable_file_name_what_they_have() {
    let mut repository = Repository::of_noise(NAME);
    let onnx = repository.files.remove(ONNX).unwrap();
    let server = HubServer::start(repository.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    // Where int8 is wanted and there is none, fp32 comes, of which int8 can be made.
    let pulled = pull(&server, &directory.path().join("a")).await.unwrap();
    assert_eq!(pulled.precision, Precision::Fp32);

    repository.files.remove("onnx/model.onnx");
    let server = HubServer::start(repository.clone()).await;
    let error = pull(&server, &directory.path().join("b")).await.unwrap_err().to_string();
    assert!(error.contains("import-model"), "{error}");
    repository.files.insert("model_optimized.onnx".to_owned(), onnx);
    let server = HubServer::start(repository.clone()).await;
    let error = pull(&server, &directory.path().join("b")).await.unwrap_err().to_string();
    assert!(error.contains("--file: model_optimized.onnx"), "{error}");
    let named = wanted().with_file("model_optimized.onnx").unwrap();
    let pulled = pull_as(&server, &directory.path().join("b"), named).await.unwrap();
    assert_eq!(manifest(&pulled.folder)["onnx"]["int8"], "model_optimized.onnx");

    repository.files.remove("tokenizer.json");
    let server = HubServer::start(repository).await;
    let named = wanted().with_file("model_optimized.onnx").unwrap();
    let error = pull_as(&server, &directory.path().join("c"), named).await.unwrap_err().to_string();
    assert!(error.contains("has no tokenizer.json"), "{error}");
}

/// What the catalogue says of a model goes into the manifest, because the repository does not say it.
#[tokio::test]
async fn the_catalogue_fills_in_what_a_repository_does_not_say() {
    let mut repository = Repository::of_noise("Xenova/bge-small-en-v1.5");
    repository.files.remove("1_Pooling/config.json");
    let server = HubServer::start(repository).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("bge");
    pull_as(&server, &target, Wanted::new("bge-small-en-v1.5").unwrap()).await.unwrap();
    let folder = asktwice::embed::ModelFolder::open(&target).unwrap();
    let identity = folder.identity();
    assert_eq!((identity.model.as_str(), identity.dimension, identity.max_tokens), ("bge-small-en-v1.5", 384, 512));
    assert_eq!(identity.pooling, "cls, normalised");
    assert_eq!(manifest(&target)["model"]["query_prefix"], "Represent this sentence for searching relevant passages: ");
}

#[tokio::test]
async fn a_downloaded_model_gives_the_vectors_of_the_original() {
    let Some(folder) = support::model_folder() else { return };
    let files = ["config.json", "1_Pooling/config.json", "modules.json", "sentence_bert_config.json", "tokenizer.json"];
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let mut repository = Repository::of_noise(NAME);
    repository.files = files.iter().map(|file| ((*file).to_owned(), read(file))).collect();
    repository.files.insert("onnx/model_int8.onnx".to_owned(), read("model_int8.onnx"));
    let server = HubServer::start(repository).await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("model");
    pull(&server, &target).await.unwrap();
    let mut options = OnnxOptions::default();
    options.library = support::library();
    options.workers = 1;
    let vector = async |folder: &Path| {
        let embedder = OnnxEmbedder::open_with(folder, &options).unwrap();
        embedder.embed(Role::Query, vec!["where is my food".to_owned()]).await.unwrap()
    };
    assert_eq!(vector(&target).await, vector(&folder).await);
    // Every later load is checked against the manifest.
    let file = target.join("onnx/model_int8.onnx");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = OnnxEmbedder::open_with(&target, &options).unwrap_err().to_string();
    assert!(error.contains("onnx/model_int8.onnx was changed"), "{error}");
}

/// The command line, in an environment without the variables of whoever runs the tests.
fn command(home: &Path, hub: &str) -> std::process::Command {
    let mut command = support::asktwice();
    for name in [
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.current_dir(home).env("HF_ENDPOINT", hub).env("HF_HOME", home.join("hf"));
    command
}

fn said(command: &mut std::process::Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_pulls_verifies_and_lists() {
    let server = HubServer::start(Repository::of_noise(NAME)).await;
    let home = tempfile::tempdir().unwrap();
    let hub = server.hub.url();
    fs::create_dir(home.path().join("hf")).unwrap();
    fs::write(home.path().join("hf/token"), "hf_hunter2\n").unwrap();
    let run = |arguments: &[&str]| said(command(home.path(), &hub).args(arguments));
    let (code, text) = run(&["models", "pull", NAME]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("downloaded, in .asktwice/models/model") && !text.contains("hunter2"), "{text}");
    assert_eq!(server.hub.requests()[0].header("authorization"), Some("Bearer hf_hunter2"));
    let (code, text) = run(&["models", "verify", ".asktwice/models/model"]);
    assert!(code == Some(0) && text.contains(&format!("from {NAME} of {hub}")), "{text}");
    fs::write(home.path().join(".asktwice/models/model").join(ONNX), "damaged").unwrap();
    let (code, text) = run(&["models", "verify", ".asktwice/models/model"]);
    assert!(code == Some(3) && text.contains(&format!("CHANGED  {ONNX}")), "{text}");

    let (code, text) = said(command(home.path(), &hub).env("HF_HUB_OFFLINE", "1").args(["models", "pull", "a/b"]));
    assert!(code == Some(3) && text.contains("cannot be downloaded offline"), "{text}");
    // Whoever names a proxy is not gone past.
    let proxy = HttpServer::start(|_| Reply::new(503, "")).await;
    let mut through = command(home.path(), "http://hub.invalid");
    let (code, text) = said(through.env("HTTP_PROXY", proxy.url()).args(["models", "pull", "a/b"]));
    assert!(code == Some(4) && text.contains("hub.invalid"), "{text}");
    assert_eq!(proxy.requests()[0].target, "http://hub.invalid/api/models/a/b/revision/main");

    let (code, text) = run(&["models", "pull", "no-such-model-of-ours"]);
    assert!(code == Some(2) && text.contains("asktwice models list"), "{text}");
    let (code, text) = run(&["models", "list"]);
    assert!(code == Some(0) && text.contains("bge-small-en-v1.5") && text.contains("multilingual-e5-small"), "{text}");
}
