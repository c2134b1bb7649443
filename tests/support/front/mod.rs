//! A small gRPC front: Qdrant's real protocol, by the server side that qdrant-client generates, before the embedded
//! engine in a temporary folder.
//!
//! It tests our adapter and the protocol between, **not Qdrant**: the engine behind is Qdrant's own, but what a server
//! adds to it (clusters, strict mode, background optimisation, its exact words for an error) is imitated at best. It
//! answers what our adapter asks and says `unimplemented` to the rest. It can misbehave on demand: see [`Front`].

mod convert;
mod service;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use qdrant_client::qdrant::{
    CreateAlias, CreateCollection, collections_server::CollectionsServer, points_server::PointsServer,
    qdrant_server::QdrantServer,
};
use qdrant_edge::EdgeShard;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Status};

/// The largest message that it takes: our adapter promises not to send a larger one.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A front on a port of its own, gone with this value.
pub struct Front {
    pub url: String,
    pub behaviour: Arc<Mutex<Behaviour>>,
    server: JoinHandle<()>,
}

/// How it answers, and what it has seen.
#[derive(Default)]
pub struct Behaviour {
    /// Refuse every call without this key.
    pub key: Option<String>,
    /// Wait before every answer.
    pub delay: Duration,
    /// Answer with these first, one call each, the last of the list first.
    pub statuses: Vec<Status>,
    /// Answer every call with this.
    pub always: Option<Status>,
    /// Keep no metadata, like a server older than 1.16.
    pub forgetful: bool,
    /// How often each method was called.
    pub calls: HashMap<&'static str, usize>,
    /// The methods called, in order, and the trace that each call named.
    pub traces: Vec<(&'static str, Option<String>)>,
    /// The `timeout` fields seen, in order.
    pub timeouts: Vec<Option<u64>>,
}

/// What the services share.
pub struct State {
    behaviour: Arc<Mutex<Behaviour>>,
    // Before the folder: an engine flushes when it goes.
    collections: Mutex<HashMap<String, Arc<Collection>>>,
    /// Which collection each alias names.
    aliases: Mutex<HashMap<String, String>>,
    folder: tempfile::TempDir,
}

struct Collection {
    made: CreateCollection,
    shard: EdgeShard,
}

impl Front {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behaviour = Arc::<Mutex<Behaviour>>::default();
        let state = Arc::new(State {
            behaviour: behaviour.clone(),
            collections: Mutex::default(),
            aliases: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        });
        let serving = tonic::transport::Server::builder()
            .add_service(QdrantServer::from_arc(state.clone()))
            .add_service(CollectionsServer::from_arc(state.clone()))
            .add_service(PointsServer::from_arc(state).max_decoding_message_size(MAX_BYTES))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self { url, behaviour, server }
    }

    /// Changes how it answers.
    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.behaviour.lock().unwrap().calls.get(method).copied().unwrap_or_default()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    /// What comes before every answer: counting, the key, the misbehaviour.
    async fn gate<T>(&self, method: &'static str, request: &Request<T>) -> Result<(), Status> {
        let delay = {
            let mut behaviour = self.behaviour.lock().unwrap();
            *behaviour.calls.entry(method).or_default() += 1;
            let trace = request.metadata().get("traceparent").and_then(|trace| trace.to_str().ok());
            behaviour.traces.push((method, trace.map(str::to_owned)));
            if let Some(key) = &behaviour.key {
                let given = request.metadata().get("api-key").and_then(|key| key.to_str().ok());
                if given != Some(key) {
                    return Err(Status::unauthenticated("Must provide an API key or an Authorization bearer token"));
                }
            }
            if let Some(status) = behaviour.statuses.pop().or_else(|| behaviour.always.clone()) {
                return Err(status);
            }
            behaviour.delay
        };
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn saw_timeout(&self, timeout: Option<u64>) {
        self.behaviour.lock().unwrap().timeouts.push(timeout);
    }

    fn collection(&self, name: &str) -> Result<Arc<Collection>, Status> {
        let target = self.aliases.lock().unwrap().get(name).cloned();
        let collection = self.collections.lock().unwrap().get(target.as_deref().unwrap_or(name)).cloned();
        collection.ok_or_else(|| Status::not_found(format!("Not found: Collection `{name}` doesn't exist!")))
    }

    fn create(&self, mut made: CreateCollection) -> Result<(), Status> {
        let mut collections = self.collections.lock().unwrap();
        let name = made.collection_name.clone();
        if collections.contains_key(&name) || self.aliases.lock().unwrap().contains_key(&name) {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        let folder = self.folder.path().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let shard = EdgeShard::new(&folder, convert::config(&made)?).map_err(convert::failure)?;
        if self.behaviour.lock().unwrap().forgetful {
            made.metadata.clear();
        }
        collections.insert(name, Arc::new(Collection { made, shard }));
        Ok(())
    }

    /// As a server does it: an alias that is there is replaced, and none may be called like a collection.
    fn create_alias(&self, alias: &CreateAlias) -> Result<(), Status> {
        self.collection(&alias.collection_name)?;
        if self.collections.lock().unwrap().contains_key(&alias.alias_name) {
            let name = &alias.alias_name;
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        self.aliases.lock().unwrap().insert(alias.alias_name.clone(), alias.collection_name.clone());
        Ok(())
    }

    fn drop_collection(&self, name: &str) -> bool {
        let gone = self.collections.lock().unwrap().remove(name);
        let existed = gone.is_some();
        drop(gone);
        self.aliases.lock().unwrap().retain(|_, target| target != name);
        let _ = std::fs::remove_dir_all(self.folder.path().join(name));
        existed
    }
}

impl Collection {
    /// The size of a declared dense vector.
    fn size(&self, vector: &str) -> Result<usize, Status> {
        let config = self.shard.config();
        let declared = config.vectors.get(vector);
        declared
            .map(|params| params.size)
            .ok_or_else(|| Status::invalid_argument(format!("Wrong input: Not existing vector name error: {vector}")))
    }

    fn check_size(&self, vector: &str, given: usize) -> Result<(), Status> {
        let expected = self.size(vector)?;
        if expected == given {
            return Ok(());
        }
        Err(Status::invalid_argument(format!(
            "Wrong input: Vector dimension error: expected dim: {expected}, got {given}"
        )))
    }
}
