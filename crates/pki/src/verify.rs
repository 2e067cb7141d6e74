//! Verifies what a TLS peer presented: once in the handshake, and once more where the identity is taken out.

use std::time::Duration;

use der::Decode as _;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use teleport_types::{ClusterName, Identity, identity::InvalidIdentity};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::Certificate;

use crate::{
    Ca, CaKind, Fingerprint, PkiError, TrustedCas, Validity,
    extension::{self, IdentityProblem},
};

/// A client whose certificate was verified. Only [`verify_client`] makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Verified {
    identity: Identity,
    standing: Standing,
    not_after: Timestamp,
    ca: Fingerprint,
    certificate: Fingerprint,
}

/// Whether a verified certificate still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Valid,
    /// A user's, in order but past its end: good for being told to log in again, and nothing else.
    Expired,
}

impl Verified {
    /// Returns who the certificate speaks for.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns whether the certificate still held when it was verified.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Returns the certificate's end; connections are cut then.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Returns the fingerprint of the authority; when it is no longer trusted, connections are cut.
    pub fn ca(&self) -> Fingerprint {
        self.ca
    }

    /// Returns the fingerprint of the certificate.
    pub fn certificate(&self) -> Fingerprint {
        self.certificate
    }
}

/// Why a peer's certificate was refused. The texts are for logs and for operators.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No certificate at all.
    #[error("the peer presented no certificate")]
    Missing,
    /// Intermediate certificates; our authorities sign leaves only.
    #[error("the peer presented a chain of {0} certificates, one is expected")]
    Chain(usize),
    /// Not a certificate.
    #[error("the certificate cannot be read")]
    Malformed,
    /// Signed by nobody we trust.
    #[error("the certificate was not signed by a trusted authority")]
    UnknownIssuer,
    /// Signed by an authority past its own end, or before its beginning.
    #[error("the {0} certificate authority that signed the certificate does not hold now")]
    Authority(CaKind),
    /// Not valid yet.
    #[error("the certificate holds only from {0}; are the clocks right?")]
    NotYetValid(Timestamp),
    /// Past its end.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    /// Not meant for this use.
    #[error("the certificate is not meant for this use")]
    Usage,
    /// For another name.
    #[error("the certificate does not hold for {0:?}")]
    Name(String),
    /// Several identities, or none.
    #[error("the certificate carries {0} identities, one is expected")]
    IdentityCount(usize),
    /// An identity that cannot be read whole.
    #[error(transparent)]
    Identity(InvalidIdentity),
    /// A user signed by the host authority, or a service by the user authority.
    #[error("a {0} certificate authority must not sign this kind of identity")]
    WrongAuthority(CaKind),
    /// An identity of another cluster than the authority's.
    #[error("the identity belongs to cluster {claimed}, the authority to {authority}")]
    WrongCluster {
        /// The cluster in the identity.
        claimed: ClusterName,
        /// The cluster of the authority.
        authority: ClusterName,
    },
    /// Anything else that is wrong with the certificate.
    #[error("the certificate is not acceptable")]
    Unacceptable(#[source] webpki::Error),
}

