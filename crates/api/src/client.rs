//! The client of the `/v1/` API: one HTTP/2 connection, opened when needed and again after a loss.

mod calls;
mod lines;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::{Serialize, de::DeserializeOwned};
use teleport_net::{Dialer, Io, NetError};
use teleport_runtime::TaskGroup;

pub use lines::Lines;

use crate::{ApiError, ErrorKind, error::ErrorBody};

/// The largest answer read into memory.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// How long one request may take, connection included.
const DEADLINE: Duration = Duration::from_secs(30);

/// How the connection is protected.
#[derive(Clone)]
pub enum Security {
    /// TLS; the configuration decides trust and the client certificate.
    Tls {
        /// Trust, certificate and ALPN.
        config: Arc<ClientConfig>,
        /// The internal name expected at the far end.
        name: ServerName<'static>,
    },
    /// None: a local socket whose permissions protect it.
    Local,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service answered with an error.
    #[error("{0}")]
    Api(ApiError),
    /// The service could not be reached.
    #[error("the auth service cannot be reached at {target}")]
    Unreachable {
        /// Where.
        target: String,
        /// Why.
        source: NetError,
    },
    /// The connection broke, or the far end does not speak the API.
    #[error("the connection to the auth service broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the auth service did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
}

impl ClientError {
    /// Returns the service's own error, when there is one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// Tells whether the service answered with an error of this kind.
    pub fn is(&self, kind: ErrorKind) -> bool {
        self.api().is_some_and(|error| error.kind == kind)
    }

    fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

type Sender = http2::SendRequest<Full<Bytes>>;

/// A client; clones share one connection.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    dialer: Arc<dyn Dialer>,
    security: std::sync::RwLock<Security>,
    sender: tokio::sync::Mutex<Option<Sender>>,
    connections: TaskGroup,
}

impl Client {
    /// Makes a client; nothing is dialled yet.
    pub fn new(dialer: Arc<dyn Dialer>, security: Security) -> Self {
        let inner = Inner {
            dialer,
            security: std::sync::RwLock::new(security),
            sender: tokio::sync::Mutex::new(None),
            connections: TaskGroup::new("api-client"),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Changes trust or certificate; the next request opens a connection with them, running answers go on.
    pub async fn replace_security(&self, security: Security) {
        *self.inner.security.write().unwrap_or_else(std::sync::PoisonError::into_inner) = security;
        self.forget().await;
    }

    fn security(&self) -> Security {
        self.inner.security.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<A, ClientError> {
        let whole = async {
            let answer = self.send(method, path, body).await?;
            let bytes =
                Limited::new(answer.into_body(), ANSWER_MAX).collect().await.map_err(ClientError::Broken)?.to_bytes();
            // An answer without content reads as `null`, the form of `()`.
            let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            serde_json::from_slice(text).map_err(ClientError::broken)
        };
        tokio::time::timeout(DEADLINE, whole).await.map_err(|_| ClientError::Deadline)?
    }

    /// Sends one request whose answer is lines for as long as it lasts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let sent = self.send::<()>(Method::GET, path, None);
        let answer = tokio::time::timeout(DEADLINE, sent).await.map_err(|_| ClientError::Deadline)??;
        Ok(Lines::new(answer.into_body()))
    }

    async fn send<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Response<Incoming>, ClientError> {
        let content = match body {
            Some(body) => Bytes::from(serde_json::to_vec(body).map_err(ClientError::broken)?),
            None => Bytes::new(),
        };
        // HTTP/2 takes its authority from here; it carries no meaning for the service.
        let request = Request::builder()
            .method(method)
            .uri(format!("https://auth{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(content))
            .map_err(ClientError::broken)?;
        let mut sender = self.sender().await?;
        let answer = match sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(mut failed) => match failed.take_message() {
                // Only a request that never left may be sent again.
                Some(unsent) => {
                    self.forget().await;
                    self.sender().await?.send_request(unsent).await.map_err(ClientError::broken)?
                }
                None => return Err(ClientError::broken(failed.into_error())),
            },
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(read_error(answer).await)
    }

    async fn sender(&self) -> Result<Sender, ClientError> {
        let mut slot = self.inner.sender.lock().await;
        if let Some(sender) = slot.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let sender = self.connect().await?;
        *slot = Some(sender.clone());
        Ok(sender)
    }

    async fn forget(&self) {
        *self.inner.sender.lock().await = None;
    }

    async fn connect(&self) -> Result<Sender, ClientError> {
        let unreachable = |source| ClientError::Unreachable { target: self.inner.dialer.target(), source };
        let conn = self.inner.dialer.dial().await.map_err(unreachable)?;
        match self.security() {
            Security::Local => self.handshake(conn).await,
            Security::Tls { config, name } => {
                let connector = tokio_rustls::TlsConnector::from(config);
                let tls = connector.connect(name, conn).await;
                self.handshake(tls.map_err(|error| unreachable(NetError::Handshake(error)))?).await
            }
        }
    }

    async fn handshake(&self, io: impl Io) -> Result<Sender, ClientError> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(15))
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(16 * 1024 * 1024)
            .handshake(TokioIo::new(io))
            .await
            .map_err(ClientError::broken)?;
        self.inner.connections.spawn("connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the auth service ended");
            }
        });
        Ok(sender)
    }
}

async fn read_error(answer: Response<Incoming>) -> ClientError {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), 64 * 1024).collect().await;
    let parsed = body.ok().and_then(|body| serde_json::from_slice::<ErrorBody>(&body.to_bytes()).ok());
    match parsed {
        Some(body) => ClientError::Api(body.error),
        None => ClientError::broken(format!("the far end answered {status} without an explanation")),
    }
}
