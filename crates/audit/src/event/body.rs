//! The payload of each event type.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use teleport_types::{ClusterName, KubeClusterName, RoleName, ServiceId, ServiceKind, UserName};

use crate::json::Millis;

macro_rules! bodies {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $kind:literal,)*) => {
        /// What happened.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "event")]
        #[non_exhaustive]
        pub enum Body {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($payload),)*
        }

        impl Body {
            /// Returns the event type, as `kube.request`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            /// Every event type there is.
            pub const KINDS: &[&str] = &[$($kind),*];
        }
    };
}

bodies! {
    /// Somebody logged in, or tried to.
    UserLogin(UserLogin) = "user.login",
    /// A user was made.
    UserCreate(UserChange) = "user.create",
    /// A user was changed.
    UserUpdate(UserChange) = "user.update",
    /// A user was removed.
    UserDelete(UserChange) = "user.delete",
    /// A password was set.
    UserPasswordChange(UserChange) = "user.password_change",
    /// A certificate was signed.
    CertCreate(CertCreate) = "cert.create",
    /// A request to a Kubernetes API.
    KubeRequest(KubeRequest) = "kube.request",
    /// A command in a container.
    Exec(Exec) = "exec",
    /// A port forward.
    Port(Port) = "port",
    /// A session began.
    SessionStart(SessionStart) = "session.start",
    /// A session ended.
    SessionEnd(SessionEnd) = "session.end",
    /// A session was not allowed to begin because of a limit.
    SessionRejected(SessionRejected) = "session.rejected",
    /// A live connection was cut by us.
    ClientDisconnect(ClientDisconnect) = "client.disconnect",
    /// An attempt to authenticate failed before anybody was known; `error` says why.
    Auth(AuthAttempt) = "auth",
    /// A role was made.
    RoleCreated(RoleChange) = "role.created",
    /// A role was changed.
    RoleUpdated(RoleChange) = "role.updated",
    /// A role was removed.
    RoleDeleted(RoleChange) = "role.deleted",
    /// A lock was set.
    LockCreated(LockChange) = "lock.created",
    /// A lock was lifted.
    LockDeleted(LockChange) = "lock.deleted",
    /// A join token was made.
    JoinTokenCreate(JoinTokenCreate) = "join_token.create",
    /// A service joined, or tried to.
    InstanceJoin(InstanceJoin) = "instance.join",
    /// A Kubernetes cluster was registered.
    KubeCreate(KubeClusterChange) = "kube.create",
    /// The registration of a Kubernetes cluster changed.
    KubeUpdate(KubeClusterChange) = "kube.update",
    /// The registration of a Kubernetes cluster was removed.
    KubeDelete(KubeClusterChange) = "kube.delete",
    /// The cluster's authentication settings changed.
    AuthPreferenceUpdate(SettingChange) = "auth_preference.update",
}

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginMethod {
    /// Name and password.
    Local,
    /// An OpenID provider.
    Oidc,
    /// A SAML provider.
    Saml,
    /// GitHub.
    Github,
}

/// `user.login`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UserLogin {
    /// How.
    pub method: LoginMethod,
    /// The claims of the identity provider, without its tokens.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// The client program, as it names itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl UserLogin {
    /// Makes the payload of a login with name and password.
    pub fn local() -> Self {
        Self { method: LoginMethod::Local, attributes: Map::new(), user_agent: None }
    }
}

/// `user.create`, `user.update`, `user.delete`, `user.password_change`: which user, never a secret of theirs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UserChange {
    /// The user that was changed; who did it is in the common field `user`.
    pub name: UserName,
    /// The roles the user has now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// The connector the user comes from, `local` for our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// When the user ends.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "Millis::option")]
    pub expires: Option<Timestamp>,
}

impl UserChange {
    /// Makes a payload with only the name.
    pub fn named(name: UserName) -> Self {
        Self { name, roles: Vec::new(), connector: None, expires: None }
    }
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CertType {
    /// A user's.
    User,
    /// A service's.
    Host,
}

/// `cert.create`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertCreate {
    /// What it is for.
    pub cert_type: CertType,
    /// Whom it speaks for.
    pub identity: CertIdentity,
}

/// What stands in an issued certificate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertIdentity {
    /// The user, or the id of the service.
    pub user: String,
    /// Role names of a user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// What a service may act as.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_roles: Vec<ServiceKind>,
    /// The one Kubernetes cluster it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_cluster: Option<KubeClusterName>,
    /// The cluster it leads to, when not the one that issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_to_cluster: Option<ClusterName>,
    /// The cluster that issued it.
    pub teleport_cluster: ClusterName,
    /// When it ends.
    #[serde(serialize_with = "Millis::plain")]
    pub expires: Timestamp,
    /// Where the login came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
}

/// The Kubernetes cluster, and as whom the request goes there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KubeTarget {
    /// The cluster's name.
    pub kubernetes_cluster: KubeClusterName,
    /// The user that is impersonated; empty until it is decided, and in a refusal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubernetes_users: Vec<String>,
    /// The groups that are impersonated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubernetes_groups: Vec<String>,
    /// The cluster's labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kubernetes_labels: BTreeMap<String, String>,
}

