//! The v3 extensions that our certificates carry, the private one with the identity among them.

use der::{
    Decode as _, Encode,
    asn1::{ObjectIdentifier, OctetString},
};
use rustls_pki_types::CertificateDer;
use teleport_types::{Identity, identity::InvalidIdentity};
use x509_cert::{
    Certificate,
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
};

use crate::{PkiError, PublicKey, Validity, fingerprint};

/// The extension that holds [`Identity::encode`].
///
/// `2.25.<n>` is the arc of UUIDs; ours is the UUID with the integer value below. It has 31 bits because Go, and with
/// it kubectl, refuses a certificate that has an object identifier with a larger arc anywhere in it.
pub(crate) const IDENTITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.25.1963481207");

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// What a leaf may be used for in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Client,
    Server,
    ClientAndServer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Criticality {
    Critical,
    Advisory,
}

/// Returns what makes a certificate an authority for leaves and nothing else.
pub(crate) fn authority() -> Result<Vec<Extension>, PkiError> {
    let constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
    let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    Ok(vec![
        extension(BASIC_CONSTRAINTS, Criticality::Critical, &constraints)?,
        extension(KEY_USAGE, Criticality::Critical, &usage)?,
    ])
}

/// Returns the key usages of a leaf.
pub(crate) fn leaf(usage: Usage) -> Result<Vec<Extension>, PkiError> {
    let purposes = match usage {
        Usage::Client => vec![CLIENT_AUTH],
        Usage::Server => vec![SERVER_AUTH],
        Usage::ClientAndServer => vec![CLIENT_AUTH, SERVER_AUTH],
    };
    Ok(vec![
        extension(KEY_USAGE, Criticality::Critical, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
        extension(EXTENDED_KEY_USAGE, Criticality::Advisory, &ExtendedKeyUsage(purposes))?,
    ])
}

pub(crate) fn alt_names(names: Vec<GeneralName>) -> Result<Extension, PkiError> {
    extension(SUBJECT_ALT_NAME, Criticality::Advisory, &SubjectAltName(names))
}

/// Identifies a key by the first 160 bits of SHA-256 of its DER form (RFC 7093 section 2).
pub(crate) fn subject_key_identifier(key: &PublicKey) -> Result<Extension, PkiError> {
    let digest = fingerprint::sha256(key.to_der());
    let id = OctetString::new(digest.get(..20).expect("SHA-256 has 32 bytes"))?;
    extension(SUBJECT_KEY_IDENTIFIER, Criticality::Advisory, &SubjectKeyIdentifier(id))
}

/// Names the authority's key as the authority's certificate does; `None` when it has no identifier.
pub(crate) fn authority_key_identifier(ca: &Certificate) -> Result<Option<Extension>, PkiError> {
    let Some((_, SubjectKeyIdentifier(id))) = ca.tbs_certificate().get_extension::<SubjectKeyIdentifier>()? else {
        return Ok(None);
    };
    let names = AuthorityKeyIdentifier { key_identifier: Some(id), ..Default::default() };
    extension(AUTHORITY_KEY_IDENTIFIER, Criticality::Advisory, &names).map(Some)
}

/// Carries an identity. Not critical: TLS stacks refuse critical extensions they do not know.
pub(crate) fn identity(identity: &Identity) -> Result<Extension, PkiError> {
    Ok(Extension { extn_id: IDENTITY, critical: false, extn_value: OctetString::new(identity.encode())? })
}

/// How the identity of a certificate could not be read.
#[derive(Debug)]
pub(crate) enum IdentityProblem {
    Count(usize),
    Invalid(InvalidIdentity),
}

/// Reads the identity of a certificate that carries exactly one.
pub(crate) fn read_identity(certificate: &Certificate) -> Result<Identity, IdentityProblem> {
    let extensions = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    let mut found = extensions.iter().filter(|extension| extension.extn_id == IDENTITY);
    match (found.next(), found.count()) {
        (Some(one), 0) => Identity::decode(one.extn_value.as_bytes()).map_err(IdentityProblem::Invalid),
        (Some(_), more) => Err(IdentityProblem::Count(more + 1)),
        (None, _) => Err(IdentityProblem::Count(0)),
    }
}

/// Reads the identity in a certificate **without verifying it**: for a client that looks at its own certificate.
///
/// # Errors
/// When it is not a certificate with one identity that can be read.
pub fn own_identity(certificate: &CertificateDer<'_>) -> Result<Identity, PkiError> {
    let parsed = Certificate::from_der(certificate).map_err(|_| PkiError::Certificate)?;
    read_identity(&parsed).map_err(|_| PkiError::Certificate)
}

/// Reads from when until when a certificate holds, **without verifying it**: for a client that looks at its own.
///
/// # Errors
/// When it is not a certificate.
pub fn own_validity(certificate: &CertificateDer<'_>) -> Result<Validity, PkiError> {
    Validity::of(&Certificate::from_der(certificate).map_err(|_| PkiError::Certificate)?)
}

fn extension(id: ObjectIdentifier, criticality: Criticality, value: &impl Encode) -> Result<Extension, PkiError> {
    Ok(Extension {
        extn_id: id,
        critical: criticality == Criticality::Critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}
