//! Auth alone in one process, proxy and kubernetes in another that joined it with a token and a pin.

use std::path::{Path, PathBuf};

use serde_json::Value;
use teleport_testkit::{
    Laptop, PASSWORD,
    common::{ROLES, any_kubectl},
    kubesim::KubeSim,
    process::{Ended, Process, clean_command, run},
    programs,
    wait::{self, PATIENCE},
};

use crate::every_kubectl;

/// Two processes with a folder each.
struct Pair {
    dir: tempfile::TempDir,
    auth: Option<Process>,
    auth_addr: String,
    edge: Option<Process>,
    proxy: String,
    pin: String,
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

impl Pair {
    fn start(kubeconfig: &str) -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("upstreams"), kubeconfig).expect("write");
        let (auth_addr, proxy, pin) = ("127.0.0.1:0".to_owned(), "127.0.0.1:0".to_owned(), String::new());
        let mut pair = Self { dir, auth: None, auth_addr, edge: None, proxy, pin };
        pair.start_auth();
        let _ = pair.tctl(&["create", "-f"], ROLES).ok();
        let _ = pair.tctl(&["users", "add", "alice", "--roles=developer", "--password-file=-"], PASSWORD).ok();
        let status: Value =
            serde_json::from_str(&pair.tctl(&["status", "--format=json"], "").ok().stdout).expect("JSON");
        pair.pin = status.pointer("/ca_pins/0").and_then(Value::as_str).expect("a pin").to_owned();
        pair.start_edge();
        pair
    }

    fn config(&self, name: &str, services: &str) -> PathBuf {
        let (data, file) = (self.dir.path().join(name), self.dir.path().join(format!("{name}.yaml")));
        let text = format!(
            "version: v3\nteleport:\n  nodename: {name}\n  data_dir: {}\n  log: {{severity: DEBUG, format: {{output: json}}}}\n{services}",
            data.display()
        );
        std::fs::write(&file, text).expect("write");
        file
    }

    fn start_auth(&mut self) {
        let services = format!(
            "auth_service:\n  cluster_name: main\n  listen_addr: {}\n  tokens: ['proxy,kube:{TOKEN}']\n",
            self.auth_addr
        );
        let auth = start(&self.config("auth", &services));
        self.auth_addr = named(&auth, "auth");
        self.auth = Some(auth);
    }

    fn start_edge(&mut self) {
        let services = format!(
            "  auth_server: {}\n  auth_token: {TOKEN}\n  ca_pin: {}\nproxy_service:\n  web_listen_addr: {}\nkubernetes_service:\n  kubeconfig_file: {}\n",
            self.auth_addr,
            self.pin,
            self.proxy,
            self.dir.path().join("upstreams").display()
        );
        let edge = start(&self.config("edge", &services));
        self.proxy = named(&edge, "proxy");
        self.edge = Some(edge);
    }

    fn tctl(&self, args: &[&str], input: &str) -> Ended {
        let mut command = clean_command(&programs::ours("teleport"));
        run(command.arg("ctl").arg("-c").arg(self.dir.path().join("auth.yaml")).args(args), input.as_bytes())
    }

    fn logged_in(&self) -> Laptop {
        let laptop = Laptop::new(&self.proxy, &self.pin);
        let _ = laptop.login("alice", &[]).ok();
        laptop
    }

    /// Waits until the log holds a request for this path.
    fn wait_for_request(&self, path: &str) {
        let list =
            || self.tctl(&["audit", "ls", "--format=json", "--limit=10000", "--type=kube.request"], "").ok().stdout;
        assert!(wait::until(PATIENCE, || list().contains(path)), "no event of {path}: {}", list());
    }
}

fn start(config: &Path) -> Process {
    Process::start(clean_command(&programs::ours("teleport")).args(["start", "-c"]).arg(config))
}

