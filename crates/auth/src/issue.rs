//! The one way a user's certificate comes to be: read the user, clamp the span, check locks, record, sign, check again.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use teleport_api::{ApiError, messages::user::IssuedUser};
use teleport_audit::{
    Event, Patch,
    event::{Body, CertCreate, CertIdentity, CertType},
};
use teleport_backend::Revision;
use teleport_pki::{CaKind, PublicKey, Template, Validity, pem};
use teleport_types::{KubeClusterName, LoginSession, Role, User, UserIdentity, UserName};

use crate::{
    auth::Core,
    ca::whole_seconds,
    error, implicit_lock,
    rights::{self, Actor},
};

/// No login lasts longer, whatever roles say; implicit locks are kept as long.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 3600);

/// The login a certificate belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: LoginSession,
    pub(crate) login_time: Timestamp,
    pub(crate) login_ip: Option<IpAddr>,
    pub(crate) mfa: bool,
    pub(crate) renewable: bool,
    /// The end of the certificate that asks, for a reissue.
    pub(crate) not_beyond: Option<Timestamp>,
}

impl Session {
    /// Begins a login now: after everything that ended the user's earlier logins, even when the clock was set back since.
    pub(crate) async fn begin(core: &Core, user: &UserName, address: Option<IpAddr>) -> Result<Self, ApiError> {
        let now = core.clock.now();
        let ended = implicit_lock::ended(core, user).await?;
        Ok(Self {
            id: LoginSession::random(),
            login_time: ended.map_or(now, |moment| moment.max(now)),
            login_ip: address,
            mfa: false,
            renewable: true,
            not_beyond: None,
        })
    }
}

/// What is to be issued.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) user: &'a UserName,
    pub(crate) session: Session,
    pub(crate) key: &'a PublicKey,
    /// How long it should last; `None` is the default.
    pub(crate) ttl: Option<Duration>,
    pub(crate) kube_cluster: Option<KubeClusterName>,
    pub(crate) actor: &'a Actor,
}

/// A certificate ready to be handed out, with what it says.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) answer: IssuedUser,
    pub(crate) identity: UserIdentity,
}

/// Issues a user's certificate, or says why not.
pub(crate) async fn issue(core: &Core, order: Order<'_>) -> Result<Issued, ApiError> {
    let holder = Holder::read(core, order.user).await?;
    let validity = lifetime(core, &order, &holder).await?;
    let identity = holder.identity(core, &order);
    let template = Template::user(&identity).map_err(error::pki)?;
    // The record comes before the signature, and tells how it ended.
    let record = core.emitter.begin(order.actor.sign(event(&identity, validity))).map_err(error::audit)?;
    let signed = async {
        holder.still_stands(core, &identity).await?;
        let certificate = core.authorities.issue(CaKind::User, &template, order.key, validity)?;
        // What changed while it was signed holds too: the certificate is thrown away.
        holder.still_stands(core, &identity).await?;
        Ok::<_, ApiError>(certificate)
    };
    match signed.await {
        Ok(certificate) => {
            record.complete(Patch::success());
            let answer = IssuedUser {
                certificate: pem::encode_certificates(&[certificate]),
                user: identity.user.clone(),
                session: identity.session,
                roles: identity.roles.clone(),
                traits: identity.traits.clone(),
                expires: validity.not_after,
                cas: core.authorities.bundle.clone(),
            };
            Ok(Issued { answer, identity })
        }
        Err(refused) => {
            record.complete(Patch::failure(refused.to_string()));
            Err(refused)
        }
    }
}

/// The user as they were read for this certificate.
struct Holder {
    user: User,
    revision: Revision,
    roles: Vec<Role>,
}

