//! The event catalogue: what can be said in the audit log, and under which names.
//!
//! Whoever does something that must be known makes an [`Event`] and hands it to the [`crate::Emitter`], which adds
//! time, id, cluster and server and writes it. Types, codes and field names are public contract: golden files hold
//! them (`tests/golden`).

mod body;
mod code;
mod common;

pub use body::{
    AuthAttempt, Body, CertCreate, CertIdentity, CertType, ClientDisconnect, Exec, InstanceJoin, JoinTokenCreate,
    KubeClusterChange, KubePod, KubeRequest, KubeTarget, LockChange, LoginMethod, Port, RoleChange, SessionEnd,
    SessionRejected, SessionStart, SettingChange, UserChange, UserLogin,
};
pub(crate) use code::{Codes, failed_code};
pub use common::{Common, Outcome, Protocol, SessionId, UserKind};

use std::net::SocketAddr;

use teleport_types::{ServiceIdentity, UserIdentity, UserName};

/// One thing that happened, or is about to.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The fields that every event may have.
    pub common: Common,
    /// What happened, with the fields of that type.
    pub body: Body,
}

/// Whether an event may use the space kept back for a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Work that is refused when the audit storage is full.
    Normal,
    /// What an administrator needs to get in and make room: a login that succeeds, and the local admin tool.
    Essential,
}

impl Event {
    /// Makes an event that names nobody yet.
    pub fn new(body: Body) -> Self {
        Self { common: Common::default(), body }
    }

    /// Names the user who acts, with the roles and the login of their certificate.
    pub fn by(mut self, identity: &UserIdentity) -> Self {
        self.common.user = Some(identity.user.to_string());
        self.common.user_kind = Some(UserKind::Human);
        self.common.user_cluster_name = Some(identity.cluster.clone());
        self.common.user_roles = identity.roles.clone();
        self.common.login_session = Some(identity.session);
        self
    }

    /// Names the user who acts, when no certificate speaks for them yet.
    pub fn by_user(mut self, user: &UserName) -> Self {
        self.common.user = Some(user.to_string());
        self.common.user_kind = Some(UserKind::Human);
        self
    }

    /// Notes the name somebody claimed without proving it; it may hold anything.
    pub fn by_claimed(mut self, user: &str) -> Self {
        self.common.user = Some(user.to_owned());
        self
    }

    /// Names the service that acts.
    pub fn by_service(mut self, identity: &ServiceIdentity) -> Self {
        self.common.user = Some(identity.id.to_string());
        self.common.user_kind = Some(UserKind::Service);
        self.common.user_cluster_name = Some(identity.cluster.clone());
        self
    }

    /// Names the local admin tool, run by the account with this uid.
    pub fn by_local(mut self, uid: u32) -> Self {
        self.common.user_kind = Some(UserKind::Local);
        self.common.local_uid = Some(uid);
        self
    }

    /// Notes where the request came from.
    pub fn remote(mut self, addr: SocketAddr) -> Self {
        self.common.remote_addr = Some(addr);
        self
    }

    /// Notes the session the event belongs to.
    pub fn session(mut self, id: SessionId) -> Self {
        self.common.sid = Some(id);
        self
    }

    /// Notes over which protocol it happened.
    pub fn proto(mut self, proto: Protocol) -> Self {
        self.common.proto = Some(proto);
        self
    }

    /// Marks the event as a success.
    pub fn succeeded(mut self) -> Self {
        self.common.success = Some(true);
        self
    }

    /// Marks the event as a failure; `error` is for the log, not for the client.
    pub fn failed(mut self, error: impl Into<String>) -> Self {
        self.common.success = Some(false);
        self.common.error = Some(error.into());
        self
    }

    /// Adds a sentence for the reader of the log.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.common.message = Some(message.into());
        self
    }

    /// Returns the event type, as `kube.request`.
    pub fn kind(&self) -> &'static str {
        self.body.kind()
    }

    /// Returns the event code, as `T3009I`; failures have another one than successes.
    pub fn code(&self) -> &'static str {
        self.codes().of(self.common.success)
    }

    /// Tells whether the event may use the space kept back for a full disk.
    ///
    /// A failed login may not: anybody can make those, and would use up the reserve.
    pub fn priority(&self) -> Priority {
        let login = matches!(self.body, Body::UserLogin(_) | Body::CertCreate(_));
        let essential = (login && self.common.success != Some(false)) || self.common.local_uid.is_some();
        if essential { Priority::Essential } else { Priority::Normal }
    }

    pub(crate) fn codes(&self) -> Codes {
        Codes::of_body(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_logins_cannot_eat_the_reserve() {
        let login = || Event::new(Body::UserLogin(UserLogin::local()));
        assert_eq!(login().succeeded().priority(), Priority::Essential);
        assert_eq!(login().failed("wrong password").priority(), Priority::Normal);
    }

    #[test]
    fn the_local_admin_may_use_the_reserve() {
        let event = Event::new(Body::LockDeleted(LockChange::named("a")));
        assert_eq!(event.clone().priority(), Priority::Normal);
        assert_eq!(event.by_local(0).priority(), Priority::Essential);
    }
}