/// Waits until the process is ready and returns an address that it names then.
fn named(process: &Process, field: &str) -> String {
    let line: Value =
        serde_json::from_str(&process.wait_for_line("teleport is ready", PATIENCE)).expect("log lines are JSON");
    line.get(field).and_then(Value::as_str).expect("the line names the address").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_joined_with_a_token_serve_every_kubectl() {
    let sim = KubeSim::start().await.expect("kubesim starts");
    let pair = Pair::start(&sim.kubeconfig_for_proxy());
    let alice = pair.logged_in();
    for (version, kubectl) in every_kubectl("services_that_joined_with_a_token_serve_every_kubectl") {
        sim.clear_requests();
        let _ = alice.kubectl(&kubectl, &["get", "pod", "web-0"]).ok();
        let seen = sim.requests();
        let get = seen.iter().find(|seen| seen.path.contains("/pods/web-0")).expect("the request arrived");
        assert_eq!((get.user(), get.groups()), ("alice", vec!["devs", "system:authenticated"]), "{version}");
        let exec = alice.kubectl(&kubectl, &["exec", "web-0", "--", "sh", "-c", "echo out; exit 3"]);
        assert_eq!((exec.code, exec.stdout.as_str()), (3, "out\n"), "{version}: {}", exec.all());
        let refused = alice.kubectl(&kubectl, &["-n", "production", "get", "pod", "api-0"]);
        assert!(refused.stderr.contains("Forbidden"), "{version}: {}", refused.all());
    }
    pair.wait_for_request("/pods/web-0");
    let _ = pair.tctl(&["audit", "verify"], "").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_auth_the_services_go_on_and_their_audit_arrives_later() {
    let Some(kubectl) = any_kubectl("without_auth_the_services_go_on_and_their_audit_arrives_later") else { return };
    let sim = KubeSim::start().await.expect("kubesim starts");
    let mut pair = Pair::start(&sim.kubeconfig_for_proxy());
    let alice = pair.logged_in();
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    let mut watch = Process::start(alice.command(&kubectl).args(["get", "pods", "-w"]));
    watch.wait_for_line("web-0", PATIENCE);

    let mut auth = pair.auth.take().expect("it runs");
    auth.signal("KILL");
    auth.wait(PATIENCE);
    let _ = alice.kubectl(&kubectl, &["get", "configmap", "settings"]).ok();
    let refused = alice.kubectl(&kubectl, &["-n", "production", "get", "pod", "api-0"]);
    assert!(refused.stderr.contains("Forbidden"), "{}", refused.all());
    let late = Laptop::new(&pair.proxy, &pair.pin).login("alice", &[]);
    assert_eq!(late.code, 1);
    assert!(late.stderr.starts_with("ERROR: ") && late.stderr.lines().count() == 1, "{}", late.stderr);

    pair.start_auth();
    pair.wait_for_request("/configmaps/settings");
    pair.wait_for_request("/namespaces/production/pods/api-0");
    let _ = pair.tctl(&["audit", "verify"], "").ok();
    // The follower is back: what changes now is heard, also by what runs since before.
    let _ = pair.tctl(&["users", "update", "alice", "--set-roles=nothing"], "").ok();
    watch.wait(PATIENCE);
    assert_ne!(alice.kubectl(&kubectl, &["get", "pods"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_services_use_the_identity_they_kept() {
    let Some(kubectl) = any_kubectl("restarted_services_use_the_identity_they_kept") else { return };
    let sim = KubeSim::start().await.expect("kubesim starts");
    let mut pair = Pair::start(&sim.kubeconfig_for_proxy());
    let alice = pair.logged_in();
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    // The token is spent on joining only: the identity that was kept is enough afterwards.
    let mut edge = pair.edge.take().expect("it runs");
    edge.signal("TERM");
    assert!(edge.wait(PATIENCE).success(), "{}", edge.output());
    pair.start_edge();
    let joined = pair.tctl(&["audit", "ls", "--format=json", "--type=instance.join"], "").ok().stdout;
    assert_eq!(joined.matches("\"instance.join\"").count(), 1, "{joined}");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_or_pin_is_one_clear_line() {
    let sim = KubeSim::start().await.expect("kubesim starts");
    let pair = Pair::start(&sim.kubeconfig_for_proxy());
    let upstreams = pair.dir.path().join("upstreams");
    let zeros = format!("sha256:{}", "0".repeat(64));
    for (name, token, pin, words) in [
        ("wrong-token", "ffffffffffffffffffffffffffffffff", pair.pin.as_str(), "token"),
        ("wrong-pin", TOKEN, zeros.as_str(), "ca_pin"),
    ] {
        let services = format!(
            "  auth_server: {}\n  auth_token: {token}\n  ca_pin: {pin}\nkubernetes_service:\n  kubeconfig_file: {}\n",
            pair.auth_addr,
            upstreams.display()
        );
        let config = pair.config(name, &services);
        let mut command = clean_command(&programs::ours("teleport"));
        let ended = run(command.args(["start", "-c"]).arg(&config), b"");
        assert_eq!(ended.code, 1, "{name}: {}", ended.all());
        let errors: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("ERROR: ")).collect();
        assert_eq!(errors.len(), 1, "{name}: {}", ended.stderr);
        assert!(errors.iter().all(|line| line.contains(words)), "{name}: {}", ended.stderr);
        assert!(!ended.all().contains(token), "{name}: the token is in the output");
    }
}
