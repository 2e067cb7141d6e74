//! A whole Teleport cluster of real processes on loopback: the daemon, people with their laptops, administrators.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    process::{self, Ended, Process},
    programs, wait,
};

/// How long a daemon may take until it is ready, on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// Password of every user that [`System::add_user`] makes.
pub const PASSWORD: &str = "correct horse battery";

/// A running cluster with its own folder.
pub struct System {
    dir: tempfile::TempDir,
    config: PathBuf,
    daemon: Option<Process>,
    proxy: String,
}

/// One person's laptop: their home, kubeconfig and tools.
pub struct Laptop {
    dir: tempfile::TempDir,
    proxy: String,
    ca_pin: String,
}

impl System {
    /// Starts auth, proxy and kubernetes in one process; `kubeconfig` names the upstreams, each context a cluster.
    pub fn start(kubeconfig: &str) -> Self {
        Self::start_with(kubeconfig, "")
    }

    /// As [`System::start`], with more lines at the end of the configuration.
    ///
    /// # Panics
    /// When the daemon does not become ready.
    pub fn start_with(kubeconfig: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let upstreams = dir.path().join("upstreams");
        std::fs::write(&upstreams, kubeconfig).expect("write");
        let config = dir.path().join("teleport.yaml");
        let text = format!(
            "version: v3
teleport:
  nodename: test
  data_dir: {data}
  log: {{severity: DEBUG, format: {{output: json}}}}
auth_service:
  cluster_name: main
  listen_addr: 127.0.0.1:0
proxy_service:
  web_listen_addr: 127.0.0.1:0
kubernetes_service:
  kubeconfig_file: {upstreams}
  labels: {{env: test}}
{more}",
            data = dir.path().join("data").display(),
            upstreams = upstreams.display(),
        );
        std::fs::write(&config, text).expect("write");
        let mut system = Self { dir, config, daemon: None, proxy: String::new() };
        system.start_daemon();
        system
    }

    /// Starts the daemon again, on the port it had.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_daemon(&mut self) {
        let mut command = process::clean_command(&programs::ours("teleport"));
        let daemon = Process::start(command.args(["start", "-c"]).arg(&self.config));
        let line = daemon.wait_for_line("teleport is ready", READY);
        let line: Value = serde_json::from_str(&line).expect("log lines are JSON");
        self.proxy = line.get("proxy").and_then(Value::as_str).expect("the line names the proxy").to_owned();
        self.daemon = Some(daemon);
        // A restart must come back where people's kubeconfigs point.
        let text = std::fs::read_to_string(&self.config).expect("read");
        let text = text.replace("web_listen_addr: 127.0.0.1:0", &format!("web_listen_addr: {}", self.proxy));
        std::fs::write(&self.config, text).expect("write");
    }

    /// Returns the running daemon.
    ///
    /// # Panics
    /// When it does not run.
    pub fn daemon(&mut self) -> &mut Process {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Ends the daemon politely and waits for it.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("TERM");
            let status = daemon.wait(Duration::from_secs(30));
            assert!(status.success(), "{status}:\n{}", daemon.output());
        }
    }

    /// Kills the daemon where it stands.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("KILL");
            daemon.wait(Duration::from_secs(10));
        }
    }

    /// Returns the proxy's address.
    pub fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Returns the folder of the system.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the folder with the daemon's state.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs `tctl` beside the daemon.
    pub fn tctl(&self, args: &[&str]) -> Ended {
        self.tctl_with(args, "")
    }

    /// Runs `tctl` with something on its standard input.
    pub fn tctl_with(&self, args: &[&str], input: &str) -> Ended {
        let mut command = process::clean_command(&programs::ours("teleport"));
        process::run(command.arg("ctl").arg("-c").arg(&self.config).args(args), input.as_bytes())
    }

    /// Creates or replaces a resource from YAML.
    ///
    /// # Panics
    /// When it is refused.
    pub fn create(&self, yaml: &str) {
        let _ = self.tctl_with(&["create", "-f"], yaml).ok();
    }

    /// Adds a local user with [`PASSWORD`].
    ///
    /// # Panics
    /// When it is refused.
    pub fn add_user(&self, name: &str, roles: &str) {
        let roles = format!("--roles={roles}");
        let _ = self.tctl_with(&["users", "add", name, &roles, "--password-file=-"], PASSWORD).ok();
    }

    /// Returns the audit events of a type, the oldest first, waiting until there are at least `count`.
    ///
    /// # Panics
    /// When there are fewer after a while.
    pub fn events(&self, kind: &str, count: usize) -> Vec<Value> {
        let list = || -> Vec<Value> {
            let args = ["audit", "ls", "--format=json", "--limit=10000", "--type", kind];
            serde_json::from_str(&self.tctl(&args).ok().stdout).expect("JSON")
        };
        let enough = || Some(list()).filter(|events| events.len() >= count);
        wait::for_some(wait::PATIENCE, enough)
            .unwrap_or_else(|| panic!("fewer than {count} events {kind}: {:#?}", list()))
    }

    /// Returns the pin of the host CA.
    ///
    /// # Panics
    /// When the status has none.
    pub fn ca_pin(&self) -> String {
        let status: Value = serde_json::from_str(&self.tctl(&["status", "--format=json"]).ok().stdout).expect("JSON");
        status.pointer("/ca_pins/0").and_then(Value::as_str).expect("a pin").to_owned()
    }

    /// Makes a laptop that knows the cluster's pin.
    pub fn laptop(&self) -> Laptop {
        Laptop::new(&self.proxy, &self.ca_pin())
    }

    /// Makes a laptop and logs a user in.
    ///
    /// # Panics
    /// When the login is refused.
    pub fn logged_in(&self, user: &str) -> Laptop {
        let laptop = self.laptop();
        let _ = laptop.login(user, &[]).ok();
        laptop
    }
}

impl Laptop {
    /// Makes a laptop that will log in at a proxy, knowing the pin of its cluster's host CA.
    ///
    /// # Panics
    /// When there is no place for its home.
    pub fn new(proxy: &str, ca_pin: &str) -> Self {
        Self { dir: tempfile::tempdir().expect("temp dir"), proxy: proxy.to_owned(), ca_pin: ca_pin.to_owned() }
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// Makes a command with this laptop's environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = process::clean_command(program);
        command
            .env("HOME", self.home())
            .env("TELEPORT_HOME", self.home().join(".tsh"))
            .env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// Logs in with [`PASSWORD`].
    pub fn login(&self, user: &str, more: &[&str]) -> Ended {
        let user = format!("--user={user}");
        let (proxy, pin) = (format!("--proxy={}", self.proxy), format!("--ca-pin={}", self.ca_pin));
        let mut args = vec!["login", &proxy, &user, &pin];
        args.extend(more);
        self.tsh_with(&args, PASSWORD)
    }

    /// Runs `tsh`.
    pub fn tsh(&self, args: &[&str]) -> Ended {
        self.tsh_with(args, "")
    }

    /// Runs `tsh` with something on its standard input.
    pub fn tsh_with(&self, args: &[&str], input: &str) -> Ended {
        process::run(self.command(&programs::ours("tsh")).args(args), input.as_bytes())
    }

    /// Runs a kubectl.
    pub fn kubectl(&self, kubectl: &Path, args: &[&str]) -> Ended {
        process::run(self.command(kubectl).args(args), b"")
    }
}
