//! One connection: a byte stream, who is at its far end, and the bytes already read from it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte stream of any kind.
pub type BoxIo = Box<dyn Io>;

/// A value that describes the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Remote<T>(pub T);

/// The address of a client as this process knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub SocketAddr);

impl ClientAddr {
    /// Returns the address without the port.
    pub fn ip(self) -> IpAddr {
        self.0.ip()
    }
}

impl std::fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One connection. Bytes that were read to decide its way are read again first.
pub struct Conn {
    io: BoxIo,
    ahead: Bytes,
    peer: Option<Remote<ClientAddr>>,
    until_handshake: Option<Box<dyn Send>>,
}

impl Conn {
    /// Wraps a stream whose far end is at `peer`; `None` when that is this process itself.
    pub fn new(io: impl Io, peer: Option<Remote<ClientAddr>>) -> Self {
        Self { io: Box::new(io), ahead: Bytes::new(), peer, until_handshake: None }
    }

    /// Puts bytes back so that they are read first.
    #[must_use]
    pub fn with_ahead(mut self, ahead: Bytes) -> Self {
        self.ahead = if self.ahead.is_empty() { ahead } else { [ahead, self.ahead].concat().into() };
        self
    }

    /// Holds on to `guard` until the server's end of a TLS handshake is made, or for as long as the connection lasts.
    ///
    /// For bounds on clients that have not proved anything yet, whoever makes the handshake with them.
    #[must_use]
    pub fn until_handshake(mut self, guard: impl Send + 'static) -> Self {
        self.until_handshake = Some(Box::new(guard));
        self
    }

    pub(crate) fn handshake_is_made(&mut self) {
        self.until_handshake = None;
    }

    /// Returns where the connection comes from; `None` inside one process.
    pub fn peer(&self) -> Option<Remote<ClientAddr>> {
        self.peer
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("peer", &self.peer).field("ahead", &self.ahead.len()).finish_non_exhaustive()
    }
}

impl AsyncRead for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.has_remaining() {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(n));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
