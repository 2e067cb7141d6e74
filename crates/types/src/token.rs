//! The `token` document (v2): a right to join the cluster as a service. The secret is kept as a hash by the auth service.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{KubeClusterName, Resource, ServiceKind};

/// A join token document.
pub type Token = Resource<TokenSpec>;

/// What a token grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// What the joining service may act as; letter case does not matter.
    #[serde(deserialize_with = "kinds")]
    pub roles: Vec<ServiceKind>,
    /// How the joining service proves its right.
    #[serde(default)]
    pub join_method: JoinMethod,
    /// The Kubernetes clusters it may serve; when empty, only names that nobody serves yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kube_clusters: Vec<KubeClusterName>,
}

/// How a joining service proves its right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinMethod {
    /// By knowing the token's secret.
    #[default]
    Token,
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServiceKind>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| ServiceKind::parse(&name.to_ascii_lowercase()).map_err(D::Error::custom)).collect()
}
