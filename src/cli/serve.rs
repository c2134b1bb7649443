//! `asktwice serve`: the sidecar. It reads its settings again at SIGHUP, and ends in an orderly way at SIGTERM.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::Value;

use super::{
    Global, chain,
    holder::Holder,
    parts::{self, AnyEmbedder},
    say, telemetry,
};
use crate::{
    config::{self, Settings},
    embed::Embedder as _,
    options::RetrieveOptions,
    rerank::Reranker,
    retriever::Retriever,
    search::VectorStoreWriter,
    server::{self, Budgeted, Handle, Server, Sidecar},
};

/// How often what has been measured is folded.
const FOLD_EVERY: Duration = Duration::from_secs(5);
/// What stays as it was at the start: it is in use.
const FIXED: [&str; 12] = [
    "embed",
    "rerank",
    "bm25",
    "store",
    "server.listen",
    "server.admin",
    "server.log",
    "server.collections",
    "server.drain",
    "server.limits.connections",
    "server.limits.header_ms",
    "server.limits.header_bytes",
];

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen [server.listen].
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Check the settings, print them without their secrets, and end.
    #[arg(long)]
    check: bool,
}

impl Serve {
    /// Its own flags, as settings.
    pub(super) fn flags(&self) -> Vec<String> {
        self.listen.iter().map(|address| format!("server.listen={address}")).collect()
    }

    pub(super) async fn run(self, global: &Global, settings: &Settings) -> anyhow::Result<ExitCode> {
        let flags = self.flags();
        let effective = global.effective(&flags)?;
        if self.check {
            check(settings)?;
            say(serde_json::to_string_pretty(&effective)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let signals = Signals::new()?;
        let metrics = recorder()?;
        let parts = Parts::open(settings, effective, Some(metrics.clone()))?;
        let server = Server::bind(parts.sidecar(settings, &parts.effective)?).await?;
        let address = server.address();
        let holder = Holder::note(&parts.folders, address);
        tracing::info!(%address, admin = server.admin_address().map(tracing::field::display), "listening");
        say(format!("asktwice: listening on http://{address}"))?;
        let obeying = obey(signals, server.handle(), || parts.reload(global, &flags));
        tokio::select! {
            () = server.run() => {}
            () = obeying => {}
            () = fold(&metrics) => {}
        }
        drop(holder);
        // The stores close here, and what they have acknowledged is on disk already.
        drop(parts);
        tracing::info!("ended");
        telemetry::flush();
        Ok(ExitCode::SUCCESS)
    }
}

/// Tries what can be tried without opening the model and the stores.
fn check(settings: &Settings) -> anyhow::Result<()> {
    settings.server.check_keys()?;
    settings.store.key()?;
    settings.embed.key()?;
    settings.rerank.key()?;
    settings.client.key()?;
    if !settings.embed.url.is_empty() {
        parts::remote(&settings.embed)?;
    }
    if !settings.rerank.url.is_empty() {
        parts::remote_reranker(&settings.rerank)?;
    }
    if !settings.store.url.starts_with("edge:") {
        // A server is not asked before the first search.
        let mut of_collection = settings.store.clone();
        for collection in offered(settings).into_values() {
            of_collection.collection = collection;
            parts::store(&of_collection)?;
        }
    }
    parts::rewriter(&settings.rewrite)?;
    Ok(())
}

/// What is opened once, and outlives every change of the settings.
pub(super) struct Parts {
    embedder: AnyEmbedder,
    reranker: Option<Arc<dyn Reranker>>,
    /// By the name that callers use.
    stores: BTreeMap<String, Arc<dyn VectorStoreWriter>>,
    /// The folders of the embedded engine that this process holds.
    folders: Vec<std::path::PathBuf>,
    /// `None` where nobody could ask for them.
    metrics: Option<PrometheusHandle>,
    /// The settings that it was opened with.
    effective: Value,
}

/// Begins to record what is measured.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().set_buckets(&server::BUCKETS)?.build_recorder();
    let metrics = recorder.handle();
    // Fails only where the process records already, and then that serves.
    let _ = ::metrics::set_global_recorder(recorder);
    server::describe_metrics();
    Ok(metrics)
}

impl Parts {
    pub(super) fn open(
        settings: &Settings,
        effective: Value,
        metrics: Option<PrometheusHandle>,
    ) -> anyhow::Result<Self> {
        let mut stores = BTreeMap::new();
        for (name, collection) in offered(settings) {
            let mut of_collection = settings.store.clone();
            of_collection.collection.clone_from(&collection);
            let store = parts::store(&of_collection).with_context(|| format!("collection {name:?}"))?;
            stores.insert(name, store);
        }
        let folders =
            offered(settings).into_values().filter_map(|name| parts::folder(&settings.store, &name)).collect();
        let embedder = parts::embedder(settings)?;
        let reranker = parts::reranker(settings)?;
        Ok(Self { embedder, reranker, stores, folders, metrics, effective })
    }

