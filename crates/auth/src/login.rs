//! Logging in with a password, asking for further certificates of a login, ending it, and signing for automation.

use std::time::Duration;

use jiff::Timestamp;
use teleport_api::{
    ApiError,
    messages::{
        admin::SignRequest,
        user::{IssuedUser, LoginRequest, ReissueRequest},
    },
};
use teleport_audit::{
    Event,
    event::{Body, UserLogin},
};
use teleport_pki::PublicKey;
use teleport_types::UserIdentity;
use zeroize::Zeroizing;

use crate::{
    auth::Core,
    error, implicit_lock,
    issue::{self, Issued, Order, Session},
    rights::Actor,
    store::PasswordRecord,
};

/// Logs a local user in. Whether the name or the password is wrong shows in neither the answer nor its time.
pub(crate) async fn login(core: &Core, request: LoginRequest, actor: &Actor) -> Result<IssuedUser, ApiError> {
    let LoginRequest { user, password, public_key, ttl_seconds } = request;
    let password = Zeroizing::new(password);
    let claimed = |error: &str| actor.sign(event()).by_claimed(user.as_str()).failed(error);
    let key = PublicKey::from_pem(&public_key).map_err(error::pki)?;
    // What is refused here is not recorded: it costs a guesser nothing, so it could fill the audit log.
    let attempt = core.throttle.login(&user, actor.ip())?;
    let record = PasswordRecord::key(&user).map_err(crate::AuthError::from)?;
    let checked = async {
        let known = core.store.json::<PasswordRecord>(&record).await?;
        core.passwords.verify(&password, known.as_ref().map(|known| known.value.hash.as_str())).await
    };
    match checked.await {
        Ok(true) => attempt.succeed(),
        Ok(false) => {
            drop(attempt);
            core.emitter.emit(claimed("wrong user name or password")).map_err(error::audit)?;
            return Err(ApiError::unauthenticated("the user name or the password is wrong"));
        }
        Err(failed) => {
            attempt.forgive();
            return Err(failed);
        }
    }
    let issued = async {
        let session = Session::begin(core, &user, actor.ip()).await?;
        let order = Order { user: &user, session, key: &key, ttl: seconds(ttl_seconds), kube_cluster: None, actor };
        issue::issue(core, order).await
    };
    match issued.await {
        Ok(Issued { answer, identity }) => {
            core.emitter.emit(actor.sign(event()).by(&identity).succeeded()).map_err(error::audit)?;
            Ok(answer)
        }
        Err(refused) => {
            core.emitter.emit(claimed(&refused.to_string())).map_err(error::audit)?;
            Err(refused)
        }
    }
}

/// Issues a further certificate of a login, with the user's roles and traits of now, never beyond the current one's end.
pub(crate) async fn reissue(
    core: &Core,
    request: ReissueRequest,
    current: &UserIdentity,
    not_after: Timestamp,
    actor: &Actor,
) -> Result<IssuedUser, ApiError> {
    if !current.renewable {
        return Err(ApiError::denied("this certificate cannot ask for another one").hint("log in with tsh login"));
    }
    let key = PublicKey::from_pem(&request.public_key).map_err(error::pki)?;
    let session = Session {
        id: current.session,
        login_time: current.login_time,
        login_ip: current.login_ip,
        mfa: current.mfa,
        renewable: true,
        not_beyond: Some(not_after),
    };
    let order = Order {
        user: &current.user,
        session,
        key: &key,
        ttl: seconds(request.ttl_seconds),
        kube_cluster: request.kube_cluster,
        actor,
    };
    Ok(issue::issue(core, order).await?.answer)
}

/// Ends the login of a certificate: everything issued from it stops at once.
pub(crate) async fn logout(core: &Core, current: &UserIdentity, actor: &Actor) -> Result<(), ApiError> {
    implicit_lock::end_session(core, current.session, actor).await
}

/// Signs a certificate for automation, as an administrator asks: a login of its own that cannot be renewed.
pub(crate) async fn sign(core: &Core, request: SignRequest, actor: &Actor) -> Result<IssuedUser, ApiError> {
    let key = PublicKey::from_pem(&request.public_key).map_err(error::pki)?;
    let session = Session { renewable: false, ..Session::begin(core, &request.user, None).await? };
    let order = Order {
        user: &request.user,
        session,
        key: &key,
        ttl: Some(Duration::from_secs(request.ttl_seconds)),
        kube_cluster: request.kube_cluster,
        actor,
    };
    Ok(issue::issue(core, order).await?.answer)
}

fn seconds(seconds: Option<u64>) -> Option<Duration> {
    seconds.map(Duration::from_secs)
}

fn event() -> Event {
    Event::new(Body::UserLogin(UserLogin::local()))
}