impl Holder {
    async fn read(core: &Core, name: &UserName) -> Result<Self, ApiError> {
        let Some(stored) = core.documents.user(name).await? else { return Err(no_user(name)) };
        let names = &stored.value.spec.roles;
        if names.is_empty() {
            return Err(ApiError::denied(format!("user {name} has no roles"))
                .hint("an administrator gives roles with tctl users update"));
        }
        let roles = rights::roles(core, names).await?;
        let missing = names.iter().find(|name| !roles.iter().any(|role| role.metadata.name == name.as_str()));
        if let Some(missing) = missing {
            return Err(ApiError::denied(format!("user {name} has role {missing}, which does not exist"))
                .hint("an administrator creates the role or takes it away with tctl users update"));
        }
        Ok(Self { user: stored.value, revision: stored.revision, roles })
    }

    fn identity(&self, core: &Core, order: &Order<'_>) -> UserIdentity {
        let session = &order.session;
        UserIdentity {
            user: order.user.clone(),
            session: session.id,
            login_time: session.login_time,
            roles: self.user.spec.roles.clone(),
            traits: self.user.spec.traits.clone(),
            cluster: core.authorities.cluster.clone(),
            kube_cluster: order.kube_cluster.clone(),
            login_ip: session.login_ip,
            mfa: session.mfa,
            // What is pinned to one Kubernetes cluster asks for nothing further.
            renewable: session.renewable && order.kube_cluster.is_none(),
        }
    }

    /// Refuses when the user was changed, deleted or locked since they were read.
    async fn still_stands(&self, core: &Core, identity: &UserIdentity) -> Result<(), ApiError> {
        match core.documents.user(&identity.user).await? {
            Some(now) if now.revision == self.revision => {}
            Some(_) => {
                return Err(
                    ApiError::conflict(format!("user {} was changed at this moment", identity.user)).hint("try again")
                );
            }
            None => return Err(no_user(&identity.user)),
        }
        rights::refuse_locked_user(core, identity).await
    }
}

fn no_user(name: &UserName) -> ApiError {
    ApiError::unauthenticated(format!("user {name} does not exist any more")).hint("ask an administrator")
}

/// min(asked or the default, every role's `max_session_ttl` from the login on, 30 h, the ends of the asking certificate and
/// of the user).
async fn lifetime(core: &Core, order: &Order<'_>, holder: &Holder) -> Result<Validity, ApiError> {
    let now = whole_seconds(core.clock.now());
    let after = |start: Timestamp, span| whole_seconds(start.saturating_add(span).unwrap_or(Timestamp::MAX));
    let asked = match (order.ttl, order.session.not_beyond) {
        (Some(ttl), _) if ttl < Duration::from_secs(1) => {
            return Err(ApiError::bad_request("the login would end at once").hint("ask for at least a second"));
        }
        (Some(ttl), _) => after(now, ttl),
        (None, Some(end)) => end,
        (None, None) => after(now, core.default_ttl().await?),
    };
    let capped = holder.roles.iter().filter_map(|role| role.spec.options.max_session_ttl).map(|span| span.get());
    let capped = after(order.session.login_time, capped.fold(LONGEST, Duration::min));
    let ends = [Some(asked), order.session.not_beyond, holder.user.metadata.expires.map(whole_seconds)];
    let end = ends.into_iter().flatten().fold(capped, Timestamp::min);
    if end <= now {
        return Err(ApiError::unauthenticated("this login has lasted as long as the user and their roles allow")
            .hint("log in again with tsh login"));
    }
    let mut validity = core.authorities.validity(&core.clock, LONGEST);
    validity.not_after = validity.not_after.min(end);
    Ok(validity)
}

fn event(identity: &UserIdentity, validity: Validity) -> Event {
    Event::new(Body::CertCreate(CertCreate {
        cert_type: CertType::User,
        identity: CertIdentity {
            user: identity.user.to_string(),
            roles: identity.roles.clone(),
            system_roles: Vec::new(),
            kubernetes_cluster: identity.kube_cluster.clone(),
            route_to_cluster: None,
            teleport_cluster: identity.cluster.clone(),
            expires: validity.not_after,
            client_ip: identity.login_ip,
        },
    }))
}
