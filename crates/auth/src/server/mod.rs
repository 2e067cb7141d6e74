//! The server's end of connections: TLS with an optional client certificate, then the API or an answer for a name nobody
//! serves. No sockets here: connections come from the daemon.

mod extract;
mod handlers;
pub(crate) mod lines;
mod mint;
pub(crate) mod peer;
mod places;
mod routes;
mod session;

use std::{sync::Arc, time::Duration};

use axum::Router;
use http::Request;
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use teleport_net::{ClientAddr, Conn, Io, Remote, TlsConn, unix::LocalConn};
use teleport_pki::{
    Standing,
    tls::{self, ClientAuth},
    verify_client,
};
use teleport_runtime::Stop;
use teleport_types::{
    Identity,
    sni::{ALPN_AUTH, InternalName},
};

use self::{
    places::{Class, Origin, Places},
    session::Allowance,
};
use crate::{AuthError, answer, auth::Core, throttle::Network};

pub(crate) use peer::{Connection, Presented};
pub use places::Limits;
pub(crate) use places::Place;
pub use routes::{Access, Route, routes};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most requests at a time on one connection, of a peer that proved something and of one that did not.
const STREAMS: u32 = 250;
const GUEST_STREAMS: u32 = 16;
/// Most bytes of bodies that may wait to be read on one connection.
const AHEAD: u32 = 1024 * 1024;
const GUEST_AHEAD: u32 = 64 * 1024;

/// Serves connections. Clones share everything.
#[derive(Clone)]
pub(crate) struct Server {
    core: Arc<Core>,
    router: Router,
    tls: Arc<ServerConfig>,
    places: Places,
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
        let places = Places::new(core.config.limits);
        Ok(Self { router: routes::router(Arc::clone(&core)), core, tls, places })
    }

    /// Takes a place for a connection; `None` when there are too many.
    pub(crate) fn place(&self, conn: &Conn) -> Option<Place> {
        let address = conn.peer().map(|Remote(client)| client.ip());
        let origin = match address {
            None => Origin::Here,
            Some(_) if self.core.throttle.is_relay(address) => Origin::Relay,
            Some(_) => Origin::Network(Network::of(address)),
        };
        let place = self.places.enter(Class::Guest, origin);
        if place.is_none() {
            tracing::debug!(?address, "a connection was closed: there are too many of those that have proved nothing");
        }
        place
    }

    /// Serves one connection from its ClientHello to its end.
    pub(crate) async fn serve_tls(self, conn: Conn, place: Place, stop: Stop) {
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
        let class = class(&presented);
        let Some(_place) = place.change(class) else {
            return tracing::warn!(?class, "a connection was closed: there are too many of its class");
        };
        let allowance = self.allowance(class);
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
                let allowance = Allowance { stay: Some(self.core.config.limits.answer_stay), ..allowance };
                session::serve(conn, service, allowance, stop).await;
            }
            // Our own name, or none that means somebody else: the certificate was auth's.
            _ => self.serve_api(conn, Connection { presented, address }, allowance, stop).await,
        }
    }

    /// Serves one connection of the admin tool on this host.
    pub(crate) async fn serve_local(self, local: LocalConn, stop: Stop) {
        let connection = Connection { presented: Presented::Local(local.uid), address: None };
        self.serve_api(local.conn, connection, self.allowance(Class::Service), stop).await;
    }

    async fn serve_api(&self, io: impl Io, connection: Connection, allowance: Allowance, stop: Stop) {
        let connection = Arc::new(connection);
        let router = TowerToHyperService::new(self.router.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&connection));
            router.call(request)
        });
        session::serve(io, service, allowance, stop).await;
    }

    fn allowance(&self, class: Class) -> Allowance {
        let Limits { guest_stay, first_request, .. } = self.core.config.limits;
        match class {
            Class::Guest => {
                Allowance { streams: GUEST_STREAMS, ahead: GUEST_AHEAD, stay: Some(guest_stay), first_request }
            }
            Class::User | Class::Service => Allowance { streams: STREAMS, ahead: AHEAD, stay: None, first_request },
        }
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

/// What a client proved, as far as places are concerned: a login that has ended proves no more than nothing.
fn class(presented: &Presented) -> Class {
    match presented {
        Presented::Nothing => Class::Guest,
        Presented::Local(_) => Class::Service,
        Presented::Certificate(verified) => match verified.identity() {
            Identity::Service(_) => Class::Service,
            Identity::User(_) if verified.standing() == Standing::Valid => Class::User,
            Identity::User(_) => Class::Guest,
        },
    }
}
