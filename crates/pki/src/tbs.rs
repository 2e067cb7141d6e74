//! The signed form: puts issuer, subject, key and extensions together and has the authority sign them.

use std::time::Duration;

use der::{
    Decode as _, Encode as _, Sequence,
    asn1::{BitString, ObjectIdentifier},
};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use teleport_runtime::random;
use x509_cert::{
    Version,
    ext::Extension,
    name::Name,
    serial_number::SerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::Time,
};

use crate::{PkiError, PublicKey};

/// Holds the key of a certificate authority. Implemented by the auth service alone (and by tests).
pub trait CaSigner: Send + Sync {
    /// Returns the authority's own certificate.
    fn certificate(&self) -> &CertificateDer<'static>;

    /// Signs `tbs` with ECDSA P-256 and SHA-256; the signature is in ASN.1 form.
    ///
    /// # Errors
    /// When the key cannot be used now.
    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, SigningFailed>;
}

/// The authority could not use its key.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authority could not sign: {0}")]
pub struct SigningFailed(pub String);

/// When a certificate holds: from `not_before` to `not_after`, both included, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment; callers start a minute early for clocks that are behind.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// Tells whether `now` lies inside.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    pub(crate) fn of(certificate: &x509_cert::Certificate) -> Result<Self, PkiError> {
        let validity = certificate.tbs_certificate().validity();
        Ok(Self { not_before: from_x509(validity.not_before)?, not_after: from_x509(validity.not_after)? })
    }

    fn to_x509(self) -> Result<x509_cert::time::Validity, PkiError> {
        if self.not_after <= self.not_before {
            return Err(PkiError::Validity("ends before it begins"));
        }
        Ok(x509_cert::time::Validity::new(to_x509(self.not_before)?, to_x509(self.not_after)?))
    }
}

/// ecdsa-with-SHA256 (RFC 5758 section 3.2), without parameters.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// `TBSCertificate` of RFC 5280 section 4.1, always version 3.
#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: x509_cert::time::Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Signed {
    to_be_signed: ToBeSigned,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// What a certificate will say, without the signature.
pub(crate) struct Content<'a> {
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    pub(crate) key: &'a PublicKey,
    pub(crate) validity: Validity,
    pub(crate) extensions: Vec<Extension>,
}

impl Content<'_> {
    /// Encodes, has `sign` sign, and returns the certificate.
    pub(crate) fn sign(
        self,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, SigningFailed>,
    ) -> Result<CertificateDer<'static>, PkiError> {
        let algorithm = AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None };
        let to_be_signed = ToBeSigned {
            version: Version::V3,
            serial_number: SerialNumber::new(&serial())?,
            signature: algorithm.clone(),
            issuer: self.issuer,
            validity: self.validity.to_x509()?,
            subject: self.subject,
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(self.key.to_der())?,
            extensions: self.extensions,
        };
        let signature = sign(&to_be_signed.to_der()?)?;
        let signed = Signed { to_be_signed, algorithm, signature: BitString::from_bytes(&signature)? };
        Ok(CertificateDer::from(signed.to_der()?))
    }
}

/// Returns 128 random bits, never zero.
fn serial() -> [u8; 16] {
    loop {
        let serial = random::bytes();
        if serial != [0; 16] {
            return serial;
        }
    }
}

fn to_x509(time: Timestamp) -> Result<Time, PkiError> {
    let seconds = u64::try_from(time.as_second()).map_err(|_| PkiError::Validity("lies before 1970"))?;
    let time = der::DateTime::from_unix_duration(Duration::from_secs(seconds))?;
    Ok(Time::from(time))
}

fn from_x509(time: Time) -> Result<Timestamp, PkiError> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| PkiError::Certificate)?;
    Timestamp::from_second(seconds).map_err(|_| PkiError::Certificate)
}
