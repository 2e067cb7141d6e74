//! What can be wrong with keys, certificates and names that we read or make.

use crate::SigningFailed;

/// Why a key, certificate, name or pin could not be used. A refused peer is [`crate::Refused`] instead.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Not a private key we can use.
    #[error("the private key cannot be used: {0}")]
    PrivateKey(&'static str),
    /// Not a public key we certify.
    #[error("the public key cannot be used: it must be an ECDSA P-256 key")]
    PublicKey,
    /// Not PEM, or without the section that was looked for.
    #[error("no usable PEM section {0}")]
    Pem(&'static str),
    /// Not a certificate.
    #[error("the certificate cannot be read")]
    Certificate,
    /// The certificate and the private key do not belong together, or cannot be served.
    #[error("the certificate and the private key cannot be used together")]
    KeyMismatch(#[source] rustls::Error),
    /// Not a host name or IP address.
    #[error("{0:?} is not a host name or an IP address")]
    AltName(String),
    /// An internal name where only a public one may stand.
    #[error("{0:?} is an internal name and cannot stand in a web certificate")]
    InternalName(String),
    /// The span of validity is empty, reversed, or reaches beyond the authority's own.
    #[error("the validity {0}")]
    Validity(&'static str),
    /// The certificate could not be encoded.
    #[error("the certificate cannot be encoded")]
    Encoding(#[from] der::Error),
    /// The authority did not sign.
    #[error("the certificate was not signed")]
    Signing(#[from] SigningFailed),
    /// Not a pin.
    #[error("a pin is written sha256: and 64 hexadecimal digits")]
    Pin,
}
