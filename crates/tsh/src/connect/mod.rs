//! Reaching the cluster: the proxy's web pages for the first acquaintance, and auth behind it for everything else.
//!
//! [`web`] trusts what the user lets it trust and is believed about nothing but the cluster's name and, the first time,
//! its authorities. [`auth`] runs end to end: the proxy carries its bytes and can read none of them.

pub mod auth;
pub mod web;

use std::time::Duration;

use teleport_net::{Dialer as _, HttpProxy, NetError, ProxiedDialer};
use teleport_runtime::Clock;

use crate::{env::Env, error::Error, proxy_addr::ProxyAddr};

/// How long to wait for a connection, the TLS handshake apart.
const DIAL: Duration = Duration::from_secs(5);

/// Opens connections to proxies, through the HTTP proxy of the user's network where one is set.
#[derive(Clone, Debug)]
pub struct Connector {
    http_proxy: Option<HttpProxy>,
    clock: Clock,
}

impl Connector {
    /// Reads `HTTPS_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// When they name no proxy that can be used.
    pub fn new(env: &Env) -> Result<Self, Error> {
        let http_proxy = HttpProxy::from_settings(env.https_proxy.as_deref(), env.no_proxy.as_deref())
            .map_err(|error| Error::usage(error.to_string(), "correct HTTPS_PROXY or unset it"))?;
        Ok(Self { http_proxy, clock: Clock::system() })
    }

    /// Returns the clock that certificates are checked by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    fn dialer(&self, proxy: &ProxyAddr) -> ProxiedDialer {
        ProxiedDialer::new(proxy.to_string(), self.http_proxy.clone(), DIAL)
    }

    async fn dial(&self, proxy: &ProxyAddr) -> Result<teleport_net::Conn, NetError> {
        self.dialer(proxy).dial().await
    }
}

/// Runs one conversation on a runtime of its own, and does not wait for what it leaves behind.
///
/// # Errors
/// What the conversation fails with, or that no runtime could be made.
pub fn run<T>(conversation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Error::File {
        what: format!("cannot prepare network access: {}", crate::error::reason(&error)),
        hint: "check the limits of this process".into(),
        source: Some(error.into()),
    })?;
    let outcome = runtime.block_on(conversation);
    runtime.shutdown_background();
    outcome
}

/// Makes the error of a connection to the proxy that did not come about.
fn unreachable(proxy: &ProxyAddr, error: NetError) -> Error {
    let (why, hint) = match &error {
        NetError::Dial { source, .. } => (crate::error::reason(source), "check the address and the network"),
        NetError::Deadline { .. } => ("it does not answer in time".into(), "check the address and the network"),
        NetError::ProxyRefused(_) => (error.to_string(), "check HTTPS_PROXY and NO_PROXY"),
        NetError::Handshake(source) => {
            (format!("it does not speak TLS as expected ({source})"), "check the address and the port")
        }
        NetError::Io(source) => (crate::error::reason(source), "try again"),
        _ => (error.to_string(), "try again"),
    };
    Error::Unreachable {
        what: format!("cannot reach the proxy at {proxy}: {why}"),
        hint: hint.into(),
        source: Some(error.into()),
    }
}

/// Tells what the far end's certificate was refused for, when that is why a handshake failed.
fn refused_certificate(error: &NetError) -> Option<&rustls::CertificateError> {
    let NetError::Handshake(source) = error else { return None };
    match source.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(reason) => Some(reason),
        _ => None,
    }
}

/// Tells whether the far end refused our certificate.
fn refused_us(error: &NetError) -> bool {
    use rustls::AlertDescription as Alert;
    let NetError::Handshake(source) = error else { return false };
    let alert = source.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
    matches!(
        alert,
        Some(rustls::Error::AlertReceived(
            Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRevoked
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::AccessDenied
        ))
    )
}
