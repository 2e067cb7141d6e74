//! Reads the TLS ClientHello of a connection without consuming it, so that its names can choose the way.

use std::time::Duration;

use bytes::BytesMut;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Conn, NetError};

/// First byte of a TLS record that carries a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Bytes asked for at a time; a ClientHello with ML-KEM takes about two of these.
const CHUNK: usize = 2048;

/// How much patience a ClientHello gets.
#[derive(Clone, Copy, Debug)]
pub struct HelloLimits {
    /// How long it may take to arrive whole.
    pub deadline: Duration,
    /// How many bytes it may have.
    pub most_bytes: usize,
}

impl Default for HelloLimits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), most_bytes: 16 * 1024 }
    }
}

/// What a client asks for before anything is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The host name, lowercase; `None` when the client named none or an address.
    pub server_name: Option<String>,
    /// The protocols offered, in the client's order; empty when it offered none.
    pub alpn: Vec<Vec<u8>>,
}

impl Hello {
    /// Tells whether the client offered a protocol.
    pub fn offers(&self, protocol: &[u8]) -> bool {
        self.alpn.iter().any(|offered| offered == protocol)
    }
}

/// How a connection opens. Either way it can be read again from its first byte.
#[derive(Debug)]
pub enum Opening {
    /// With a ClientHello.
    Tls(Hello, Conn),
    /// With something that looks like plain HTTP; see [`answer_plain_http`].
    PlainHttp(Conn),
}

/// Reads the opening of a connection. Not cancel safe: what was read is lost with the future.
///
/// A malformed ClientHello is answered with its TLS alert before the error is returned.
///
/// # Errors
/// When nothing, nothing known, too much, or not everything arrives in time.
pub async fn read(conn: Conn, limits: HelloLimits) -> Result<Opening, NetError> {
    match tokio::time::timeout(limits.deadline, read_opening(conn, limits.most_bytes)).await {
        Ok(opening) => opening,
        Err(_) => Err(NetError::Deadline { step: "the TLS ClientHello", limit: limits.deadline }),
    }
}

async fn read_opening(mut conn: Conn, most_bytes: usize) -> Result<Opening, NetError> {
    let mut acceptor = Acceptor::default();
    let mut seen = BytesMut::with_capacity(CHUNK);
    loop {
        let from = seen.len();
        seen.reserve(CHUNK);
        if conn.read_buf(&mut seen).await? == 0 {
            return Err(NetError::Closed);
        }
        match seen.first() {
            Some(&TLS_HANDSHAKE) => {}
            Some(first) if first.is_ascii_uppercase() => return Ok(Opening::PlainHttp(conn.with_ahead(seen.freeze()))),
            _ => return Err(NetError::Protocol("the connection opens with neither TLS nor HTTP")),
        }
        let mut fresh = seen.get(from..).unwrap_or_default();
        while !fresh.is_empty() {
            acceptor.read_tls(&mut fresh)?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = describe(&accepted.client_hello());
                    return Ok(Opening::Tls(hello, conn.with_ahead(seen.freeze())));
                }
                Err((error, mut alert)) => {
                    tracing::debug!(%error, "a ClientHello was refused");
                    let mut bytes = Vec::new();
                    while alert.write(&mut bytes)? > 0 {}
                    conn.write_all(&bytes).await?;
                    return Err(NetError::Protocol("the TLS ClientHello is malformed"));
                }
            }
        }
        if seen.len() > most_bytes {
            return Err(NetError::Protocol("the TLS ClientHello is too large"));
        }
    }
}

fn describe(hello: &rustls::server::ClientHello<'_>) -> Hello {
    Hello {
        server_name: hello.server_name().map(str::to_ascii_lowercase),
        alpn: hello.alpn().map(|protocols| protocols.map(<[u8]>::to_vec).collect()).unwrap_or_default(),
    }
}

/// Tells a client that spoke plain HTTP to a TLS port what to do instead, and closes.
///
/// # Errors
/// When the client is gone or does not read within `deadline`.
pub async fn answer_plain_http(mut conn: Conn, deadline: Duration) -> Result<(), NetError> {
    const TEXT: &str = "This port speaks HTTPS: use https:// in the address.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    let write = async {
        conn.write_all(answer.as_bytes()).await?;
        conn.shutdown().await
    };
    match tokio::time::timeout(deadline, write).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(NetError::Deadline { step: "answering plain HTTP", limit: deadline }),
    }
}
