//! The `lock` document (v2): takes access away at once, from running connections too.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{KubeClusterName, LoginSession, Resource, RoleName, ServiceId, UserIdentity, UserName};

/// A lock document.
pub type Lock = Resource<LockSpec>;

/// Whom a lock stops, why and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockSpec {
    /// Whom it stops.
    pub target: LockTarget,
    /// Shown to who is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the lock ends; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When set, only logins before this moment are stopped: the user may log in again. Deleting a user, shrinking their
    /// roles and logging out write such locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<Timestamp>,
}

/// Whom a lock stops: every field that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockTarget {
    /// A user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// Everyone who holds a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// One login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_session: Option<LoginSession>,
    /// One Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_cluster: Option<KubeClusterName>,
    /// One service of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<ServiceId>,
}

impl LockTarget {
    /// Tells whether no field is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who asks for what through which service, as far as locks distinguish.
#[derive(Clone, Copy, Debug)]
pub struct LockQuestion<'a> {
    /// Who asks.
    pub user: &'a UserIdentity,
    /// The Kubernetes cluster asked for.
    pub kube_cluster: Option<&'a KubeClusterName>,
    /// The service that is asked.
    pub service: Option<&'a ServiceId>,
    /// The present.
    pub now: Timestamp,
}

impl LockSpec {
    /// Tells whether the lock stops this.
    pub fn applies_to(&self, question: &LockQuestion<'_>) -> bool {
        let LockQuestion { user, kube_cluster, service, now } = *question;
        let LockTarget { user: name, role, login_session, kube_cluster: cluster, server_id } = &self.target;
        !self.target.is_empty()
            && self.expires.is_none_or(|expires| now < expires)
            && self.issued_before.is_none_or(|moment| user.login_time < moment)
            && name.as_ref().is_none_or(|name| *name == user.user)
            && role.as_ref().is_none_or(|role| user.roles.contains(role))
            && login_session.is_none_or(|session| session == user.session)
            && cluster.as_ref().is_none_or(|cluster| Some(cluster) == kube_cluster)
            && server_id.as_ref().is_none_or(|id| Some(id) == service)
    }

    /// Returns what the stopped user is told.
    pub fn client_text(&self) -> String {
        match (&self.message, self.issued_before) {
            (Some(message), _) => format!("access is locked: {message}"),
            (None, Some(_)) => "this login has been ended; log in again with tsh login".to_owned(),
            (None, None) => "access is locked; ask an administrator".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterName, Traits};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn every_field_that_is_set_must_hold() {
        let session = LoginSession::random();
        let user = UserIdentity {
            user: UserName::parse("alice").expect("a name"),
            session,
            login_time: at(100),
            roles: vec![RoleName::parse("dev").expect("a name")],
            traits: Traits::default(),
            cluster: ClusterName::parse("main").expect("a name"),
            kube_cluster: None,
            login_ip: None,
            mfa: false,
            renewable: false,
        };
        let east = KubeClusterName::parse("east").expect("a name");
        let question = LockQuestion { user: &user, kube_cluster: Some(&east), service: None, now: at(1000) };
        let rows = [
            (r#"{"target":{"user":"alice"}}"#.to_owned(), true),
            (r#"{"target":{"user":"bob"}}"#.to_owned(), false),
            (r#"{"target":{"role":"dev"}}"#.to_owned(), true),
            (r#"{"target":{"user":"alice","role":"ops"}}"#.to_owned(), false),
            (r#"{"target":{"kube_cluster":"east"}}"#.to_owned(), true),
            (r#"{"target":{"kube_cluster":"west"}}"#.to_owned(), false),
            (format!(r#"{{"target":{{"login_session":"{session}"}}}}"#), true),
            (format!(r#"{{"target":{{"login_session":"{}"}}}}"#, LoginSession::random()), false),
            (format!(r#"{{"target":{{"server_id":"{}"}}}}"#, ServiceId::random()), false),
            (r#"{"target":{"user":"alice"},"expires":"1970-01-01T00:16:40Z"}"#.to_owned(), false),
            (r#"{"target":{"user":"alice"},"expires":"1970-01-01T00:16:41Z"}"#.to_owned(), true),
            (r#"{"target":{"user":"alice"},"issued_before":"1970-01-01T00:01:41Z"}"#.to_owned(), true),
            (r#"{"target":{"user":"alice"},"issued_before":"1970-01-01T00:01:40Z"}"#.to_owned(), false),
            (r#"{"target":{}}"#.to_owned(), false),
        ];
        for (spec, applies) in rows {
            let lock: LockSpec = serde_json::from_str(&spec).expect("a lock");
            assert_eq!(lock.applies_to(&question), applies, "{spec}");
        }
    }
}
