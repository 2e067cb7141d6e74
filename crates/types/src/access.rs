//! Decisions: what a user's roles, as they are now, allow.
//!
//! Services decide each request anew from the identity in the certificate and the roles of the current snapshot.

pub mod impersonation;
pub mod kube;
pub mod scope;

use std::{collections::HashMap, sync::Arc};

use crate::{
    Labels, RoleName, RolePolicy, Span, UserIdentity,
    role::{RuleResource, RuleVerb},
};

/// The roles there are; `None` for one that this version cannot read whole.
pub type RoleMap = HashMap<RoleName, Option<Arc<RolePolicy>>>;

/// A user with their roles as they are now.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Who it is.
    pub user: &'a UserIdentity,
    roles: Vec<Arc<RolePolicy>>,
}

/// A user holds a role that this version cannot read whole: what it denies is not known, so everything is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the role {role} cannot be read by this version")]
pub struct UnreadableRole {
    /// Which role.
    pub role: RoleName,
}

impl<'a> Subject<'a> {
    /// Looks up the roles of a user; one that no longer exists gives nothing.
    ///
    /// # Errors
    /// When a role of the user cannot be read whole.
    pub fn new(user: &'a UserIdentity, roles: &RoleMap) -> Result<Self, UnreadableRole> {
        let mut held = Vec::with_capacity(user.roles.len());
        for name in &user.roles {
            match roles.get(name) {
                Some(Some(role)) => held.push(Arc::clone(role)),
                Some(None) => return Err(UnreadableRole { role: name.clone() }),
                None => {}
            }
        }
        Ok(Self { user, roles: held })
    }

    /// Returns the roles that exist.
    pub fn roles(&self) -> &[Arc<RolePolicy>] {
        &self.roles
    }

    /// Returns the shortest `max_session_ttl` over all roles.
    pub fn max_session_ttl(&self) -> Option<Span> {
        self.roles.iter().filter_map(|role| role.max_session_ttl).min()
    }

    /// Tells whether the user may do this with a kind of Teleport's own objects.
    pub fn may(&self, resource: RuleResource, verb: RuleVerb) -> bool {
        self.roles.iter().any(|role| role.allow.has_rule(resource, verb))
            && !self.roles.iter().any(|role| role.deny.has_rule(resource, verb))
    }

    /// Tells whether the user may know of a Kubernetes cluster with these labels.
    pub fn sees_cluster(&self, labels: &Labels) -> bool {
        let traits = &self.user.traits;
        self.roles.iter().any(|role| role.opens(labels, traits))
            && !self.roles.iter().any(|role| role.deny.kubernetes_labels.any(labels, traits))
    }

    /// Returns the Kubernetes users, groups and OS logins over all roles, for people to read: no cluster is asked for.
    pub fn principals(&self) -> SubjectPrincipals {
        let traits = &self.user.traits;
        let mut all = SubjectPrincipals::default();
        for role in &self.roles {
            all.users.extend(role.principals.users.iter().flat_map(|p| p.expand(traits)));
            all.groups.extend(role.principals.groups.iter().flat_map(|p| p.expand(traits)));
            all.logins.extend(role.principals.logins.iter().flat_map(|p| p.expand(traits)));
        }
        for role in &self.roles {
            let denied = &role.denied_principals;
            all.users.retain(|name| !denied.users.iter().any(|d| d.matches(name, traits)));
            all.groups.retain(|name| !denied.groups.iter().any(|d| d.matches(name, traits)));
            all.logins.retain(|name| !denied.logins.iter().any(|d| d.matches(name, traits)));
        }
        for names in [&mut all.users, &mut all.groups, &mut all.logins] {
            names.sort();
            names.dedup();
        }
        all
    }
}

/// Names a user may act as, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectPrincipals {
    /// Kubernetes users; when there is none, the user's own name serves.
    pub users: Vec<String>,
    /// Kubernetes groups, without `system:authenticated`.
    pub groups: Vec<String>,
    /// OS logins.
    pub logins: Vec<String>,
}

/// A refusal, with a text for who asked and one for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{log}")]
pub struct Denied {
    /// What the client may know.
    pub client: String,
    /// What the log needs.
    pub log: String,
    /// Group, kind and name of the object asked for, for the details of a Kubernetes `Status`.
    pub object: Option<DeniedObject>,
}

/// The object of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedObject {
    /// The API group.
    pub group: String,
    /// The plural name of the kind.
    pub kind: String,
    /// The name, empty for many.
    pub name: String,
}
