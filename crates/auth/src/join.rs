//! How a service becomes one of the cluster's: it shows a join token once and holds a certificate from then on.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use data_encoding::HEXLOWER;
use teleport_api::{
    ApiError,
    messages::service::{IssuedService, JoinRequest},
};
use teleport_audit::{
    Event,
    event::{Body, InstanceJoin},
};
use teleport_pki::PublicKey;
use teleport_types::{Kind, ServiceId, ServiceIdentity, ServiceKind, Token};
use zeroize::Zeroizing;

use crate::{
    StaticToken,
    auth::Core,
    error,
    rights::{Actor, Who},
    secrets::SecretsKey,
    services,
    store::{Grant, ServiceRecord},
};

/// Fewest characters of the secret of a stored token: it must not be guessed.
const LEAST_SECRET: usize = 16;

/// What a token grants.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    kinds: Vec<ServiceKind>,
    grant: Grant,
    name: String,
}

/// Tokens that are not in the store: the configuration file's, and those of services in this process.
#[derive(Debug)]
pub(crate) struct FixedTokens {
    by_name: RwLock<HashMap<String, Granted>>,
}

impl FixedTokens {
    pub(crate) fn new(tokens: &[StaticToken], secrets: &SecretsKey) -> Self {
        let granted = |token: &StaticToken| {
            let granted =
                Granted { kinds: token.kinds.clone(), grant: Grant::NewNames, name: "configuration file".to_owned() };
            (secrets.name_of(&token.secret), granted)
        };
        Self { by_name: RwLock::new(tokens.iter().map(granted).collect()) }
    }

    /// Makes a token for services in this process: it is never stored and grants every Kubernetes cluster.
    pub(crate) fn for_this_process(&self, kinds: &[ServiceKind], secrets: &SecretsKey) -> String {
        let secret = HEXLOWER.encode(&teleport_runtime::random::bytes::<32>());
        let granted = Granted { kinds: kinds.to_vec(), grant: Grant::Every, name: "this process".to_owned() };
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(secrets.name_of(&secret), granted);
        secret
    }

    fn find(&self, name: &str) -> Option<Granted> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Lets a service join, or says why not.
pub(crate) async fn join(core: &Core, request: JoinRequest, actor: &Actor) -> Result<IssuedService, ApiError> {
    let attempt = core.throttle.join(actor.ip())?;
    let secret = Zeroizing::new(request.token.clone());
    let granted = match find(core, &secret).await {
        Ok(Some(granted)) => {
            attempt.forgive();
            granted
        }
        Ok(None) => {
            drop(attempt);
            let refused = ApiError::unauthenticated("the join token is not valid")
                .hint("check the token, or ask an administrator for a new one");
            record(core, &request, None, Err(&refused), actor)?;
            return Err(refused);
        }
        Err(failed) => {
            attempt.forgive();
            return Err(failed);
        }
    };
    let joined = admit(core, &request, &granted, actor).await;
    record(core, &request, Some(&granted), joined.as_ref().map(|issued| &issued.id), actor)?;
    joined
}

async fn admit(
    core: &Core,
    request: &JoinRequest,
    granted: &Granted,
    actor: &Actor,
) -> Result<IssuedService, ApiError> {
    let key = PublicKey::from_pem(&request.public_key).map_err(error::pki)?;
    if request.kinds.is_empty() {
        return Err(ApiError::bad_request("a service joins as at least one of proxy and kube"));
    }
    for kind in &request.kinds {
        if *kind == ServiceKind::Auth {
            return Err(ApiError::denied("a cluster has one auth service and no other can join"));
        }
        if !granted.kinds.contains(kind) {
            return Err(ApiError::denied(format!("the join token does not grant {}", kind.as_str()))
                .hint("use a token that names it"));
        }
    }
    let identity = ServiceIdentity {
        id: id_for(request, actor),
        kinds: request.kinds.clone(),
        cluster: core.authorities.cluster.clone(),
    };
    let node_name = request.node_name.chars().filter(|c| !c.is_control()).take(253).collect();
    let record = ServiceRecord { kinds: request.kinds.clone(), node_name, grant: granted.grant.clone() };
    services::issue(core, &identity, &record, &key, actor).await
}

/// An id stays with whoever still holds a certificate for it; anybody else gets a new one.
fn id_for(request: &JoinRequest, actor: &Actor) -> ServiceId {
    match (&request.id, &actor.who) {
        (Some(asked), Who::Service(current)) if current.id == *asked => asked.clone(),
        _ => ServiceId::random(),
    }
}

async fn find(core: &Core, secret: &str) -> Result<Option<Granted>, ApiError> {
    let name = core.secrets.name_of(secret);
    if let Some(granted) = core.fixed_tokens.find(&name) {
        return Ok(Some(granted));
    }
    let Some(value) = core.documents.value(Kind::Token, &name).await? else { return Ok(None) };
    let token = Token::from_value(value).map_err(crate::AuthError::from)?;
    let grant = match token.spec.kube_clusters {
        names if names.is_empty() => Grant::NewNames,
        names => Grant::Named(names),
    };
    Ok(Some(Granted { kinds: token.spec.roles, grant, name: short(&name) }))
}

/// Replaces a token's name, which is its secret, by the name it is kept under; one that was read from here has it already.
pub(crate) async fn hide_secret(core: &Core, token: &mut Token) -> Result<(), ApiError> {
    let given = Zeroizing::new(std::mem::take(&mut token.metadata.name));
    let kept = kept_name(core, &given).await?;
    if kept != *given && given.chars().count() < LEAST_SECRET {
        return Err(ApiError::bad_request(format!(
            "the name of a token is its secret and needs at least {LEAST_SECRET} characters"
        )));
    }
    token.metadata.name = kept;
    Ok(())
}

/// Finds the name a token is kept under, given that name or the secret.
pub(crate) async fn kept_name(core: &Core, given: &str) -> Result<String, ApiError> {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let may_be_kept = given.len() == 64 && given.bytes().all(hexadecimal);
    // A secret may look the same, so what is stored decides.
    if may_be_kept && core.documents.value(Kind::Token, given).await?.is_some() {
        return Ok(given.to_owned());
    }
    Ok(core.secrets.name_of(given))
}

/// The beginning of a token's kept name, enough to tell it from others.
pub(crate) fn short(name: &str) -> String {
    name.chars().take(12).collect()
}

fn record(
    core: &Core,
    request: &JoinRequest,
    granted: Option<&Granted>,
    joined: Result<&ServiceId, &ApiError>,
    actor: &Actor,
) -> Result<(), ApiError> {
    let event = Event::new(Body::InstanceJoin(InstanceJoin {
        method: "token".to_owned(),
        token_name: granted.map(|granted| granted.name.clone()),
        node_name: request.node_name.clone(),
        role: request.kinds.clone(),
        host_id: joined.ok().cloned(),
    }));
    let event = match joined {
        Ok(_) => event.succeeded(),
        Err(refused) => event.failed(refused.to_string()),
    };
    core.emitter.emit(actor.sign(event)).map_err(error::audit)
}
