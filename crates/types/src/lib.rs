//! What the policy language can say: names, identity, roles, traits, labels, locks, resources and pure decisions.
//!
//! No I/O, no clock, no async: every function here gives the same answer to the same question, on every machine.

pub mod identity;
pub mod names;
pub mod resource;
pub mod sni;
pub mod traits;

pub use identity::{Identity, LoginSession, ServiceIdentity, ServiceKind, UserIdentity};
pub use names::{ClusterName, InvalidName, KubeClusterName, RoleName, ServiceId, UserName};
pub use resource::{Metadata, Resource};
pub use traits::Traits;
