//! The commands, one file each, and what they share: the profile that is meant.

mod clusters;
mod completion;
pub mod credentials;
mod env;
mod kube;
mod login;
mod logout;
mod man;
mod status;
mod version;

use crate::{
    cli::{Cli, Command, Given, Global, KubeCommand},
    connect::Connector,
    env::Env,
    error::Error,
    output::{Printed, note},
    proxy_addr::ProxyTarget,
    store::{Profile, Store},
};
use teleport_terminal::escape;
use teleport_types::{ClusterName, UserName};

/// Runs one command.
///
/// # Errors
/// What the user is to be told.
pub fn run(cli: Cli, env: Env) -> Result<Printed, Error> {
    let app = App { store: env.store(), env, global: cli.global };
    match cli.command {
        Command::Login(args) => login::run(&app, &args),
        Command::Logout => logout::run(&app),
        Command::Status(args) => status::run(&app, args.format),
        Command::Clusters(args) => clusters::run(&app, &args),
        Command::Kube(KubeCommand::Ls { list, cluster }) => kube::ls(&app, &list, &cluster),
        Command::Kube(KubeCommand::Login { name, cluster }) => kube::login(&app, &name, &cluster),
        Command::Kube(KubeCommand::Credentials(args)) => credentials::run(&app, &args),
        Command::Env(args) => env::run(&app, &args),
        Command::Version(args) => version::run(&app, &args),
        Command::Completion { shell } => Ok(completion::run(shell)),
        Command::Man { folder } => man::run(&folder),
    }
}

/// One run: its surroundings, its files, and the flags of every command.
struct App {
    env: Env,
    store: Store,
    global: Global,
}

impl App {
    fn connector(&self) -> Result<Connector, Error> {
        Connector::new(&self.env)
    }

    /// Returns the proxy that `--proxy` or `TELEPORT_PROXY` names.
    fn target(&self) -> Result<Option<ProxyTarget>, Error> {
        let text = self.global.proxy.as_deref().filter(|text| !text.is_empty());
        text.map(ProxyTarget::parse).transpose()
    }

    /// Returns the profile that is meant: the named proxy's, else the current one.
    fn profile(&self) -> Result<Profile, Error> {
        match self.target()? {
            Some(target) => {
                let found = self.profile_of(&target)?;
                found.ok_or_else(|| Error::LoggedOut { proxy: target.to_string() })
            }
            None => {
                let current = self.store.current_profile()?.map(|profile| self.as_user(profile));
                current.ok_or_else(|| Error::LoggedOut { proxy: String::new() })
            }
        }
    }

    /// Returns the profile of a proxy, as the user that `--user` names if any.
    fn profile_of(&self, target: &ProxyTarget) -> Result<Option<Profile>, Error> {
        let profile = self.store.profile(target.host())?;
        Ok(profile.filter(|profile| target.matches(&profile.web_proxy_addr)).map(|profile| self.as_user(profile)))
    }

    /// Returns the user that `--user` or `TELEPORT_USER` names.
    fn user(&self) -> Option<&UserName> {
        self.global.user.as_ref().and_then(Given::value)
    }

    fn as_user(&self, mut profile: Profile) -> Profile {
        if let Some(user) = self.user() {
            profile.user = user.clone();
        }
        profile
    }

    /// Tells people something that is no output.
    fn note(&self, text: &str) {
        note(&escape(text));
    }
}

/// Refuses a Teleport cluster other than the profile's own: one login is good for one cluster.
fn check_cluster(profile: &Profile, asked: Option<&ClusterName>) -> Result<(), Error> {
    match asked {
        Some(asked) if *asked != profile.cluster => Err(Error::usage(
            format!("your login to {} is for the cluster {}, not for {asked}", profile.web_proxy_addr, profile.cluster),
            "tsh clusters lists the clusters there are",
        )),
        _ => Ok(()),
    }
}
