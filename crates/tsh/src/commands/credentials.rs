//! `tsh kube credentials`: what kubectl runs before a request. [`warm`] answers from the cache in a millisecond; the
//! cold path here renews under a lock, so that forty kubectls at once cause one question to auth. Never a prompt.

mod exec_credential;
pub mod warm;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use teleport_api::messages::user::ReissueRequest;
use teleport_pki::KeyPair;
use teleport_runtime::Clock;

use super::{App, check_cluster};
use crate::{
    cli::CredentialsArgs,
    connect::{
        self,
        auth::{authorities_of, valid_login},
    },
    error::Error,
    output::Printed,
    proxy_addr::ProxyTarget,
    store::{CredentialSlot, Credentials, Failure, Login, Profile},
};

/// How long before its end a certificate is not handed out any more.
const SPARE: SignedDuration = SignedDuration::from_secs(60);
/// How long to wait for another process that is renewing the same.
const OTHER_RENEWAL: Duration = Duration::from_secs(5);
/// How long renewal may take; longer than anyone waits for it.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long a failure is repeated without asking again.
const FAILURE_COUNTS: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn run(app: &App, args: &CredentialsArgs) -> Result<Printed, Error> {
    let now = || Clock::system().now();
    let profile = profile(app)?;
    check_cluster(&profile, Some(&args.teleport_cluster))?;
    let login = valid_login(&app.store, &profile, now())?;
    let slot = app.store.credentials(profile.host(), &profile.user, &profile.cluster, &args.kube_cluster);
    if let Some(credentials) = cached(&slot, now()) {
        return Ok(Printed::text(exec_credential::render(&credentials)));
    }
    let Some(_lock) = slot.lock(OTHER_RENEWAL)? else {
        return Err(Error::Busy {
            what: format!("another tsh has been fetching credentials for {} for too long", args.kube_cluster),
            hint: "try again".into(),
        });
    };
    // Whoever held the lock has fetched them, or knows why not.
    if let Some(credentials) = cached(&slot, now()) {
        return Ok(Printed::text(exec_credential::render(&credentials)));
    }
    if let Some(failure) = slot.failure(now()) {
        return Err(Error::usage(failure.what, failure.hint));
    }
    match renew(app, &profile, &login, args) {
        Ok(credentials) => {
            keep(app, &profile, &login, &slot, &credentials)?;
            Ok(Printed::text(exec_credential::render(&credentials)))
        }
        Err(error) => {
            remember(&slot, &error, now());
            Err(error)
        }
    }
}

/// Returns the profile that the kubeconfig entry was made from. It is its own user's, whatever `TELEPORT_USER` says where
/// kubectl runs.
fn profile(app: &App) -> Result<Profile, Error> {
    let target = app.target()?.ok_or_else(|| {
        Error::usage("--proxy is missing", "run: tsh kube login NAME, which writes the kubeconfig entry")
    })?;
    let profile = app.store.profile(target.host())?.filter(|profile| target.matches(&profile.web_proxy_addr));
    profile.ok_or_else(|| Error::LoggedOut { proxy: target.to_string() })
}

fn cached(slot: &CredentialSlot, now: Timestamp) -> Option<Credentials> {
    slot.load().filter(|credentials| credentials.last_beyond(now + SPARE))
}

fn renew(app: &App, profile: &Profile, login: &Login, args: &CredentialsArgs) -> Result<Credentials, Error> {
    let connector = app.connector()?;
    let authorities = authorities_of(&app.store, profile)?;
    let client = connector.auth(&profile.web_proxy_addr, &authorities, Some(login))?;
    let key = KeyPair::generate();
    let request = ReissueRequest {
        public_key: key.public().to_pem(),
        kube_cluster: Some(args.kube_cluster.clone()),
        ttl_seconds: None,
    };
    let asked = client.ask_within(RENEWAL, |api| async move { api.reissue(&request).await });
    let issued = connect::run(asked)?;
    Credentials::new(&key, &issued.certificate).map_err(|error| Error::Unreachable {
        what: format!(
            "the auth service behind {} answered with a certificate that cannot be used",
            profile.web_proxy_addr
        ),
        hint: "is it a version that this tsh understands?".into(),
        source: Some(error.into()),
    })
}

/// Writes the credentials, unless the login they came from is no longer the one that counts.
fn keep(
    app: &App,
    profile: &Profile,
    login: &Login,
    slot: &CredentialSlot,
    credentials: &Credentials,
) -> Result<(), Error> {
    slot.save(credentials)?;
    let is_current = app.store.login(profile)?.is_some_and(|now| now.identity.session == login.identity.session);
    if is_current { Ok(()) } else { slot.discard() }
}

fn remember(slot: &CredentialSlot, error: &Error, now: Timestamp) {
    let (what, hint) = error.texts();
    slot.remember(&Failure { until: now + FAILURE_COUNTS, what, hint });
}

/// Reads the proxy of a kubeconfig entry.
pub(super) fn entry_proxy(text: &str) -> Option<ProxyTarget> {
    ProxyTarget::parse(text).ok()
}
