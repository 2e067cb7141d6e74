//! A role in the form that decides.

use crate::{document::InvalidResource, role::Role};

/// A role, its patterns and templates parsed.
#[derive(Clone, Debug)]
pub struct RolePolicy {}

impl RolePolicy {
    /// Parses a role.
    ///
    /// # Errors
    /// Names the field.
    pub fn new(_role: &Role) -> Result<Self, InvalidResource> {
        Ok(Self {})
    }
}
