//! Documents as administrators see them: what is special about each kind when it is listed, written or removed.

use serde_json::Value;
use teleport_api::ApiError;
use teleport_audit::{
    Event,
    event::{Body, JoinTokenCreate, KubeClusterChange, LockChange, RoleChange, SettingChange},
};
use teleport_types::{
    AnyResource, AuthPreference, Kind, KubeCluster, KubeClusterName, RoleName, Token, UserName,
    auth_preference::AUTH_PREFERENCE_NAME, token::JoinMethod,
};

use crate::{
    auth::Core,
    implicit_lock, join, kube,
    rights::{self, Actor},
    users,
};

/// Lists the documents of a kind.
pub(crate) async fn list(core: &Core, kind: Kind) -> Result<Vec<Value>, ApiError> {
    match kind {
        Kind::AuthPreference => Ok(vec![read(core, kind, AUTH_PREFERENCE_NAME).await?]),
        _ => Ok(core.documents.values(kind).await?),
    }
}

/// Reads one document.
pub(crate) async fn read(core: &Core, kind: Kind, name: &str) -> Result<Value, ApiError> {
    let kept = if kind == Kind::Token { join::kept_name(core, name).await? } else { name.to_owned() };
    match core.documents.value(kind, &kept).await? {
        Some(value) => Ok(value),
        // There always are login settings, written down or not.
        None if kind == Kind::AuthPreference && name == AUTH_PREFERENCE_NAME => {
            let settings = AuthPreference::named(name, core.preference().await?);
            Ok(AnyResource::AuthPreference(settings).to_value())
        }
        None => Err(ApiError::not_found(format!("there is no {kind} {name}"))),
    }
}

/// Creates a document that must not exist yet.
pub(crate) async fn create(core: &Core, document: AnyResource, actor: &Actor) -> Result<(), ApiError> {
    let document = prepared(core, document).await?;
    if let AnyResource::User(user) = document {
        return users::create_document(core, user, actor).await;
    }
    let event = actor.sign(created(&document, actor)?);
    rights::audited(core, event, async { core.documents.create(&document).await.map(drop) }).await
}

/// Creates or replaces a document.
pub(crate) async fn write(core: &Core, document: AnyResource, actor: &Actor) -> Result<(), ApiError> {
    let document = prepared(core, document).await?;
    if let AnyResource::User(user) = document {
        return users::put_document(core, user, actor).await;
    }
    let exists = core.documents.value(document.kind(), document.name()).await?.is_some();
    let event = if exists { updated(&document, actor)? } else { created(&document, actor)? };
    let event = actor.sign(event);
    rights::audited(core, event, async { core.documents.put(&document).await.map(drop) }).await
}

/// Removes a document.
pub(crate) async fn remove(core: &Core, kind: Kind, name: &str, actor: &Actor) -> Result<(), ApiError> {
    let body = match kind {
        Kind::User => {
            let name = UserName::parse(name).map_err(|error| ApiError::bad_request(error.to_string()))?;
            return users::delete(core, &name, actor).await;
        }
        // The catalogue has no event for it; its use is recorded.
        Kind::Token => return core.documents.delete(kind, &join::kept_name(core, name).await?).await,
        Kind::Role => {
            refuse_held_role(core, name).await?;
            Body::RoleDeleted(RoleChange { name: role_name(name)?, updated_by: Some(actor.name()) })
        }
        Kind::Lock => Body::LockDeleted(LockChange::named(name)),
        Kind::KubeCluster => Body::KubeDelete(KubeClusterChange {
            name: KubeClusterName::parse(name).map_err(|error| ApiError::bad_request(error.to_string()))?,
            kube_labels: [].into(),
        }),
        Kind::AuthPreference => {
            refuse_fixed_preference(core)?;
            Body::AuthPreferenceUpdate(SettingChange { updated_by: Some(actor.name()) })
        }
    };
    rights::audited(core, actor.sign(Event::new(body)), async {
        core.documents.delete(kind, name).await?;
        if kind == Kind::KubeCluster { kube::forget(core, name).await } else { Ok(()) }
    })
    .await
}

/// Checks and changes what a kind needs before it is stored.
async fn prepared(core: &Core, mut document: AnyResource) -> Result<AnyResource, ApiError> {
    match &mut document {
        AnyResource::Token(token) => join::hide_secret(core, token).await?,
        AnyResource::AuthPreference(_) => refuse_fixed_preference(core)?,
        _ => {}
    }
    Ok(document)
}

fn created(document: &AnyResource, actor: &Actor) -> Result<Event, ApiError> {
    Ok(match document {
        AnyResource::Role(role) => Event::new(Body::RoleCreated(RoleChange {
            name: role_name(&role.metadata.name)?,
            updated_by: Some(actor.name()),
        })),
        AnyResource::Token(token) => token_event(token),
        AnyResource::KubeCluster(cluster) => Event::new(Body::KubeCreate(kube_change(cluster)?)),
        _ => updated(document, actor)?,
    })
}

fn updated(document: &AnyResource, actor: &Actor) -> Result<Event, ApiError> {
    let updated_by = Some(actor.name());
    Ok(match document {
        AnyResource::Role(role) => {
            Event::new(Body::RoleUpdated(RoleChange { name: role_name(&role.metadata.name)?, updated_by }))
        }
        AnyResource::Lock(_) => implicit_lock::event(document),
        AnyResource::Token(token) => token_event(token),
        AnyResource::KubeCluster(cluster) => Event::new(Body::KubeUpdate(kube_change(cluster)?)),
        AnyResource::AuthPreference(_) | AnyResource::User(_) => {
            Event::new(Body::AuthPreferenceUpdate(SettingChange { updated_by }))
        }
    })
}

fn token_event(token: &Token) -> Event {
    Event::new(Body::JoinTokenCreate(JoinTokenCreate {
        name: join::short(&token.metadata.name),
        roles: token.spec.roles.clone(),
        join_method: match token.spec.join_method {
            JoinMethod::Token => "token".to_owned(),
        },
        expires: token.metadata.expires,
    }))
}

fn kube_change(cluster: &KubeCluster) -> Result<KubeClusterChange, ApiError> {
    let name = KubeClusterName::parse(&cluster.metadata.name);
    let name = name.map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(KubeClusterChange { name, kube_labels: cluster.metadata.labels.clone() })
}

fn role_name(name: &str) -> Result<RoleName, ApiError> {
    RoleName::parse(name).map_err(|error| ApiError::bad_request(error.to_string()))
}

async fn refuse_held_role(core: &Core, name: &str) -> Result<(), ApiError> {
    let users = core.documents.users().await?;
    let holders: Vec<_> = users
        .iter()
        .filter(|user| user.spec.roles.iter().any(|role| role.as_str() == name))
        .map(|user| user.metadata.name.as_str())
        .collect();
    if holders.is_empty() {
        return Ok(());
    }
    let shown = holders.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = if holders.len() > 5 { format!(" and {} more", holders.len() - 5) } else { String::new() };
    Err(ApiError::conflict(format!("role {name} is held by {shown}{more}"))
        .hint("take it from them first with tctl users update"))
}

fn refuse_fixed_preference(core: &Core) -> Result<(), ApiError> {
    match core.config.preference {
        Some(_) => Err(ApiError::conflict("the login settings stand in the configuration file")
            .hint("change auth_service.authentication there and restart")),
        None => Ok(()),
    }
}
