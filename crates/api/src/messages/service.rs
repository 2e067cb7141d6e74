//! What services of the cluster ask for: joining, certificates, heartbeats and the watch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teleport_types::{KubeClusterName, ServiceId, ServiceKind};

use super::CaBundle;

/// Body of `POST /v1/join`: a service proves its right to be one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The join token, in clear inside TLS.
    pub token: String,
    /// What the service wants to act as.
    pub kinds: Vec<ServiceKind>,
    /// The host's name, for people.
    pub node_name: String,
    /// The id from an earlier join, to keep it; auth grants it only to the holder of that id's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ServiceId>,
    /// Public half of the service's key, PEM.
    pub public_key: String,
}

impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinRequest")
            .field("kinds", &self.kinds)
            .field("node_name", &self.node_name)
            .finish_non_exhaustive()
    }
}

/// Body of `POST /v1/certs/service`: the service's own certificate again, with a new end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// Public half of the service's (new) key, PEM.
    pub public_key: String,
}

/// Answer of join and renewal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedService {
    /// The certificate, PEM.
    pub certificate: String,
    /// The service's id.
    pub id: ServiceId,
    /// What it may act as.
    pub kinds: Vec<ServiceKind>,
    /// When it ends.
    pub expires: Timestamp,
    /// The cluster's CAs.
    pub cas: CaBundle,
}

/// Body of `POST /v1/certs/kube`: the server certificate for the internal name of one Kubernetes cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeCertRequest {
    /// Which cluster; the service must have announced it.
    pub kube_cluster: KubeClusterName,
    /// Public half of the key, PEM.
    pub public_key: String,
}

/// Body of `POST /v1/certs/web`: the certificate of the public port when no other is configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebCertRequest {
    /// DNS names and IP addresses; internal names are refused.
    pub hosts: Vec<String>,
    /// Public half of the key, PEM.
    pub public_key: String,
}

/// A server certificate. Answer of the two requests above.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedServer {
    /// The certificate, PEM.
    pub certificate: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// Body of `PUT /v1/kube/servers`: which Kubernetes clusters a service serves. Sent again before [`HEARTBEAT_TTL`] is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeHeartbeat {
    /// The host's name, for people.
    pub node_name: String,
    /// The clusters; an empty list withdraws all.
    pub clusters: Vec<KubeAnnouncement>,
}

/// One Kubernetes cluster that a service serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeAnnouncement {
    /// Its name.
    pub name: KubeClusterName,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What could be read of the cluster's own identity: the first registration binds the name to it.
    #[serde(default)]
    pub identity: KubeIdentity,
}

/// What tells a Kubernetes cluster from every other, as far as a service could read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeIdentity {
    /// UID of the `kube-system` namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_system_uid: Option<String>,
    /// SHA-256 of the authorities of its API, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_authority: Option<String>,
}

impl KubeIdentity {
    /// Tells whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether this cannot be the other cluster: its UID differs or, where one of them is not known, its authority.
    ///
    /// An authority alone may change when it is renewed, so an equal UID outweighs it.
    pub fn contradicts(&self, other: &Self) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| Some(a.as_ref()? != b.as_ref()?);
        differ(&self.kube_system_uid, &other.kube_system_uid)
            .or_else(|| differ(&self.api_authority, &other.api_authority))
            .unwrap_or(false)
    }

    /// Returns what both know together, the newer word first.
    #[must_use]
    pub fn updated_by(&self, newer: &Self) -> Self {
        Self {
            kube_system_uid: newer.kube_system_uid.clone().or_else(|| self.kube_system_uid.clone()),
            api_authority: newer.api_authority.clone().or_else(|| self.api_authority.clone()),
        }
    }
}

/// Answer of the heartbeat: a refused name is served by nobody from this service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// Names refused, with the reason.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
}

/// How long an announcement holds without a new one.
pub const HEARTBEAT_TTL: std::time::Duration = std::time::Duration::from_secs(60);

/// How often the watch says that it is alive.
pub const WATCH_PULSE: std::time::Duration = std::time::Duration::from_secs(5);

/// One line of `GET /v1/watch` (NDJSON): first every current document, then `ready`, then changes and pulses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WatchEvent {
    /// A document is now this.
    Put {
        /// `role`, `lock`, `cluster_auth_preference`, `kube_server`.
        kind: String,
        /// Its name.
        name: String,
        /// The document as stored.
        resource: Value,
    },
    /// A document is gone.
    Delete {
        /// As in `put`.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The CAs are now these.
    Cas(CaBundle),
    /// The first list is complete; everything before it replaces what the watcher knew.
    Ready,
    /// Nothing new, and auth is alive.
    Pulse,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uid: Option<&str>, authority: Option<&str>) -> KubeIdentity {
        KubeIdentity { kube_system_uid: uid.map(str::to_owned), api_authority: authority.map(str::to_owned) }
    }

    #[test]
    fn only_what_both_know_can_contradict_and_the_uid_outweighs_the_authority() {
        let bound = identity(Some("u"), Some("a"));
        for (shown, contradicts) in [
            (identity(Some("u"), Some("a")), false),
            (identity(Some("u"), Some("renewed")), false),
            (identity(Some("other"), Some("a")), true),
            (identity(None, Some("a")), false),
            (identity(None, Some("other")), true),
            (identity(None, None), false),
        ] {
            assert_eq!(shown.contradicts(&bound), contradicts, "{shown:?}");
            assert_eq!(bound.contradicts(&shown), contradicts, "{shown:?}");
        }
        assert_eq!(identity(None, Some("a")).updated_by(&identity(Some("u"), None)), bound);
    }
}
