//! The key and certificate of a login, and what goes with it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_pki::{CertificateDer, CertifiedKey, KeyPair, PkiError, own_identity, own_validity, pem};
use teleport_types::{Identity, UserIdentity, UserName};

use super::{FileLock, Profile, Store, damaged, read, remove, write};
use crate::{error::Error, proxy_addr::ProxyHost};

/// A login as its files say; it may be over.
#[derive(Debug)]
pub struct Login {
    /// Whom the certificate names.
    pub identity: UserIdentity,
    /// When it ends.
    pub expires: Timestamp,
    key: KeyPair,
    chain: Vec<CertificateDer<'static>>,
}

/// What the user may be, as the auth service said at login; for showing only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// OS logins.
    #[serde(default)]
    pub logins: Vec<String>,
    /// Kubernetes users.
    #[serde(default)]
    pub kubernetes_users: Vec<String>,
    /// Kubernetes groups.
    #[serde(default)]
    pub kubernetes_groups: Vec<String>,
}

impl Login {
    /// Puts a key and the certificate made for it together.
    ///
    /// # Errors
    /// When they do not belong together, or the certificate is no user's.
    pub fn new(key: KeyPair, certificate: &str) -> Result<Self, PkiError> {
        let chain = pem::certificates(certificate.as_bytes())?;
        let leaf = chain.first().ok_or(PkiError::Certificate)?;
        let Identity::User(identity) = own_identity(leaf)? else { return Err(PkiError::Certificate) };
        let expires = own_validity(leaf)?.not_after;
        key.certified(chain.clone())?;
        Ok(Self { identity, expires, key, chain })
    }

    /// Returns key and chain as TLS uses them.
    ///
    /// # Errors
    /// Never for a login that was made; the two were checked.
    pub fn certified(&self) -> Result<Arc<CertifiedKey>, PkiError> {
        self.key.certified(self.chain.clone())
    }

    /// Returns the certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode_certificates(&self.chain)
    }

    /// Tells whether the login still holds.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}

impl Store {
    /// Reads the login of a profile; `None` when its user is not logged in.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn login(&self, profile: &Profile) -> Result<Option<Login>, Error> {
        let files = LoginFiles::of(self, profile.host(), &profile.user);
        let again = || {
            damaged(
                &files.certificate,
                "it does not fit its key",
                &format!("run: tsh login --proxy={}", profile.host()),
            )
        };
        // A login that is being replaced right now may show the new key beside the old certificate.
        crate::wait::retry(Duration::from_millis(200), Duration::from_millis(20), || match files.load() {
            Ok(Some(Err(_))) => None,
            other => Some(other),
        })
        .transpose()?
        .map_or_else(|| Err(again()), |loaded| Ok(loaded.and_then(Result::ok)))
    }

    /// Writes a login and forgets the credentials that came from the one before.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn save_login(&self, proxy: &ProxyHost, login: &Login, access: &Access) -> Result<(), Error> {
        let files = LoginFiles::of(self, proxy, &login.identity.user);
        remove(&files.kube)?;
        write(&files.key, login.key.to_pem().as_bytes())?;
        write(&files.certificate, login.certificate_pem().as_bytes())?;
        self.save_access(proxy, &login.identity.user, access)
    }

    /// Writes what the user may be.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn save_access(&self, proxy: &ProxyHost, user: &UserName, access: &Access) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(access).expect("lists of texts are JSON");
        write(&LoginFiles::of(self, proxy, user).access, &text)
    }

    /// Reads what the user may be; nothing when it is not known.
    pub fn access(&self, profile: &Profile) -> Access {
        let path = LoginFiles::of(self, profile.host(), &profile.user).access;
        let text = read(&path).ok().flatten().unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Removes every secret of a user at a proxy; pinned authorities stay.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn remove_login(&self, proxy: &ProxyHost, user: &UserName) -> Result<(), Error> {
        let files = LoginFiles::of(self, proxy, user);
        [&files.key, &files.certificate, &files.access, &files.kube].into_iter().try_for_each(|path| remove(path))
    }

    /// Takes the lock under which a login at a proxy happens; `None` when another process holds it for `patience`.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn lock_login(&self, proxy: &ProxyHost, patience: Duration) -> Result<Option<FileLock>, Error> {
        FileLock::take(&self.keys(proxy).join("login.lock"), patience)
    }

    /// Returns the folder with a user's credentials for Kubernetes clusters.
    pub(super) fn kube_folder(&self, proxy: &ProxyHost, user: &UserName) -> PathBuf {
        LoginFiles::of(self, proxy, user).kube
    }
}

struct LoginFiles {
    key: PathBuf,
    certificate: PathBuf,
    access: PathBuf,
    kube: PathBuf,
}

impl LoginFiles {
    fn of(store: &Store, proxy: &ProxyHost, user: &UserName) -> Self {
        let keys = store.keys(proxy);
        Self {
            key: keys.join(format!("{user}.key")),
            certificate: keys.join(format!("{user}.crt")),
            access: keys.join(format!("{user}.access.json")),
            kube: keys.join(format!("{user}-kube")),
        }
    }

    /// Reads both files: the outer error is the file system's, the inner one says that they do not fit.
    fn load(&self) -> Result<Option<Result<Login, PkiError>>, Error> {
        let (Some(key), Some(certificate)) = (read(&self.key)?, read(&self.certificate)?) else {
            return Ok(None);
        };
        let certificate = String::from_utf8_lossy(&certificate);
        let key = KeyPair::from_pem(&String::from_utf8_lossy(&key));
        Ok(Some(key.and_then(|key| Login::new(key, &certificate))))
    }
}
