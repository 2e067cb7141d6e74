//! The proxy's web side: who it says it is, and which authorities its cluster has.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, de::DeserializeOwned};
use teleport_api::{
    ApiError, ErrorKind,
    messages::{CaBundle, web::WebPing},
    routes,
};
use teleport_net::NetError;
use teleport_pki::{CertificateDer, ServerName, tls};
use teleport_runtime::TaskGroup;

use super::{Connector, refused_certificate, unreachable};
use crate::{
    error::Error,
    proxy_addr::{ProxyAddr, ProxyTarget},
};

const ANSWER_MAX: usize = 1024 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// For a whole question, connection included.
const ANSWER: Duration = Duration::from_secs(10);

/// What makes the web side's certificate acceptable.
#[derive(Clone, Debug)]
pub enum WebTrust {
    /// The machine's own roots, and the host authorities known from earlier logins.
    Verified(Vec<CertificateDer<'static>>),
    /// Nothing: what it says about the cluster is compared with a pin, and nothing secret is sent.
    Pinned,
    /// Nothing, since the user asked for that.
    Insecure,
}

/// Why a proxy does not answer now, as when it has not reached auth yet.
#[derive(Deserialize)]
struct Refusal {
    error: ApiError,
}

/// A proxy that has answered.
pub struct Web<'c> {
    connector: &'c Connector,
    config: Arc<ClientConfig>,
    /// Where it answered.
    pub proxy: ProxyAddr,
    /// What it said.
    pub ping: WebPing,
}

impl Connector {
    /// Finds the proxy among the addresses that may be meant; the first that answers as one counts.
    ///
    /// # Errors
    /// When none does: the reason that says most.
    pub async fn find(&self, target: &ProxyTarget, trust: &WebTrust) -> Result<Web<'_>, Error> {
        let config = self.web_config(trust);
        let mut failure = None;
        for proxy in target.candidates() {
            match self.get(&proxy, &config, routes::WEB_PING).await {
                Ok(ping) => return Ok(Web { connector: self, config, proxy, ping }),
                Err(error) => {
                    tracing::debug!(%proxy, %error, "not a proxy");
                    failure = Some(more_telling(failure, error));
                }
            }
        }
        Err(at_no_port(target, failure.expect("a target has at least one address")))
    }

    fn web_config(&self, trust: &WebTrust) -> Arc<ClientConfig> {
        let alpn = &[tls::ALPN_HTTP1];
        match trust {
            WebTrust::Verified(known) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots.add_parsable_certificates(known.iter().cloned());
                tls::web_client(roots, alpn, self.clock())
            }
            WebTrust::Pinned => tls::unverified_pinned_client(alpn, self.clock()),
            WebTrust::Insecure => tls::unverified_web_client(tls::InsecureWeb, alpn, self.clock()),
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        proxy: &ProxyAddr,
        config: &Arc<ClientConfig>,
        path: &str,
    ) -> Result<T, Error> {
        let answer = tokio::time::timeout(ANSWER, self.get_bytes(proxy, config, path));
        let bytes = answer
            .await
            .unwrap_or_else(|_| Err(unreachable(proxy, NetError::Deadline { step: "the answer", limit: ANSWER })))?;
        serde_json::from_slice(&bytes).map_err(|error| not_a_proxy(proxy, Some(error.into())))
    }

    async fn get_bytes(&self, proxy: &ProxyAddr, config: &Arc<ClientConfig>, path: &str) -> Result<Bytes, Error> {
        let name =
            ServerName::try_from(proxy.host().as_str().to_owned()).expect("a proxy host is a DNS name or an address");
        let conn = self.dial(proxy).await.map_err(|error| unreachable(proxy, error))?;
        let tls = teleport_net::tls::connect(conn, Arc::clone(config), name, HANDSHAKE).await;
        let tls = tls.map_err(|error| match refused_certificate(&error).cloned() {
            Some(reason) => untrusted(proxy, &reason, error),
            None => unreachable(proxy, error),
        })?;
        let odd = |error: hyper::Error| not_a_proxy(proxy, Some(error.into()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(odd)?;
        let tasks = TaskGroup::new("web");
        tasks.spawn("connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the proxy's web side ended");
            }
        });
        let request = Request::get(path)
            .header(header::HOST, proxy.to_string())
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .expect("the parts are legal");
        let answer = sender.send_request(request).await.map_err(odd)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| not_a_proxy(proxy, Some(error)))?.to_bytes();
        match serde_json::from_slice::<Refusal>(&body) {
            _ if status == StatusCode::OK => Ok(body),
            // The auth service's own port, say: it speaks the same language and knows no such route.
            Ok(refusal) if refusal.error.kind == ErrorKind::NotFound => Err(not_a_proxy(proxy, None)),
            Ok(refusal) => Err(Error::Refused(refusal.error)),
            Err(_) => Err(not_a_proxy(proxy, None)),
        }
    }
}

impl Web<'_> {
    /// Reads the authorities of the cluster.
    ///
    /// # Errors
    /// When the web side does not tell them.
    pub async fn authorities(&self) -> Result<CaBundle, Error> {
        self.connector.get(&self.proxy, &self.config, routes::CAS).await
    }
}

/// A certificate that was refused, or an answer, says more than a port nobody listens on.
fn more_telling(before: Option<Error>, now: Error) -> Error {
    match before {
        Some(before @ (Error::Untrusted { .. } | Error::Refused(_))) => before,
        _ => now,
    }
}

/// Names the ports that were tried when the user named none.
fn at_no_port(target: &ProxyTarget, error: Error) -> Error {
    match (target, error) {
        (ProxyTarget::Bare(host), error @ Error::Unreachable { .. }) => Error::Unreachable {
            what: format!("no proxy answers at {host} on port 443 or 3080"),
            hint: "check the address, and name the port if it is another: HOST:PORT".into(),
            source: Some(error.into()),
        },
        (_, error) => error,
    }
}

fn not_a_proxy(proxy: &ProxyAddr, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unreachable {
        what: format!("what answers at {proxy} is no Teleport proxy"),
        hint: "check the address and the port".into(),
        source,
    }
}

fn untrusted(proxy: &ProxyAddr, reason: &rustls::CertificateError, error: NetError) -> Error {
    use rustls::CertificateError as Reason;
    let why = match reason {
        Reason::UnknownIssuer => "it is signed by nobody this machine knows".to_owned(),
        Reason::Expired | Reason::ExpiredContext { .. } => "it has expired".to_owned(),
        Reason::NotValidYet | Reason::NotValidYetContext { .. } => {
            "it does not hold yet; is the clock right?".to_owned()
        }
        Reason::NotValidForName | Reason::NotValidForNameContext { .. } => "it is for another name".to_owned(),
        other => other.to_string(),
    };
    Error::Untrusted {
        what: format!("the web certificate of {proxy} cannot be verified: {why}"),
        hint: "log in with --ca-pin=PIN, which an administrator finds in tctl status (or with --insecure to take the \
               risk)"
            .into(),
        source: Some(error.into()),
    }
}
