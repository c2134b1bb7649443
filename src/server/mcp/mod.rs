//! The Model Context Protocol: asking and storing as tools for language models. Over HTTP it is one more route, behind the
//! same layers as all others; over standard input and output it is a process of its own, with the same tools.
//!
//! Every message stands for itself. There are no sessions, so nothing is kept between two calls and nothing is lost when
//! the sidecar is started anew.

mod find;
mod retrieve;
mod schema;
mod store;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use futures::FutureExt as _;
use http_body_util::Full;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::{RequestContext, ServerInitializeError},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tracing::Instrument as _;

use super::{
    LAST_REWRITES,
    admission::{self, Caller},
    body::{self, Size},
    deadline::Deadline,
    gate::Place,
    observe,
    pipeline::Call,
    problem::Problem,
    reply::Reply,
    sidecar::Sidecar,
    tenant::Tenant,
    wire::RetrieveRequest,
};
use crate::{
    error::Error,
    retrieval::Report,
    trace::{TraceContext, within},
};

/// What a client may tell its language model about the tools together.
const INSTRUCTIONS: &str = "Answers questions from collections of passages. `retrieve` searches with the question and \
                            with rewritten versions of it at once. `qdrant-find` and `qdrant-store` are a memory: look \
                            there for what was stored earlier, and store what should be remembered.";

/// The tools, for one caller.
#[derive(Debug, Clone)]
struct Tools {
    sidecar: Arc<Sidecar>,
    tenant: Arc<Tenant>,
    /// The request that brought the message; `None` over standard input.
    request: Option<Brought>,
}

/// What a request says of the call that it brings. The call is answered in another task, so it takes these along.
#[derive(Debug, Clone)]
struct Brought {
    arrived: Instant,
    deadline: Deadline,
    span: tracing::Span,
    trace: Option<TraceContext>,
}

/// `POST /mcp`: one message and its answer.
pub(super) async fn http(
    State(sidecar): State<Arc<Sidecar>>,
    Caller(tenant): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let limits = &sidecar.settings.limits;
    let arrived = observe::arrived(&head);
    let deadline = Deadline::of(&head.headers, arrived, limits)?;
    // It may hold a text to be stored.
    let bytes = body::collect(&head.headers, body, Size::Texts, limits).await?;
    let (span, trace) = (tracing::Span::current(), super::trace::of(&head.headers));
    let tools = Tools { sidecar, tenant, request: Some(Brought { arrived, deadline, span, trace }) };
    // Host and origin are checked, and the body is bounded, before anything gets here.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(usize::MAX)
        .disable_allowed_hosts();
    let service =
        StreamableHttpService::new(move || Ok(tools.clone()), Arc::new(NeverSessionManager::default()), config);
    let answer = service.handle(Request::from_parts(head, Full::new(bytes))).await;
    Ok(answer.map(Body::new))
}

/// Offers a sidecar's tools over a pair of byte streams, one JSON message a line, until the client closes its end: what
/// `asktwice mcp` does with standard input and output. The calls are those of the tenant with this name; without one they
/// are the owner's, who may do everything.
///
/// # Errors
/// [`Error::Settings`] if there is no such tenant, or if what comes in is not the Model Context Protocol.
pub async fn serve_mcp<R, W>(sidecar: Sidecar, tenant: Option<&str>, input: R, output: W) -> Result<(), Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let tenant = match tenant {
        None => Arc::new(Tenant::owner()),
        Some(name) => sidecar.tenants.named(name).cloned().ok_or_else(|| Error::Settings {
            setting: format!("server.tenants.{name}"),
            problem: "there is no such tenant in the settings".to_owned(),
        })?,
    };
    let tools = Tools { sidecar: Arc::new(sidecar), tenant, request: None };
    let sidecar = tools.sidecar.clone();
    match tools.serve((input, output)).await {
        // A task that crashes has said so already.
        Ok(running) => drop(running.waiting().await),
        // Who only looks whether it starts says nothing.
        Err(ServerInitializeError::ConnectionClosed(_)) => {}
        Err(error) => {
            let problem = format!("this is not the Model Context Protocol: {}", Report(&error));
            return Err(Error::Settings { setting: "standard input".to_owned(), problem });
        }
    }
    sidecar.drain_rewrites(LAST_REWRITES).await;
    Ok(())
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new("asktwice", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(name)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.offered()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Only names of tools, which are few, become labels and fields.
        let Some(tool) = NAMES.into_iter().find(|name| *name == request.name) else {
            return Err(ErrorData::invalid_params(format!("there is no tool {:?}", request.name), None));
        };
        let arguments = request.arguments.unwrap_or_default();
        let (parent, trace) = match &self.request {
            Some(request) => (request.span.clone(), request.trace.clone()),
            None => (tracing::Span::none(), trace(&context)),
        };
        let span = tracing::info_span!(
            parent: &parent,
            "tool",
            otel.name = format!("tools/call {tool}"),
            mcp.method.name = "tools/call",
            gen_ai.tool.name = tool,
            trace_id = trace.as_ref().map(TraceContext::trace_id),
        );
        let calling = within(trace, self.call(tool, arguments).instrument(span));
        tokio::select! {
            result = calling => Ok(result.into()),
            // Nobody waits for it any more.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
        }
    }
}

