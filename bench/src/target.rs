//! Where load goes: an address, and what a kubeconfig with a static certificate says about TLS there.
//!
//! Read by the suites from what each peer hands out; `load` opens connections with it.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::ServerName;
use serde_json::Value;
use teleport_net::{Conn, Dialer as _, TcpDialer, tls};
use teleport_pki::{pem, tls::provider};
use teleport_runtime::TaskGroup;

/// How long a connection, and an answer, may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The protocol to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// One place to send requests to.
#[derive(Clone)]
pub(crate) struct Target {
    dialer: TcpDialer,
    tls: Option<Tls>,
    tasks: TaskGroup,
}

#[derive(Clone)]
struct Tls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// A connection, ready for requests; clones share it, which means something over HTTP/2 only.
pub(crate) enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Target {
    /// A server without TLS.
    pub(crate) fn plain(address: &str) -> Self {
        Self { dialer: TcpDialer::new(address, PATIENCE), tls: None, tasks: TaskGroup::new("load") }
    }

    /// What the first entries of a kubeconfig say.
    ///
    /// # Errors
    /// When it has another shape than one cluster and one certificate.
    pub(crate) fn from_kubeconfig(path: &Path) -> Result<Self> {
        let config: Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
        let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str);
        let data = |pointer: &str| {
            let text = text(pointer).with_context(|| format!("{} has no {pointer}", path.display()))?;
            Ok::<_, anyhow::Error>(data_encoding::BASE64.decode(text.as_bytes())?)
        };
        let server = text("/clusters/0/cluster/server").context("no server")?.trim_start_matches("https://");
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let name = text("/clusters/0/cluster/tls-server-name").unwrap_or(host).to_owned();
        let mut roots = RootCertStore::empty();
        for authority in pem::certificates(&data("/clusters/0/cluster/certificate-authority-data")?)? {
            roots.add(authority)?;
        }
        let key = pem::certified_key(
            &data("/users/0/user/client-certificate-data")?,
            &data("/users/0/user/client-key-data")?,
        )?;
        let config = |alpn: &[u8]| {
            let key = Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(&key)));
            let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
            let mut config = builder.with_root_certificates(roots.clone()).with_client_cert_resolver(key);
            config.alpn_protocols = vec![alpn.to_vec()];
            config.resumption = Resumption::disabled();
            Ok::<_, anyhow::Error>(Arc::new(config))
        };
        let tls = Tls { http1: config(b"http/1.1")?, http2: config(b"h2")?, name: ServerName::try_from(name)? };
        Ok(Self { dialer: TcpDialer::new(server, PATIENCE), tls: Some(tls), tasks: TaskGroup::new("load") })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody answers, or the handshake fails.
    pub(crate) async fn connect(&self, protocol: Protocol) -> Result<Sender> {
        let conn = self.dial(protocol).await?;
        self.speak(conn, protocol).await
    }

    /// Opens a connection on which nothing is said yet, its TLS handshake made.
    ///
    /// # Errors
    /// When nobody answers, or the handshake fails.
    pub(crate) async fn dial(&self, protocol: Protocol) -> Result<Conn> {
        let conn = self.dialer.dial().await?;
        let Some(tls) = &self.tls else { return Ok(conn) };
        let config = if protocol == Protocol::Http1 { &tls.http1 } else { &tls.http2 };
        let conn = tls::connect(conn, Arc::clone(config), tls.name.clone(), PATIENCE).await?;
        Ok(Conn::new(conn, None))
    }

    async fn speak(&self, conn: Conn, protocol: Protocol) -> Result<Sender> {
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(TokioIo::new(conn)).await?;
                self.tasks.spawn("http1", async move { drop(connection.with_upgrades().await) });
                Ok(Sender::Http1(sender))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(1 << 20)
                    .initial_connection_window_size(1 << 26)
                    .max_concurrent_reset_streams(20)
                    .handshake(TokioIo::new(conn))
                    .await?;
                self.tasks.spawn("http2", async move { drop(connection.await) });
                Ok(Sender::Http2(sender))
            }
        }
    }

    /// Closes what is still open.
    pub(crate) async fn close(&self) {
        self.tasks.drain(Duration::ZERO).await;
    }
}

impl Sender {
    /// Returns another handle to the same connection, where the protocol has such.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }

    /// Sends a request and returns the answer as it begins.
    ///
    /// # Errors
    /// When the connection breaks or no answer comes.
    pub(crate) async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>> {
        let answered = async {
            match self {
                Self::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.context("no answer in time")?.context("the connection broke")
    }

    /// Sends a `GET` for a path; anything but 200 is an error.
    ///
    /// # Errors
    /// When it is not answered with 200.
    pub(crate) async fn open(&mut self, path: &str) -> Result<Response<Incoming>> {
        let request = match self {
            Self::Http1(_) => Request::get(path).header(header::HOST, "kubernetes"),
            Self::Http2(_) => Request::get(format!("https://kubernetes{path}")),
        };
        let request = request.header(header::ACCEPT, "application/json").body(Empty::new())?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
            anyhow::bail!("{path}: {status} {}", String::from_utf8_lossy(&body.unwrap_or_default()));
        }
        Ok(response)
    }

    /// Sends a `GET` and reads the answer to its end. Returns its length.
    ///
    /// # Errors
    /// As [`Sender::open`], and when the body breaks.
    pub(crate) async fn get(&mut self, path: &str) -> Result<u64> {
        let mut body = self.open(path).await?.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(length)
    }

    /// Asks for an exec stream of `bytes` bytes and reads it to its end.
    ///
    /// # Errors
    /// When it is refused, breaks, or has another length.
    pub(crate) async fn exec(&mut self, path: &str, bytes: u64) -> Result<()> {
        let request = Request::get(format!("{path}?stdout=true&command=send&command={bytes}"))
            .header(header::HOST, "kubernetes")
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "SPDY/3.1")
            .header("x-stream-protocol-version", "v4.channel.k8s.io")
            .body(Empty::new())?;
        let response = self.send(request).await?;
        ensure!(response.status() == StatusCode::SWITCHING_PROTOCOLS, "exec: {}", response.status());
        let mut stream = TokioIo::new(hyper::upgrade::on(response).await?);
        let mut nowhere = tokio::io::sink();
        let read = tokio::io::copy(&mut stream, &mut nowhere);
        let read = tokio::time::timeout(PATIENCE, read).await.context("the stream did not end in time")??;
        ensure!(read == bytes, "exec sent {read} bytes of {bytes}");
        Ok(())
    }
}
