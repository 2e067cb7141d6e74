//! A Kubernetes client of a few lines, for load and for requests that no kubectl would send.
//!
//! It reads the static kubeconfig that `tctl auth sign --format=kubernetes` writes and speaks HTTP/1.1 over mutual TLS.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use teleport_net::{Dialer as _, TcpDialer};
use teleport_pki::{KeyPair, ServerName, SharedTrust, TrustedCas, own_identity, pem, tls};
use teleport_runtime::Clock;

/// What a kubeconfig says, ready to dial.
#[derive(Clone)]
pub struct RawClient {
    dialer: TcpDialer,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
}

/// One connection; requests go one after the other.
pub struct RawConnection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl RawClient {
    /// Reads a static kubeconfig.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn from_kubeconfig(path: &Path) -> Result<Self> {
        let config: Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
        let text = |pointer: &str| {
            config.pointer(pointer).and_then(Value::as_str).with_context(|| format!("the kubeconfig has no {pointer}"))
        };
        let decoded = |pointer: &str| Ok::<_, anyhow::Error>(data_encoding::BASE64.decode(text(pointer)?.as_bytes())?);
        let certificates = pem::certificates(&decoded("/users/0/user/client-certificate-data")?)?;
        let key = KeyPair::from_pem(std::str::from_utf8(&decoded("/users/0/user/client-key-data")?)?)?;
        let identity = own_identity(certificates.first().context("no certificate")?)?;
        let host_cas = pem::certificates(&decoded("/clusters/0/cluster/certificate-authority-data")?)?;
        let trust = SharedTrust::new(TrustedCas::new(identity.cluster().clone(), Vec::new(), host_cas)?);
        let config_tls =
            tls::internal_client(&trust, Some(key.certified(certificates)?), &[b"http/1.1"], &Clock::system());
        Ok(Self {
            dialer: TcpDialer::new(
                text("/clusters/0/cluster/server")?.trim_start_matches("https://"),
                Duration::from_secs(5),
            ),
            config: config_tls,
            name: ServerName::try_from(text("/clusters/0/cluster/tls-server-name")?.to_owned())?,
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody answers or the handshake fails.
    pub async fn connect(&self) -> Result<RawConnection> {
        let conn = self.dialer.dial().await?;
        let tls = tokio_rustls::TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), conn).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(RawConnection { sender, driver })
    }
}

impl RawConnection {
    /// Sends a request and returns the answer as it begins.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<hyper::body::Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a `GET` and reads the whole answer: code and body.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Bytes)> {
        let request = Request::get(path).header("host", "kubernetes").body(Full::default())?;
        let response = self.send(request).await?;
        let code = response.status().as_u16();
        Ok((code, response.into_body().collect().await?.to_bytes()))
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
