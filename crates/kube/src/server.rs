//! One client connection from its TLS handshake to its end.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use teleport_net::{Conn, TlsConn, tls};
use teleport_pki::{Refused, verify_client};
use teleport_runtime::TaskGroup;

use crate::{
    cluster::Cluster, executor::GroupExecutor, handler, peer::Peer, refusal::Refusal, service::Shared,
    upgrade::Switched,
};

/// Headers of a request, as a number and in bytes: users with many groups send many.
const MAX_HEADERS: usize = 512;
const MAX_HEADER_BYTES: u32 = 256 * 1024;
/// Streams of one client connection; k9s and controllers open some hundred watches.
const MAX_STREAMS: u32 = 1000;
/// What a client may send ahead on one stream, and on all: one upload that stalls must not stop the others.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const PING: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(20);
/// Streams that a client may open and reset before we have looked at them.
const MAX_PENDING_RESETS: usize = 50;

/// One connection, as its requests see it.
pub(crate) struct Connection {
    /// Who is at its end; refused ones get a sentence for each request.
    peer: Result<Arc<Peer>, Turned>,
    switched: Mutex<Option<Switched>>,
}

/// A client that is turned away.
enum Turned {
    NotUser,
}

impl Connection {
    /// Returns who is at its end.
    pub(crate) fn peer(&self) -> Result<&Arc<Peer>, Refusal> {
        self.peer.as_ref().map_err(|Turned::NotUser| Refusal::NotUser)
    }

    /// Keeps what goes on after this connection has switched protocols.
    pub(crate) fn continue_with(&self, switched: Option<Switched>) {
        *self.switched.lock().unwrap_or_else(PoisonError::into_inner) = switched;
    }

    fn take_switched(&self) -> Option<Switched> {
        self.switched.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Serves one connection, from its first byte on, to its end.
pub(crate) async fn serve(shared: &Arc<Shared>, conn: Conn) {
    let (tls, connection) = match accept(shared, conn).await {
        Ok(accepted) => accepted,
        Err(reason) => {
            shared.metrics.handshakes_failed.inc();
            tracing::debug!(reason, "a connection was not accepted");
            return;
        }
    };
    shared.metrics.connections.inc();
    let connection = Arc::new(connection);
    let requests = run(shared, tls, Arc::clone(&connection));
    match &connection.peer {
        Ok(peer) => {
            let served = async {
                requests.await;
                if let Some(switched) = connection.take_switched() {
                    switched.await;
                }
            };
            tokio::select! {
                () = served => {}
                () = peer.keep_watch() => {}
            }
        }
        Err(_) => requests.await,
    }
    shared.metrics.connections.dec();
}

/// Makes the TLS session, finds the cluster and takes out who is at the other end, once for the whole connection.
async fn accept(shared: &Arc<Shared>, conn: Conn) -> Result<(TlsConn, Connection), String> {
    let addr = conn.peer().map(|remote| remote.0.0);
    let tls = tls::accept(conn, Arc::clone(&shared.tls), shared.limits.handshake).await;
    let tls = tls.map_err(|error| describe(&error))?;
    let cluster = cluster(shared, &tls)?;
    let view = shared.views.current();
    let verified = verify_client(tls.peer_certificates(), &view.trust, shared.clock.now())
        .map_err(|refused: Refused| describe(&refused))?;
    let peer = Peer::new(Arc::clone(shared), cluster, verified, addr).map(Arc::new).map_err(|_| Turned::NotUser);
    Ok((tls, Connection { peer, switched: Mutex::default() }))
}

fn cluster(shared: &Shared, tls: &TlsConn) -> Result<Arc<Cluster>, String> {
    let name = tls.server_name().ok_or("the client named no server")?;
    shared.clusters.get(name).cloned().ok_or_else(|| format!("no cluster is served as {name:?}"))
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Speaks HTTP on the connection, the version agreed on in the handshake, until it ends or the service stops.
async fn run(shared: &Arc<Shared>, tls: TlsConn, connection: Arc<Connection>) {
    let requests = TaskGroup::new("kube requests");
    let service = service_fn(move |request: Request<Incoming>| {
        let connection = Arc::clone(&connection);
        // The walk is large and short, its answer's body may live for hours: on the heap it is gone once it has ended.
        async move { Ok::<_, Infallible>(Box::pin(handler::handle(&connection, request)).await) }
    });
    let ended = if tls.alpn() == Some(b"h2") {
        let serving = http2::Builder::new(GroupExecutor::new(requests.clone()))
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING_ANSWER)
            .serve_connection(TokioIo::new(tls), service);
        until_stop(shared, serving, http2::Connection::graceful_shutdown).await
    } else {
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.limits.request_head)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(tls), service)
            .with_upgrades();
        until_stop(shared, serving, http1::UpgradeableConnection::graceful_shutdown).await
    };
    if let Err(error) = ended {
        tracing::debug!(error = describe(&error), "a client connection ended");
    }
}

/// Runs a connection; when the service stops, what is under way may end and nothing new begins.
async fn until_stop<C>(shared: &Shared, serving: C, wind_down: impl FnOnce(Pin<&mut C>)) -> Result<(), hyper::Error>
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut serving = pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => return ended,
        () = shared.stop.requested() => {}
    }
    wind_down(serving.as_mut());
    serving.await
}
