//! TLS towards a Kubernetes API: what we trust, what we present, and what a failure means in plain words.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use teleport_net::NetError;
use teleport_pki::tls::{ALPN_H2, ALPN_HTTP1, provider};

use super::{Endpoint, credential::Source};

/// How a server proves what it is.
#[derive(Clone, Debug)]
pub struct ServerTrust {
    /// Who must have signed its certificate.
    pub authority: Authority,
    /// The name its certificate must hold for, when it is not the host of its URL.
    pub server_name: Option<ServerName<'static>>,
}

/// Who must have signed a server's certificate.
#[derive(Clone, Debug)]
pub enum Authority {
    /// One of the machine's own roots.
    System,
    /// One of the certificates in a PEM text, read again when it is a file that changes.
    Pem(Source),
    /// Anyone: the server is **not verified**.
    Anyone,
}

/// The two configurations that connections are made with; new ones are made when trust or certificate change.
#[derive(Clone)]
pub(super) struct Configs {
    /// Offers HTTP/2 and HTTP/1.1.
    pub(super) either: Arc<ClientConfig>,
    /// Offers HTTP/1.1.
    pub(super) http1: Arc<ClientConfig>,
    /// The name the certificate must hold for.
    pub(super) name: ServerName<'static>,
}

impl fmt::Debug for Configs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configs").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a server is verified with, read from its source.
#[derive(Clone, Debug)]
pub(super) enum Roots {
    System,
    These(Vec<CertificateDer<'static>>),
    Anyone,
}

static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    tracing::debug!(added, ignored, "read the machine's root certificates");
    Arc::new(roots)
});

/// Makes the configurations for an endpoint.
pub(super) fn configs(
    endpoint: &Endpoint,
    trust: &ServerTrust,
    roots: &Roots,
    certificate: Option<Arc<CertifiedKey>>,
) -> Result<Configs, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let builder = match roots {
        Roots::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider()))),
        Roots::System if SYSTEM_ROOTS.is_empty() => {
            return Err("this machine has no root certificates; set certificate-authority".to_owned());
        }
        Roots::System => builder.with_root_certificates(Arc::clone(&SYSTEM_ROOTS)),
        Roots::These(certificates) => {
            let mut roots = RootCertStore::empty();
            if roots.add_parsable_certificates(certificates.iter().cloned()).0 == 0 {
                return Err("none of its certificates can be used".to_owned());
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut http1 = match certificate {
        // Presented whatever authorities the server hints at, as kubectl does.
        Some(certificate) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate))),
        None => builder.with_no_client_auth(),
    };
    http1.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    let mut either = http1.clone();
    either.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    let name = trust.server_name.clone().unwrap_or_else(|| endpoint.server_name());
    Ok(Configs { either: Arc::new(either), http1: Arc::new(http1), name })
}

/// Says what a failed handshake means and what to do about it.
pub(super) fn explain(error: &NetError) -> String {
    let NetError::Handshake(error) = error else { return error.to_string() };
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                "the server closed the connection during the handshake; is it an HTTPS port?".to_owned()
            }
            _ => error.to_string(),
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(certificate) => explain_certificate(certificate),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused the handshake ({alert:?}); does it accept our client certificate?")
        }
        other => other.to_string(),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "the server's certificate has no subject alternative name; certificates with only a common name are not \
             accepted: have it issued again"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is for {} and not for {:?}; set tls-server-name or use one of these names",
            presented.join(", "),
            expected.to_str()
        ),
        // Most clusters' authorities have the same name: the wrong one shows in the signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is not signed by certificate-authority".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; is this machine's clock right?".to_owned()
        }
        other => format!("the server's certificate is not acceptable: {other}"),
    }
}

/// `insecure-skip-tls-verify`: accepts every certificate, but still wants proof that the server holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
