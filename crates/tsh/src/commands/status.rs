//! `tsh status`: who, where, until when. Reads files only, so that it works offline and in prompts.

mod view;

use jiff::Timestamp;
use teleport_runtime::Clock;

use super::{App, kube};
use crate::{
    cli::Format,
    error::Error,
    output::Printed,
    store::{Login, Profile},
};
use view::{ProfileView, StatusView};

pub(super) fn run(app: &App, format: Format) -> Result<Printed, Error> {
    let now = Clock::system().now();
    let active = match app.profile() {
        Ok(profile) => Some(profile),
        Err(Error::LoggedOut { .. }) if app.global.proxy.is_none() => None,
        Err(error) => return Err(error),
    };
    let view = StatusView {
        active: active.as_ref().map(|profile| view_of(app, profile)).transpose()?.flatten(),
        profiles: others(app, active.as_ref())?,
    };
    let failure = match (&active, &view.active) {
        (Some(profile), Some(view)) if view.valid_until <= now => {
            Some(Error::Expired { proxy: profile.web_proxy_addr.to_string(), at: view.valid_until })
        }
        (_, Some(_)) => None,
        (Some(profile), None) => Some(Error::LoggedOut { proxy: profile.web_proxy_addr.to_string() }),
        (None, None) => Some(Error::LoggedOut { proxy: String::new() }),
    };
    let printed = match format {
        Format::Text => {
            let warnings = active.as_ref().map(|profile| warnings(app, profile)).unwrap_or_default();
            Printed::text(view.text(now) + &warnings)
        }
        format => Printed::value(format, &view),
    };
    Ok(Printed { failure, ..printed })
}

/// Returns the block about one login, as `tsh login` shows it at its end.
pub(super) fn block(app: &App, profile: &Profile, login: &Login, now: Timestamp) -> Result<String, Error> {
    let view = StatusView { active: Some(view_of_login(app, profile, login)?), profiles: Vec::new() };
    Ok(view.text(now))
}

fn others(app: &App, active: Option<&Profile>) -> Result<Vec<ProfileView>, Error> {
    let is_active = |profile: &Profile| active.is_some_and(|active| active.host() == profile.host());
    let profiles = app.store.profiles()?.into_iter().filter(|profile| !is_active(profile));
    profiles.filter_map(|profile| view_of(app, &profile).transpose()).collect()
}

fn view_of(app: &App, profile: &Profile) -> Result<Option<ProfileView>, Error> {
    let login = app.store.login(profile)?;
    login.map(|login| view_of_login(app, profile, &login)).transpose()
}

fn view_of_login(app: &App, profile: &Profile, login: &Login) -> Result<ProfileView, Error> {
    // A kubeconfig that cannot be read is no reason not to say who one is.
    let current = app.env.kubeconfig().current().unwrap_or_default();
    let current = current.filter(|current| kube::belongs_to(current, profile));
    Ok(ProfileView::new(profile, login, app.store.access(profile), current.map(|current| current.kube_cluster)))
}

/// Says which environment variables point elsewhere than the profile.
fn warnings(app: &App, profile: &Profile) -> String {
    let proxy = app.store.current_profile().ok().flatten().filter(|current| current.host() != profile.host());
    let cluster = std::env::var("TELEPORT_CLUSTER").ok().filter(|name| name != profile.cluster.as_str());
    let mut text = String::new();
    if let Some(current) = proxy.filter(|_| std::env::var_os("TELEPORT_PROXY").is_some()) {
        text += &format!("\nTELEPORT_PROXY hides the current profile, {}.\n", current.host());
    }
    if let Some(cluster) = cluster {
        let cluster = teleport_terminal::escape(&cluster);
        text += &format!("\nTELEPORT_CLUSTER is {cluster}, but this login is for {}.\n", profile.cluster);
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use teleport_types::{ClusterName, UserName};

    use crate::{proxy_addr::ProxyAddr, store::Profile};

    pub(crate) fn profile() -> Profile {
        Profile::new(
            ProxyAddr::parse("proxy.example.com:443").expect("address"),
            UserName::parse("alice").expect("name"),
            ClusterName::parse("main").expect("name"),
        )
    }
}
