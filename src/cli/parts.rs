//! From settings to parts: the embedder, the store, the rewriter.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use async_trait::async_trait;

use super::{calibrate, holder};
use crate::{
    config::{EmbedSettings, RerankSettings, RewriteSettings, Settings, SettingsError, StoreSettings},
    embed::{
        AdaptedEmbedder, CachedEmbedder, EmbedError, Embedder, Embedding, Head, Identity, OnnxEmbedder, OnnxOptions,
        Precision, Provider, RemoteEmbedder, Role, library,
    },
    index::TokenCounter,
    rerank::{OnnxReranker, OnnxRerankerOptions, RemoteReranker, Reranker},
    retriever::Retriever,
    rewrite::{CachedRewriter, LlmEndpoint, LlmRewriter, Prompts, RecordedRewriter, Rewriter},
    search::{Adopted, EdgeOptions, EdgeStore, QdrantStore, StoreError, Successor, VectorStoreWriter},
};

/// Where ONNX Runtime is: the setting, `ORT_DYLIB_PATH`, the set-up folder, beside the program, the system's folders.
pub(super) fn library(settings: &Settings) -> PathBuf {
    let setting = Some(settings.embed.library.clone()).filter(|path| !path.as_os_str().is_empty());
    let variable = || std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    setting.or_else(variable).unwrap_or_else(library::find)
}

/// The embedder that the settings name, with a memory for questions.
pub(super) fn embedder(settings: &Settings) -> anyhow::Result<AnyEmbedder> {
    let embed = &settings.embed;
    if !embed.url.is_empty() {
        return AnyEmbedder::new(remote(embed)?, None, embed);
    }
    let options = OnnxOptions {
        library: library(settings),
        precision: embed.precision,
        provider: embed.provider,
        threads: embed.threads,
        workers: embed.workers,
    };
    let local = OnnxEmbedder::open_with(&embed.model, &options)?;
    if local.provider() != embed.provider {
        // The log that says why is off for most commands, and much slower than asked for should not pass in silence.
        let wanted = embed.provider;
        eprintln!("asktwice: there is no {wanted} here; the CPU does the work (ASKTWICE_LOG=asktwice=warn says why)");
    }
    if local.provider() != Provider::Cpu && embed.precision != Precision::Fp32 {
        let provider = local.provider();
        eprintln!("asktwice: int8 is for the CPU; set embed.precision = \"fp32\" for {provider}, and index anew");
    }
    let counter = local.clone();
    let counter: TokenCounter = Arc::new(move |text: &str| counter.count_tokens(text));
    AnyEmbedder::new(local, Some(counter), embed)
}

/// The embedder behind an endpoint.
pub(super) fn remote(settings: &EmbedSettings) -> anyhow::Result<RemoteEmbedder> {
    let mut remote = RemoteEmbedder::new(&settings.url, &settings.remote_model()?, settings.dimension)?
        .with_prefixes(&settings.query_prefix, &settings.passage_prefix)
        .with_parameters(settings.parameters())
        .with_batch(settings.batch)
        .with_timeout(settings.timeout());
    if let Some(key) = settings.key()? {
        remote = remote.with_api_key(key)?;
    }
    Ok(remote)
}

/// Any embedder, and how it counts tokens if it can.
#[derive(Clone)]
pub(super) struct AnyEmbedder {
    embedder: Arc<dyn Embedder>,
    pub token_counter: Option<TokenCounter>,
}

impl AnyEmbedder {
    /// Puts on an embedder what the settings want: a head, and a memory for questions.
    fn new(
        embedder: impl Embedder + 'static,
        token_counter: Option<TokenCounter>,
        settings: &EmbedSettings,
    ) -> anyhow::Result<Self> {
        let mut embedder: Arc<dyn Embedder> = Arc::new(embedder);
        if !settings.head.as_os_str().is_empty() {
            let head = Head::read(&settings.head, embedder.identity())?;
            embedder = Arc::new(AdaptedEmbedder::new(embedder, head));
        }
        if settings.cache_bytes() > 0 {
            embedder = Arc::new(CachedEmbedder::new(embedder, settings.cache_bytes()));
        }
        Ok(Self { embedder, token_counter })
    }
}

impl std::fmt::Debug for AnyEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.embedder.fmt(f)
    }
}

#[async_trait]
impl Embedder for AnyEmbedder {
    async fn embed(&self, role: Role, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        self.embedder.embed(role, texts).await
    }

    fn identity(&self) -> &Identity {
        self.embedder.identity()
    }

