//! Fingerprints of certificates and pins of public keys, both SHA-256.

use std::fmt;

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::PkiError;

/// SHA-256 of a whole DER certificate, printed as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(sha256(certificate.as_ref()))
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// SHA-256 of a certificate's `SubjectPublicKeyInfo`, written `sha256:<64 hexadecimal digits>`.
///
/// A pin stays the same when a certificate is renewed for the same key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Computes the pin of a certificate.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let certificate = EndEntityCert::try_from(certificate).map_err(|_| PkiError::Certificate)?;
        Ok(Self::of_spki(&certificate.subject_public_key_info()))
    }

    /// Computes the pin of a DER `SubjectPublicKeyInfo`.
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(sha256(spki))
    }

    /// Parses `sha256:<hex>`; the case of the digits is ignored.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<Self, PkiError> {
        let hex = text.trim().strip_prefix("sha256:").ok_or(PkiError::Pin)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| PkiError::Pin)?;
        bytes.try_into().map(Self).map_err(|_| PkiError::Pin)
    }

    /// Tells whether a certificate has the pinned key; one that cannot be read has not.
    pub fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        Self::of(certificate).is_ok_and(|pin| pin == *self)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
