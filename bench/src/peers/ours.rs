//! Our own proxy: one daemon with auth, proxy and kubernetes services, authorization and audit on, as it is shipped.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Child, Place, Upstream};
use crate::system;

/// The kube cluster's name: the context of the upstream's kubeconfig.
const KUBE: &str = "bench";
const PASSWORD: &str = "correct horse battery";

/// How the daemon is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Roles that exist.
    pub(crate) roles: usize,
    /// How many of them the user holds.
    pub(crate) held: usize,
}

/// The running daemon with one user.
pub(crate) struct Ours {
    child: Child,
    teleport: PathBuf,
    tsh: PathBuf,
    dir: PathBuf,
    proxy: String,
    /// From its start to the line that says it is ready.
    pub(crate) ready_after: Duration,
}

impl Ours {
    /// Starts a new daemon, with roles and a user, in a folder of its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(place: &Place, upstream: &Upstream, name: &str, options: Options) -> Result<Self> {
        let ours = Self::start_bare(place, upstream, name)?;
        ours.tctl_with(&["create", "-f"], &roles(options.roles))?;
        let held: Vec<String> = (0..options.held).map(|number| format!("role-{number}")).collect();
        ours.tctl_with(
            &["users", "add", "alice", &format!("--roles={}", held.join(",")), "--password-file", "-"],
            PASSWORD,
        )?;
        Ok(ours)
    }

    /// Starts a daemon without user and roles; a second start in the same folder finds what the first has left.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start_bare(place: &Place, upstream: &Upstream, name: &str) -> Result<Self> {
        let dir = place.dir.join(name);
        std::fs::create_dir_all(&dir)?;
        let config = format!(
            "version: v3
teleport:
  nodename: bench
  data_dir: {data}
  log: {{format: {{output: json}}}}
auth_service: {{cluster_name: main, listen_addr: '127.0.0.1:0'}}
proxy_service: {{web_listen_addr: '127.0.0.1:0'}}
kubernetes_service: {{kubeconfig_file: {kubeconfig}}}
",
            data = dir.join("data").display(),
            kubeconfig = upstream.kubeconfig.display(),
        );
        std::fs::write(dir.join("teleport.yaml"), config)?;
        let mut command = place.pinned(&place.teleport);
        command.arg("start").arg("-c").arg(dir.join("teleport.yaml"));
        let begun = Instant::now();
        let child = Child::start(&mut command, &dir.join("log"))?;
        let line = child.wait_for_line("teleport is ready")?;
        let ready_after = begun.elapsed();
        let line: Value = serde_json::from_str(&line).context("log lines are JSON")?;
        let proxy = line.get("proxy").and_then(Value::as_str).context("the line names the proxy")?.to_owned();
        Ok(Self { child, teleport: place.teleport.clone(), tsh: place.tsh.clone(), dir, proxy, ready_after })
    }

    /// Returns the daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the daemon.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn stop(self) -> Result<()> {
        self.child.stop()
    }

    /// Signs a static kubeconfig for the user and returns its path.
    ///
    /// # Errors
    /// When auth refuses.
    pub(crate) fn kubeconfig(&self) -> Result<PathBuf> {
        let out = self.dir.join("kubeconfig");
        let out_text = out.to_str().context("our folder is UTF-8")?;
        let file = ["auth", "sign", "--user=alice", "--format=kubernetes", "--overwrite", "--out", out_text];
        let to = [format!("--proxy={}", self.proxy), format!("--kube-cluster-name={KUBE}")];
        self.tctl_with(&[&file[..], &[&to[0], &to[1]]].concat(), "")?;
        Ok(out)
    }

    /// Logs the user in with `tsh`. Returns the command that kubectl would then run for its credentials.
    ///
    /// # Errors
    /// When the login fails.
    pub(crate) fn login(&self) -> Result<Vec<String>> {
        let status = self.tctl_with(&["status", "--format=json"], "")?;
        let status: Value = serde_json::from_str(&status)?;
        let pin = status.pointer("/ca_pins/0").and_then(Value::as_str).context("the status has the pin")?;
        let to = [format!("--proxy={}", self.proxy), "--user=alice".to_owned(), format!("--ca-pin={pin}")];
        with_input(self.tsh_command().arg("login").args(to), PASSWORD)?;
        let args = ["kube", "credentials", "--kube-cluster=bench", "--teleport-cluster=main"].map(str::to_owned);
        Ok(args.into_iter().chain([format!("--proxy={}", self.proxy)]).collect())
    }

    /// Makes a `tsh` command in the user's home.
    pub(crate) fn tsh_command(&self) -> Command {
        let mut command = Command::new(&self.tsh);
        command.env("TELEPORT_HOME", self.dir.join("tsh")).env("KUBECONFIG", self.login_kubeconfig());
        command
    }

    /// Returns the kubeconfig that the login wrote.
    pub(crate) fn login_kubeconfig(&self) -> PathBuf {
        self.dir.join("login.kubeconfig")
    }

    fn tctl_with(&self, args: &[&str], input: &str) -> Result<String> {
        let config = self.dir.join("teleport.yaml");
        with_input(Command::new(&self.teleport).arg("ctl").arg("-c").arg(&config).args(args), input)
    }

    /// Returns the folder of the daemon.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Roles that each allow another namespace, but for the first, which allows what is asked for.
fn roles(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let namespace = if number == 0 { "default".to_owned() } else { format!("team-{number}") };
        let written = write!(
            text,
            "kind: role
version: v8
metadata: {{name: role-{number}}}
spec:
  allow:
    kubernetes_labels: {{'*': '*'}}
    kubernetes_groups: [devs]
    kubernetes_resources:
    - {{kind: pods, api_group: '*', namespace: {namespace}, name: '*', verbs: ['*']}}
---
"
        );
        written.expect("a string takes all that is written to it");
    }
    text
}

fn with_input(command: &mut Command, input: &str) -> Result<String> {
    use std::io::Write as _;
    // A file and not a pipe: the program may end without reading.
    let mut file = tempfile::tempfile()?;
    file.write_all(input.as_bytes())?;
    std::io::Seek::rewind(&mut file)?;
    system::run(command.stdin(Stdio::from(file)))
}
