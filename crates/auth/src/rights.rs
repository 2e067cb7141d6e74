//! Who asks, and what the rules of their roles let them do with the cluster's own objects.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use teleport_api::{ApiError, ErrorKind};
use teleport_audit::Event;
use teleport_types::{
    Kind, Lock, Role, RoleName, RolePolicy, ServiceId, ServiceIdentity, UserIdentity,
    access::{RoleMap, Subject},
    lock::{LockQuestion, LockTarget},
    role::{RuleResource, RuleVerb},
};

use crate::{auth::Core, error};

/// Who asks, for decisions and for the audit log.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) who: Who,
    pub(crate) address: Option<SocketAddr>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// Nobody has proved anything yet.
    Nobody,
    /// A user with a certificate.
    User(Box<UserIdentity>),
    /// A service with a certificate.
    Service(ServiceIdentity),
    /// The admin tool on this host, run by the account with this uid.
    Local(u32),
}

impl Actor {
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// Names the actor in an event.
    pub(crate) fn sign(&self, event: Event) -> Event {
        let event = match self.address {
            Some(address) => event.remote(address),
            None => event,
        };
        match &self.who {
            Who::Nobody => event,
            Who::User(identity) => event.by(identity),
            Who::Service(identity) => event.by_service(identity),
            Who::Local(uid) => event.by_local(*uid),
        }
    }

    /// Names the actor in a word, for the field `updated_by`.
    pub(crate) fn name(&self) -> String {
        match &self.who {
            Who::Nobody => "nobody".to_owned(),
            Who::User(identity) => identity.user.to_string(),
            Who::Service(identity) => identity.id.to_string(),
            Who::Local(uid) => format!("local uid {uid}"),
        }
    }
}

/// One of the cluster's own kinds of objects, and what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) resource: RuleResource,
    pub(crate) verb: RuleVerb,
}

/// Returns a user with the current form of the roles in their certificate.
pub(crate) async fn subject<'a>(core: &Core, user: &'a UserIdentity) -> Result<Subject<'a>, ApiError> {
    let mut known = RoleMap::new();
    for name in &user.roles {
        if let Some(value) = core.documents.value(Kind::Role, name.as_str()).await? {
            let policy = Role::from_value(value).and_then(|role| RolePolicy::new(&role));
            known.insert(name.clone(), policy.ok().map(Arc::new));
        }
    }
    Subject::new(user, &known).map_err(|unreadable| {
        ApiError::denied(unreadable.to_string()).hint("an administrator must write the role again")
    })
}

/// Refuses a user whose roles do not allow something.
pub(crate) async fn require(core: &Core, user: &UserIdentity, right: Right) -> Result<(), ApiError> {
    if subject(core, user).await?.may(right.resource, right.verb) {
        return Ok(());
    }
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let (verb, resource) = (word(serde_json::to_value(right.verb)), word(serde_json::to_value(right.resource)));
    Err(ApiError::denied(format!("user {} may not {verb} {resource}", user.user))
        .hint("a role grants it with a rule in spec.allow.rules"))
}

/// Reads the roles of that name that exist. One that cannot be read is an error, so its holders are refused.
pub(crate) async fn roles(core: &Core, names: &[RoleName]) -> Result<Vec<Role>, ApiError> {
    let mut roles = Vec::with_capacity(names.len());
    for name in names {
        roles.extend(core.documents.role(name).await?);
    }
    Ok(roles)
}

/// Refuses a user whom a lock stops now.
pub(crate) async fn refuse_locked_user(core: &Core, user: &UserIdentity) -> Result<(), ApiError> {
    let locks = core.documents.locks().await?;
    let question =
        LockQuestion { user, kube_cluster: user.kube_cluster.as_ref(), service: None, now: core.clock.now() };
    match locks.iter().find(|lock| lock.spec.applies_to(&question)) {
        Some(lock) if lock.spec.issued_before.is_some() => {
            Err(ApiError::unauthenticated("this login has been ended").hint("log in again with tsh login"))
        }
        Some(lock) => Err(ApiError::new(ErrorKind::Denied, lock.spec.client_text())),
        None => Ok(()),
    }
}

/// Refuses a service that a lock names, and nothing else.
pub(crate) async fn refuse_locked_service(core: &Core, id: &ServiceId) -> Result<(), ApiError> {
    let (locks, now) = (core.documents.locks().await?, core.clock.now());
    let target = LockTarget { server_id: Some(id.clone()), ..LockTarget::default() };
    let stops = |lock: &&Lock| lock.spec.target == target && lock.spec.expires.is_none_or(|expires| now < expires);
    match locks.iter().find(stops) {
        Some(lock) => Err(ApiError::denied(lock.spec.client_text())),
        None => Ok(()),
    }
}

/// Begins an event, does the work, and closes the event as the work ended.
pub(crate) async fn audited<T>(
    core: &Core,
    event: Event,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let entry = core.emitter.begin(event).map_err(error::audit)?;
    let done = work.await;
    entry.complete(match &done {
        Ok(_) => teleport_audit::Patch::success(),
        Err(error) => teleport_audit::Patch::failure(error.to_string()),
    });
    done
}
