//! Opening connections: one trait, a network and a memory implementation.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::net::TcpStream;

use crate::{Conn, NetError, keepalive};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to open a connection to one place.
pub trait Dialer: Send + Sync {
    /// Opens a connection, within the dialer's own deadline.
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>>;

    /// Says where it leads, for messages.
    fn target(&self) -> String;
}

/// Dials `host:port` over TCP.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    addr: String,
    deadline: Duration,
}

impl TcpDialer {
    /// Makes a dialer for `host:port` that gives up after `deadline`.
    pub fn new(addr: impl Into<String>, deadline: Duration) -> Self {
        Self { addr: addr.into(), deadline }
    }
}

impl Dialer for TcpDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        Box::pin(async move {
            let connected = tokio::time::timeout(self.deadline, TcpStream::connect(&self.addr)).await;
            let stream = match connected {
                Ok(Ok(stream)) => stream,
                Ok(Err(source)) => return Err(NetError::Dial { addr: self.addr.clone(), source }),
                Err(_) => return Err(NetError::Deadline { step: "connecting", limit: self.deadline }),
            };
            keepalive::prepare(&stream)?;
            Ok(Conn::new(stream, None))
        })
    }

    fn target(&self) -> String {
        self.addr.clone()
    }
}
