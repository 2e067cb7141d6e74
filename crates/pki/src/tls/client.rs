//! Client configurations: to our own servers by the host authority, to web names by public or given roots.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use teleport_runtime::Clock;
use teleport_types::sni::InternalName;

use crate::{Refused, SharedTrust, tls, verify_server};

/// Returns the configuration for dialling an internal name: the server must have a certificate of a trusted host
/// authority, and we present ours if we have one.
pub fn internal_client(
    trust: &SharedTrust,
    certificate: Option<Arc<CertifiedKey>>,
    alpn: &[&[u8]],
    clock: &Clock,
) -> Arc<ClientConfig> {
    let verifier = Arc::new(HostAuthority { trust: trust.clone() });
    let config = builder(clock).dangerous().with_custom_certificate_verifier(verifier);
    let config = match certificate {
        // `SingleCertAndKey` presents it whatever authorities the server hints at: a service's is not among them.
        Some(certificate) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate))),
        None => config.with_no_client_auth(),
    };
    finish(config, alpn)
}

/// Returns the configuration for dialling a web name whose certificate ends in one of `roots`.
pub fn web_client(roots: RootCertStore, alpn: &[&[u8]], clock: &Clock) -> Arc<ClientConfig> {
    finish(builder(clock).with_root_certificates(roots).with_no_client_auth(), alpn)
}

/// Returns the configuration for `--insecure`: the web certificate is **not verified**.
///
/// Anyone on the way can read and answer. Never used for internal names.
pub fn unverified_web_client(InsecureWeb: InsecureWeb, alpn: &[&[u8]], clock: &Clock) -> Arc<ClientConfig> {
    tracing::warn!("the proxy's web certificate is not verified (--insecure)");
    unverified_pinned_client(alpn, clock)
}

/// Returns the configuration for fetching a cluster's authorities to compare them with a pin: the server is **not
/// verified**, so nothing secret may be sent and nothing received is believed before the pin matched.
pub fn unverified_pinned_client(alpn: &[&[u8]], clock: &Clock) -> Arc<ClientConfig> {
    let config = builder(clock).dangerous().with_custom_certificate_verifier(Arc::new(Unverified));
    finish(config.with_no_client_auth(), alpn)
}

/// Says at the call that the user asked for `--insecure`.
#[derive(Clone, Copy, Debug)]
pub struct InsecureWeb;

fn builder(clock: &Clock) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_details(tls::provider(), Arc::new(tls::ClockTime(clock.clone())))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
}

fn finish(mut config: ClientConfig, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    config.alpn_protocols = tls::protocols(alpn);
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct HostAuthority {
    trust: SharedTrust,
}

impl ServerCertVerifier for HostAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The host authority also signs the web certificate, so this keeps a public name from passing for one of ours.
        let ServerName::DnsName(host) = server_name else {
            return Err(tls::tls_error(Refused::Name(server_name.to_str().into_owned())));
        };
        if !InternalName::is_internal(host.as_ref()) {
            return Err(tls::tls_error(Refused::Name(host.as_ref().to_owned())));
        }
        if !intermediates.is_empty() {
            return Err(tls::tls_error(Refused::Chain(1 + intermediates.len())));
        }
        let now = i64::try_from(now.as_secs()).ok().and_then(|now| Timestamp::from_second(now).ok());
        let now = now.ok_or(rustls::Error::FailedToGetCurrentTime)?;
        verify_server(std::slice::from_ref(end_entity), server_name, &self.trust.current(), now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(tls::tls_error)
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

/// Accepts every certificate, but still wants proof that the server holds its key.
#[derive(Debug)]
struct Unverified;

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
