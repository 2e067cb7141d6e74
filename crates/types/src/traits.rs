//! Traits: what is known of a user, as lists of texts by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named lists of values: `logins`, `kubernetes_groups`, `kubernetes_users` and anything an identity provider says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Traits(pub BTreeMap<String, Vec<String>>);

impl Traits {
    /// Returns the values of a trait, none when it is not set.
    pub fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Tells whether every value of `self` is also in `other`.
    pub fn within(&self, other: &Traits) -> bool {
        self.0.iter().all(|(name, values)| values.iter().all(|value| other.values(name).contains(value)))
    }
}
