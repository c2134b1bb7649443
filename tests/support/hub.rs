//! A model hub of our own: the parts of Hugging Face's that a download needs, over plain HTTP on 127.0.0.1. Large files
//! lie on a second server, as they do there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::http_server::{HttpServer, Reply, Request};

/// A repository at one commit.
#[derive(Debug, Clone)]
pub struct Repository {
    pub name: &'static str,
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// A model that can be opened, though not run: its ONNX file is noise.
    pub fn of_noise(name: &'static str) -> Self {
        let noise = |seed: u32, length: usize| -> Vec<u8> {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            (0..length).map(|_| next()).collect()
        };
        let files = [
            ("config.json", br#"{"hidden_size": 4, "max_position_embeddings": 32}"#.to_vec()),
            ("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens": true}"#.to_vec()),
            ("tokenizer.json", b"{}".to_vec()),
            ("README.md", b"not wanted".to_vec()),
            ("onnx/model.onnx", noise(1, 3 << 20)),
            ("onnx/model_quantized.onnx", noise(2, 1 << 20)),
        ];
        let files = files.into_iter().map(|(file, content)| (file.to_owned(), content)).collect();
        Self { name, commit: "c0ffee".repeat(7)[..40].to_owned(), files }
    }

    /// Whether a file is one that the hub keeps in Git LFS.
    fn is_large(file: &str) -> bool {
        file.starts_with("onnx/")
    }

    fn listing(&self) -> Vec<u8> {
        let items = self.files.iter().map(|(file, content)| {
            let mut git = sha1_smol::Sha1::from(format!("blob {}\0", content.len()));
            git.update(content);
            let mut item =
                json!({"type": "file", "path": file, "size": content.len(), "oid": git.digest().to_string()});
            if Self::is_large(file) {
                item["lfs"] = json!({"oid": sha256(content), "size": content.len(), "pointerSize": 134});
            }
            item
        });
        let folder = json!({"type": "directory", "path": "onnx", "size": 0, "oid": "0".repeat(40)});
        serde_json::to_vec(&items.chain([folder]).collect::<Vec<_>>()).unwrap()
    }
}

pub fn sha256(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

/// What a test changes: an answer instead of the usual one.
pub type Override = Box<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

/// The hub and its storage.
#[derive(Debug)]
pub struct HubServer {
    pub hub: HttpServer,
    pub storage: HttpServer,
    repository: Arc<Mutex<Repository>>,
}

impl HubServer {
    pub async fn start(repository: Repository) -> Self {
        Self::with(repository, Box::new(|_| None), Box::new(|_| None)).await
    }

    /// A hub and a storage that sometimes answer otherwise.
    pub async fn with(repository: Repository, hub: Override, storage: Override) -> Self {
        let repository = Arc::new(Mutex::new(repository));
        let stored = Arc::clone(&repository);
        let storage = HttpServer::start(move |request| {
            storage(request).unwrap_or_else(|| {
                let repository = stored.lock().unwrap();
                let found = repository.files.values().find(|content| request.target == format!("/{}", sha256(content)));
                found.map_or_else(|| Reply::new(404, ""), |content| Reply::content(request, content))
            })
        })
        .await;
        let (listed, at) = (Arc::clone(&repository), storage.url());
        let hub = HttpServer::start(move |request| {
            hub(request).unwrap_or_else(|| answer(&listed.lock().unwrap(), &at, request))
        })
        .await;
        Self { hub, storage, repository }
    }

    /// Changes the repository.
    pub fn change(&self, change: impl FnOnce(&mut Repository)) {
        change(&mut self.repository.lock().unwrap());
    }

    /// What was asked of the storage so far: where each answer had to begin.
    pub fn starts(&self) -> Vec<Option<usize>> {
        self.storage.requests().iter().map(Request::start).collect()
    }
}

fn answer(repository: &Repository, storage: &str, request: &Request) -> Reply {
    let Repository { name, commit, files } = repository;
    let target = request.target.split('?').next().unwrap();
    if let Some(revision) = target.strip_prefix(&format!("/api/models/{name}/revision/")) {
        return match revision {
            "main" => Reply::new(200, json!({"id": name, "sha": commit}).to_string()),
            pinned if pinned == commit => Reply::new(200, json!({"id": name, "sha": commit}).to_string()),
            _ => Reply::new(404, "{}").with("x-error-code", "RevisionNotFound"),
        };
    }
    if target == format!("/api/models/{name}/tree/{commit}") {
        return Reply::new(200, repository.listing());
    }
    if let Some(file) = target.strip_prefix(&format!("/{name}/resolve/{commit}/")) {
        return match files.get(file) {
            None => Reply::new(404, "").with("x-error-code", "EntryNotFound"),
            Some(content) if Repository::is_large(file) => {
                let hash = sha256(content);
                Reply::redirect(format!("{storage}/{hash}")).with("x-linked-etag", format!("\"{hash}\""))
            }
            Some(content) => Reply::content(request, content),
        };
    }
    // Of what does not exist the hub says the same as of what one may not see.
    Reply::new(401, "{}").with("x-error-code", "RepoNotFound")
}
