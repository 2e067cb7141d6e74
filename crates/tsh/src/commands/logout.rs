//! `tsh logout`: ends the login session at auth, removes keys and our kubeconfig entries. Works offline too.

use std::time::Duration;

use teleport_runtime::Clock;

use super::App;
use crate::{connect, error::Error, output::Printed, store::Profile};
use teleport_terminal::escape;

/// The user waits, and without an answer the login ends by itself.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(app: &App) -> Result<Printed, Error> {
    let profiles = match app.target()? {
        Some(target) => app.profile_of(&target)?.into_iter().collect(),
        None => app.store.profiles()?.into_iter().map(|profile| app.as_user(profile)).collect::<Vec<_>>(),
    };
    if profiles.is_empty() {
        return Ok(Printed::text("You are not logged in.\n"));
    }
    let mut printed = Printed::default();
    for profile in &profiles {
        let left = leave(app, profile).unwrap_or_else(|error| Printed { failure: Some(error), ..Printed::default() });
        printed.text += &left.text;
        printed.failure = left.failure.or(printed.failure);
    }
    Ok(printed)
}

fn leave(app: &App, profile: &Profile) -> Result<Printed, Error> {
    let mut text = String::new();
    if let Err(error) = end_session(app, profile) {
        let proxy = &profile.web_proxy_addr;
        text += &format!("{proxy} was not told ({error}); a copy of the keys would be good until the login ends.\n");
    }
    let removed = app.store.remove_login(profile.host(), &profile.user);
    let logged_out = format!("Logged {} out of {}.\n", escape(profile.user.as_str()), profile.web_proxy_addr);
    if app.store.profile(profile.host())?.is_some_and(|of| of.user != profile.user) {
        // kubectl goes on as the profile's own user.
        return removed.map(|()| Printed::text(text + &logged_out));
    }
    let forgotten = app.env.kubeconfig().forget(&profile.kube_proxy_addr);
    removed?;
    text += &logged_out;
    let forgotten = match forgotten {
        Ok(forgotten) => forgotten,
        // The keys are gone. The profile stays, so that a second logout can finish.
        Err(error) => return Ok(Printed { text, failure: Some(error) }),
    };
    app.store.remove_profile(profile.host())?;
    if let Some(context) = forgotten.restored.filter(|context| !context.is_empty()) {
        text += &format!("kubectl uses the context {} again.\n", escape(&context));
    }
    Ok(Printed::text(text))
}

fn end_session(app: &App, profile: &Profile) -> Result<(), Error> {
    match app.store.login(profile) {
        Ok(Some(login)) if login.holds_at(Clock::system().now()) => {}
        // Nothing to end, or nothing to end it with.
        _ => return Ok(()),
    }
    let connector = app.connector()?;
    let client = connector.auth_of(&app.store, profile)?;
    match connect::run(client.ask_within(PATIENCE, |api| api.logout())) {
        // Auth knows already.
        Err(Error::Refused(error)) if error.kind == teleport_api::ErrorKind::Unauthenticated => Ok(()),
        other => other,
    }
}
