//! What can go wrong in the auth service, and what a client is told of it.

use std::{io, path::PathBuf};

use teleport_api::ApiError;
use teleport_audit::AuditError;
use teleport_backend::InvalidKey;
use teleport_pki::PkiError;
use teleport_types::ClusterName;

/// Why the auth service does not start, or failed inside.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The operator's: the cluster has another name.
    #[error(
        "this data belongs to cluster {stored}, and a cluster cannot be renamed to {configured}; set cluster_name back, or start with an empty data_dir"
    )]
    Renamed {
        /// The name it was made with.
        stored: ClusterName,
        /// The name in the configuration.
        configured: ClusterName,
    },
    /// The operator's: the file with the secrets key is gone.
    #[error("the secrets key {} is missing, and the certificate authorities cannot be opened without it; restore the file from a backup", path.display())]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The operator's: another key than the one the cluster was made with.
    #[error("the secrets key {} is not the one this cluster was made with; restore the right file from a backup", path.display())]
    KeyWrong {
        /// The file.
        path: PathBuf,
    },
    /// The operator's: the file cannot serve as a secrets key.
    #[error("the secrets key {} cannot be used: {reason}", path.display())]
    KeyUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: &'static str,
    },
    /// The disk's: the file with the secrets key cannot be read or made.
    #[error("the secrets key {} cannot be read or made", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The store's.
    #[error(transparent)]
    Store(#[from] teleport_backend::Error),
    /// The store holds something that does not make sense.
    #[error("the stored {what} cannot be read; restore the database from a backup")]
    Corrupt {
        /// What it is.
        what: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name that cannot be stored.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The audit log's.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Ours: a helper thread died.
    #[error("a worker thread of the auth service ended unexpectedly")]
    Worker,
}

impl From<AuthError> for ApiError {
    /// Decides what a client is told; the rest goes to the log, here and only here.
    fn from(error: AuthError) -> Self {
        use teleport_backend::Error as Store;
        match &error {
            AuthError::Store(Store::Full { .. }) => {
                Self::unavailable("the auth service's disk is full").hint("an administrator must make room")
            }
            AuthError::Store(Store::Closed) => Self::unavailable("the auth service is stopping").hint("try again soon"),
            AuthError::Store(Store::TooLarge { .. }) => Self::bad_request("the document is larger than 1 MiB"),
            AuthError::Audit(audit) if audit.is_full() => {
                Self::unavailable("audit storage full").hint("an administrator must make room")
            }
            AuthError::Key(invalid) => Self::bad_request(invalid.to_string()),
            AuthError::Pki(
                PkiError::PublicKey | PkiError::Pem(_) | PkiError::AltName(_) | PkiError::InternalName(_),
            ) => Self::bad_request(error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

/// Lets `?` turn an error of the store into what the client is told.
pub(crate) fn store(error: teleport_backend::Error) -> ApiError {
    AuthError::Store(error).into()
}

/// The same for an audit error: without a record there is no work.
pub(crate) fn audit(error: AuditError) -> ApiError {
    AuthError::Audit(error).into()
}

/// The same for certificates and keys.
pub(crate) fn pki(error: PkiError) -> ApiError {
    AuthError::Pki(error).into()
}
