//! One Kubernetes cluster that is served here.

use std::collections::HashMap;

use teleport_types::{ClusterName, KubeClusterName, Labels, sni::InternalName};

use crate::upstream::Upstream;

/// One Kubernetes cluster.
pub(crate) struct Cluster {
    /// Its name.
    pub(crate) name: KubeClusterName,
    /// The internal host name that clients connect to.
    pub(crate) host: String,
    /// Its labels.
    pub(crate) labels: Labels,
    /// Its API server.
    pub(crate) upstream: Upstream,
}

/// The clusters by their internal host names.
pub(crate) type ByHost = HashMap<String, std::sync::Arc<Cluster>>;

impl Cluster {
    /// Describes a cluster served by a Teleport cluster.
    pub(crate) fn new(upstream: Upstream, labels: Labels, teleport: &ClusterName) -> Self {
        let name = upstream.name().clone();
        let host = InternalName::kube(&name, teleport).host();
        Self { name, host, labels, upstream }
    }
}
