//! Local users: making, changing and deleting them, and ending what they hold when they lose something.

use teleport_api::{
    ApiError,
    messages::admin::{CreateUser, UpdateUser},
};
use teleport_audit::{
    Event,
    event::{Body, UserChange},
};
use teleport_backend::Write;
use teleport_types::{AnyResource, RoleName, User, UserName, user::UserSpec};
use zeroize::Zeroizing;

use crate::{
    AuthError,
    auth::Core,
    error, implicit_lock,
    password::Passwords,
    rights::{self, Actor},
    store::{PasswordRecord, Store, Stored},
};

/// Makes a user, with a password if one is given.
pub(crate) async fn create(core: &Core, request: CreateUser, actor: &Actor) -> Result<(), ApiError> {
    let CreateUser { name, roles, traits, password } = request;
    let hash = match password.map(Zeroizing::new) {
        Some(password) => {
            Passwords::check_new(&password)?;
            Some(core.passwords.hash(&password).await?)
        }
        None => None,
    };
    let user = User::named(name.as_str(), UserSpec { roles, traits });
    create_document(core, user, actor).await?;
    match hash {
        Some(hash) => set_password(core, &name, hash, actor).await,
        None => Ok(()),
    }
}

/// Makes a user from a document.
pub(crate) async fn create_document(core: &Core, user: User, actor: &Actor) -> Result<(), ApiError> {
    let name = name_of(&user)?;
    require_roles(core, &user.spec.roles).await?;
    // A password left over by a crash in mid-deletion must not become the new user's; that of a user who is there stays.
    if core.documents.user(&name).await?.is_none() {
        forget_password(core, &name).await?;
    }
    let event = actor.sign(Event::new(Body::UserCreate(change(&user, &name))));
    let document = AnyResource::User(user);
    rights::audited(core, event, async { core.documents.create(&document).await.map(drop) }).await
}

/// Changes what is given. Losing a role or a trait, and a new password, end the logins before.
pub(crate) async fn update(core: &Core, name: &UserName, request: UpdateUser, actor: &Actor) -> Result<(), ApiError> {
    let UpdateUser { roles, traits, password } = request;
    existing(core, name).await?;
    // Before anything is changed, so that a mistake in one field changes none.
    require_roles(core, roles.as_deref().unwrap_or_default()).await?;
    if let Some(password) = password.map(Zeroizing::new) {
        Passwords::check_new(&password)?;
        let hash = core.passwords.hash(&password).await?;
        implicit_lock::end_user(core, name, actor).await?;
        set_password(core, name, hash, actor).await?;
        implicit_lock::end_user(core, name, actor).await?;
    }
    if roles.is_none() && traits.is_none() {
        return Ok(());
    }
    let stored = existing(core, name).await?;
    let mut user = stored.value.clone();
    user.metadata.revision = Some(stored.revision.to_string());
    user.spec.roles = roles.unwrap_or(user.spec.roles);
    user.spec.traits = traits.unwrap_or(user.spec.traits);
    replace(core, &stored.value, user, actor).await
}

/// Creates or replaces a user from a document.
pub(crate) async fn put_document(core: &Core, user: User, actor: &Actor) -> Result<(), ApiError> {
    let name = name_of(&user)?;
    match core.documents.user(&name).await? {
        None if user.metadata.revision.is_none() => create_document(core, user, actor).await,
        None => Err(ApiError::not_found(format!("there is no user {name}"))),
        Some(stored) => {
            let mut user = user;
            // Judged against this very revision, so it must still be the one that is replaced.
            user.metadata.revision.get_or_insert_with(|| stored.revision.to_string());
            replace(core, &stored.value, user, actor).await
        }
    }
}

/// Deletes a user and their password and ends their logins.
pub(crate) async fn delete(core: &Core, name: &UserName, actor: &Actor) -> Result<(), ApiError> {
    existing(core, name).await?;
    let event = actor.sign(Event::new(Body::UserDelete(UserChange::named(name.clone()))));
    rights::audited(core, event, async {
        // Before, so that a crash in between ends logins too early and never too late; after, for those in between.
        implicit_lock::end_user(core, name, actor).await?;
        core.documents.delete(teleport_types::Kind::User, name.as_str()).await?;
        forget_password(core, name).await?;
        implicit_lock::end_user(core, name, actor).await
    })
    .await
}

