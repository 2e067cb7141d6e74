//! Accepts connections and sends each on its way: one owned task for each, a deadline on all that comes before.

use std::{sync::Arc, time::Duration};

use rustls::ServerConfig;
use teleport_net::{
    Accept, Conn, Dialer, HelloLimits, MemoryDialer, NetError, Opening, Remote, hello, relay, tls as net_tls,
};
use teleport_runtime::{Stop, TaskGroup};
use teleport_types::ClusterName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    KubeRoutes, Metrics, Refusal, Route,
    alert::{self, Alert},
    half_open::{HalfOpen, Place},
    route,
    web::Web,
};

/// The way to auth.
#[derive(Clone)]
pub enum AuthPath {
    /// Auth runs in this process and takes the connection itself, with the client's address.
    Here(MemoryDialer),
    /// Auth runs elsewhere; bytes are relayed.
    There(Arc<dyn Dialer>),
}

/// How much the front door takes on, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Connections of one address that have not said yet what they want, or have not made their TLS handshake.
    pub half_open: usize,
    /// Connections of one address that are relayed to auth elsewhere, which alone sees what they prove.
    pub relayed: usize,
    /// Patience with ClientHellos.
    pub hello: HelloLimits,
    /// Time for a TLS handshake with the web certificate, and for short answers.
    pub handshake: Duration,
    /// Time that connections have to end by themselves when the proxy stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_000,
            half_open: 512,
            relayed: 1024,
            hello: HelloLimits::default(),
            handshake: Duration::from_secs(10),
            drain: Duration::from_secs(20),
        }
    }
}

/// Everything a connection's task needs.
pub(crate) struct Front {
    pub(crate) cluster: ClusterName,
    pub(crate) auth: AuthPath,
    pub(crate) kube: KubeRoutes,
    pub(crate) web: Web,
    pub(crate) web_tls: Arc<ServerConfig>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
}

/// A connection with the places it holds.
struct Accepted {
    conn: Conn,
    half_open: Place,
    relayed: HalfOpen,
    _permit: OwnedSemaphorePermit,
}

/// Accepts until told to stop, then lets the connections end and cuts those that do not.
pub(crate) async fn serve(front: Arc<Front>, mut listener: Box<dyn Accept>, stop: Stop) {
    let connections = TaskGroup::new("proxy-connections");
    let places = Arc::new(Semaphore::new(front.limits.connections));
    let half_open = HalfOpen::new(front.limits.half_open);
    let relayed = HalfOpen::new(front.limits.relayed);
    loop {
        let conn = tokio::select! {
            () = stop.requested() => break,
            conn = listener.accept() => conn,
        };
        let Some(conn) = conn else { break };
        let Some(accepted) = admit(conn, &places, &half_open, &relayed) else {
            front.metrics.took("over_limit");
            continue;
        };
        let (front, stop) = (Arc::clone(&front), connections.stop_signal());
        // Boxed, because the state of a handshake is large and most connections are long past it.
        connections.spawn("connection", Box::pin(async move { front.serve_one(accepted, stop).await }));
    }
    drop(listener);
    connections.drain(front.limits.drain).await;
}

/// Finds room for a connection; without room it is closed, which costs less than letting it wait.
fn admit(conn: Conn, places: &Arc<Semaphore>, half_open: &HalfOpen, relayed: &HalfOpen) -> Option<Accepted> {
    let address = conn.peer().map(|Remote(client)| client.ip());
    let permit = Arc::clone(places).try_acquire_owned().ok()?;
    let half_open = half_open.enter(address)?;
    Some(Accepted { conn, half_open, relayed: relayed.clone(), _permit: permit })
}

impl Front {
    async fn serve_one(&self, accepted: Accepted, stop: Stop) {
        let Accepted { conn, half_open, relayed, _permit } = accepted;
        let _open = self.metrics.opened();
        let peer = conn.peer().map(|Remote(client)| client);
        let opening = match hello::read(conn, self.limits.hello).await {
            Ok(opening) => opening,
            Err(NetError::Closed) => return self.metrics.took("closed"),
            Err(error) => {
                self.metrics.took("broken");
                return tracing::debug!(?peer, error = &error as &dyn std::error::Error, "no ClientHello");
            }
        };
        let (hello, conn) = match opening {
            Opening::Tls(hello, conn) => (hello, conn),
            Opening::PlainHttp(conn) => {
                self.metrics.took("plain_http");
                // The client learns what is wrong or is gone; either way there is nothing left to do.
                let _ = hello::answer_plain_http(conn, self.limits.handshake).await;
                return;
            }
        };
        let route = route(&hello, &self.cluster, |label| self.kube.find(label).is_some());
        self.metrics.took(route.as_str());
        tracing::debug!(?peer, route = route.as_str(), name = hello.server_name, "connection");
        match route {
            Route::Auth | Route::Answer => self.to_auth(conn.until_handshake(half_open), &relayed).await,
            Route::Kube(label) => {
                let conn = conn.until_handshake(half_open);
                match self.kube.find(&label) {
                    Some(service) => service.serve(conn).await,
                    // Withdrawn since the route was chosen.
                    None => self.to_auth(conn, &relayed).await,
                }
            }
            Route::Web => self.to_web(conn, half_open, stop).await,
            Route::Refuse(Refusal::UnknownName) => self.refuse(conn, Alert::UnrecognizedName).await,
            Route::Refuse(Refusal::UnknownProtocol) => self.refuse(conn, Alert::NoApplicationProtocol).await,
        }
    }

    /// Carries a connection to auth as it is; its TLS ends there.
    async fn to_auth(&self, mut conn: Conn, relayed: &HalfOpen) {
        let dialer = match &self.auth {
            AuthPath::Here(dialer) => {
                if let Err(error) = dialer.hand_over(conn).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a connection could not be handed to auth"
                    );
                }
                return;
            }
            AuthPath::There(dialer) => dialer,
        };
        let Some(_place) = relayed.enter(conn.peer().map(|Remote(client)| client.ip())) else {
            self.metrics.took("over_limit");
            return;
        };
        // Its handshake is made with auth, unseen here; what bounds it from now on is its place among the relayed.
        conn = conn.until_handshake(());
        let mut far = match dialer.dial().await {
            Ok(far) => far,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "auth cannot be reached");
                return self.refuse(conn, Alert::InternalError).await;
            }
        };
        // No stop here: the drain cuts what does not end by itself.
        let relayed = relay(&mut conn, &mut far, std::future::pending()).await;
        self.metrics.relayed(relayed.from_first, relayed.from_second);
        tracing::trace!(?relayed, "a relay to auth ended");
    }

    async fn to_web(&self, conn: Conn, half_open: Place, stop: Stop) {
        match net_tls::accept(conn, Arc::clone(&self.web_tls), self.limits.handshake).await {
            Ok(tls) => {
                drop(half_open);
                self.web.serve(tls, stop).await;
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no web session");
            }
        }
    }

    async fn refuse(&self, conn: Conn, alert: Alert) {
        alert::send(conn, alert, self.limits.handshake).await;
    }
}
