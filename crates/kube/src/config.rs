//! What the daemon tells the Kubernetes service.

use std::{path::PathBuf, time::Duration};

use teleport_types::{KubeClusterName, Labels};

/// Which Kubernetes clusters to serve.
#[derive(Clone, Debug)]
pub struct KubeConfig {
    /// Where their credentials come from.
    pub source: Source,
    /// Labels of all of them.
    pub labels: Labels,
    /// Patience with clients and API servers.
    pub limits: Limits,
}

/// Where credentials of Kubernetes clusters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Each context of a kubeconfig is a cluster, named by its context.
    Kubeconfig(PathBuf),
    /// The current context of a kubeconfig, served under this name.
    CurrentContext(PathBuf, KubeClusterName),
    /// The service account of the pod around this process.
    InCluster(KubeClusterName),
}

/// How long to wait for peers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a client's TLS handshake.
    pub handshake: Duration,
    /// For the head of a request on a new or idle connection.
    pub request_head: Duration,
    /// For the first state of the cluster from auth.
    pub first_state: Duration,
    /// Towards API servers.
    pub upstream: crate::upstream::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(120),
            first_state: Duration::from_secs(30),
            upstream: crate::upstream::Limits::default(),
        }
    }
}
