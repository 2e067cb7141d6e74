//! Who is at the far end of a connection, and the one function for each class of route that decides whether that will do.
//! What these functions return is what handlers need, so that no handler runs unchecked.

use std::{net::SocketAddr, sync::Arc};

use jiff::Timestamp;
use teleport_api::ApiError;
use teleport_pki::{Standing, Verified};
use teleport_types::{Identity, ServiceIdentity, ServiceKind, UserIdentity};

use crate::{
    auth::Core,
    rights::{self, Actor, Right, Who},
};

/// One connection, as far as requests on it are concerned.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) presented: Presented,
    pub(crate) address: Option<SocketAddr>,
}

/// What the far end proved when it connected. Whether that still holds is checked for each request.
#[derive(Debug)]
pub(crate) enum Presented {
    /// Nothing.
    Nothing,
    /// A certificate.
    Certificate(Box<Verified>),
    /// The account it runs as, on this host.
    Local(u32),
}

/// Anybody.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) actor: Actor,
}

/// A user with a certificate that holds and a login that is not locked.
#[derive(Clone, Debug)]
pub(crate) struct SignedUser {
    pub(crate) identity: UserIdentity,
    pub(crate) not_after: Timestamp,
    pub(crate) actor: Actor,
}

/// A service with a certificate that holds, not locked.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) identity: ServiceIdentity,
    pub(crate) not_after: Timestamp,
    pub(crate) actor: Actor,
}

/// The admin tool on this host, or a user whose roles allow what the route does.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) actor: Actor,
}

/// Lets anybody in.
pub(crate) fn guest(connection: &Arc<Connection>) -> Guest {
    let who = match &connection.presented {
        Presented::Nothing => Who::Nobody,
        Presented::Local(uid) => Who::Local(*uid),
        Presented::Certificate(verified) => match verified.identity() {
            Identity::User(user) => Who::User(Box::new(user.clone())),
            Identity::Service(service) => Who::Service(service.clone()),
        },
    };
    Guest { actor: Actor { who, address: connection.address } }
}

/// Lets a user in.
pub(crate) async fn user(core: &Core, connection: &Connection) -> Result<SignedUser, ApiError> {
    let verified = certificate(connection)?;
    let Identity::User(identity) = verified.identity() else {
        return Err(ApiError::denied("this is for users, and the certificate is a service's"));
    };
    let now = core.clock.now();
    if verified.standing() == Standing::Expired || now > verified.not_after() || !trusted(core, verified) {
        return Err(ApiError::unauthenticated("the login has expired").hint("log in again with tsh login"));
    }
    rights::refuse_locked_user(core, identity).await?;
    let who = Who::User(Box::new(identity.clone()));
    Ok(SignedUser {
        identity: identity.clone(),
        not_after: verified.not_after(),
        actor: Actor { who, address: connection.address },
    })
}

/// Lets a service in, of a kind if one is given.
pub(crate) async fn service(
    core: &Core,
    connection: &Connection,
    kind: Option<ServiceKind>,
) -> Result<Member, ApiError> {
    let verified = certificate(connection)?;
    let Identity::Service(identity) = verified.identity() else {
        return Err(ApiError::denied("this is for services of the cluster, and the certificate is a user's"));
    };
    if let Some(kind) = kind.filter(|kind| !identity.is(*kind)) {
        return Err(ApiError::denied(format!("this service did not join as {}", kind.as_str())));
    }
    if core.clock.now() > verified.not_after() || !trusted(core, verified) {
        return Err(ApiError::unauthenticated("the service's certificate has expired").hint("join it again"));
    }
    rights::refuse_locked_service(core, &identity.id).await?;
    if let Some(address) = connection.address.filter(|_| identity.is(ServiceKind::Proxy)) {
        core.throttle.relay_at(address.ip());
    }
    let actor = Actor { who: Who::Service(identity.clone()), address: connection.address };
    Ok(Member { identity: identity.clone(), not_after: verified.not_after(), actor })
}

/// Lets an administrator in who may do this.
pub(crate) async fn admin(core: &Core, connection: &Connection, right: Right) -> Result<Admin, ApiError> {
    if let Presented::Local(uid) = connection.presented {
        return Ok(Admin { actor: Actor { who: Who::Local(uid), address: None } });
    }
    let user = user(core, connection).await?;
    if let Some(cluster) = &user.identity.kube_cluster {
        return Err(ApiError::denied(format!("this certificate is good for Kubernetes cluster {cluster} only")));
    }
    rights::require(core, &user.identity, right).await?;
    Ok(Admin { actor: user.actor })
}

fn certificate(connection: &Connection) -> Result<&Verified, ApiError> {
    match &connection.presented {
        Presented::Certificate(verified) => Ok(verified),
        Presented::Nothing => Err(ApiError::unauthenticated("a certificate of this cluster is needed")
            .hint("log in with tsh login, or join the service")),
        Presented::Local(_) => Err(ApiError::denied("the admin socket is for administration only")),
    }
}

/// Tells whether the authority that signed a certificate is still one of ours.
fn trusted(core: &Core, verified: &Verified) -> bool {
    core.authorities.trust.current().all().any(|ca| ca.fingerprint() == verified.ca())
}