    /// A sidecar of these parts, as the settings are now.
    pub(super) fn sidecar(&self, settings: &Settings, effective: &Value) -> anyhow::Result<Sidecar> {
        let rewriter =
            parts::bounded_rewriter(&settings.rewrite, |rewriter| Arc::new(Budgeted::new(rewriter, &settings.server)))?;
        let mut options = RetrieveOptions::default();
        (options.limit, options.depth) = (settings.search.limit, settings.search.depth);
        options.depths = settings.search.depths();
        let mut sidecar = Sidecar::new(settings.server.clone(), Arc::new(self.embedder.clone()))?
            .with_sparse_encoder(settings.bm25.encoder()?)
            .with_defaults(options)
            .with_shown_settings(self.shown(effective));
        if let Some(metrics) = self.metrics.clone() {
            sidecar = sidecar.with_metrics(move || metrics.render());
        }
        for (name, store) in &self.stores {
            let retriever = Retriever::new(self.embedder.clone(), store.clone());
            let mut retriever = parts::tuned(retriever, settings)?;
            if let Some(reranker) = &self.reranker {
                retriever = retriever.with_reranker(reranker.clone());
            }
            if let Some(rewriter) = &rewriter {
                retriever = retriever.with_rewriter(rewriter.clone());
            }
            sidecar = sidecar.with_collection(name, retriever, store.clone());
        }
        Ok(sidecar)
    }

    /// What callers may read: the settings, and what the model makes of them.
    fn shown(&self, effective: &Value) -> Value {
        let mut shown = config::for_callers(effective);
        let identity = self.embedder.identity();
        shown["embed"]["max_tokens"] = identity.max_tokens.into();
        shown["embed"]["dimension"] = identity.dimension.into();
        shown
    }

    /// Reads the settings again.
    fn reload(&self, global: &Global, flags: &[String]) -> anyhow::Result<Sidecar> {
        let (settings, effective) = (global.settings(flags)?, global.effective(flags)?);
        let fixed = config::changed(&self.effective, &effective, &FIXED);
        if !fixed.is_empty() {
            anyhow::bail!("{} changed, which needs a restart", fixed.join(", "));
        }
        self.sidecar(&settings, &effective)
    }
}

/// Folds what has been recorded into the histograms, for ever: without it every sample is kept until somebody looks at
/// `/metrics`, and perhaps nobody does.
async fn fold(metrics: &PrometheusHandle) {
    loop {
        tokio::time::sleep(FOLD_EVERY).await;
        metrics.run_upkeep();
    }
}

/// The collections on offer: the name that callers use, and the store's.
fn offered(settings: &Settings) -> BTreeMap<String, String> {
    let only = || [(settings.store.collection.clone(), settings.store.collection.clone())].into();
    Some(&settings.server.collections).filter(|some| !some.is_empty()).cloned().unwrap_or_else(only)
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    End,
    Reload,
}

/// Signals to this process; from when it is made, they end the process no more by themselves.
#[cfg(unix)]
pub(super) struct Signals([(tokio::signal::unix::Signal, Asked); 3]);

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            (signal(SignalKind::terminate())?, Asked::End),
            (signal(SignalKind::interrupt())?, Asked::End),
            (signal(SignalKind::hangup())?, Asked::Reload),
        ]))
    }

    pub(super) async fn next(&mut self) -> Asked {
        let each = self.0.iter_mut().map(|(signal, asked)| Box::pin(async { signal.recv().await.map(|()| *asked) }));
        futures::future::select_all(each).await.0.unwrap_or(Asked::End)
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Asked {
        // Where nobody can be listened to, the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Asked::End
    }
}

/// Does what signals ask for, for ever.
async fn obey(mut signals: Signals, handle: Handle, reload: impl Fn() -> anyhow::Result<Sidecar>) {
    let mut draining = false;
    loop {
        match (signals.next().await, draining) {
            (Asked::Reload, _) => take_over(&handle, reload()),
            (Asked::End, false) => {
                tracing::info!("asked to end: finishing what was accepted");
                handle.drain();
                draining = true;
            }
            (Asked::End, true) => {
                tracing::warn!("asked to end again: ending at once");
                handle.stop();
            }
        }
    }
}

/// A mistake in the new settings leaves the old ones in force, and is told.
fn take_over(handle: &Handle, sidecar: anyhow::Result<Sidecar>) {
    match sidecar {
        Ok(sidecar) => {
            handle.replace(sidecar);
            tracing::info!("the settings were read again");
        }
        Err(error) => {
            tracing::error!(problem = chain(&error), "the settings could not be read again; the old ones stay");
        }
    }
}