impl KubeTarget {
    /// Makes a target of which only the name is known.
    pub fn named(kubernetes_cluster: KubeClusterName) -> Self {
        let (kubernetes_users, kubernetes_groups) = (Vec::new(), Vec::new());
        Self { kubernetes_cluster, kubernetes_users, kubernetes_groups, kubernetes_labels: BTreeMap::new() }
    }
}

/// The container something runs in, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KubePod {
    /// The pod.
    #[serde(rename = "kubernetes_pod_name", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its namespace.
    #[serde(rename = "kubernetes_pod_namespace", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The container.
    #[serde(rename = "kubernetes_container_name", skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The container's image.
    #[serde(rename = "kubernetes_container_image", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The node it runs on.
    #[serde(rename = "kubernetes_node_name", skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// `kube.request`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KubeRequest {
    /// The cluster, and as whom.
    #[serde(flatten)]
    pub target: KubeTarget,
    /// The path, without the query (which can carry commands and secrets).
    pub request_path: String,
    /// The HTTP method.
    pub verb: String,
    /// The HTTP status that was answered; known when the request is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<u16>,
    /// The API group of the resource, empty for the core group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_api_group: Option<String>,
    /// The namespace of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_namespace: Option<String>,
    /// The kind of the resource, as `pods` or `pods/log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_kind: Option<String>,
    /// The name of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
}

/// `exec`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exec {
    /// The cluster, and as whom.
    #[serde(flatten)]
    pub target: KubeTarget,
    /// The container.
    #[serde(flatten)]
    pub pod: KubePod,
    /// The command line.
    pub command: String,
    /// The exit code; known when the command has ended.
    #[serde(rename = "exitCode", skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why there is no exit code, or what the far side said.
    #[serde(rename = "exitError", skip_serializing_if = "Option::is_none")]
    pub exit_error: Option<String>,
}

/// `port`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Port {
    /// The cluster, and as whom.
    #[serde(flatten)]
    pub target: KubeTarget,
    /// The pod.
    #[serde(flatten)]
    pub pod: KubePod,
    /// Where the forward leads, as `pod:port`.
    pub addr: String,
}

/// `session.start`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionStart {
    /// The cluster, and as whom.
    #[serde(flatten)]
    pub target: KubeTarget,
    /// The container.
    #[serde(flatten)]
    pub pod: KubePod,
    /// The terminal's size as `80:24`; absent without a terminal.
    #[serde(rename = "size", skip_serializing_if = "Option::is_none")]
    pub terminal_size: Option<String>,
    /// The command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initial_command: Vec<String>,
    /// How the session is recorded, `off` when it is not.
    pub session_recording: String,
    /// Why, as the user says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `session.end`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionEnd {
    /// The cluster, and as whom.
    #[serde(flatten)]
    pub target: KubeTarget,
    /// The container.
    #[serde(flatten)]
    pub pod: KubePod,
    /// The users who took part.
    pub participants: Vec<String>,
    /// Whether there was a terminal.
    pub interactive: bool,
    /// The command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initial_command: Vec<String>,
    /// How the session was recorded, `off` when it was not.
    pub session_recording: String,
    /// When it began.
    #[serde(serialize_with = "Millis::plain")]
    pub session_start: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "Millis::plain")]
    pub session_stop: Timestamp,
}

/// `session.rejected`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionRejected {
    /// Which limit was hit.
    pub reason: String,
    /// The limit.
    #[serde(rename = "max")]
    pub maximum: u64,
}

/// `client.disconnect`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientDisconnect {
    /// Why we cut the connection.
    pub reason: String,
    /// The Kubernetes cluster it led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_cluster: Option<KubeClusterName>,
}

/// `auth`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AuthAttempt {
    /// What was asked for: a server name or a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// `role.created`, `role.updated`, `role.deleted`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoleChange {
    /// The role.
    pub name: RoleName,
    /// Who changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
}

/// `lock.created`, `lock.deleted`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LockChange {
    /// The lock's name.
    pub name: String,
    /// Whom it locks, as `{"user": "alice"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub target: BTreeMap<String, String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "Millis::option")]
    pub expires: Option<Timestamp>,
}

impl LockChange {
    /// Makes a payload with only the name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), target: BTreeMap::new(), expires: None }
    }
}

/// `join_token.create`. The token itself is a secret and never stands here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JoinTokenCreate {
    /// What tells this token from others without revealing it.
    pub name: String,
    /// What a holder may join as.
    pub roles: Vec<ServiceKind>,
    /// How it is used.
    pub join_method: String,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "Millis::option")]
    pub expires: Option<Timestamp>,
}

/// `instance.join`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceJoin {
    /// How it joined.
    pub method: String,
    /// What tells the token that was used from others, without revealing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_name: Option<String>,
    /// The host's name, as it says itself.
    pub node_name: String,
    /// What it joined as.
    pub role: Vec<ServiceKind>,
    /// The id it got; none when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_id: Option<ServiceId>,
}

/// `kube.create`, `kube.update`, `kube.delete`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KubeClusterChange {
    /// The Kubernetes cluster.
    pub name: KubeClusterName,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kube_labels: BTreeMap<String, String>,
}

/// `auth_preference.update`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SettingChange {
    /// Who changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
}
