//! What is stored beside the documents: passwords, services, who may serve which Kubernetes cluster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_api::messages::service::KubeIdentity;
use teleport_backend::{InvalidKey, Key, Prefix};
use teleport_types::{KubeClusterName, ServiceId, ServiceKind, UserName, sni::KubeLabel};

/// A local user's password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordRecord {
    /// PHC string.
    pub(crate) hash: String,
    pub(crate) changed: Timestamp,
}

impl PasswordRecord {
    pub(crate) fn key(user: &UserName) -> Result<Key, InvalidKey> {
        Key::new(["passwords", user.as_str()])
    }
}

/// A service that joined.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceRecord {
    pub(crate) kinds: Vec<ServiceKind>,
    pub(crate) node_name: String,
    pub(crate) grant: Grant,
}

impl ServiceRecord {
    pub(crate) fn key(id: &ServiceId) -> Result<Key, InvalidKey> {
        Key::new(["services", id.as_str()])
    }
}

/// Which Kubernetes clusters a join token lets a service serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grant {
    /// Names that nobody had before, which then are its own.
    NewNames,
    /// These.
    Named(Vec<KubeClusterName>),
    /// All of them: services in the process of auth itself.
    Every,
}

impl Grant {
    /// Tells whether a name is granted expressly, so that it may be served beside others.
    pub(crate) fn names(&self, cluster: &KubeClusterName) -> bool {
        match self {
            Self::NewNames => false,
            Self::Named(names) => names.contains(cluster),
            Self::Every => true,
        }
    }
}

/// What the first registration of a Kubernetes cluster's name bound it to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KubeBinding {
    pub(crate) name: KubeClusterName,
    /// The cluster's own identity, as far as services could read it.
    pub(crate) identity: KubeIdentity,
    /// The service that registered it; none when an administrator wrote the document first.
    pub(crate) owner: Option<ServiceId>,
}

impl KubeBinding {
    pub(crate) fn key(label: &KubeLabel) -> Result<Key, InvalidKey> {
        Key::new(["kube_bindings", label.as_str()])
    }
}

/// Everything a service has announced, by label of the Kubernetes cluster.
pub(crate) fn kube_server_prefix(id: &ServiceId) -> Result<Prefix, InvalidKey> {
    Prefix::new(["kube_servers", id.as_str()])
}
