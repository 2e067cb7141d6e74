//! What `tsh` asks for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_types::{ClusterName, KubeClusterName, LoginSession, RoleName, Traits, UserName};

use super::CaBundle;

/// Body of `POST /v1/login`: a local user proves who they are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The user's name.
    pub user: UserName,
    /// The password, in clear inside TLS that ends at the auth service.
    pub password: String,
    /// Public half of a key made on the laptop, PEM.
    pub public_key: String,
    /// How long the login should last, in seconds; roles may shorten it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Body of `POST /v1/certs/user`: a further certificate of the same login session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReissueRequest {
    /// Public half of a key made on the laptop, PEM.
    pub public_key: String,
    /// Pins the certificate to one Kubernetes cluster; such a certificate is not renewable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_cluster: Option<KubeClusterName>,
    /// How long it should last, in seconds; never beyond the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// A certificate and what it says. Answer of login, reissue and `tctl auth sign`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedUser {
    /// The certificate, PEM.
    pub certificate: String,
    /// Whom it names.
    pub user: UserName,
    /// The login it belongs to.
    pub session: LoginSession,
    /// The roles in it.
    pub roles: Vec<RoleName>,
    /// The traits in it.
    pub traits: Traits,
    /// When it ends.
    pub expires: Timestamp,
    /// The cluster's CAs, to keep.
    pub cas: CaBundle,
}

/// Answer of `GET /v1/me`: what the user may be, now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Me {
    /// The user's name.
    pub user: UserName,
    /// The cluster that answers.
    pub cluster_name: ClusterName,
    /// Roles in the certificate that exist.
    pub roles: Vec<RoleName>,
    /// Traits in the certificate.
    pub traits: Traits,
    /// OS logins over all roles.
    pub logins: Vec<String>,
    /// Kubernetes users over all roles, templates expanded.
    pub kubernetes_users: Vec<String>,
    /// Kubernetes groups over all roles, templates expanded.
    pub kubernetes_groups: Vec<String>,
}

/// One row of `GET /v1/clusters`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterRow {
    /// The cluster's name.
    pub name: ClusterName,
    /// `online` or `offline`.
    pub status: String,
    /// `root` or `leaf`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// One row of `GET /v1/kube/clusters`: a Kubernetes cluster that the user's roles let them see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeClusterRow {
    /// The Kubernetes cluster's name.
    pub name: KubeClusterName,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether a service for it has been heard of lately.
    pub online: bool,
}

/// A list, as every list route answers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Items<T> {
    /// The rows.
    pub items: Vec<T>,
}
