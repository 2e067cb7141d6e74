//! Server configurations: mutual TLS with live trust, and the web.

use std::sync::Arc;

use der::Encode as _;
use jiff::Timestamp;
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{verify_tls12_signature, verify_tls13_signature},
    server::{
        NoServerSessionStorage, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use teleport_runtime::Clock;

use crate::{CaKind, PkiError, Refused, SharedTrust, profile::ca_subject, tls, verify_client};

/// Whether a client must have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate, no connection.
    Required,
    /// A client without one may log in; one that is presented must still be good.
    Optional,
}

/// Returns the configuration of a mutual-TLS listener: auth's, a Kubernetes service's.
///
/// Clients are verified by [`verify_client`] against the authorities trusted at that moment. An expired user comes
/// through the handshake, so whoever accepts must call [`verify_client`] and look at the standing.
///
/// # Errors
/// When the name of the authority cannot be encoded.
pub fn internal_server(
    certificates: Arc<dyn ResolvesServerCert>,
    trust: &SharedTrust,
    client_auth: ClientAuth,
    alpn: &[&[u8]],
    clock: &Clock,
) -> Result<Arc<ServerConfig>, PkiError> {
    let hint = ca_subject(CaKind::User, trust.current().cluster())?.to_der()?;
    let verifier = Verifier { trust: trust.clone(), client_auth, hints: vec![DistinguishedName::from(hint)] };
    let config = builder(clock).with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(certificates);
    Ok(finish(config, alpn))
}

/// Returns the configuration of the public web pages: no client certificates.
pub fn web_server(certificates: Arc<dyn ResolvesServerCert>, alpn: &[&[u8]], clock: &Clock) -> Arc<ServerConfig> {
    finish(builder(clock).with_no_client_auth().with_cert_resolver(certificates), alpn)
}

fn builder(clock: &Clock) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_details(tls::provider(), Arc::new(tls::ClockTime(clock.clone())))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
}

fn finish(mut config: ServerConfig, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    config.alpn_protocols = tls::protocols(alpn);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

#[derive(Debug)]
struct Verifier {
    trust: SharedTrust,
    client_auth: ClientAuth,
    /// The user authority alone, whose name stays the same through rotations; our services need no hint.
    hints: Vec<DistinguishedName>,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.client_auth == ClientAuth::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if !intermediates.is_empty() {
            return Err(tls::tls_error(Refused::Chain(1 + intermediates.len())));
        }
        let now = i64::try_from(now.as_secs()).ok().and_then(|now| Timestamp::from_second(now).ok());
        let now = now.ok_or(rustls::Error::FailedToGetCurrentTime)?;
        match verify_client(std::slice::from_ref(end_entity), &self.trust.current(), now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refused) => {
                tracing::debug!(%refused, "a client certificate was refused");
                Err(tls::tls_error(refused))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &tls::algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &tls::algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::algorithms().supported_schemes()
    }
}
