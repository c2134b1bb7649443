//! Taking connections in, and seeing them off. The HTTP library's own loop has no time limits and cannot end in an
//! orderly way while a client keeps an idle connection open.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

use super::{
    connections::{Connection, Connections},
    settings::Limits,
    stalled::Impatient,
};

/// How long to wait after the system could not give a connection, for one because too many files are open.
const BREATHER: Duration = Duration::from_millis(20);
/// How long an idle connection is kept when the end has come.
const LINGER: Duration = Duration::from_millis(250);
/// The most header fields of a request.
const MOST_HEADERS: usize = 100;
/// What a connection is told that finds no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
                         retry-after-ms: 1000\r\nx-should-retry: true\r\ncontent-length: 0\r\n\r\n";

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// Not ready any more; connections are still taken in.
    Draining,
    /// No connection is taken in any more; what was accepted is finished.
    Closing,
    /// Everything is broken off.
    Over,
}

/// Ends when a phase has come.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // Nobody who could advance it is left only when all is over.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// How connections are taken in.
pub(super) struct Door<R> {
    /// What answers a request now.
    pub(super) router: R,
    pub(super) limits: Limits,
    pub(super) connections: Arc<Connections>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl<R: Fn() -> Router + Clone + Send + Sync + 'static> Door<R> {
    /// Takes a listener's connections in until the phase is past that, then waits for those that are open.
    pub(super) async fn serve(self, listener: TcpListener) {
        let mut open = JoinSet::new();
        let mut phase = self.phase.clone();
        loop {
            tokio::select! {
                biased;
                () = reached(&mut phase, Phase::Closing) => break,
                Some(_) = open.join_next(), if !open.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.take_in(stream, &mut open),
                    Err(error) => self.could_not_accept(&error).await,
                }
            }
        }
        self.take_last(listener, &mut open);
        let all = async { while open.join_next().await.is_some() {} };
        tokio::select! {
            () = all => {}
            () = reached(&mut phase, Phase::Over) => {}
        }
    }

    /// Takes in who has been given a connection by the system already, and must not be reset; then listens no more. The
    /// system itself is asked: what the runtime knows of the listener is a moment old.
    fn take_last(&self, listener: TcpListener, open: &mut JoinSet<()>) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, _)) = listener.accept() {
            if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                self.take_in(stream, open);
            }
        }
    }

    fn take_in(&self, stream: TcpStream, open: &mut JoinSet<()>) {
        let Some(connection) = self.connections.open() else {
            metrics::counter!("asktwice_rejected_total", "reason" => "connections").increment(1);
            open.spawn(turn_away(stream));
            return;
        };
        let (router, limits, phase) = (self.router.clone(), self.limits.clone(), self.phase.clone());
        open.spawn(async move {
            // A connection that breaks is its client's business.
            if let Err(error) = answer(stream, connection, router, limits, phase).await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }

    async fn could_not_accept(&self, error: &io::Error) {
        tracing::warn!(%error, "a connection could not be accepted");
        sleep(BREATHER).await;
    }
}

/// Says that there is no room, and waits a moment for it to be read.
async fn turn_away(mut stream: TcpStream) {
    let told = async {
        stream.write_all(NO_ROOM).await?;
        stream.shutdown().await
    };
    let _ = timeout(Duration::from_secs(1), told).await;
}

/// Answers the requests of a connection until it ends, is idle for too long, or has to go.
async fn answer(
    stream: TcpStream,
    connection: Connection,
    router: impl Fn() -> Router + Clone + Send + Sync + 'static,
    limits: Limits,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), hyper::Error> {
    // Answers are small and wait for nothing.
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(connection);
    let of_request = connection.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, busy) = (router(), of_request.busy());
        async move {
            let response: Response<Body> = router.oneshot(request.map(Body::new)).await?;
            // Busy until the last byte of the answer has been handed over.
            Ok::<_, Infallible>(response.map(|body| {
                body.map_frame(move |frame| {
                    let _busy = &busy;
                    frame
                })
            }))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header());
    builder.max_headers(MOST_HEADERS).max_buf_size(limits.header_bytes);
    let io = TokioIo::new(Impatient::new(stream, limits.body()));
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        served = serving.as_mut() => return served,
        () = connection.evicted() => return Ok(()),
        () = reached(&mut phase, Phase::Closing) => {}
    }
    // A client that is about to send on it has not been told yet: what comes now is still answered, and told.
    if let Ok(served) = timeout(LINGER, serving.as_mut()).await {
        return served;
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}
