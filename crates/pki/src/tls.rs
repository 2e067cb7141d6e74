//! The TLS configurations of every listener and dialler of the project: one provider, no resumption, live trust.
//!
//! A resumed session would skip the certificate verifier, so no configuration here hands out tickets or keeps
//! sessions.

mod certificates;
mod client;
mod server;

use std::sync::{Arc, LazyLock};

use rustls::{
    CertificateError,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs},
    time_provider::TimeProvider,
};
use rustls_pki_types::UnixTime;
use teleport_runtime::Clock;

pub use certificates::Certificates;
pub use client::{InsecureWeb, internal_client, unverified_pinned_client, unverified_web_client, web_client};
pub use server::{ClientAuth, internal_server, web_server};

use crate::Refused;

/// ALPN of HTTP/2 over TLS.
pub const ALPN_H2: &[u8] = b"h2";
/// ALPN of HTTP/1.1.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Returns the one crypto provider of the project; configurations made elsewhere must use it too.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    PROVIDER.signature_verification_algorithms
}

/// Lets a manual clock decide what TLS thinks the time is.
#[derive(Debug)]
struct ClockTime(Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

fn protocols(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.to_vec()).collect()
}

/// Chooses the TLS alert that says most to the peer.
fn tls_error(refused: Refused) -> rustls::Error {
    match refused {
        Refused::Missing => rustls::Error::NoCertificatesPresented,
        Refused::Malformed => CertificateError::BadEncoding.into(),
        Refused::UnknownIssuer | Refused::Authority(_) => CertificateError::UnknownIssuer.into(),
        Refused::NotYetValid(_) => CertificateError::NotValidYet.into(),
        Refused::Expired(_) => CertificateError::Expired.into(),
        Refused::Usage => CertificateError::InvalidPurpose.into(),
        Refused::Name(_) => CertificateError::NotValidForName.into(),
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))).into(),
    }
}
