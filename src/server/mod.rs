//! The sidecar: the same [`Retriever`](crate::Retriever) over HTTP, for chat apps in any language. Our own routes, and
//! those of OpenAI, Dify and the Model Context Protocol that clients speak already; a page to look at; health, metrics,
//! keys and limits.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use asktwice::{Embedder, Retriever, VectorStoreWriter, server::{Server, ServerSettings, Sidecar}};
//! # async fn example(embedder: Arc<dyn Embedder>, store: Arc<dyn VectorStoreWriter>) -> Result<(), Box<dyn std::error::Error>> {
//! let retriever = Retriever::new(embedder.clone(), store.clone());
//! let sidecar = Sidecar::new(ServerSettings::default(), embedder)?.with_collection("notes", retriever, store);
//! let server = Server::bind(sidecar).await?;
//! println!("listening on {}", server.address());
//! server.run().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! The way of a request: [`settings`] say what is borne; `accept` takes its connection in, `observe` names and counts it,
//! `guard` and `tenant` let it in, `body`, `deadline` and `gate` read it and wait for its turn, `routes` and `wire` know
//! its form (`mcp` that of language models' tools), `pipeline` asks the library, `reply` and `problem` are what comes back.

mod accept;
mod admission;
mod body;
mod bucket;
mod budget;
mod connections;
mod deadline;
mod gate;
mod guard;
mod health;
#[cfg(feature = "mcp")]
mod mcp;
mod observe;
mod pipeline;
mod problem;
mod replaced;
mod reply;
mod routes;
pub mod settings;
mod sidecar;
mod stalled;
mod stream;
mod tenant;
mod trace;
mod wire;

pub use budget::Budgeted;
#[cfg(feature = "mcp")]
pub use mcp::serve_mcp;
pub use observe::{BUCKETS, describe_metrics};
pub use reply::{
    Reply, ReplyDegradation, ReplyExplanation, ReplyFoundBy, ReplyHit, ReplyLeg, ReplyPassage, ReplyPoint, ReplyScored,
    ReplyTiming, ReplyVariant, ReplyWithout,
};
pub use routes::openapi_json;
pub use settings::ServerSettings;
pub use sidecar::Sidecar;
pub use stream::ReplyEvent;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use self::{
    accept::{Door, Phase, reached},
    connections::Connections,
    replaced::Replaced,
};

/// How many connections the second listener bears.
const ADMIN_CONNECTIONS: u32 = 32;
/// How long rewrites that still run in the background may take at the end.
const LAST_REWRITES: std::time::Duration = std::time::Duration::from_secs(1);

/// A sidecar that has its addresses, and listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    admin: Option<TcpListener>,
    handle: Handle,
    phase: watch::Receiver<Phase>,
    replaced: mpsc::UnboundedReceiver<Arc<Sidecar>>,
}

/// What can be done to a server while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    current: Arc<RwLock<Current>>,
    phase: Arc<watch::Sender<Phase>>,
    /// Takes those whose place another took.
    replaced: mpsc::UnboundedSender<Arc<Sidecar>>,
}

#[derive(Debug, Clone)]
struct Current {
    sidecar: Arc<Sidecar>,
    router: Router,
}

impl Current {
    fn new(sidecar: Sidecar) -> Self {
        let sidecar = Arc::new(sidecar);
        Self { router: routes::router(sidecar.clone()), sidecar }
    }
}

