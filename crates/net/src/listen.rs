//! Listening on TCP.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpListener;

use crate::{ClientAddr, Conn, NetError, Remote, keepalive};

/// How long to wait when the system has no descriptors or memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A TCP listener.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Listens on `host:port`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address is taken, not ours, or not an address.
    pub async fn bind(addr: &str) -> Result<Self, NetError> {
        let failed = |source| NetError::Listen { addr: addr.to_owned(), source };
        let inner = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = inner.local_addr().map_err(failed)?;
        Ok(Self { inner, addr })
    }

    /// Returns the address listened on, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for the next connection. Cancel safe.
    ///
    /// Never fails: when the system is out of descriptors it waits for some to be freed, and what goes wrong with one
    /// connection concerns that one alone.
    pub async fn accept(&self) -> Conn {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => match keepalive::prepare(&stream) {
                    Ok(()) => return Conn::new(stream, Some(Remote(ClientAddr(peer)))),
                    Err(error) => tracing::debug!(%error, %peer, "a connection was gone before it was accepted"),
                },
                Err(error) => pause_after(&error, self.addr).await,
            }
        }
    }
}

/// Waits when the failure concerns the listener and not the one connection.
pub(crate) async fn pause_after(error: &io::Error, listener: impl std::fmt::Debug) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, ?listener, "cannot accept connections, trying again");
    tokio::time::sleep(PAUSE).await;
}
