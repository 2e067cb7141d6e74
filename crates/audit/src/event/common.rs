//! The fields that every event may have.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};
use teleport_types::{ClusterName, LoginSession, RoleName};

/// The common fields an emitting service knows; time, id, cluster and server are the emitter's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Common {
    /// Who acts. For a failed login this is what was typed, so it may hold anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What kind of actor that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_kind: Option<UserKind>,
    /// The cluster that issued the actor's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_cluster_name: Option<ClusterName>,
    /// The roles in the actor's certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_roles: Vec<RoleName>,
    /// The login that the certificate comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_session: Option<LoginSession>,
    /// The uid of the account that ran the local admin tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_uid: Option<u32>,
    /// Where the request came from.
    #[serde(rename = "addr.remote", skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<SocketAddr>,
    /// Over which protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<Protocol>,
    /// The session (exec, attach, shell) the event belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// Whether it worked; absent while it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// Why it did not work, in words for the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A sentence for the reader of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What kind of actor a user name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserKind {
    /// A person, or an automation with a user's certificate.
    Human,
    /// A service of the cluster; the name is its id.
    Service,
    /// The local admin tool; `local_uid` says who ran it.
    Local,
}

/// The protocol something happened over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Kubernetes.
    Kube,
    /// SSH.
    Ssh,
}

/// How far something got, when it did not end by itself. In the log it is the field `outcome`, absent otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Opened, and not closed yet as far as the store knows.
    InProgress,
    /// Given up before its end, or cut by a crash of the service.
    Interrupted,
}

/// The id of one interactive session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(uuid::Uuid);

impl SessionId {
    /// Makes a new id.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
