//! Why the service cannot start.

use std::time::Duration;

use teleport_pki::PkiError;

use crate::upstream::KubeconfigError;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The kubeconfig, or the pod's service account, cannot be used.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The cluster's authorities cannot be used.
    #[error("TLS cannot be set up")]
    Pki(#[from] PkiError),
    /// Auth has not told the state of the cluster.
    #[error("the auth service has not told the roles and CAs within {} s", .0.as_secs())]
    NoState(Duration),
}
