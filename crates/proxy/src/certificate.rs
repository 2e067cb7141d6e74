//! Keeps the web certificate: from files that are read again when they change, or issued by auth and renewed in time.

mod files;

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use teleport_api::{Client, ClientError, messages::service::WebCertRequest};
use teleport_pki::{KeyPair, PkiError, pem, tls::Certificates};
use teleport_runtime::{Backoff, Clock, Stop};

use files::Files;

/// Where the web certificate comes from.
#[derive(Clone, Debug)]
pub enum WebCertificate {
    /// The operator's files; looked at every `every`.
    Files {
        /// Chains and keys; the first answers names that stand in none.
        pairs: Vec<KeyPairFiles>,
        /// How often they are looked at.
        every: Duration,
    },
    /// Auth signs one with the host authority.
    Issued {
        /// The names and addresses it holds for.
        hosts: Vec<String>,
    },
}

/// One chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairFiles {
    /// The private key.
    pub key_file: PathBuf,
    /// The chain, leaf first.
    pub cert_file: PathBuf,
}

impl WebCertificate {
    /// Reads files every five seconds.
    pub fn files(pairs: Vec<KeyPairFiles>) -> Self {
        Self::Files { pairs, every: Duration::from_secs(5) }
    }

    /// Has auth issue one for the hosts of these `host[:port]` and for loopback.
    pub fn issued(public_addrs: &[String]) -> Self {
        let mut hosts: Vec<String> = public_addrs.iter().map(|addr| host(addr).to_owned()).collect();
        hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        hosts.sort();
        hosts.dedup();
        Self::Issued { hosts }
    }

    /// Reads the files once, so that a mistake in them ends the start and not the first handshake.
    ///
    /// # Errors
    /// Says which file is wrong, and how.
    pub fn check(&self) -> Result<(), CertificateError> {
        match self {
            Self::Files { pairs, .. } => files::load(&files::read(pairs)?, pairs).map(drop),
            Self::Issued { .. } => Ok(()),
        }
    }
}

/// Why there is no (new) web certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{} cannot be read", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A pair of files cannot be used.
    #[error("{} and {} cannot be used", .pair.cert_file.display(), .pair.key_file.display())]
    Pair {
        /// Which pair.
        pair: KeyPairFiles,
        /// Why.
        source: PkiError,
    },
    /// Auth gave none.
    #[error("auth did not issue the web certificate")]
    Auth(#[from] ClientError),
    /// Auth gave one that cannot be used.
    #[error("the web certificate that auth issued cannot be used")]
    Issued(#[source] PkiError),
}

/// Keeps [`Certificates`] current.
pub(crate) struct CertificateKeeper {
    source: WebCertificate,
    certificates: Certificates,
    client: Client,
    clock: Clock,
}

impl CertificateKeeper {
    pub(crate) fn new(source: WebCertificate, client: Client, clock: Clock) -> Self {
        Self { source, certificates: Certificates::new(), client, clock }
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Keeps the certificate until told to stop.
    pub(crate) async fn keep(self, stop: Stop) {
        let kept = async {
            match &self.source {
                WebCertificate::Files { pairs, every } => Files::new(pairs).follow(&self.certificates, *every).await,
                WebCertificate::Issued { hosts } => self.renew(hosts).await,
            }
        };
        tokio::select! {
            () = stop.requested() => {}
            () = kept => {}
        }
    }

    /// Asks for a certificate, and for the next one at two thirds of its life.
    async fn renew(&self, hosts: &[String]) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        loop {
            match self.ask(hosts).await {
                Ok(expires) => {
                    backoff.reset();
                    let life = Duration::try_from(expires.duration_since(self.clock.now())).unwrap_or_default();
                    // Never in a tight loop, whatever auth says the life is.
                    self.clock.sleep((life / 3 * 2).max(Duration::from_secs(1))).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no web certificate, trying again");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    async fn ask(&self, hosts: &[String]) -> Result<Timestamp, CertificateError> {
        let key = KeyPair::generate();
        let request = WebCertRequest { hosts: hosts.to_vec(), public_key: key.public().to_pem() };
        let issued = self.client.web_certificate(&request).await?;
        let chain = pem::certificates(issued.certificate.as_bytes()).map_err(CertificateError::Issued)?;
        self.certificates.set_otherwise(key.certified(chain).map_err(CertificateError::Issued)?);
        tracing::info!(expires = %issued.expires, "auth issued the web certificate");
        Ok(issued.expires)
    }
}

/// Returns the host of `host[:port]`, without the brackets of an IPv6 address.
pub(crate) fn host(addr: &str) -> &str {
    let host = match addr.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => addr,
    };
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issued_certificate_holds_for_the_public_hosts_and_loopback() {
        let addrs = ["proxy.example.com:443", "[2001:db8::1]:3080", "10.0.0.1", "localhost:3080"].map(str::to_owned);
        let WebCertificate::Issued { hosts } = WebCertificate::issued(&addrs) else {
            panic!("not issued");
        };
        assert_eq!(hosts, ["10.0.0.1", "127.0.0.1", "2001:db8::1", "::1", "localhost", "proxy.example.com"]);
    }
}
