//! The administrator of the real API server: a blocking HTTPS client of one request per connection.
//!
//! Used while it starts, to seed it, and by tests that look behind the proxy's back. Blocking, so that it can run before
//! and outside of any runtime.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use http::Method;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::Value;

use crate::kubesim::certs::Authority;

const PATIENCE: Duration = Duration::from_secs(10);

/// A member of `system:masters`.
pub(super) struct Admin {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Admin {
    pub(super) fn new(address: SocketAddr, authority: &Authority) -> Result<Self> {
        let pair = authority.client("kubernetes-admin", &["system:masters"])?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.certificate().to_vec()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from(pair.certificate)],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.key_pkcs8)),
            )?;
        Ok(Self { address, config: Arc::new(config) })
    }

    /// Sends a request and returns the code and the document, null when the body is none.
    pub(super) fn request(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let tcp = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let connection =
            ClientConnection::new(Arc::clone(&self.config), ServerName::IpAddress(self.address.ip().into()))?;
        let mut stream = StreamOwned::new(connection, tcp);
        let body = body.map(Value::to_string).unwrap_or_default();
        // HTTP/1.0: the answer ends with the connection and is never chunked.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: kubernetes\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        stream.flush()?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // The server closes without saying so; HTTP's own framing has to do.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            _ => {}
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has no code")?;
        Ok((code, serde_json::from_str(body).unwrap_or_default()))
    }
}
