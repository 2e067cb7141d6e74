//! The processes of a soak: the upstream, the daemon, and the admin's commands. Each can be ended and started again
//! where it was.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, Result};

use super::objects::Pace;
use crate::{certificates::Certificates, peers::Child, system, target::Target};

/// The kube cluster's name: the context of the upstream's kubeconfig.
const KUBE: &str = "soak";

/// How a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// SIGTERM.
    Asked,
    /// SIGKILL.
    Killed,
}

/// Where everything is.
pub(super) struct Places {
    pub(super) dir: PathBuf,
    pub(super) teleport: PathBuf,
    pub(super) pace: Pace,
    proxy: String,
    diag: String,
    upstream: String,
}

/// The running processes.
pub(super) struct Cluster {
    places: Arc<Places>,
    daemon: Option<Child>,
    upstream: Option<Child>,
    tokens: u32,
    starts: u32,
}

impl Cluster {
    /// Starts upstream and daemon in a folder, nobody known yet.
    ///
    /// # Errors
    /// When one does not come up.
    pub(super) async fn start(dir: &Path, teleport: &Path, pace: Pace) -> Result<Self> {
        Certificates::make(dir)?;
        let places = Places {
            dir: dir.to_owned(),
            teleport: teleport.to_owned(),
            pace,
            proxy: free_address()?,
            diag: free_address()?,
            upstream: free_address()?,
        };
        places.write()?;
        let mut cluster = Self { places: Arc::new(places), daemon: None, upstream: None, tokens: 0, starts: 0 };
        cluster.rotate_token()?;
        cluster.start_upstream().await?;
        cluster.start_daemon().await?;
        Ok(cluster)
    }

    /// Returns where everything is.
    pub(super) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Returns the daemon's process id.
    pub(super) fn daemon(&self) -> Option<u32> {
        self.daemon.as_ref().map(Child::id)
    }

    /// Starts the daemon and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) async fn start_daemon(&mut self) -> Result<()> {
        self.starts += 1;
        let (places, start) = (Arc::clone(&self.places), self.starts);
        let starting = move || {
            let mut command = Command::new(&places.teleport);
            command.arg("start").arg("-c").arg(places.config());
            let child = Child::start(&mut command, &places.dir.join(format!("daemon-{start}.log")))?;
            child.wait_for_line("teleport is ready")?;
            Ok::<_, anyhow::Error>(child)
        };
        self.daemon = Some(tokio::task::spawn_blocking(starting).await??);
        Ok(())
    }

    /// Ends the daemon and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) async fn end_daemon(&mut self, end: End) -> Result<()> {
        match self.daemon.take() {
            Some(child) => ended(child, end).await,
            None => Ok(()),
        }
    }

    /// Starts the upstream where it was.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) async fn start_upstream(&mut self) -> Result<()> {
        let places = Arc::clone(&self.places);
        let starting = move || {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("soak-upstream").arg("--dir").arg(&places.dir).arg("--listen").arg(&places.upstream);
            command.arg("--token-file").arg(places.token_file());
            command.arg("--every-ms").arg(places.pace.0.as_millis().to_string());
            let child = Child::start(&mut command, &places.dir.join("upstream.log"))?;
            child.wait_for_line("127.0.0.1:")?;
            Ok::<_, anyhow::Error>(child)
        };
        self.upstream = Some(tokio::task::spawn_blocking(starting).await??);
        Ok(())
    }

    /// Kills the upstream.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) async fn kill_upstream(&mut self) -> Result<()> {
        match self.upstream.take() {
            Some(child) => ended(child, End::Killed).await,
            None => Ok(()),
        }
    }

    /// Puts another token into the file; the upstream takes no other from then on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn rotate_token(&mut self) -> Result<()> {
        self.tokens += 1;
        let file = self.places.token_file();
        let fresh = file.with_extension("fresh");
        std::fs::write(&fresh, format!("service-account-token-{}\n", self.tokens))?;
        // As a mounted volume changes: at once.
        Ok(std::fs::rename(fresh, file)?)
    }
}

impl Places {
    /// Returns the proxy's address.
    pub(super) fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Returns where the daemon tells its numbers.
    pub(super) fn diag(&self) -> Target {
        Target::plain(&self.diag)
    }