/// Verifies a client's chain and takes its identity out.
///
/// The chain is one certificate: signed by a user authority for a user, by a host authority for a service, the
/// authority itself holding now, and of the cluster that the identity names.
///
/// # Errors
/// Says what is wrong. An expired user is no error but [`Standing::Expired`].
pub fn verify_client(chain: &[CertificateDer<'_>], trusted: &TrustedCas, now: Timestamp) -> Result<Verified, Refused> {
    let leaf = only_certificate(chain)?;
    let parsed = Certificate::from_der(leaf).map_err(|_| Refused::Malformed)?;
    let validity = Validity::of(&parsed).map_err(|_: PkiError| Refused::Malformed)?;
    let standing = if now < validity.not_after { Standing::Valid } else { Standing::Expired };
    let ca = issuer(leaf, trusted.all(), Moment { now, validity }, KeyUsage::client_auth())?;
    let identity = extension::read_identity(&parsed).map_err(|problem| match problem {
        IdentityProblem::Count(count) => Refused::IdentityCount(count),
        IdentityProblem::Invalid(invalid) => Refused::Identity(invalid),
    })?;
    match (&identity, ca.kind()) {
        (Identity::User(_), CaKind::User) => {}
        (Identity::Service(_), CaKind::Host) if standing == Standing::Valid => {}
        (Identity::Service(_), CaKind::Host) => return Err(Refused::Expired(validity.not_after)),
        (_, kind) => return Err(Refused::WrongAuthority(kind)),
    }
    if identity.cluster() != trusted.cluster() {
        return Err(Refused::WrongCluster {
            claimed: identity.cluster().clone(),
            authority: trusted.cluster().clone(),
        });
    }
    Ok(Verified {
        identity,
        standing,
        not_after: validity.not_after,
        ca: ca.fingerprint(),
        certificate: Fingerprint::of(leaf),
    })
}

/// Verifies the chain of a server of our own: one certificate of a host authority that holds for `name`.
///
/// # Errors
/// Says what is wrong.
pub fn verify_server(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    trusted: &TrustedCas,
    now: Timestamp,
) -> Result<(), Refused> {
    let leaf = only_certificate(chain)?;
    let parsed = Certificate::from_der(leaf).map_err(|_| Refused::Malformed)?;
    let validity = Validity::of(&parsed).map_err(|_: PkiError| Refused::Malformed)?;
    if now > validity.not_after {
        return Err(Refused::Expired(validity.not_after));
    }
    issuer(leaf, trusted.host().iter(), Moment { now, validity }, KeyUsage::server_auth())?;
    let end_entity = EndEntityCert::try_from(leaf).map_err(|_| Refused::Malformed)?;
    end_entity.verify_is_valid_for_subject_name(name).map_err(|_| Refused::Name(name.to_str().into_owned()))
}

fn only_certificate<'a>(chain: &'a [CertificateDer<'a>]) -> Result<&'a CertificateDer<'a>, Refused> {
    match chain {
        [leaf] => Ok(leaf),
        [] => Err(Refused::Missing),
        more => Err(Refused::Chain(more.len())),
    }
}

#[derive(Clone, Copy)]
struct Moment {
    now: Timestamp,
    validity: Validity,
}

/// Finds the authority that signed a leaf, and checks that both hold.
///
/// A leaf past its end is checked a second before its end, so that all but the end is checked.
fn issuer<'t>(
    leaf: &CertificateDer<'_>,
    authorities: impl Iterator<Item = &'t Ca>,
    moment: Moment,
    usage: KeyUsage,
) -> Result<&'t Ca, Refused> {
    let end_entity = EndEntityCert::try_from(leaf).map_err(|_| Refused::Malformed)?;
    let second_before_end =
        moment.validity.not_after.saturating_sub(Duration::from_secs(1)).unwrap_or(moment.validity.not_before);
    let at = unix_time(moment.now.min(second_before_end));
    let mut refusal = Refused::UnknownIssuer;
    for ca in authorities {
        let anchors = std::slice::from_ref(ca.anchor());
        match end_entity.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, anchors, &[], at, usage, None, None) {
            Ok(_) if ca.holds_at(moment.now) => return Ok(ca),
            Ok(_) => refusal = Refused::Authority(ca.kind()),
            Err(webpki::Error::UnknownIssuer) => {}
            // A second authority may bear the same name during a rotation: keep looking.
            Err(error) => refusal = refused(error, moment.validity),
        }
    }
    Err(refusal)
}

fn refused(error: webpki::Error, validity: Validity) -> Refused {
    match error {
        webpki::Error::CertNotValidYet { .. } => Refused::NotYetValid(validity.not_before),
        webpki::Error::CertExpired { .. } => Refused::Expired(validity.not_after),
        webpki::Error::RequiredEkuNotFoundContext(_) => Refused::Usage,
        webpki::Error::InvalidSignatureForPublicKey => Refused::UnknownIssuer,
        other => Refused::Unacceptable(other),
    }
}

fn unix_time(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
