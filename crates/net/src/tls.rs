//! TLS over any connection, from both ends, with a deadline on the handshake.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{ClientAddr, Conn, NetError, Remote};

/// A connection inside TLS, after the handshake.
#[derive(Debug)]
pub struct TlsConn {
    stream: Box<TlsStream<Conn>>,
    facts: Facts,
}

#[derive(Debug)]
struct Facts {
    peer: Option<Remote<ClientAddr>>,
    certificates: Vec<CertificateDer<'static>>,
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
}

/// Makes the server's end of a TLS session.
///
/// # Errors
/// When the handshake fails or takes longer than `deadline`.
pub async fn accept(conn: Conn, config: Arc<ServerConfig>, deadline: Duration) -> Result<TlsConn, NetError> {
    let peer = conn.peer();
    let mut stream = in_time(TlsAcceptor::from(config).accept(conn), deadline).await?;
    stream.get_mut().0.handshake_is_made();
    let server_name = stream.get_ref().1.server_name().map(str::to_ascii_lowercase);
    Ok(TlsConn::new(TlsStream::Server(stream), peer, server_name))
}

/// Makes the client's end of a TLS session with the server called `name`.
///
/// # Errors
/// When the handshake fails or takes longer than `deadline`.
pub async fn connect(
    conn: Conn,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    deadline: Duration,
) -> Result<TlsConn, NetError> {
    let peer = conn.peer();
    let server_name = name.to_str().into_owned();
    let stream = in_time(TlsConnector::from(config).connect(name, conn), deadline).await?;
    Ok(TlsConn::new(TlsStream::Client(stream), peer, Some(server_name)))
}

async fn in_time<T>(handshake: impl Future<Output = io::Result<T>>, deadline: Duration) -> Result<T, NetError> {
    match tokio::time::timeout(deadline, handshake).await {
        Ok(made) => made.map_err(NetError::Handshake),
        Err(_) => Err(NetError::Deadline { step: "the TLS handshake", limit: deadline }),
    }
}

impl TlsConn {
    fn new(stream: TlsStream<Conn>, peer: Option<Remote<ClientAddr>>, server_name: Option<String>) -> Self {
        let session = stream.get_ref().1;
        let certificates = session.peer_certificates().unwrap_or_default().iter();
        let facts = Facts {
            peer,
            certificates: certificates.map(|certificate| certificate.clone().into_owned()).collect(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
        };
        Self { stream: Box::new(stream), facts }
    }

    /// Returns where the connection comes from; `None` inside one process.
    pub fn peer(&self) -> Option<Remote<ClientAddr>> {
        self.facts.peer
    }

    /// Returns the peer's chain, leaf first; empty when it presented none.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.facts.certificates
    }

    /// Returns the protocol agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.facts.alpn.as_deref()
    }

    /// Returns the server's name as the client asked for it, lowercase.
    pub fn server_name(&self) -> Option<&str> {
        self.facts.server_name.as_deref()
    }
}

impl AsyncRead for TlsConn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsConn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
