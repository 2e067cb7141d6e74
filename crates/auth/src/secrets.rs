//! The key that encloses secrets at rest: a file beside the database, so that neither alone gives the authorities away.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use teleport_runtime::{atomic_file, random};
use zeroize::{Zeroize as _, Zeroizing};

use crate::AuthError;

const KEY_LENGTH: usize = 32;

/// The key of `secrets_key_file`.
pub(crate) struct SecretsKey {
    path: PathBuf,
    sealing: LessSafeKey,
    naming: hmac::Key,
    id: String,
}

impl std::fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsKey").field("path", &self.path).field("id", &self.id).finish_non_exhaustive()
    }
}

/// A secret enclosed with the key: AES-256-GCM, the place where it is stored as additional data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    /// The form; this version writes 1.
    v: u32,
    /// 12 bytes, base64.
    nonce: String,
    /// Ciphertext and tag, base64.
    sealed: String,
}

impl SecretsKey {
    /// Reads the key; at the first start of a cluster it is made when it is not there.
    pub(crate) fn open(path: &Path, start: FirstStart) -> Result<Self, AuthError> {
        match fs::metadata(path) {
            Ok(file) if !file.is_file() => Err(unusable(path, "it is not a file")),
            Ok(file) if file.mode() & 0o007 != 0 => {
                Err(unusable(path, "every account of this host can read or change it; chmod it to 0600"))
            }
            Ok(_) => Self::read(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound && start == FirstStart::Yes => Self::make(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(AuthError::KeyMissing { path: path.to_path_buf() })
            }
            Err(source) => Err(AuthError::KeyFile { path: path.to_path_buf(), source }),
        }
    }

    /// Names the key without revealing it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Encloses a secret for one place in the store.
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Envelope {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = secret.to_vec();
        self.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut sealed)
            .expect("a secret is far below the limit of AES-GCM");
        Envelope { v: 1, nonce: BASE64.encode(&nonce), sealed: BASE64.encode(&sealed) }
    }

    /// Opens what [`SecretsKey::seal`] made for the same place.
    pub(crate) fn unseal(&self, place: &str, envelope: &Envelope) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        let wrong = || AuthError::KeyWrong { path: self.path.clone() };
        let nonce = BASE64.decode(envelope.nonce.as_bytes()).map_err(|_| wrong())?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| wrong())?;
        let mut sealed = Zeroizing::new(BASE64.decode(envelope.sealed.as_bytes()).map_err(|_| wrong())?);
        let secret =
            self.sealing.open_in_place(nonce, Aad::from(place.as_bytes()), &mut sealed).map_err(|_| wrong())?;
        Ok(Zeroizing::new(secret.to_vec()))
    }

    /// Turns a token's secret into the name it is kept under; useless without the key, so a stolen database reveals nothing.
    pub(crate) fn name_of(&self, secret: &str) -> String {
        HEXLOWER.encode(hmac::sign(&self.naming, secret.as_bytes()).as_ref())
    }

    fn read(path: &Path) -> Result<Self, AuthError> {
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| AuthError::KeyFile { path: path.to_path_buf(), source })?;
        let key = HEXLOWER.decode(text.trim().as_bytes()).map(Zeroizing::new);
        match key {
            Ok(key) if key.len() == KEY_LENGTH => Ok(Self::new(path, &key)),
            _ => Err(unusable(path, "it must hold 64 lowercase hexadecimal digits")),
        }
    }

    fn make(path: &Path) -> Result<Self, AuthError> {
        let mut key: [u8; KEY_LENGTH] = random::bytes();
        let text = Zeroizing::new(format!("{}\n", HEXLOWER.encode(&key)));
        let failed = |source| AuthError::KeyFile { path: path.to_path_buf(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            atomic_file::private_folder(folder).map_err(failed)?;
        }
        atomic_file::write(path, text.as_bytes(), 0o600).map_err(failed)?;
        let made = Self::new(path, &key);
        key.zeroize();
        Ok(made)
    }

    fn new(path: &Path, key: &[u8]) -> Self {
        // One key for each use, all from the one in the file.
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derive = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        let sealing = UnboundKey::new(&AES_256_GCM, derive("sealing").as_ref()).expect("SHA-256 has 32 bytes");
        let id = HEXLOWER.encode(derive("id").as_ref());
        Self {
            path: path.to_path_buf(),
            sealing: LessSafeKey::new(sealing),
            naming: hmac::Key::new(hmac::HMAC_SHA256, derive("naming").as_ref()),
            id,
        }
    }
}

/// Whether the cluster has never been started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstStart {
    Yes,
    No,
}

fn unusable(path: &Path, reason: &'static str) -> AuthError {
    AuthError::KeyUnusable { path: path.to_path_buf(), reason }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_sealed_opens_only_with_the_key_and_in_its_place() {
        let folder = tempfile::tempdir().expect("temp dir");
        let path = folder.path().join("deep/secrets.key");
        let key = SecretsKey::open(&path, FirstStart::Yes).expect("made");
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o600);
        let envelope = key.seal("/a", b"secret");
        let again = SecretsKey::open(&path, FirstStart::No).expect("read");
        assert_eq!((again.id(), again.name_of("x")), (key.id(), key.name_of("x")));
        assert_eq!(again.unseal("/a", &envelope).expect("opens").as_slice(), b"secret");
        assert!(matches!(again.unseal("/b", &envelope), Err(AuthError::KeyWrong { .. })));
        let other = SecretsKey::open(&folder.path().join("other.key"), FirstStart::Yes).expect("made");
        assert!(matches!(other.unseal("/a", &envelope), Err(AuthError::KeyWrong { .. })));
        assert_ne!(other.name_of("x"), key.name_of("x"));
    }

    #[test]
    fn a_key_that_is_missing_or_open_to_all_or_no_key_is_refused() {
        let folder = tempfile::tempdir().expect("temp dir");
        let path = folder.path().join("secrets.key");
        assert!(matches!(SecretsKey::open(&path, FirstStart::No), Err(AuthError::KeyMissing { .. })));
        fs::write(&path, "not a key").expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        assert!(matches!(SecretsKey::open(&path, FirstStart::Yes), Err(AuthError::KeyUnusable { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let error = SecretsKey::open(&path, FirstStart::No).expect_err("readable by all");
        assert!(error.to_string().contains("0600"), "{error}");
    }
}
