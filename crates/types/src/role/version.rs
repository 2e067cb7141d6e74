//! The versions of the `role` document: what each means by what it leaves out, and which objects it can name.
//!
//! A document keeps the meaning of its version, whichever it is. What `allow` leaves out:
//!
//! | version | no `kubernetes_labels` | no `kubernetes_resources` | other kinds than pods |
//! |---|---|---|---|
//! | v3 | every cluster | every pod | pass |
//! | v4, v5 | no cluster | every pod | pass |
//! | v6 | no cluster | no pod | pass |
//! | v7, v8 | no cluster | every object | as listed |
//!
//! v3 also means every SSH host by no `node_labels`, when it names `logins`. Before v7 a rule names pods and nothing else,
//! always with every verb: reading, changing, logs, `exec`, `attach`, `portforward`, `proxy`, eviction. Requests for other
//! kinds are left to the RBAC of the cluster. `deny` has no defaults in any version, and before v7 it can name pods alone.
//!
//! Where the sources differ or say little, the narrow reading holds:
//! - creating a pod counts as an action on pods, which needs a rule for every name in the namespace (the design note left
//!   it open, later releases looked into the body);
//! - a list or watch that would have to be filtered is refused, as in every version;
//! - kubelets behind the API server's proxy are reached by no role that cannot name the verb `proxy`;
//! - before v7 a role that names no Kubernetes user and no group gives nothing, so that a v3 role written for SSH hosts does
//!   not open every Kubernetes cluster to its holders under their own names;
//! - an empty `kubernetes_labels` is not an absent one: it matches no cluster. An empty `kubernetes_resources` is refused,
//!   except in v6, where empty and absent are the same.
//!
//! Sources: Teleport's role reference, "Role versions" (docs/pages/reference/resources.mdx), with the table of v5 to v8;
//! its RFD 101 (rfd/0101-pod-rbac.md), for v6 and the paths that are about pods; its pull requests "Add V4 Roles", for the
//! labels of v3, and "Add Role `v7`", for pods as the only kind before.

use crate::{
    InvalidResource, Kind,
    role::{Conditions, KubeVerb, KubernetesResource, LabelMap},
};

/// A version of the `role` document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V3,
    V4,
    V5,
    V6,
    V7,
    V8,
}

impl Version {
    const ALL: [Self; 6] = [Self::V3, Self::V4, Self::V5, Self::V6, Self::V7, Self::V8];

    /// Finds a version by its name.
    ///
    /// # Errors
    /// When there is none of the name.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidResource> {
        Kind::Role.check_version(text)?;
        let unknown = || InvalidResource::field("version", format!("there is no role of version {text:?}"));
        Self::ALL.into_iter().find(|version| version.as_str() == text).ok_or_else(unknown)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V4 => "v4",
            Self::V5 => "v5",
            Self::V6 => "v6",
            Self::V7 => "v7",
            Self::V8 => "v8",
        }
    }

    /// Tells whether rules are about pods alone, each with every verb, and other kinds pass.
    pub(super) fn is_about_pods(self) -> bool {
        self <= Self::V6
    }

    /// Fills in what `allow` leaves out.
    ///
    /// # Errors
    /// When `kubernetes_resources` is there and empty, and the version does not say what that means.
    pub(super) fn complete(self, allow: &Conditions) -> Result<Conditions, InvalidResource> {
        let mut allow = allow.clone();
        if self == Self::V3 {
            let everything = || LabelMap::from([("*", "*")]);
            allow.kubernetes_labels.get_or_insert_with(everything);
            if !allow.logins.is_empty() {
                allow.node_labels.get_or_insert_with(everything);
            }
        }
        match &allow.kubernetes_resources {
            None => allow.kubernetes_resources = Some(self.unlisted()),
            Some(listed) if listed.is_empty() && self != Self::V6 => {
                let reason = "an empty list is not clear; leave the field out for all objects, or list some";
                return Err(InvalidResource::field("spec.allow.kubernetes_resources", reason));
            }
            Some(_) => {}
        }
        Ok(allow)
    }

    /// Returns the rules that no `kubernetes_resources` means.
    fn unlisted(self) -> Vec<KubernetesResource> {
        let (kind, api_group) = match self {
            Self::V3 | Self::V4 | Self::V5 => ("pod", None),
            Self::V6 => return Vec::new(),
            Self::V7 => ("*", None),
            Self::V8 => ("*", Some("*".to_owned())),
        };
        let any = || "*".to_owned();
        let verbs = vec![KubeVerb::Any];
        vec![KubernetesResource { kind: kind.to_owned(), api_group, namespace: any(), name: any(), verbs }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_that_is_read_is_known() {
        for name in Kind::Role.versions() {
            assert_eq!(Version::parse(name).expect("known").as_str(), *name);
        }
        for name in ["v2", "v9", "", "V7", "v07"] {
            Version::parse(name).expect_err(name);
        }
    }
}
