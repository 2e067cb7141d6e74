//! The cluster that the matrix runs against, its namespaces and fixtures, and the Teleport cluster in front of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::client::Client;
use crate::{
    kubesim::KubeSim,
    process::{self, Ended},
};

/// A Kubernetes cluster to run against.
pub enum Target {
    /// One with controllers and a kubelet, named by two kubeconfigs.
    Real {
        /// May do everything, impersonation included.
        admin: PathBuf,
        /// What the kubernetes service uses.
        proxy: PathBuf,
        /// An image with busybox that its nodes can run.
        image: String,
    },
    /// Ours, for the short form.
    Simulated(Box<KubeSim>),
}

/// Variables that name a real cluster.
const ADMIN: &str = "MATRIX_ADMIN_KUBECONFIG";
const PROXY: &str = "MATRIX_PROXY_KUBECONFIG";
const IMAGE: &str = "MATRIX_IMAGE";
/// The image of the testbed's node.
const TESTBED_IMAGE: &str = "docker.io/local/busybox:1";

/// Files in the folder of every script; `@WORD@` is filled in.
const FIXTURES: &[(&str, &str)] = &[
    ("deployment.yaml", include_str!("fixtures/deployment.yaml")),
    ("resting.yaml", include_str!("fixtures/resting.yaml")),
    ("pod.yaml", include_str!("fixtures/pod.yaml")),
    ("overrides.json", include_str!("fixtures/overrides.json")),
    ("watch.py", include_str!("fixtures/watch.py")),
    ("informer.mjs", include_str!("fixtures/informer.mjs")),
    ("chart/Chart.yaml", include_str!("fixtures/chart/Chart.yaml")),
    ("chart/values.yaml", include_str!("fixtures/chart/values.yaml")),
    ("chart/templates/config.yaml", include_str!("fixtures/chart/templates/config.yaml")),
    ("chart/templates/access.yaml", include_str!("fixtures/chart/templates/access.yaml")),
    ("chart/templates/network.yaml", include_str!("fixtures/chart/templates/network.yaml")),
    ("chart/templates/work.yaml", include_str!("fixtures/chart/templates/work.yaml")),
    ("chart/templates/test.yaml", include_str!("fixtures/chart/templates/test.yaml")),
];

impl Target {
    /// Returns the cluster that the environment names.
    pub fn from_env() -> Option<Self> {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let image = std::env::var(IMAGE).unwrap_or_else(|_| TESTBED_IMAGE.to_owned());
        Some(Self::Real { admin: path(ADMIN)?, proxy: path(PROXY)?, image })
    }

    /// Starts the simulator.
    ///
    /// # Errors
    /// It does not start.
    pub async fn simulated() -> Result<Self> {
        Ok(Self::Simulated(Box::new(KubeSim::start().await?)))
    }

    /// Tells whether it has controllers and a kubelet.
    pub fn is_real(&self) -> bool {
        matches!(self, Self::Real { .. })
    }

    /// Returns the kubeconfig of the kubernetes service.
    pub(super) fn proxy_kubeconfig(&self) -> Result<String> {
        match self {
            Self::Real { proxy, .. } => {
                std::fs::read_to_string(proxy).with_context(|| format!("read {}", proxy.display()))
            }
            Self::Simulated(sim) => Ok(sim.kubeconfig_for_proxy()),
        }
    }

    /// Returns the administrator's kubeconfig as a document.
    pub(super) fn admin(&self, kubectl: &Client, work: &Path) -> Result<Value> {
        let from = work.join("admin-as-given");
        match self {
            Self::Real { admin, .. } => {
                std::fs::copy(admin, &from).with_context(|| format!("read {}", admin.display()))?;
            }
            Self::Simulated(sim) => std::fs::write(&from, sim.kubeconfig_for_admin()?)?,
        }
        let args = ["config", "view", "--raw", "--minify", "--flatten", "-o", "json"];
        let shown = run_kubectl(kubectl, &from, &args, "")?;
        serde_json::from_str(&shown).context("read the administrator's kubeconfig")
    }

    /// Returns the groups that give a person their rights in Kubernetes; the simulator knows few groups.
    pub(super) fn groups(&self, own: &str) -> Vec<String> {
        vec![if self.is_real() { own.to_owned() } else { "system:masters".to_owned() }]
    }

    /// Writes the files that scripts use.
    pub(super) fn write_fixtures(&self, folder: &Path, namespace: &str, port: u16) -> Result<()> {
        for (name, text) in FIXTURES {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().context("a fixture lies in a folder")?)?;
            std::fs::write(&path, self.fill(text, namespace, port)).with_context(|| format!("write {name}"))?;
        }
        Ok(())
    }

    /// Fills in what a fixture leaves open.
    pub(super) fn fill(&self, text: &str, namespace: &str, port: u16) -> String {
        let image = match self {
            Self::Real { image, .. } => image.as_str(),
            Self::Simulated(_) => "kubesim/web:1",
        };
        text.replace("@IMAGE@", image).replace("@NAMESPACE@", namespace).replace("@PORT@", &port.to_string())
    }
}

/// Returns the administrator's kubeconfig with an identity to act as: the API server sees the same user as through
/// Teleport, which impersonates too.
pub(super) fn acting_as(admin: &Value, user: &str, groups: &[String]) -> Result<String> {
    let mut document = admin.clone();
    let entry = document.pointer_mut("/users/0/user").context("the administrator's kubeconfig has a user")?;
    entry
        .as_object_mut()
        .context("a user is a map")?
        .extend([("as".to_owned(), json!(user)), ("as-groups".to_owned(), json!(groups))]);
    Ok(document.to_string())
}

/// Returns the base address of the API server that a kubeconfig names.
pub(super) fn server_of(kubectl: &Client, kubeconfig: &Path) -> Result<String> {
    let args = ["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"];
    run_kubectl(kubectl, kubeconfig, &args, "")
}

/// Runs a kubectl that must succeed, and returns what it printed.
pub(super) fn run_kubectl(kubectl: &Client, kubeconfig: &Path, args: &[&str], input: &str) -> Result<String> {
    let mut command = process::clean_command(&kubectl.folder.join("kubectl"));
    let home = kubeconfig.parent().context("a kubeconfig lies in a folder")?;
    command.env("KUBECONFIG", kubeconfig).env("HOME", home).args(args);
    let Ended { code, stdout, stderr } = process::run(&mut command, input.as_bytes());
    ensure!(code == 0, "kubectl {} ended with {code}: {stderr}{stdout}", args.join(" "));
    Ok(stdout)
}
