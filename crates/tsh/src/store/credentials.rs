//! Cached credentials for Kubernetes clusters: one file each, with key and certificate, and beside it the lock under
//! which it is renewed and the last failure to do so.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_pki::{CertificateDer, KeyPair, own_validity, pem};
use teleport_types::{ClusterName, KubeClusterName, UserName};

use super::{FileLock, Store, file_name, read, remove, write};
use crate::{error::Error, proxy_addr::ProxyHost};

/// A key and the certificate for one Kubernetes cluster, as PEM.
pub struct Credentials {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
    /// When the certificate ends.
    pub expires: Timestamp,
}

/// Where the credentials of one user for one Kubernetes cluster are kept.
#[derive(Clone, Debug)]
pub struct CredentialSlot {
    folder: PathBuf,
    name: String,
}

/// A failure that is remembered for a moment, so that forty processes do not all run into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Until when it counts.
    pub until: Timestamp,
    /// What happened.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Credentials {
    /// Makes credentials from a key and the certificate issued for it.
    ///
    /// # Errors
    /// When they do not belong together.
    pub fn new(key: &KeyPair, certificate: &str) -> Result<Self, teleport_pki::PkiError> {
        let chain = pem::certificates(certificate.as_bytes())?;
        key.certified(chain.clone())?;
        Self::of(&chain, key.to_pem().to_string())
    }

    /// Tells whether they last long enough to be handed out.
    pub fn last_beyond(&self, point: Timestamp) -> bool {
        self.expires > point
    }

    fn of(chain: &[CertificateDer<'static>], key: String) -> Result<Self, teleport_pki::PkiError> {
        let leaf = chain.first().ok_or(teleport_pki::PkiError::Certificate)?;
        Ok(Self { certificate: pem::encode_certificates(chain), key, expires: own_validity(leaf)?.not_after })
    }

    /// Reads a file as written by [`CredentialSlot::save`]; anything else counts as nothing.
    fn read(text: &str) -> Option<Self> {
        let key_end = text.find(CERTIFICATE)?;
        let (key, chain) = text.split_at_checked(key_end)?;
        let chain = pem::certificates(chain.as_bytes()).ok()?;
        key.starts_with("-----BEGIN PRIVATE KEY-----").then_some(())?;
        Self::of(&chain, key.to_owned()).ok()
    }
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Never prints the key.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Store {
    /// Returns where the credentials for a Kubernetes cluster are kept.
    pub fn credentials(
        &self,
        proxy: &ProxyHost,
        user: &UserName,
        cluster: &ClusterName,
        kube_cluster: &KubeClusterName,
    ) -> CredentialSlot {
        let folder = self.kube_folder(proxy, user).join(cluster.as_str());
        CredentialSlot { folder, name: file_name::of_kube_cluster(kube_cluster) }
    }
}

impl CredentialSlot {
    /// Reads the credentials; `None` when there are none that can be used.
    pub fn load(&self) -> Option<Credentials> {
        let text = read(&self.path("cred")).ok().flatten()?;
        Credentials::read(std::str::from_utf8(&text).ok()?)
    }

    /// Writes the credentials and forgets the last failure.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn save(&self, credentials: &Credentials) -> Result<(), Error> {
        let text = format!("{}{}", credentials.key, credentials.certificate);
        write(&self.path("cred"), text.as_bytes())?;
        remove(&self.path("failed"))
    }

    /// Removes the credentials.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn discard(&self) -> Result<(), Error> {
        remove(&self.path("cred"))
    }

    /// Takes the lock under which they are renewed; `None` when another process holds it for `patience`.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn lock(&self, patience: Duration) -> Result<Option<FileLock>, Error> {
        FileLock::take(&self.path("lock"), patience)
    }

    /// Returns the last failure while it counts.
    pub fn failure(&self, now: Timestamp) -> Option<Failure> {
        let text = read(&self.path("failed")).ok().flatten()?;
        let failure: Failure = serde_json::from_slice(&text).ok()?;
        (now < failure.until).then_some(failure)
    }

    /// Remembers a failure; that it cannot is no further failure.
    pub fn remember(&self, failure: &Failure) {
        let text = serde_json::to_vec(failure).expect("texts are JSON");
        let _ = write(&self.path("failed"), &text);
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.name))
    }
}
