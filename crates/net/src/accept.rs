//! Taking connections: one trait, over the network, a local socket and memory.

use crate::{Conn, Listener, MemoryListener, UnixListener, dial::BoxFuture};

/// A source of connections.
pub trait Accept: Send {
    /// Waits for the next connection; `None` when there will be no more. Cancel safe.
    fn accept(&mut self) -> BoxFuture<'_, Option<Conn>>;
}

impl Accept for Listener {
    fn accept(&mut self) -> BoxFuture<'_, Option<Conn>> {
        Box::pin(async { Some(Listener::accept(self).await) })
    }
}

impl Accept for UnixListener {
    fn accept(&mut self) -> BoxFuture<'_, Option<Conn>> {
        Box::pin(async { Some(UnixListener::accept(self).await.conn) })
    }
}

impl Accept for MemoryListener {
    fn accept(&mut self) -> BoxFuture<'_, Option<Conn>> {
        Box::pin(MemoryListener::accept(self))
    }
}
