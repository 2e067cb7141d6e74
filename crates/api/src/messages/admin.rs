//! What `tctl` asks for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_types::{ClusterName, KubeClusterName, RoleName, Traits, UserName};

/// Body of `POST /v1/users`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// The new user's name.
    pub name: UserName,
    /// Roles, each existing.
    pub roles: Vec<RoleName>,
    /// Traits.
    #[serde(default)]
    pub traits: Traits,
    /// The password; a user without one cannot log in locally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Body of `PATCH /v1/users/{name}`: what is absent stays.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Replaces the roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleName>>,
    /// Replaces the traits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traits: Option<Traits>,
    /// Replaces the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for CreateUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateUser").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for UpdateUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpdateUser").field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// Body of `POST /v1/certs/sign`: a certificate for automation, made by an administrator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// For which user; must exist.
    pub user: UserName,
    /// Public half of the key, PEM.
    pub public_key: String,
    /// How long, in seconds.
    pub ttl_seconds: u64,
    /// Pins the certificate to one Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_cluster: Option<KubeClusterName>,
}

/// Answer of `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The cluster's name.
    pub cluster_name: ClusterName,
    /// Version of the auth service.
    pub version: String,
    /// One row for each CA certificate.
    pub authorities: Vec<AuthorityRow>,
    /// `sha256:<hex>` of the host CA's public keys.
    pub ca_pins: Vec<String>,
    /// How many users there are.
    pub users: usize,
    /// How many roles there are.
    pub roles: usize,
    /// Kubernetes clusters heard of lately.
    pub kube_clusters: Vec<KubeClusterName>,
}

/// One CA certificate in `tctl status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorityRow {
    /// `user` or `host`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Key type, as `ECDSA P-256`.
    pub algorithm: String,
    /// When it ends.
    pub expires: Timestamp,
    /// `sha256:<hex>` of its public key.
    pub pin: String,
}