    /// Signs a certificate for a user and returns where it leads.
    ///
    /// # Errors
    /// When auth refuses.
    pub(super) async fn sign(self: &Arc<Self>, user: &str, ttl: &str) -> Result<Target> {
        let out = self.dir.join(format!("{user}.kubeconfig"));
        let args = ["auth", "sign", "--format=kubernetes", "--overwrite"].map(str::to_owned);
        let to = [
            format!("--user={user}"),
            format!("--ttl={ttl}"),
            format!("--out={}", out.display()),
            format!("--proxy={}", self.proxy),
            format!("--kube-cluster-name={KUBE}"),
        ];
        self.tctl(args.into_iter().chain(to).collect(), String::new()).await?;
        Target::from_kubeconfig(&out)
    }

    /// Creates or replaces a role that may read pods in some namespaces.
    ///
    /// # Errors
    /// When auth refuses.
    pub(super) async fn put_role(self: &Arc<Self>, name: &str, namespaces: &[&str]) -> Result<()> {
        let mut text = format!(
            "kind: role\nversion: v8\nmetadata: {{name: {name}}}\nspec:\n  allow:\n    kubernetes_labels: {{'*': '*'}}\n    \
             kubernetes_groups: [devs]\n    kubernetes_resources:\n"
        );
        for namespace in namespaces {
            let _ = writeln!(
                text,
                "    - {{kind: pods, api_group: '*', namespace: {namespace}, name: '*', verbs: [get, list, watch]}}"
            );
        }
        self.tctl(["create", "-f"].map(str::to_owned).to_vec(), text).await
    }

    /// Adds a user with one role.
    ///
    /// # Errors
    /// When auth refuses.
    pub(super) async fn add_user(self: &Arc<Self>, name: &str, role: &str) -> Result<()> {
        let args = ["users", "add", name, "--roles", role, "--password-file", "-"].map(str::to_owned);
        self.tctl(args.to_vec(), "correct horse battery".to_owned()).await
    }

    /// Runs an admin's command beside the clients.
    async fn tctl(self: &Arc<Self>, args: Vec<String>, input: String) -> Result<()> {
        let places = Arc::clone(self);
        let running = move || {
            use std::io::{Seek as _, Write as _};
            // A file and not a pipe: the program may end without reading.
            let mut file = tempfile::tempfile()?;
            file.write_all(input.as_bytes())?;
            file.rewind()?;
            let mut command = Command::new(&places.teleport);
            command.arg("ctl").arg("-c").arg(places.config()).args(args).stdin(Stdio::from(file));
            system::run(&mut command).map(drop)
        };
        tokio::task::spawn_blocking(running).await?
    }

    fn config(&self) -> PathBuf {
        self.dir.join("teleport.yaml")
    }

    fn token_file(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// Writes both configurations: the daemon's, and the kubeconfig with which it reaches the upstream.
    fn write(&self) -> Result<()> {
        let kubeconfig = self.dir.join("upstream.kubeconfig");
        let document = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": KUBE,
            "clusters": [{"name": KUBE, "cluster": {
                "server": format!("https://{}", self.upstream), "certificate-authority": self.dir.join("ca.pem"),
            }}],
            "users": [{"name": KUBE, "user": {"tokenFile": self.token_file()}}],
            "contexts": [{"name": KUBE, "context": {"cluster": KUBE, "user": KUBE}}],
        });
        std::fs::write(&kubeconfig, format!("{document:#}\n"))?;
        let config = format!(
            "version: v3
teleport:
  nodename: soak
  data_dir: {data}
  diag_addr: '{diag}'
  log: {{format: {{output: json}}}}
auth_service: {{cluster_name: main, listen_addr: '127.0.0.1:0'}}
proxy_service: {{web_listen_addr: '{proxy}'}}
kubernetes_service: {{kubeconfig_file: {kubeconfig}}}
",
            data = self.dir.join("data").display(),
            diag = self.diag,
            proxy = self.proxy,
            kubeconfig = kubeconfig.display(),
        );
        std::fs::write(self.config(), config).context("cannot write the configuration")
    }
}

async fn ended(child: Child, end: End) -> Result<()> {
    let ending = move || {
        let signal = if end == End::Asked { "-TERM" } else { "-KILL" };
        system::run(Command::new("kill").arg(signal).arg(child.id().to_string()))?;
        child.wait()
    };
    tokio::task::spawn_blocking(ending).await?
}

/// Finds a port that is free now, and that a process can be started on again and again.
fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