async fn replace(core: &Core, before: &User, user: User, actor: &Actor) -> Result<(), ApiError> {
    let name = name_of(&user)?;
    require_roles(core, &user.spec.roles).await?;
    let shrinks = shrinks(before, &user);
    let event = actor.sign(Event::new(Body::UserUpdate(change(&user, &name))));
    let document = AnyResource::User(user);
    rights::audited(core, event, async {
        if shrinks {
            implicit_lock::end_user(core, &name, actor).await?;
        }
        core.documents.put(&document).await?;
        if shrinks {
            implicit_lock::end_user(core, &name, actor).await?;
        }
        Ok(())
    })
    .await
}

/// Tells whether a user loses something, an earlier end included.
fn shrinks(before: &User, after: &User) -> bool {
    let earlier = match (before.metadata.expires, after.metadata.expires) {
        (Some(before), Some(after)) => after < before,
        (None, Some(_)) => true,
        _ => false,
    };
    earlier
        || !before.spec.roles.iter().all(|role| after.spec.roles.contains(role))
        || !before.spec.traits.within(&after.spec.traits)
}

async fn set_password(core: &Core, name: &UserName, hash: String, actor: &Actor) -> Result<(), ApiError> {
    let record = PasswordRecord { hash, changed: core.clock.now() };
    let write = Write::new(PasswordRecord::key(name).map_err(AuthError::from)?, Store::encode(&record));
    let event = actor.sign(Event::new(Body::UserPasswordChange(UserChange::named(name.clone()))));
    rights::audited(core, event, async { Ok(core.store.put_json(write).await.map(drop)?) }).await
}

async fn forget_password(core: &Core, name: &UserName) -> Result<(), ApiError> {
    let key = PasswordRecord::key(name).map_err(AuthError::from)?;
    match core.store.backend().delete(&key, None).await {
        Ok(_) | Err(teleport_backend::Error::NotFound(_)) => Ok(()),
        Err(other) => Err(error::store(other)),
    }
}

async fn existing(core: &Core, name: &UserName) -> Result<Stored<User>, ApiError> {
    match core.documents.user(name).await? {
        Some(stored) => Ok(stored),
        None => Err(ApiError::not_found(format!("there is no user {name}"))),
    }
}

async fn require_roles(core: &Core, roles: &[RoleName]) -> Result<(), ApiError> {
    for role in roles {
        if core.documents.role(role).await?.is_none() {
            return Err(ApiError::bad_request(format!("there is no role {role}"))
                .hint("create it first with tctl create -f ROLE.yaml"));
        }
    }
    Ok(())
}

fn name_of(user: &User) -> Result<UserName, ApiError> {
    UserName::parse(&user.metadata.name).map_err(|error| ApiError::bad_request(error.to_string()))
}

fn change(user: &User, name: &UserName) -> UserChange {
    UserChange {
        roles: user.spec.roles.clone(),
        connector: Some("local".to_owned()),
        expires: user.metadata.expires,
        ..UserChange::named(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use teleport_types::Traits;

    use super::*;

    fn user(roles: &[&str], groups: &[&str]) -> User {
        let roles = roles.iter().map(|role| RoleName::parse(role).expect("a name")).collect();
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let traits = Traits([("kubernetes_groups".to_owned(), groups)].into());
        User::named("alice", UserSpec { roles, traits })
    }

    #[test]
    fn losing_a_role_a_trait_or_time_shrinks_and_gaining_does_not() {
        let before = user(&["dev", "ops"], &["a", "b"]);
        for (after, expected) in [
            (user(&["dev", "ops"], &["a", "b"]), false),
            (user(&["ops", "dev", "more"], &["b", "a", "c"]), false),
            (user(&["dev"], &["a", "b"]), true),
            (user(&["dev", "other"], &["a", "b"]), true),
            (user(&["dev", "ops"], &["a"]), true),
            (user(&["dev", "ops"], &[]), true),
        ] {
            assert_eq!(shrinks(&before, &after), expected, "{after:?}");
        }
        let mut ends = before.clone();
        ends.metadata.expires = Some(jiff::Timestamp::UNIX_EPOCH);
        assert!(shrinks(&before, &ends) && !shrinks(&ends, &before));
    }
}
