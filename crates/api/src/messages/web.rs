//! What the proxy tells anyone who asks over its web certificate.

use serde::{Deserialize, Serialize};
use teleport_types::ClusterName;

use super::AuthOffer;

/// Answer of `GET /webapi/ping` and `/webapi/find`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebPing {
    /// Ways to log in.
    pub auth: AuthOffer,
    /// Where what is reached.
    pub proxy: ProxyOffer,
    /// Version of the auth service.
    pub server_version: String,
    /// The cluster's name.
    pub cluster_name: ClusterName,
}

/// Where what is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyOffer {
    /// For kubectl.
    pub kube: KubeOffer,
    /// For `tsh`, named as `tsh` has always looked for it.
    pub ssh: WebOffer,
    /// Whether one port serves everything; always so here.
    pub tls_routing_enabled: bool,
}

/// The address for kubectl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeOffer {
    /// Whether Kubernetes access is offered.
    pub enabled: bool,
    /// `host:port` for kubeconfigs.
    pub public_addr: String,
}

/// The address of the public port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebOffer {
    /// `host:port`.
    pub public_addr: String,
}