    fn leaves_host(&self) -> bool {
        self.embedder.leaves_host()
    }
}

/// The store that the settings name.
pub(super) fn store(settings: &StoreSettings) -> anyhow::Result<Arc<dyn VectorStoreWriter>> {
    if let Some(store) = embedded(settings)? {
        return Ok(store);
    }
    let mut store = QdrantStore::connect(&settings.url, &settings.collection)?
        .with_timeout(settings.timeout())
        .with_quantization(settings.quantization()?)
        .with_search_params(settings.search_params());
    if let Some(key) = settings.key()? {
        store = store.with_api_key(key)?;
    }
    if !settings.adopt_text.is_empty() {
        let named = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
        let adopted = Adopted {
            vector: settings.adopt_vector.clone(),
            text: settings.adopt_text.clone(),
            title: named(&settings.adopt_title),
            bm25: named(&settings.adopt_bm25),
        };
        store = store.adopting(adopted);
    }
    Ok(Arc::new(store))
}

/// The same, if it is one of the embedded engine.
pub(super) fn embedded(settings: &StoreSettings) -> anyhow::Result<Option<Arc<EdgeStore>>> {
    let Some(folder) = settings.url.strip_prefix("edge:") else { return Ok(None) };
    if !settings.adopt_text.is_empty() {
        let problem = "only a collection on a Qdrant server can be adopted; unset store.adopt_text".to_owned();
        return Err(SettingsError::Value { setting: "store.adopt_text", problem }.into());
    }
    Ok(Some(Arc::new(edge(Path::new(folder), &settings.collection, settings)?)))
}

/// A collection of the embedded engine. If a sidecar holds it, the error says which.
pub(super) fn edge(folder: &Path, collection: &str, settings: &StoreSettings) -> anyhow::Result<EdgeStore> {
    let folder = folder.join(collection);
    let opened = EdgeStore::open_with(&folder, edge_options(settings)?).map_err(anyhow::Error::from);
    match (&opened, holder::of(&folder)) {
        (Ok(_), _) => holder::forget(&folder),
        (Err(error), Some(who)) if is_locked(error) => return opened.context(who),
        _ => {}
    }
    opened
}

/// Whether a collection could not be opened because another process has it open.
pub(super) fn is_locked(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Locked { .. }))
}

fn edge_options(settings: &StoreSettings) -> Result<EdgeOptions, SettingsError> {
    Ok(EdgeOptions::default()
        .with_quantization(settings.quantization()?)
        .with_index_above(settings.index_above_kib)
        .with_search_params(settings.search_params()))
}

/// A successor of the collection that the settings name, also while a sidecar has that open.
pub(super) async fn successor(settings: &StoreSettings, identity: &Identity) -> anyhow::Result<Successor> {
    let store = store(settings);
    match (&store, folder(settings, &settings.collection)) {
        (Err(error), Some(folder)) if is_locked(error) => {
            Ok(EdgeStore::successor_beside(folder, edge_options(settings)?, identity).await?)
        }
        _ => Ok(store?.successor(identity).await?),
    }
}

/// The folder of a collection, if it is one of the embedded engine.
pub(super) fn folder(settings: &StoreSettings, collection: &str) -> Option<PathBuf> {
    settings.url.strip_prefix("edge:").map(|folder| Path::new(folder).join(collection))
}

/// The rewriter that the settings name, if they name one; with a memory, unless it replays a file anyway.
pub(super) fn rewriter(settings: &RewriteSettings) -> anyhow::Result<Option<Arc<dyn Rewriter>>> {
    bounded_rewriter(settings, |rewriter| rewriter)
}

/// The same with a bound around what is asked, inside of the cache: what is remembered costs nothing.
pub(super) fn bounded_rewriter(
    settings: &RewriteSettings,
    bound: impl FnOnce(Arc<dyn Rewriter>) -> Arc<dyn Rewriter>,
) -> anyhow::Result<Option<Arc<dyn Rewriter>>> {
    if let Some(recorded) = settings.recorded()? {
        let recorded = RecordedRewriter::open(&recorded)?;
        return Ok(Some(bound(Arc::new(recorded.with_latency(settings.recorded_latency())))));
    }
    let Some(llm) = llm(settings)? else { return Ok(None) };
    let llm = bound(Arc::new(llm));
    Ok(Some(match settings.cache() {
        Some(cache) => Arc::new(CachedRewriter::new(llm, cache)),
        None => llm,
    }))
}

