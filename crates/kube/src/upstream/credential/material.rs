//! What requests and connections are made with, built from the configuration and what its files and plugin say.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use jiff::Timestamp;
use teleport_pki::{Fingerprint, pem};
use teleport_runtime::Clock;
use zeroize::Zeroizing;

use super::{CredentialConfig, CredentialError, Source, exec};
use crate::upstream::{
    Endpoint, ServerTrust,
    tls::{self, Authority, Configs, Roots},
};

/// Everything that decides how a cluster is spoken to.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Recipe {
    pub(in crate::upstream) endpoint: Endpoint,
    pub(in crate::upstream) trust: ServerTrust,
    pub(in crate::upstream) credential: CredentialConfig,
}

/// What is valid now.
#[derive(Clone)]
pub(in crate::upstream) struct Material {
    /// The `Authorization` header, marked sensitive.
    pub(in crate::upstream) authorization: Option<HeaderValue>,
    /// How connections are secured; `None` on loopback without TLS.
    pub(in crate::upstream) tls: Option<Configs>,
    /// Grows when trust or client certificate change: connections made before must not serve requests made after.
    pub(in crate::upstream) generation: u64,
    /// SHA-256 over the certificates of the server's authority, hexadecimal.
    pub(super) authority: Option<String>,
    /// When it ends, if it says so.
    pub(super) expires: Option<Timestamp>,
}

impl Material {
    pub(super) fn is_valid(&self, clock: &Clock) -> bool {
        self.expires.is_none_or(|end| clock.now() < end)
    }

    pub(super) fn proves_the_same_as(&self, other: &Self) -> bool {
        self.generation == other.generation && self.authorization == other.authorization
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("authorization", &self.authorization.is_some())
            .field("generation", &self.generation)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A certificate chain and its key, PEM.
pub(super) type PemPair = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

/// The texts a [`Material`] is made of. Equal texts make equal material.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Texts {
    authority: Option<Zeroizing<Vec<u8>>>,
    certificate: Option<PemPair>,
    token: Option<Zeroizing<Vec<u8>>>,
}

/// The last material and what it was made of.
pub(super) struct Made {
    pub(super) texts: Texts,
    pub(super) material: Arc<Material>,
}

impl Recipe {
    pub(in crate::upstream) fn reads_files(&self) -> bool {
        let of_trust = matches!(&self.trust.authority, Authority::Pem(source) if source.is_file());
        let of_credential = match &self.credential {
            CredentialConfig::Given { certificate, token } => {
                certificate.as_ref().is_some_and(|(chain, key)| chain.is_file() || key.is_file())
                    || token.as_ref().is_some_and(Source::is_file)
            }
            CredentialConfig::Exec(_) => false,
        };
        of_trust || of_credential
    }

    /// Reads the authority's certificates.
    pub(super) async fn read_authority(&self) -> Result<Option<Zeroizing<Vec<u8>>>, CredentialError> {
        match &self.trust.authority {
            Authority::Pem(source) => source.read("certificate-authority").await.map(Some),
            Authority::System | Authority::Anyone => Ok(None),
        }
    }

    /// Reads what is given, files included.
    pub(super) async fn read_given(&self) -> Result<Texts, CredentialError> {
        let authority = self.read_authority().await?;
        let CredentialConfig::Given { certificate, token } = &self.credential else {
            return Ok(Texts { authority, ..Texts::default() });
        };
        let certificate = match certificate {
            Some((chain, key)) => Some((chain.read("client-certificate").await?, key.read("client-key").await?)),
            None => None,
        };
        let token = match token {
            Some(token) => Some(token.read("the token").await?),
            None => None,
        };
        Ok(Texts { authority, certificate, token })
    }

    /// Makes what is needed from the texts, as little anew as possible.
    pub(super) fn make(
        &self,
        texts: Texts,
        before: Option<&Made>,
        expires: Option<Timestamp>,
    ) -> Result<Made, CredentialError> {
        let same_tls = before.filter(|before| {
            before.texts.authority == texts.authority && before.texts.certificate == texts.certificate
        });
        let (tls, generation) = match same_tls {
            Some(before) => (before.material.tls.clone(), before.material.generation),
            None => (self.tls(&texts)?, before.map_or(1, |before| before.material.generation + 1)),
        };
        let authority = texts.authority.as_deref().and_then(|text| authority_hash(text));
        let authorization = texts.token.as_deref().map(|token| bearer(token)).transpose()?;
        let material = Arc::new(Material { authorization, tls, generation, authority, expires });
        Ok(Made { texts, material })
    }

    fn tls(&self, texts: &Texts) -> Result<Option<Configs>, CredentialError> {
        if !self.endpoint.is_encrypted() {
            return Ok(None);
        }
        let roots = match (&self.trust.authority, &texts.authority) {
            (Authority::Anyone, _) => Roots::Anyone,
            (Authority::Pem(_), Some(text)) => Roots::These(
                pem::certificates(text).map_err(|error| unusable("certificate-authority", error.to_string()))?,
            ),
            (Authority::System | Authority::Pem(_), _) => Roots::System,
        };
        let certificate = match &texts.certificate {
            Some((chain, key)) => Some(
                pem::certified_key(chain, key)
                    .map_err(|error| unusable("the client certificate", error.to_string()))?,
            ),
            None => None,
        };
        let configs = tls::configs(&self.endpoint, &self.trust, &roots, certificate);
        configs.map(Some).map_err(|reason| unusable("certificate-authority", reason))
    }
}

impl Texts {
    /// Adds what a plugin gave.
    pub(super) fn with_plugin(mut self, given: exec::Given) -> Self {
        self.certificate = given.certificate;
        self.token = given.token;
        self
    }
}

fn bearer(token: &[u8]) -> Result<HeaderValue, CredentialError> {
    let token = token.trim_ascii();
    if token.is_empty() {
        return Err(unusable("the token", "it is empty".to_owned()));
    }
    let value = Zeroizing::new([b"Bearer ".as_slice(), token].concat());
    let mut value = HeaderValue::from_bytes(&value)
        .map_err(|_| unusable("the token", "it holds characters that no header may have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unusable(what: &'static str, reason: String) -> CredentialError {
    CredentialError::Unusable { what, reason }
}

/// The order in which a bundle lists its certificates does not change the hash.
fn authority_hash(text: &[u8]) -> Option<String> {
    let mut fingerprints: Vec<_> = pem::certificates(text).ok()?.iter().map(Fingerprint::of).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let all: Vec<u8> = fingerprints.iter().flat_map(|fingerprint| *fingerprint.as_bytes()).collect();
    Some(Fingerprint::of(&all.into()).to_string())
}
