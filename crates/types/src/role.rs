//! The `role` document (v3 to v8): what its holders may do. [`policy`] turns one into a form that decides.

pub mod kinds;
pub mod options;
pub mod policy;
mod version;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Resource;

pub use options::RoleOptions;
pub use policy::RolePolicy;

/// A role document.
pub type Role = Resource<RoleSpec>;

/// What a role says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSpec {
    /// Settings that are not about single requests.
    #[serde(default, skip_serializing_if = "RoleOptions::is_empty")]
    pub options: RoleOptions,
    /// What is allowed.
    #[serde(default)]
    pub allow: Conditions,
    /// What is denied, whatever any role allows.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub deny: Conditions,
}

/// One side of a role, `allow` or `deny`.
///
/// `logins` and `node_labels` are accepted and kept, and grant nothing yet: no service of the cluster offers SSH.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// OS logins on SSH hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<String>,
    /// SSH hosts, by label. Absent and empty differ in v3.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub node_labels: Option<LabelMap>,
    /// Kubernetes clusters, by label. Absent and empty differ in v3.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub kubernetes_labels: Option<LabelMap>,
    /// Kubernetes groups to act as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes_groups: Vec<String>,
    /// Kubernetes users to act as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes_users: Vec<String>,
    /// Objects in Kubernetes. Absent from `allow`: as the version says, all of them since v7.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub kubernetes_resources: Option<Vec<KubernetesResource>>,
    /// Teleport's own objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

impl Conditions {
    /// Tells whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A set of objects in Kubernetes and what may be done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesResource {
    /// Before v7: `pod`. v7: one of [`kinds::V7`]. v8: the plural name, as in `kubectl api-resources`. `*` is every kind.
    pub kind: String,
    /// v8 only, and required there: the API group, empty for the core group, `*` for every group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// Namespaces; empty for cluster-wide objects only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Names of the objects.
    pub name: String,
    /// What may be done with them. Before v7 it is always `*`, and may be left out.
    #[serde(default, deserialize_with = "at_least_one", skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<KubeVerb>,
}

/// What may be done with an object in Kubernetes, in the words of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubeVerb {
    /// Every verb, except [`KubeVerb::Proxy`] to kubelets.
    #[serde(rename = "*")]
    Any,
    /// Read one.
    Get,
    /// Read many.
    List,
    /// Make one.
    Create,
    /// Replace one.
    Update,
    /// Change one.
    Patch,
    /// Delete one.
    Delete,
    /// Delete many.
    DeleteCollection,
    /// Follow changes.
    Watch,
    /// Run a command in a container, or attach to one.
    Exec,
    /// Forward ports of a pod.
    PortForward,
    /// Speak to the object through the API server's proxy: arbitrary HTTP to pods, services and kubelets.
    Proxy,
}

/// Rights on Teleport's own objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Kinds of objects.
    pub resources: Vec<RuleResource>,
    /// What may be done with them.
    pub verbs: Vec<RuleVerb>,
}

/// A kind of Teleport's own objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleResource {
    /// Every kind.
    #[serde(rename = "*")]
    Any,
    /// Roles.
    Role,
    /// Users.
    User,
    /// Join tokens.
    Token,
    /// Locks.
    Lock,
    /// Kubernetes clusters.
    KubeCluster,
    /// The audit log.
    Event,
    /// Login settings.
    ClusterAuthPreference,
    /// Certificate authorities and signing for users.
    CertAuthority,
}

/// What may be done with Teleport's own objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleVerb {
    /// Every verb.
    #[serde(rename = "*")]
    Any,
    /// See which there are.
    List,
    /// Read one.
    Read,
    /// Make one.
    Create,
    /// Change one.
    Update,
    /// Delete one.
    Delete,
}

/// Label keys with the values that match, each one value or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabelMap(pub BTreeMap<String, OneOrMany>);

impl<const N: usize> From<[(&str, &str); N]> for LabelMap {
    fn from(labels: [(&str, &str); N]) -> Self {
        Self(labels.into_iter().map(|(key, value)| (key.to_owned(), OneOrMany(vec![value.to_owned()]))).collect())
    }
}

/// A list of texts, read from one text or a list, written as one text when there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl Serialize for OneOrMany {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text (in quotes when it looks like a number or a boolean) or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a field that is there; `null` is no way to leave it out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads the verbs of a rule: an empty list is not how a document leaves them out.
fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KubeVerb>, D::Error> {
    let verbs = Vec::deserialize(deserializer)?;
    if verbs.is_empty() {
        return Err(de::Error::custom("the verbs of a rule are empty: name at least one verb, or \"*\""));
    }
    Ok(verbs)
}
