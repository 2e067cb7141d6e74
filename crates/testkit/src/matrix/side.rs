//! One of the two ways to the cluster: who is there, with which files, and what a step printed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    case::{ClientKind, Place, Step},
    client::Client,
    normal::{Names, normal},
};
use crate::process::{self, Ended};

/// The two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// Past Teleport: the API server sees the same user by the administrator's impersonation.
    Direct,
    /// Through Teleport, logged in with `tsh`.
    Through,
}

/// How long a step may take before it counts as hung, as `timeout` takes it.
const PATIENCE: &str = "60";

/// Functions that scripts use, see `fixtures/prelude.sh`.
const PRELUDE: &str = include_str!("fixtures/prelude.sh");

/// A way to the cluster as one person, in one namespace, with a home of its own.
pub(super) struct Side {
    pub(super) way: Way,
    pub(super) home: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) names: Names,
    /// Where the steps run; it holds the fixtures.
    pub(super) work: PathBuf,
    /// More variables for the scripts.
    pub(super) variables: Vec<(&'static str, String)>,
}

impl Side {
    /// Runs one step with a client; its output is as it came.
    pub(super) fn run(&self, client: &Client, kubectl: &Path, step: &Step) -> Result<Ended> {
        let prelude = self.home.join("prelude.sh");
        if !prelude.exists() {
            std::fs::write(&prelude, PRELUDE).context("write the prelude")?;
        }
        let script = format!(". {}\n{}", prelude.display(), step.text);
        let mut command: Command = process::clean_command(Path::new("timeout"));
        command.args(["-k", "5", PATIENCE, "bash", "-c", &script]).current_dir(&self.work);
        self.environment(&mut command, client, kubectl);
        Ok(process::run(&mut command, b""))
    }

    fn environment(&self, command: &mut Command, client: &Client, kubectl: &Path) {
        let own = match client.kind {
            ClientKind::Kubectl | ClientKind::Helm => client.folder.as_path(),
            ClientKind::Python | ClientKind::Node => kubectl,
        };
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        command
            .env("PATH", format!("{}:{}:{path}", own.display(), kubectl.display()))
            .env("HOME", &self.home)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("NS", &self.names.namespace)
            .env("CLIENT", &client.folder)
            .env("WAY", if self.way == Way::Direct { "direct" } else { "through" })
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8");
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
    }

    /// Returns an outcome without what differs between any two runs.
    pub(super) fn normal(&self, ended: &Ended, place: Place) -> Ended {
        let text = |text: &str| normal(text, place, &self.names);
        Ended { code: ended.code, stdout: text(&ended.stdout), stderr: text(&ended.stderr) }
    }
}
