//! What can go wrong while something is written to, or read from, the audit log.

use std::{io, path::PathBuf};

use crate::WriterId;

/// Why the audit log refuses.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No room: the work that needs the record must not be done (503 "audit storage full").
    #[error("audit storage full")]
    Full,
    /// The disk fails.
    #[error("the audit log cannot {doing} {path}")]
    Storage {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("{path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Something in the middle of a file is not what was written.
    #[error("{path}, line {line}: {what}; move the folder away to start a new chain, and keep it as evidence")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The emitter was closed.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    /// Makes a storage error; for `map_err`.
    pub(crate) fn storage(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Storage { doing, path, source }
    }

    /// Tells whether the storage is full rather than broken.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }
}

/// Tells whether the system says that there is no room: ENOSPC or EDQUOT.
pub(crate) fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Why the store does not take a batch.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The batch leaves a hole that the sender can still fill: it should send again from `expected`.
    #[error("the next record of writer {writer} is {expected}")]
    Expected {
        /// The chain.
        writer: WriterId,
        /// The sequence number to start from.
        expected: u64,
    },
    /// The records of the batch are no chain; the sender is at fault.
    #[error("record {seq} does not follow the one before")]
    Broken {
        /// The first record that does not fit.
        seq: u64,
    },
    /// The writer, or an event in the batch, belongs to another service than the one that delivers it.
    #[error("record {seq} speaks for another service")]
    NotYours {
        /// The first such record.
        seq: u64,
    },
    /// The store's own disk fails or is full.
    #[error(transparent)]
    Store(#[from] AuditError),
}