/// The names of all tools.
const NAMES: [&str; 3] = [retrieve::NAME, find::NAME, store::NAME];

/// The trace that a message itself belongs to: over standard input there are no headers to name it.
fn trace(context: &RequestContext<RoleServer>) -> Option<TraceContext> {
    let field = |name: &str| context.meta.0.get(name).and_then(Value::as_str);
    TraceContext::new(field("traceparent")?, field("tracestate"))
}

impl Tools {
    /// The tools that this caller may use.
    fn offered(&self) -> Vec<Tool> {
        let collections: Vec<&str> =
            self.sidecar.visible(&self.tenant).map(|collection| collection.name.as_str()).collect();
        let mut tools = vec![retrieve::tool(&collections), find::tool(&collections)];
        if self.tenant.check_may_write().is_ok() {
            tools.push(store::tool(&collections));
        }
        tools
    }

    /// Calls a tool. Whatever goes wrong is told to the language model, which may do better with its next call.
    async fn call(&self, tool: &'static str, arguments: JsonObject) -> CallToolResult {
        let started = Instant::now();
        let calling = async {
            match tool {
                retrieve::NAME => self.retrieve(parse(arguments)?).await,
                find::NAME => self.find(parse(arguments)?).await,
                _ => self.store(parse(arguments)?).await,
            }
        };
        let crashed = |_| Err(Problem::internal("crashed", "it crashed over this call; the log says where"));
        let result = AssertUnwindSafe(calling).catch_unwind().await.unwrap_or_else(crashed);
        let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let failed = result.is_err();
        tracing::info!(tool, failed, took_us, "called");
        let label = if failed { "failed" } else { "done" };
        metrics::counter!("asktwice_tool_calls_total", "tool" => tool, "result" => label).increment(1);
        result.unwrap_or_else(|problem| {
            observe::tell(&problem);
            CallToolResult::error(vec![ContentBlock::text(problem.advice(self.tenant.is_owner()))])
        })
    }

    /// Waits for a place, in time for a deadline that a call may only shorten.
    async fn enter(&self, deadline_ms: Option<u64>) -> Result<(Deadline, Place), Problem> {
        let (arrived, deadline) = if let Some(Brought { arrived, deadline, .. }) = &self.request {
            (*arrived, *deadline)
        } else {
            // A request would have been counted on its way here.
            admission::count(&self.tenant)?;
            let now = Instant::now();
            (now, Deadline::of(&HeaderMap::new(), now, &self.sidecar.settings.limits)?)
        };
        let deadline = deadline.or_earlier(arrived, deadline_ms);
        let place = self.sidecar.gate.enter(deadline.at()).await?;
        Ok((deadline, place))
    }

    /// Answers a question.
    async fn ask(&self, request: RetrieveRequest) -> Result<Reply, Problem> {
        let (deadline, _place) = self.enter(request.deadline_ms).await?;
        let left: Duration = deadline.left()?;
        Call::new(&self.sidecar, &self.tenant, request.wanted()?, left)?.run().await
    }

    /// The name of a collection that the caller may see: the one named in this field, or the only one there is.
    fn collection(&self, field: &str, named: Option<&str>) -> Result<String, Problem> {
        // Language models fill fields in that they do not need.
        let named = named.filter(|name| !name.is_empty());
        match self.sidecar.collection(&self.tenant, named) {
            Ok(collection) => Ok(collection.name.clone()),
            Err(problem) => {
                let names = self.sidecar.visible(&self.tenant).map(|collection| collection.name.as_str());
                let names = names.collect::<Vec<_>>().join(", ");
                let detail = named.map_or_else(|| "name one".to_owned(), |name| format!("there is no {name:?}"));
                Err(Problem::new(problem.status, problem.code, format!("{field}: {detail}; there are: {names}")))
            }
        }
    }
}

/// Reads a tool's arguments; what is wrong with them is named.
fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Problem> {
    T::deserialize(Value::Object(arguments)).map_err(|error| Problem::invalid(error.to_string()))
}
