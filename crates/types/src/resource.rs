//! The envelope of every resource document: `kind`, `version`, `metadata`, `spec`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A resource document with a typed `spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource<S> {
    /// The kind, as in `tctl get KIND`.
    pub kind: String,
    /// A second level of kind, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_kind: Option<String>,
    /// Version of the shape of `spec`.
    pub version: String,
    /// Name, labels, expiry, revision.
    pub metadata: Metadata,
    /// What the resource says.
    pub spec: S,
}

/// Name, labels, expiry and revision of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Unique within the kind.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When the resource ceases to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Set by the store; an update that carries one must carry the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}
