//! The `kube_cluster` document (v3): name and labels of a Kubernetes cluster. Credentials stay with the service that serves it.

use serde::{Deserialize, Serialize};

use crate::Resource;

/// A Kubernetes cluster document; its labels are those of `metadata`.
pub type KubeCluster = Resource<KubeClusterSpec>;

/// Nothing yet: a cluster registered with its own kubeconfig or cloud account is not supported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeClusterSpec {}
