//! `tsh login`, the walk: still valid? then only switch · find the proxy · know its cluster · prove who the user is, end
//! to end to auth, with a key made here · keep what was issued · point kubectl there · show one screen.

mod kube;
mod password;
mod trust;

use std::time::Duration;

use teleport_api::{
    ErrorKind,
    messages::user::{IssuedUser, LoginRequest, Me},
};
use teleport_pki::KeyPair;
use teleport_runtime::Clock;
use teleport_types::{ClusterName, LoginSession, UserName};

use super::{App, check_cluster, status};
use crate::{
    cli::{Given, LoginArgs},
    connect::{self, Connector, auth::AuthClient, web::Web},
    error::Error,
    output::Printed,
    proxy_addr::{ProxyAddr, ProxyTarget},
    store::{Access, Authorities, FileLock, Login, Profile},
};

/// How long a second login at the same proxy waits for the first, in which somebody may be typing a password.
const OTHER_LOGIN: Duration = Duration::from_secs(180);

pub(super) fn run(app: &App, args: &LoginArgs) -> Result<Printed, Error> {
    if args.auth != "local" {
        return Err(Error::usage(format!("there is no way to log in called {:?}", args.auth), "use --auth=local"));
    }
    let pins = trust::parse_pins(&args.ca_pin)?;
    let target = target(app)?;
    let ended = match switch(app, args, &target, None)? {
        Standing::Holds(printed) => return Ok(printed),
        Standing::Ended(session) => Some(session),
        Standing::Over => None,
    };
    let _alone = alone(app, &target)?;
    // Whoever held the lock may have logged in.
    if let Standing::Holds(printed) = switch(app, args, &target, ended)? {
        return Ok(printed);
    }
    let connector = app.connector()?;
    let (profile, login, authorities) = connect::run(async {
        let web = connector.find(&target, &trust::of_web(app, &target, &pins)).await?;
        check_name(&web, args.cluster.as_ref())?;
        let authorities = trust::authorities(app, &web, &pins).await?;
        let client = connector.auth(&web.proxy, &authorities, None)?;
        // Who answers is checked before the password is typed.
        client.ask(|api| api.ping()).await?;
        let user = user(app, &target)?;
        let (issued, login) = prove(&client, &web.proxy, user, args).await?;
        keep(app, &connector, &web.proxy, issued, login).await
    })?;
    finish(app, &profile, &login, &authorities, args)
}

/// Returns the proxy that is meant: named, or that of the current profile.
fn target(app: &App) -> Result<ProxyTarget, Error> {
    if let Some(target) = app.target()? {
        return Ok(target);
    }
    let current = app.store.current_profile()?;
    current
        .map(|profile| ProxyTarget::Exact(profile.web_proxy_addr))
        .ok_or_else(|| Error::usage("which proxy is meant is not known", "name it once: tsh login --proxy=HOST"))
}

/// What has become of the login from before.
enum Standing {
    /// It holds: no prompt, nothing issued, only kubectl is pointed there again.
    Holds(Printed),
    /// It would hold, but auth does not accept it any more.
    Ended(LoginSession),
    /// There is none, or its time is over.
    Over,
}

fn switch(app: &App, args: &LoginArgs, target: &ProxyTarget, ended: Option<LoginSession>) -> Result<Standing, Error> {
    let Some(profile) = app.profile_of(target)? else { return Ok(Standing::Over) };
    // A damaged login is replaced by a new one.
    let Some(login) = app.store.login(&profile).ok().flatten() else { return Ok(Standing::Over) };
    let Some(authorities) = app.store.authorities(profile.host(), &profile.cluster)? else { return Ok(Standing::Over) };
    if !login.holds_at(Clock::system().now()) || ended == Some(login.identity.session) {
        return Ok(Standing::Over);
    }
    check_cluster(&profile, args.cluster.as_ref())?;
    let printed = finish(app, &profile, &login, &authorities, args)?;
    if let Some(Error::Refused(error)) = &printed.failure
        && error.kind == ErrorKind::Unauthenticated
    {
        app.note(&format!("Your earlier login does not hold any more: {}.", error.message));
        return Ok(Standing::Ended(login.identity.session));
    }
    app.store.save_profile(&profile)?;
    Ok(Standing::Holds(printed))
}

