//! The `cluster_auth_preference` document (v2): how people log in, and for how long.

use serde::{Deserialize, Serialize};

use crate::{Resource, duration::Span};

/// The cluster's login settings; there is one, named `cluster-auth-preference`.
pub type AuthPreference = Resource<AuthPreferenceSpec>;

/// The name of the one such document.
pub const AUTH_PREFERENCE_NAME: &str = "cluster-auth-preference";

/// How people log in, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthPreferenceSpec {
    /// The default way to log in.
    #[serde(rename = "type")]
    pub kind: AuthType,
    /// How long a login lasts when neither the user nor a role says.
    pub default_session_ttl: Span,
    /// What services do when they have not heard of locks for long.
    pub locking_mode: LockingMode,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// With a password kept by the auth service.
    #[default]
    Local,
}

/// What services do when they have not heard of locks for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockingMode {
    /// Refuse everyone.
    Strict,
    /// Go on with the locks last seen.
    #[default]
    BestEffort,
}

impl Default for AuthPreferenceSpec {
    fn default() -> Self {
        Self {
            kind: AuthType::Local,
            default_session_ttl: Span::new(std::time::Duration::from_secs(12 * 3600)),
            locking_mode: LockingMode::BestEffort,
        }
    }
}
