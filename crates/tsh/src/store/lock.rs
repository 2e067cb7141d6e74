//! Locks between processes. The system drops them with the process, so none can be stale.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use teleport_runtime::atomic_file;

use super::PRIVATE;
use crate::{error::Error, wait};

const RETRY: Duration = Duration::from_millis(10);

/// A held lock; dropping it lets the next one in.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held for its lock")] File);

impl FileLock {
    /// Takes the lock on a file, made when it is not there; `None` when others hold it for all of `patience`.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Option<Self>, Error> {
        let cannot = |error| Error::file("lock", path, error);
        let folder = path.parent().unwrap_or(Path::new(""));
        atomic_file::private_folder(folder).map_err(cannot)?;
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(PRIVATE).open(path).map_err(cannot)?;
        let attempt = || match file.try_lock() {
            Ok(()) => Some(Ok(())),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => Some(Err(cannot(error))),
        };
        match wait::retry(patience, RETRY, attempt) {
            Some(Ok(())) => Ok(Some(Self(file))),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_free_again_afterwards() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("folder/lock");
        let first = FileLock::take(&path, Duration::ZERO).expect("works").expect("free");
        assert!(FileLock::take(&path, Duration::ZERO).expect("works").is_none());
        drop(first);
        assert!(FileLock::take(&path, Duration::ZERO).expect("works").is_some());
    }
}
