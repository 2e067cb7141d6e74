//! Locks nobody writes by hand: what was issued before a change of the user must not outlive the change.
//!
//! One lock for each user and one for each login session, replaced when it is needed again, kept as long as the longest
//! certificate lasts. Services watch them and cut live connections.

use std::time::Duration;

use jiff::Timestamp;
use teleport_api::ApiError;
use teleport_audit::{
    Event,
    event::{Body, LockChange},
};
use teleport_types::{
    AnyResource, Kind, Lock, LoginSession, UserName,
    lock::{LockSpec, LockTarget},
};

use crate::{
    auth::Core,
    issue::LONGEST,
    rights::{self, Actor},
};

/// Ends every login of a user that began before now.
pub(crate) async fn end_user(core: &Core, user: &UserName, actor: &Actor) -> Result<(), ApiError> {
    let target = LockTarget { user: Some(user.clone()), ..LockTarget::default() };
    // Later than every login so far, those of this very moment and of a clock that was ahead included.
    let after = ended(core, user).await?.map_or(core.clock.now(), |before| before.max(core.clock.now()));
    let moment = after.saturating_add(Duration::from_micros(1)).unwrap_or(Timestamp::MAX);
    write(core, name_for_user(user), target, moment, actor).await
}

/// Returns before when a user's logins have been ended; a login that follows begins at that moment at the earliest.
pub(crate) async fn ended(core: &Core, user: &UserName) -> Result<Option<Timestamp>, ApiError> {
    let Some(value) = core.documents.value(Kind::Lock, &name_for_user(user)).await? else { return Ok(None) };
    Ok(Lock::from_value(value).map_err(crate::AuthError::from)?.spec.issued_before)
}

/// Ends one login, for good.
pub(crate) async fn end_session(core: &Core, session: LoginSession, actor: &Actor) -> Result<(), ApiError> {
    let target = LockTarget { login_session: Some(session), ..LockTarget::default() };
    // A session has one beginning, so a later moment stops nothing else.
    let moment = core.clock.now().saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
    write(core, format!("session-{session}"), target, moment, actor).await
}

fn name_for_user(user: &UserName) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, user.as_str().as_bytes());
    let half = digest.as_ref().get(..16).unwrap_or_default();
    format!("user-{}", data_encoding::HEXLOWER.encode(half))
}

async fn write(
    core: &Core,
    name: String,
    target: LockTarget,
    issued_before: Timestamp,
    actor: &Actor,
) -> Result<(), ApiError> {
    let latest = if target.login_session.is_some() { core.clock.now() } else { issued_before.max(core.clock.now()) };
    let expires = latest.saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
    let spec = LockSpec { target, message: None, expires: Some(expires), issued_before: Some(issued_before) };
    let lock = AnyResource::Lock(Lock::named(name, spec));
    let event = actor.sign(event(&lock));
    rights::audited(core, event, async { core.documents.put(&lock).await.map(drop) }).await
}

/// Returns the event of a lock that is written.
pub(crate) fn event(lock: &AnyResource) -> Event {
    let mut change = LockChange::named(lock.name());
    if let AnyResource::Lock(lock) = lock {
        change.expires = lock.spec.expires;
        if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&lock.spec.target) {
            let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
            change.target = fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect();
        }
    }
    Event::new(Body::LockCreated(change))
}
