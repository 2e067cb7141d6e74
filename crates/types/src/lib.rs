//! What the policy language can say: names, identity, roles, traits, labels, locks, resources and pure decisions.
//!
//! No I/O, no clock, no async: every function here gives the same answer to the same question, on every machine.

pub mod access;
pub mod auth_preference;
pub mod document;
pub mod duration;
pub mod identity;
pub mod kube_action;
pub mod kube_cluster;
pub mod kube_warning;
pub mod labels;
pub mod lock;
pub mod names;
pub mod resource;
pub mod role;
pub mod sni;
pub mod template;
pub mod token;
pub mod traits;
pub mod user;
pub mod yaml;

pub use auth_preference::AuthPreference;
pub use document::{AnyResource, Document, InvalidResource, Kind};
pub use duration::Span;
pub use identity::{Identity, LoginSession, ServiceIdentity, ServiceKind, UserIdentity};
pub use kube_action::KubeAction;
pub use kube_cluster::KubeCluster;
pub use labels::Labels;
pub use lock::Lock;
pub use names::{ClusterName, InvalidName, KubeClusterName, RoleName, ServiceId, UserName};
pub use resource::{Metadata, Resource};
pub use role::{Role, RolePolicy};
pub use token::Token;
pub use traits::Traits;
pub use user::User;
