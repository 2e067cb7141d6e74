//! Refusals in Kubernetes' own wording, with our reason behind it.

use std::fmt;

use crate::{
    KubeClusterName,
    access::{Denied, DeniedObject},
    kube_action::{ApiVerb, KubeAction, KubeScope},
};

/// Why an action is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NoRule,
    DenyRule,
    NeedsFilter,
    NeedsName,
    NotInNamespace,
    Path,
    NoUser,
}

impl Reason {
    fn client(self) -> &'static str {
        match self {
            Self::NoRule => "no Teleport role allows it",
            Self::DenyRule => "a Teleport role denies it",
            Self::NeedsFilter => {
                "Teleport roles allow a part of these objects, and a list cannot be filtered to that part yet; ask for one \
                 object by name, or for a namespace that is allowed as a whole"
            }
            Self::NeedsName => {
                "Teleport roles decide this by the object's name, which is not in the path; a role that allows every name \
                 is needed"
            }
            Self::NotInNamespace => "objects of this kind are not in a namespace",
            Self::Path => "Teleport roles cannot allow this path; discovery and health paths are open",
            Self::NoUser => "a Teleport role denies every Kubernetes user this could be done as",
        }
    }
}

/// For the log: why, in a few words.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no role allows it",
            Self::DenyRule => "a role denies it",
            Self::NeedsFilter => "roles allow a part of the objects, and lists are not filtered yet",
            Self::NeedsName => "roles decide by a name that is not in the path",
            Self::NotInNamespace => "the kind is not namespaced",
            Self::Path => "roles cannot allow this path",
            Self::NoUser => "a role denies every Kubernetes user",
        })
    }
}

/// Says that a cluster is not to be seen.
pub(super) fn no_cluster(user: &str, cluster: &KubeClusterName, why: &str) -> Denied {
    Denied {
        client: format!(
            "User {user:?} cannot access Kubernetes cluster {:?}: no Teleport role allows it",
            cluster.as_str()
        ),
        log: format!("user {user:?} has no access to Kubernetes cluster {:?}: {why}", cluster.as_str()),
        object: None,
    }
}

/// Says that an action is not allowed; the client's text begins as Kubernetes' own refusals do.
pub(super) fn forbidden(
    user: &str,
    cluster: &KubeClusterName,
    action: &KubeAction,
    reason: Reason,
    roles: &str,
) -> Denied {
    let (what, object) = match &action.scope {
        KubeScope::NonResource { path } => {
            (format!("forbidden: User {user:?} cannot {} path {path:?}", action.verb), None)
        }
        KubeScope::Resource(resource) => {
            let qualified = match resource.group.as_str() {
                "" => resource.resource.clone(),
                group => format!("{}.{group}", resource.resource),
            };
            let named = if resource.name.is_empty() { qualified } else { format!("{qualified} {:?}", resource.name) };
            let kind = match resource.subresource.as_str() {
                "" => resource.resource.clone(),
                subresource => format!("{}/{subresource}", resource.resource),
            };
            let place = match resource.namespace.as_str() {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            let text = format!(
                "{named} is forbidden: User {user:?} cannot {} resource {kind:?} in API group {:?} {place}",
                verb_of_kubernetes(action.verb),
                resource.group
            );
            let object = DeniedObject {
                group: resource.group.clone(),
                kind: resource.resource.clone(),
                name: resource.name.clone(),
            };
            (text, Some(object))
        }
    };
    Denied {
        client: format!("{what}: {}", reason.client()),
        log: format!("{what} in Kubernetes cluster {:?} with roles [{roles}]: {reason}", cluster.as_str()),
        object,
    }
}

/// Kubernetes knows streams as the creation of a subresource.
fn verb_of_kubernetes(verb: ApiVerb) -> &'static str {
    match verb {
        ApiVerb::Exec | ApiVerb::PortForward => "create",
        other => other.as_str(),
    }
}
