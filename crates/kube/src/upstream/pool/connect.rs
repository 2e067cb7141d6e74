//! Opening a connection: dial, TLS, and the protocol that the server chose.

use std::sync::Arc;

use teleport_net::{Conn, Dialer, NetError};
use teleport_pki::tls::ALPN_H2;

use super::{http1::Http1Lane, http2::Connection};
use crate::upstream::{Fault, Inner, credential::Material, tls};

/// What to offer to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocols {
    /// HTTP/2 and HTTP/1.1.
    Either,
    /// HTTP/1.1.
    Http1,
}

/// A connection, ready for requests.
pub(super) enum Opened {
    Http1(Http1Lane),
    Http2(Arc<Connection>),
}

/// Opens a connection within the deadline.
pub(super) async fn open(
    upstream: Arc<Inner>,
    dialer: &dyn Dialer,
    material: &Material,
    protocols: Protocols,
) -> Result<Opened, Fault> {
    let opening = async {
        let conn = dial(dialer).await?;
        let Some(configs) = &material.tls else {
            return Http1Lane::start(&upstream, conn, material.generation).await.map(Opened::Http1);
        };
        let config = match protocols {
            Protocols::Either => &configs.either,
            Protocols::Http1 => &configs.http1,
        };
        let tls = handshake(&upstream, conn, config, configs).await?;
        if tls.alpn() == Some(ALPN_H2) {
            return Connection::start(&upstream, tls).await.map(Opened::Http2);
        }
        Http1Lane::start(&upstream, tls, material.generation).await.map(Opened::Http1)
    };
    // A handshake is large and rare: on the heap it does not make every request's future as large.
    Box::pin(in_time(&upstream, opening)).await
}

/// Opens a connection for one request that may be upgraded, within the deadline.
pub(super) async fn open_upgradable(
    upstream: Arc<Inner>,
    dialer: &dyn Dialer,
    material: &Material,
) -> Result<Http1Lane, Fault> {
    let opening = async {
        let conn = dial(dialer).await?;
        let Some(configs) = &material.tls else {
            return Http1Lane::start_upgradable(&upstream, conn, material.generation).await;
        };
        let tls = handshake(&upstream, conn, &configs.http1, configs).await?;
        Http1Lane::start_upgradable(&upstream, tls, material.generation).await
    };
    Box::pin(in_time(&upstream, opening)).await
}

async fn in_time<T>(upstream: &Inner, opening: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let limit = upstream.limits.connect;
    match tokio::time::timeout(limit, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(Fault::Deadline { step: "connecting", limit }),
    }
}

async fn dial(dialer: &dyn Dialer) -> Result<Conn, Fault> {
    dialer.dial().await.map_err(|error| Fault::Dial(Arc::new(error)))
}

async fn handshake(
    upstream: &Inner,
    conn: Conn,
    config: &Arc<rustls::ClientConfig>,
    configs: &tls::Configs,
) -> Result<teleport_net::TlsConn, Fault> {
    let made = teleport_net::tls::connect(conn, Arc::clone(config), configs.name.clone(), upstream.limits.connect);
    made.await.map_err(|error| match error {
        NetError::Deadline { step, limit } => Fault::Deadline { step, limit },
        error => Fault::Tls { reason: tls::explain(&error), source: Arc::new(error) },
    })
}
