//! The `user` document (v2): roles and traits of a local user. Passwords are kept apart by the auth service.

use serde::{Deserialize, Serialize};

use crate::{Resource, RoleName, Traits};

/// A user document.
pub type User = Resource<UserSpec>;

/// What a user holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// Roles, by name.
    pub roles: Vec<RoleName>,
    /// Traits, for the templates in roles.
    #[serde(default, skip_serializing_if = "no_traits")]
    pub traits: Traits,
}

fn no_traits(traits: &Traits) -> bool {
    traits.0.is_empty()
}