impl Server {
    /// Takes the addresses of the settings.
    ///
    /// # Errors
    /// What the system says, with the address.
    #[allow(
        clippy::unused_async,
        reason = "a listener belongs to a runtime, so whoever takes one must be inside of one"
    )]
    pub async fn bind(sidecar: Sidecar) -> io::Result<Self> {
        let settings = &sidecar.settings;
        // In line before the server are as many connections as may be open: a burst of them must not be lost.
        let line = u32::try_from(settings.limits.connections).unwrap_or(u32::MAX);
        let listener = listen(settings.listen, line, "server.listen")?;
        let admin = settings.admin.filter(|_| sidecar.metrics.is_some());
        let admin = admin.map(|address| listen(address, ADMIN_CONNECTIONS, "server.admin")).transpose()?;
        let (sender, phase) = watch::channel(Phase::Serving);
        let current = Arc::new(RwLock::new(Current::new(sidecar)));
        let (replacing, replaced) = mpsc::unbounded_channel();
        let handle = Handle { current, phase: Arc::new(sender), replaced: replacing };
        Ok(Self { listener, admin, handle, phase, replaced })
    }

    /// Where it listens; of interest where port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.handle.sidecar().settings.listen)
    }

    /// Where `/metrics` is.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// To reload and to end it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until [`Handle::drain`] or [`Handle::stop`]. When this returns, every answer is out, or was given up.
    pub async fn run(self) {
        let Self { listener, admin, handle, phase, replaced } = self;
        let mut replaced = Replaced::new(replaced, phase.clone(), LAST_REWRITES);
        let sidecar = handle.sidecar();
        let (limits, drain) = (sidecar.settings.limits.clone(), sidecar.settings.drain.clone());
        drop(sidecar);
        let most = affordable(limits.connections);
        let answering = handle.clone();
        let door = Door {
            router: move || answering.router(),
            limits: limits.clone(),
            connections: Connections::new(most),
            phase: phase.clone(),
        };
        let looking = handle.clone();
        let watching = tokio::spawn(health::watch(move || looking.sidecar()));
        let administering = admin.map(|admin| tokio::spawn(self::admin(admin, handle.clone(), limits)));
        let ending = async {
            reached(&mut phase.clone(), Phase::Draining).await;
            handle.sidecar().health.drain();
            sleep(drain.delay()).await;
            handle.advance(Phase::Closing);
            sleep(drain.timeout()).await;
            tracing::warn!("what was accepted took longer than server.drain.timeout_ms, and is broken off");
            handle.advance(Phase::Over);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = door.serve(listener) => {}
            () = ending => {}
            () = replaced.watch() => {}
        }
        handle.advance(Phase::Over);
        watching.abort();
        // Rewrites that still run only fill a cache; the process may as well let the last calls end.
        let sidecar = handle.sidecar();
        let (current, before) = tokio::join!(sidecar.drain_rewrites(LAST_REWRITES), replaced.drain());
        let given_up = current + before;
        if given_up > 0 {
            tracing::info!(given_up, "rewrites were still under way for the cache");
        }
        if let Some(administering) = administering {
            // It has nothing to lose, and is closed by the phase.
            let _ = timeout(std::time::Duration::from_secs(1), administering).await;
        }
    }
}

/// Serves the second listener; it ends with the first.
async fn admin(listener: TcpListener, handle: Handle, limits: settings::Limits) {
    let phase = handle.phase.subscribe();
    let router = routes::admin(move || handle.sidecar());
    let connections = Connections::new(ADMIN_CONNECTIONS as usize);
    Door { router: move || router.clone(), limits, connections, phase }.serve(listener).await;
}

impl Handle {
    /// Puts another sidecar in the place of the current one. Requests under way are still answered by the old one; the
    /// addresses, the limits of connections and the drain stay as they were.
    pub fn replace(&self, mut sidecar: Sidecar) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        sidecar.health = current.sidecar.health.clone();
        let replaced = std::mem::replace(&mut *current, Current::new(sidecar));
        // Once the server has ended, nobody waits for it.
        let _ = self.replaced.send(replaced.sidecar);
    }

    /// Ends the server in an orderly way: it says that it is not ready, takes connections in for the delay of the
    /// settings, then no more, and finishes what it has accepted.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Ends the server at once.
    pub fn stop(&self) {
        self.advance(Phase::Over);
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let further = to > *phase;
            *phase = to.max(*phase);
            further
        });
    }

    fn sidecar(&self) -> Arc<Sidecar> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).sidecar.clone()
    }

    fn router(&self) -> Router {
        self.current.read().unwrap_or_else(PoisonError::into_inner).router.clone()
    }
}

fn listen(address: SocketAddr, line: u32, setting: &str) -> io::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As the standard library does it: a restart must not wait for connections of before. Elsewhere than on Unix it
        // would let two processes have the same port.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(line)
    };
    listen().map_err(|error| {
        let problem =
            format!("{setting}: cannot listen on {address}: {error}; set {setting} to an address that is free here");
        io::Error::new(error.kind(), problem)
    })
}

/// How many connections there may be: as many as wanted, but no more than leave the stores their files. Raises the limit
/// of open files as far as the system lets it.
fn affordable(wanted: usize) -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let before = limit.current;
        limit.current = limit.maximum;
        // Where the system says no, the limit stays as it was.
        let raised = setrlimit(Resource::Nofile, limit).is_ok();
        let files = if raised { limit.maximum } else { before };
        let half = files.map_or(usize::MAX, |files| usize::try_from(files / 2).unwrap_or(usize::MAX));
        if half < wanted {
            tracing::warn!(
                connections = half,
                wanted,
                "the limit of open files allows fewer connections; see ulimit -n"
            );
        }
        wanted.min(half).max(1)
    }
    #[cfg(not(unix))]
    wanted
}