/// The language model that the settings name, if they name one.
pub(super) fn llm(settings: &RewriteSettings) -> anyhow::Result<Option<LlmRewriter>> {
    if settings.url.is_empty() {
        return Ok(None);
    }
    let mut first = LlmEndpoint::new(&settings.url, &settings.model).context("rewrite.url")?;
    if let Some(key) = settings.key()? {
        first = first.with_api_key(key).context("rewrite.api_key")?;
    }
    let mut llm = LlmRewriter::at(first.with_parameters(settings.parameters()))?
        .with_kinds(settings.kinds.clone())
        .with_count(settings.count)
        .with_structured(settings.structured()?)
        .with_breaker(settings.breaker())
        .with_most_calls(settings.calls)
        .with_timeout(settings.timeout());
    for fallback in &settings.fallbacks {
        let mut endpoint = LlmEndpoint::new(&fallback.url, &fallback.model).context("rewrite.fallbacks")?;
        if let Some(key) = fallback.key()? {
            endpoint = endpoint.with_api_key(key).context("rewrite.fallbacks")?;
        }
        llm = llm.with_fallback(endpoint.with_parameters(fallback.parameters()));
    }
    if settings.any_language {
        llm = llm.with_any_language();
    }
    if !settings.prompts.as_os_str().is_empty() {
        llm = llm.with_prompts(Prompts::read(&settings.prompts).context("rewrite.prompts")?);
    }
    Ok(Some(llm))
}

/// The reranker that the settings name, if they name one.
pub(super) fn reranker(settings: &Settings) -> anyhow::Result<Option<Arc<dyn Reranker>>> {
    let rerank = &settings.rerank;
    if !rerank.folder.as_os_str().is_empty() {
        let options = OnnxRerankerOptions { library: library(settings), ..OnnxRerankerOptions::default() };
        let local = OnnxReranker::open_with(&rerank.folder, &options).context("rerank.folder")?;
        return Ok(Some(Arc::new(local)));
    }
    if rerank.url.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(remote_reranker(rerank)?)))
}

/// The reranker behind an endpoint.
pub(super) fn remote_reranker(settings: &RerankSettings) -> anyhow::Result<RemoteReranker> {
    let remote = if settings.model.is_empty() {
        RemoteReranker::text_embeddings_inference(&settings.url)?
    } else {
        RemoteReranker::new(&settings.url, &settings.model)?
    };
    let remote = remote.with_timeout(settings.deadline());
    Ok(match settings.key()? {
        Some(key) => remote.with_api_key(key)?,
        None => remote,
    })
}

/// The whole pipeline for asking.
pub(super) fn retriever(settings: &Settings) -> anyhow::Result<Retriever> {
    // Opening the folder and the model at the same time: a cold start pays for the longer of the two.
    let (embedder, store) = std::thread::scope(|scope| {
        let store = scope.spawn(|| store(&settings.store));
        let embedder = embedder(settings);
        (embedder, store.join().map_err(|_| anyhow::anyhow!("opening the store crashed")))
    });
    let store: Arc<dyn crate::search::VectorStore> = store??;
    let mut retriever = tuned(Retriever::new(embedder?, store), settings)?;
    if let Some(reranker) = reranker(settings)? {
        retriever = retriever.with_reranker(reranker);
    }
    Ok(match rewriter(&settings.rewrite)? {
        Some(rewriter) => retriever.with_rewriter(rewriter),
        None => retriever,
    })
}

/// A retriever as the settings want it, but for its rewriter and its reranker.
pub(super) fn tuned(retriever: Retriever, settings: &Settings) -> Result<Retriever, SettingsError> {
    let (search, rewrite) = (&settings.search, &settings.rewrite);
    let mut retriever = retriever
        .with_sparse_encoder(settings.bm25.encoder()?)
        .with_legs(search.legs)
        .with_channel_weights(search.dense_weight, search.bm25_weight)
        .with_fusion(settings.fuse.fusion()?)
        .with_rewrite_deadline(rewrite.deadline())
        .with_rerank_depth(settings.rerank.depth)
        .with_rerank_deadline(settings.rerank.deadline())
        .with_least_cosines(rewrite.least_cosine.clone())
        .with_weighting(rewrite.weight);
    if let Some(calibration) = calibrate::of(settings)? {
        retriever = retriever.with_calibration(calibration);
    }
    if let Some(feedback) = rewrite.feedback()? {
        retriever = retriever.with_feedback(feedback);
    }
    if rewrite.gate < 1.0 {
        retriever = retriever.with_gate(rewrite.gate);
    }
    Ok(retriever)
}
