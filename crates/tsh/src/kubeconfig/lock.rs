//! client-go's lock: `<file>.lock`, made exclusively, removed afterwards; kubectl and everything on client-go honours it.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use teleport_runtime::atomic_file;

use super::paths::KubeconfigPaths;
use crate::{error::Error, wait};

/// How long to wait for another program. kubectl holds the lock for milliseconds, so what is still there then is stale.
const PATIENCE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(25);

/// A held lock; dropping it removes the lock file.
#[derive(Debug)]
pub(super) struct Lock(PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Locks every file that exists and the one that new entries go to, in sorted order so that two programs cannot block
/// each other.
///
/// # Errors
/// When a lock stays taken, or cannot be made.
pub(super) fn hold(paths: &KubeconfigPaths) -> Result<Vec<Lock>, Error> {
    let mut files: Vec<&Path> =
        paths.all().iter().map(PathBuf::as_path).filter(|path| *path == paths.first() || path.exists()).collect();
    files.sort_unstable();
    files.into_iter().map(|file| take(file, PATIENCE)).collect()
}

fn take(file: &Path, patience: Duration) -> Result<Lock, Error> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let cannot = |error| Error::file("lock", file, error);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        atomic_file::private_folder(folder).map_err(cannot)?;
    }
    let attempt = || match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&lock) {
        Ok(_) => Some(Ok(Lock(lock.clone()))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
        Err(error) => Some(Err(cannot(error))),
    };
    wait::retry(patience, RETRY, attempt).unwrap_or_else(|| {
        Err(Error::Kubeconfig {
            what: format!("{} is being changed by another program", file.display()),
            hint: format!("if none is running, one died while doing so: remove {}", lock.display()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_lock_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(dir.path().join("config.lock"), "").expect("write");
        let error = take(&file, Duration::ZERO).expect_err("the lock is taken").to_string();
        assert!(error.contains("config.lock"), "{error}");
        assert!(dir.path().join("config.lock").exists(), "another's lock is not removed");
    }

    #[test]
    fn a_lock_is_waited_for_and_gone_afterwards() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("new-folder/config");
        let first = take(&file, Duration::ZERO).expect("free");
        let waiter = {
            let file = file.clone();
            std::thread::spawn(move || take(&file, Duration::from_secs(60)))
        };
        drop(first);
        let second = waiter.join().expect("no panic").expect("free again");
        drop(second);
        assert_eq!(fs::read_dir(dir.path().join("new-folder")).expect("list").count(), 0);
    }
}
