//! The authorities that are trusted now, read once and shared with every TLS configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;
use der::Decode as _;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use teleport_types::ClusterName;
use x509_cert::Certificate;

use crate::{CaKind, Fingerprint, Pin, PkiError, Validity};

/// One trusted authority.
#[derive(Clone, Debug)]
pub struct Ca {
    kind: CaKind,
    certificate: CertificateDer<'static>,
    fingerprint: Fingerprint,
    pin: Pin,
    validity: Validity,
    anchor: TrustAnchor<'static>,
}

impl Ca {
    /// Reads an authority's certificate.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(kind: CaKind, certificate: CertificateDer<'static>) -> Result<Self, PkiError> {
        let parsed = Certificate::from_der(&certificate).map_err(|_| PkiError::Certificate)?;
        let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|_| PkiError::Certificate)?.to_owned();
        Ok(Self {
            kind,
            fingerprint: Fingerprint::of(&certificate),
            pin: Pin::of_spki(&webpki::spki_for_anchor(&anchor)),
            validity: Validity::of(&parsed)?,
            anchor,
            certificate,
        })
    }

    /// Returns what the authority signs.
    pub fn kind(&self) -> CaKind {
        self.kind
    }

    /// Returns its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns the fingerprint of its certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the pin of its key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Returns when it holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Tells whether the authority holds; webpki does not look at this.
    pub(crate) fn holds_at(&self, now: Timestamp) -> bool {
        self.validity.holds_at(now)
    }

    pub(crate) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }
}

/// The authorities of one cluster that are trusted now; more than one of a kind during a rotation.
#[derive(Clone, Debug)]
pub struct TrustedCas {
    cluster: ClusterName,
    user: Vec<Ca>,
    host: Vec<Ca>,
}

impl TrustedCas {
    /// Reads the authorities of a cluster. A client that only checks servers has no user authorities.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(
        cluster: ClusterName,
        user: Vec<CertificateDer<'static>>,
        host: Vec<CertificateDer<'static>>,
    ) -> Result<Self, PkiError> {
        let read = |kind, certificates: Vec<_>| -> Result<Vec<_>, _> {
            certificates.into_iter().map(|certificate| Ca::new(kind, certificate)).collect()
        };
        Ok(Self { cluster, user: read(CaKind::User, user)?, host: read(CaKind::Host, host)? })
    }

    /// Returns the cluster they belong to.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Returns the authorities that sign users.
    pub fn user(&self) -> &[Ca] {
        &self.user
    }

    /// Returns the authorities that sign services and servers.
    pub fn host(&self) -> &[Ca] {
        &self.host
    }

    /// Returns all of them, users' first.
    pub fn all(&self) -> impl Iterator<Item = &Ca> {
        self.user.iter().chain(&self.host)
    }
}

/// The current [`TrustedCas`]; clones share it, and a replacement holds from the next handshake on.
#[derive(Clone, Debug)]
pub struct SharedTrust(Arc<ArcSwap<TrustedCas>>);

impl SharedTrust {
    /// Starts with these authorities.
    pub fn new(trusted: TrustedCas) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(trusted)))
    }

    /// Returns the authorities trusted now.
    pub fn current(&self) -> Arc<TrustedCas> {
        self.0.load_full()
    }

    /// Trusts these from now on.
    pub fn replace(&self, trusted: TrustedCas) {
        self.0.store(Arc::new(trusted));
    }
}
