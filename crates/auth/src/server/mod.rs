//! The server's end of connections: TLS with an optional client certificate, then the API or an answer for a name nobody
//! serves. No sockets here: connections come from the daemon.

mod extract;
mod handlers;
pub(crate) mod lines;
mod mint;
pub(crate) mod peer;
mod routes;

use std::{sync::Arc, time::Duration};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use teleport_net::{ClientAddr, Conn, Io, Remote, TlsConn, unix::LocalConn};
use teleport_pki::{
    tls::{self, ClientAuth},
    verify_client,
};
use teleport_runtime::{Stop, TaskGroup};
use teleport_types::sni::{ALPN_AUTH, InternalName};

use crate::{AuthError, answer, auth::Core};

pub(crate) use peer::{Connection, Presented};
pub use routes::{Access, Route, routes};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(30);
/// How often a silent peer is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most bytes of headers.
const HEADER_BYTES: u32 = 64 * 1024;
/// Most requests at a time on one connection.
const STREAMS: u32 = 250;
/// How long requests under way may take once the service stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves connections. Clones share everything.
#[derive(Clone)]
pub(crate) struct Server {
    core: Arc<Core>,
    router: Router,
    tls: Arc<ServerConfig>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) fn new(core: Arc<Core>) -> Result<Self, AuthError> {
        let certificates = Arc::new(mint::Mint::new(Arc::clone(&core.authorities), core.clock.clone()));
        let alpn = [ALPN_AUTH, tls::ALPN_H2, tls::ALPN_HTTP1];
        let trust = &core.authorities.trust;
        let tls = tls::internal_server(certificates, trust, ClientAuth::Optional, &alpn, &core.clock)?;
        Ok(Self { router: routes::router(Arc::clone(&core)), core, tls })
    }

    /// Serves one connection from its ClientHello to its end.
    pub(crate) async fn serve_tls(self, conn: Conn, stop: Stop) {
        let accepted = tokio::select! {
            () = stop.requested() => return,
            accepted = teleport_net::tls::accept(conn, Arc::clone(&self.tls), HANDSHAKE) => accepted,
        };
        let conn = match accepted {
            Ok(conn) => conn,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection to auth was not made");
                return;
            }
        };
        let Some(presented) = self.presented(&conn) else { return };
        let address = conn.peer().map(|Remote(ClientAddr(address))| address);
        let name = conn.server_name().and_then(InternalName::parse);
        match name {
            Some(InternalName::Kube { label, .. }) => {
                let asked = Arc::new(answer::Asked { label, connection: Connection { presented, address } });
                let core = Arc::clone(&self.core);
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (core, asked) = (Arc::clone(&core), Arc::clone(&asked));
                    async move {
                        let (head, _) = request.into_parts();
                        Ok::<_, std::convert::Infallible>(answer::answer(&core, &asked, &head).await)
                    }
                });
                serve_http(conn, service, stop).await;
            }
            // Our own name, or none that means somebody else: the certificate was auth's.
            _ => self.serve_api(conn, Connection { presented, address }, stop).await,
        }
    }

    /// Serves one connection of the admin tool on this host.
    pub(crate) async fn serve_local(self, local: LocalConn, stop: Stop) {
        let connection = Connection { presented: Presented::Local(local.uid), address: None };
        self.serve_api(local.conn, connection, stop).await;
    }

    async fn serve_api(&self, io: impl Io, connection: Connection, stop: Stop) {
        let connection = Arc::new(connection);
        let router = TowerToHyperService::new(self.router.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&connection));
            router.call(request)
        });
        serve_http(io, service, stop).await;
    }

    /// Takes out of the handshake what the client proved; `None` when that no longer holds.
    fn presented(&self, conn: &TlsConn) -> Option<Presented> {
        match conn.peer_certificates() {
            [] => Some(Presented::Nothing),
            chain => match verify_client(chain, &self.core.authorities.trust.current(), self.core.clock.now()) {
                Ok(verified) => Some(Presented::Certificate(Box::new(verified))),
                Err(refused) => {
                    tracing::debug!(%refused, "a client certificate was refused");
                    None
                }
            },
        }
    }
}

/// Speaks HTTP/1.1 or HTTP/2 until the client is done or the service stops.
async fn serve_http<S, B>(io: impl Io, service: S, stop: Stop)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // HTTP/2 runs each stream as a task: of this connection, so that dropping it here drops them.
    let mut builder = auto::Builder::new(Streams(TaskGroup::new("auth-http")));
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_header_list_size(HEADER_BYTES)
        .max_concurrent_streams(STREAMS);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, connection).await.ok()
        }
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection to auth broke");
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
