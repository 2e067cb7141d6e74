//! Speaks HTTP on one connection, within what its peer has proved.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use teleport_net::Io;
use teleport_runtime::{Stop, TaskGroup};
use tokio::sync::Notify;

/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(30);
/// How often a silent peer is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most bytes of headers.
const HEADER_BYTES: u32 = 64 * 1024;
/// How long requests under way may take once the connection is to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// How much one connection may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Most requests at a time.
    pub(super) streams: u32,
    /// Most bytes of bodies that may wait to be read.
    pub(super) ahead: u32,
    /// How long it may last.
    pub(super) stay: Option<Duration>,
    /// How long it may wait with its first request.
    pub(super) first_request: Duration,
}

/// Serves HTTP/1.1 or HTTP/2 until the client is done, its time is over, or the service stops.
pub(super) async fn serve<S, B>(io: impl Io, service: S, allowance: Allowance, stop: Stop)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let service = service_fn(move |request| {
        begins.notify_one();
        service.call(request)
    });
    // HTTP/2 runs each stream as a task: of this connection, so that dropping it here drops them.
    let mut builder = auto::Builder::new(Streams(TaskGroup::new("auth-http")));
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_header_list_size(HEADER_BYTES)
        .max_concurrent_streams(allowance.streams)
        .initial_stream_window_size(allowance.ahead)
        .initial_connection_window_size(allowance.ahead);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = over(&allowance, &begun, &stop) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, connection).await.ok()
        }
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection to auth broke");
    }
}

/// Waits until the connection is to take no more requests: the service stops, its time is over, or it says nothing. The
/// last is not left to HTTP: until a first byte tells the version, no timer of either runs.
async fn over(allowance: &Allowance, begun: &Notify, stop: &Stop) {
    let silent = async {
        if tokio::time::timeout(allowance.first_request, begun.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let stayed = async {
        match allowance.stay {
            Some(stay) => tokio::time::sleep(stay).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.requested() => {}
        () = silent => {}
        () = stayed => {}
    }
}

/// Runs the HTTP/2 streams of one connection.
#[derive(Clone)]
struct Streams(TaskGroup);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        self.0.spawn("stream", async move {
            stream.await;
        });
    }
}
