//! The log, and with the feature `otlp` the spans too. The log goes to standard error: for a sidecar through a thread of
//! its own, because a reader that stalls must not stall the requests.

use std::{
    io::{self, Write as _},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    },
    time::Duration,
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt as _, registry::LookupSpan, util::SubscriberInitExt as _,
};

use crate::server::settings::{LogForm, ServerSettings};

/// How many lines may wait to be written before they are dropped.
const WAITING_LINES: usize = 4_096;
/// How long the end waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);

/// How long the end waits for a collector to take the last spans.
#[cfg(feature = "otlp")]
const LAST_SPANS: Duration = Duration::from_secs(2);

/// What sends spans, until the end.
#[cfg(feature = "otlp")]
static SPANS: OnceLock<opentelemetry_sdk::trace::SdkTracerProvider> = OnceLock::new();

/// Where the lines of a sidecar go.
static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();

enum Line {
    Write(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(std::sync::mpsc::Sender<()>),
}

/// Starts the log: for the sidecar as its settings say, for other commands only what `ASKTWICE_LOG` asks for.
pub(super) fn start(server: Option<&ServerSettings>) {
    let unless_told = if server.is_some() { "warn,asktwice=info,qdrant_edge=error" } else { "off" };
    let filter = EnvFilter::try_from_env("ASKTWICE_LOG").unwrap_or_else(|_| EnvFilter::new(unless_told));
    let log = match server {
        None => fmt::layer().with_writer(io::stderr).boxed(),
        Some(settings) => lines(settings.log),
    };
    let registry = tracing_subscriber::registry().with(log.with_filter(filter));
    #[cfg(feature = "otlp")]
    let registry = registry.with(otlp().with_filter(EnvFilter::new("asktwice=debug")));
    // Fails only if the process has a subscriber already, and then that one serves.
    let _ = registry.try_init();
}

/// The log of a sidecar.
fn lines<S: Subscriber + for<'span> LookupSpan<'span>>(form: LogForm) -> Box<dyn Layer<S> + Send + Sync> {
    let (sender, receiver) = sync_channel(WAITING_LINES);
    std::thread::spawn(move || write(&receiver));
    let sender = LINES.get_or_init(|| sender);
    let writer = move || Lines(sender.clone());
    match form {
        LogForm::Text => fmt::layer().with_ansi(false).with_writer(writer).boxed(),
        LogForm::Json => fmt::layer().json().flatten_event(true).with_writer(writer).boxed(),
    }
}

fn write(lines: &Receiver<Line>) {
    for line in lines {
        match line {
            // Where standard error is closed there is nowhere left to say so.
            Line::Write(bytes) => drop(io::stderr().write_all(&bytes)),
            Line::Flush(done) => drop(done.send(())),
        }
    }
}

/// Hands lines over without waiting.
struct Lines(SyncSender<Line>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.0.try_send(Line::Write(bytes.to_vec())) {
            metrics::counter!("asktwice_log_lines_dropped_total").increment(1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits a moment for the last spans to be sent and the last lines to be written.
pub(super) fn flush() {
    #[cfg(feature = "otlp")]
    if let Some(Err(error)) = SPANS.get().map(|spans| spans.shutdown_with_timeout(LAST_SPANS)) {
        tracing::warn!(%error, "the last spans may be lost: the collector did not take them");
    }
    let (done, written) = channel();
    if let Some(lines) = LINES.get()
        && lines.try_send(Line::Flush(done)).is_ok()
    {
        let _ = written.recv_timeout(LAST_LINES);
    }
}

/// Sends spans to a collector, at the address that OpenTelemetry's own variables name.
#[cfg(feature = "otlp")]
fn otlp<S: Subscriber + for<'span> LookupSpan<'span>>() -> Option<impl Layer<S>> {
    use opentelemetry::trace::TracerProvider as _;
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build().ok()?;
    let resource = opentelemetry_sdk::Resource::builder().with_service_name("asktwice").build();
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build();
    let tracer = provider.tracer("asktwice");
    opentelemetry::global::set_tracer_provider(provider.clone());
    let _ = SPANS.set(provider);
    opentelemetry::global::set_text_map_propagator(opentelemetry_sdk::propagation::TraceContextPropagator::new());
    Some(tracing_opentelemetry::layer().with_tracer(tracer))
}
