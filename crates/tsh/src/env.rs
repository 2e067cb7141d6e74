//! What the process was given: folders, environment, its own path. Read once, at the edge.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    kubeconfig::{Kubeconfig, KubeconfigPaths, Plugin},
    store::Store,
};

/// Replaces `~/.tsh`.
pub const TELEPORT_HOME: &str = "TELEPORT_HOME";

/// The surroundings of one run.
#[derive(Clone, Debug)]
pub struct Env {
    home: PathBuf,
    teleport_home: Option<PathBuf>,
    kubeconfig: Option<OsString>,
    command: PathBuf,
    /// `HTTPS_PROXY` or its lower-case form.
    pub https_proxy: Option<String>,
    /// `NO_PROXY` or its lower-case form.
    pub no_proxy: Option<String>,
}

impl Env {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// When there is no home folder, or the program cannot tell its own path.
    pub fn of_process() -> Result<Self, Error> {
        let either = |upper: &str, lower: &str| {
            [upper, lower].iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        };
        let command = own_path().map_err(|error| {
            Error::usage(
                format!("tsh cannot tell its own path: {}", crate::error::reason(&error)),
                "start it by its full path",
            )
        })?;
        Ok(Self {
            home: home()?,
            teleport_home: teleport_home(),
            kubeconfig: env::var_os("KUBECONFIG"),
            command,
            https_proxy: either("HTTPS_PROXY", "https_proxy"),
            no_proxy: either("NO_PROXY", "no_proxy"),
        })
    }

    /// Returns the files of `tsh`.
    pub fn store(&self) -> Store {
        Store::new(self.teleport_home.clone().unwrap_or_else(|| default_root(&self.home)))
    }

    /// Returns the user's kubeconfig.
    pub fn kubeconfig(&self) -> Kubeconfig {
        Kubeconfig::new(KubeconfigPaths::from_env(self.kubeconfig.as_deref(), &self.home))
    }

    /// Returns how kubectl is to start this program.
    pub fn plugin(&self) -> Plugin {
        Plugin { command: self.command.clone(), home: self.teleport_home.clone() }
    }
}

/// Returns the files of `tsh` without looking at anything else; for the warm path of `kube credentials`.
pub(crate) fn store_of_process() -> Option<Store> {
    Some(Store::new(teleport_home().or_else(|| Some(default_root(&home().ok()?)))?))
}

/// Returns the path that the user started, when it leads to this program: behind a symlink it outlives an upgrade.
fn own_path() -> std::io::Result<PathBuf> {
    let real = env::current_exe()?;
    let started = env::args_os().next().and_then(|name| find(Path::new(&name)));
    Ok(started.filter(|started| started.canonicalize().is_ok_and(|path| path == real)).unwrap_or(real))
}

fn find(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return std::path::absolute(name).ok();
    }
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.filter(|file| file.is_absolute())
}

fn default_root(home: &Path) -> PathBuf {
    home.join(".tsh")
}

fn home() -> Result<PathBuf, Error> {
    env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .ok_or_else(|| Error::usage("there is no home folder", "set HOME"))
}

/// Absolute, because it is written into the kubeconfig, and kubectl runs elsewhere.
fn teleport_home() -> Option<PathBuf> {
    let given = env::var_os(TELEPORT_HOME).filter(|value| !value.is_empty())?;
    std::path::absolute(given).ok()
}