fn alone(app: &App, target: &ProxyTarget) -> Result<FileLock, Error> {
    if let Some(lock) = app.store.lock_login(target.host(), Duration::ZERO)? {
        return Ok(lock);
    }
    app.note(&format!("Waiting for another tsh login to {target}."));
    app.store.lock_login(target.host(), OTHER_LOGIN)?.ok_or_else(|| Error::Busy {
        what: format!("another tsh login to {target} does not end"),
        hint: "end it, then try again".into(),
    })
}

fn check_name(web: &Web<'_>, asked: Option<&ClusterName>) -> Result<(), Error> {
    match asked {
        Some(asked) if *asked != web.ping.cluster_name => Err(Error::usage(
            format!("the proxy at {} is for the cluster {}, not for {asked}", web.proxy, web.ping.cluster_name),
            "leave the name out",
        )),
        _ => Ok(()),
    }
}

/// Returns who logs in: named, else as last time at this proxy, else as on this machine.
fn user(app: &App, target: &ProxyTarget) -> Result<UserName, Error> {
    if let Some(user) = app.user() {
        return Ok(user.clone());
    }
    if let Ok(Some(profile)) = app.profile_of(target) {
        return Ok(profile.user);
    }
    let name = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    UserName::parse(&name).map_err(|_| Error::usage("your user name is not known", "name it: --user=NAME"))
}

async fn prove(
    client: &AuthClient,
    proxy: &ProxyAddr,
    user: UserName,
    args: &LoginArgs,
) -> Result<(IssuedUser, Login), Error> {
    let password = password::ask(&user).await?;
    let key = KeyPair::generate();
    let request = LoginRequest {
        user: user.clone(),
        password,
        public_key: key.public().to_pem(),
        ttl_seconds: args.ttl.map(|minutes| minutes * 60),
    };
    let issued = client.ask(|api| async move { api.login(&request).await }).await?;
    let login = Login::new(key, &issued.certificate).map_err(|error| unusable(proxy, Some(error.into())))?;
    if login.identity.user == user { Ok((issued, login)) } else { Err(unusable(proxy, None)) }
}

fn unusable(proxy: &ProxyAddr, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unreachable {
        what: format!("the auth service behind {proxy} answered with a certificate that is not the one asked for"),
        hint: "is it a version that this tsh understands?".into(),
        source,
    }
}

/// Writes what was issued, the authorities first: a login without them would be of no use.
async fn keep(
    app: &App,
    connector: &Connector,
    proxy: &ProxyAddr,
    issued: IssuedUser,
    login: Login,
) -> Result<(Profile, Login, Authorities), Error> {
    let authorities = Authorities::from_answer(&issued.cas).map_err(|error| unusable(proxy, Some(error.into())))?;
    let profile = Profile::new(proxy.clone(), login.identity.user.clone(), authorities.cluster().clone());
    app.store.pin(proxy.host(), &authorities)?;
    let client = connector.auth(proxy, &authorities, Some(&login))?;
    // Only for showing; a login without it is complete.
    let access = client.ask(|api| api.me()).await.map(access).unwrap_or_default();
    app.store.save_login(proxy.host(), &login, &access)?;
    app.store.save_profile(&profile)?;
    Ok((profile, login, authorities))
}

fn access(me: Me) -> Access {
    Access { logins: me.logins, kubernetes_users: me.kubernetes_users, kubernetes_groups: me.kubernetes_groups }
}

/// Points kubectl at the cluster and shows the result.
fn finish(
    app: &App,
    profile: &Profile,
    login: &Login,
    authorities: &Authorities,
    args: &LoginArgs,
) -> Result<Printed, Error> {
    let kubectl = kube::set_up(app, profile, login, authorities, args.kube_cluster.as_ref().and_then(Given::value));
    let block = status::block(app, profile, login, Clock::system().now())?;
    Ok(match kubectl {
        Ok(text) => Printed::text(format!("{block}\n{text}")),
        Err(error) => Printed { text: block, failure: Some(error) },
    })
}
