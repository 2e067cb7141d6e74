//! The files below `~/.tsh`: profiles, the keys of logins, pinned authorities, cached credentials.
//!
//! Folders are 0700 and files 0600, and each file is replaced whole. The layout:
//!
//! ```text
//! current-profile                                   name of the active proxy host
//! <proxy host>.yaml                                 profile
//! keys/<proxy host>/<user>.key, <user>.crt          key and certificate of the login
//! keys/<proxy host>/<user>.access.json              what the login may be, as auth said then
//! keys/<proxy host>/cas/<cluster>.pem               host authorities of a cluster, kept over logouts
//! keys/<proxy host>/login.lock                      one login at a time
//! keys/<proxy host>/<user>-kube/<cluster>/<kube>.cred     key and certificate for one Kubernetes cluster
//! ```

mod authorities;
mod credentials;
mod file_name;
mod lock;
mod login;
mod profile;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use teleport_runtime::atomic_file;

pub use authorities::Authorities;
pub use credentials::{CredentialSlot, Credentials, Failure};
pub use lock::FileLock;
pub use login::{Access, Login};
pub use profile::Profile;

use crate::{error::Error, proxy_addr::ProxyHost};

const PRIVATE: u32 = 0o600;

/// The folder of `tsh`.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Uses this folder; it need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns the folder with everything secret about one proxy.
    fn keys(&self, proxy: &ProxyHost) -> PathBuf {
        self.root.join("keys").join(proxy.as_str())
    }
}

/// Writes a private file, and the private folders it needs.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    atomic_file::private_folder(folder)
        .and_then(|()| atomic_file::write(path, content, PRIVATE))
        .map_err(|error| Error::file("write", path, error))
}

/// Reads a file; `None` when it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::file("read", path, error)),
    }
}

/// Removes a file or a folder with everything in it; one that is not there is fine.
fn remove(path: &Path) -> Result<(), Error> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if !is_absent(&error) => Err(Error::file("remove", path, error)),
        _ => Ok(()),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Makes the error of a file whose content is not what we wrote.
fn damaged(path: &Path, why: &str, hint: &str) -> Error {
    Error::File { what: format!("{} cannot be used: {why}", path.display()), hint: hint.into(), source: None }
}
