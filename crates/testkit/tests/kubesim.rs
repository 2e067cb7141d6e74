//! The simulator against real kubectls: what the other tests rest on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;
use teleport_testkit::{
    kubesim::KubeSim,
    process::{Ended, Process, clean_command, run},
    programs, skip,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A kubectl with a home of its own.
struct Kubectl {
    version: &'static str,
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn all(test: &str, kubeconfig: &str) -> Vec<Self> {
        let found = programs::kubectls();
        if found.is_empty() {
            skip(test, "no kubectl; scripts/install-test-tools gets some");
        }
        let with_home = |(version, program)| {
            let home = tempfile::tempdir().unwrap();
            std::fs::write(home.path().join("config"), kubeconfig).unwrap();
            Self { version, program, home }
        };
        found.into_iter().map(with_home).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clean_command(&self.program);
        command.env("HOME", self.home.path()).env("KUBECONFIG", self.home.path().join("config")).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, b"")
    }

    fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        run(&mut self.command(arguments), input)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: &Path = self.home.path();
        std::fs::write(path.join(name), text).unwrap();
        path.join(name).to_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kubectl_reads_writes_and_prints() {
    let sim = KubeSim::start().await.unwrap();
    for kubectl in Kubectl::all("every_kubectl_reads_writes_and_prints", &sim.kubeconfig_for_admin().unwrap()) {
        let pods = kubectl.run(&["get", "pods", "-n", "production"]).ok().stdout;
        assert!(pods.starts_with("NAME    READY   STATUS    RESTARTS   AGE\napi-0   1/1     Running"), "{pods}");
        let _ = kubectl.run(&["describe", "pod", "web-0"]).ok();
        let file = kubectl.file("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n");
        assert_eq!(kubectl.run(&["apply", "-f", &file]).ok().stdout, "configmap/x created\n", "{}", kubectl.version);
        kubectl.file("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: c}\n");
        assert_eq!(kubectl.run(&["apply", "-f", &file]).ok().stdout, "configmap/x configured\n");
        assert_eq!(kubectl.run(&["get", "cm", "x", "-o", "jsonpath={.data.a}"]).ok().stdout, "c");
        let _ = kubectl.run(&["delete", "cm", "x"]).ok();
        let _ = kubectl.run(&["create", "configmap", "y", "--from-literal=k=v"]).ok();
        assert_eq!(sim.get("configmaps", "default", "y").unwrap()["data"], json!({"k": "v"}));
        let _ = kubectl.run(&["delete", "cm", "y"]).ok();
        let gone = kubectl.run(&["delete", "cm", "y"]);
        assert_eq!(
            (gone.code, gone.stderr.as_str()),
            (1, "Error from server (NotFound): configmaps \"y\" not found\n")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kubectl_sees_who_it_is_and_what_it_may_not() {
    let sim = KubeSim::start().await.unwrap();
    for kubectl in Kubectl::all("every_kubectl_sees_who_it_is_and_what_it_may_not", &sim.kubeconfig_for_proxy()) {
        let alice = ["--as", "alice", "--as-group", "devs"];
        let whoami = kubectl.run(&[&["auth", "whoami"], &alice[..]].concat()).ok().stdout;
        assert!(whoami.contains("alice") && whoami.contains("[devs system:authenticated]"), "{whoami}");
        let denied = kubectl.run(&[&["get", "pods", "-n", "production"], &alice[..]].concat());
        let text = "Error from server (Forbidden): pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" in the namespace \"production\"\n";
        assert_eq!((denied.code, denied.stderr.as_str()), (1, text));
        assert_eq!(kubectl.run(&[&["auth", "can-i", "list", "pods"], &alice[..]].concat()).stdout, "yes\n");
        assert_eq!(kubectl.run(&["auth", "can-i", "list", "pods"]).stdout, "no\n");
        sim.control().deny_impersonation();
        let refused = kubectl.run(&[&["get", "pods"], &alice[..]].concat());
        assert!(refused.stderr.contains("users \"alice\" is forbidden"), "{}", refused.stderr);
        sim.control().allow_impersonation();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kubectl_runs_commands_in_a_pod() {
    let sim = KubeSim::start().await.unwrap();
    for kubectl in Kubectl::all("every_kubectl_runs_commands_in_a_pod", &sim.kubeconfig_for_admin().unwrap()) {
        let ended = kubectl.run(&["exec", "web-0", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (3, "out\n"), "{}", kubectl.version);
        assert!(ended.stderr.starts_with("err\n"), "{}", ended.stderr);
        let lines: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        let copied = kubectl.run_with(&["exec", "-i", "web-0", "--", "cat"], lines.as_bytes()).ok().stdout;
        assert!(copied == lines, "{}: {} of {} bytes came back", kubectl.version, copied.len(), lines.len());
        let file = kubectl.file("note", "hello\n");
        let _ = kubectl.run(&["cp", &file, "web-0:note"]).ok();
        assert_eq!(kubectl.run(&["exec", "web-0", "--", "cat", "note"]).ok().stdout, "hello\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kubectl_forwards_a_port() {
    let sim = KubeSim::start().await.unwrap();
    for kubectl in Kubectl::all("every_kubectl_forwards_a_port", &sim.kubeconfig_for_admin().unwrap()) {
        let forward =
            Process::start(&mut kubectl.command(&["port-forward", "--address=127.0.0.1", "pod/web-0", ":80"]));
        let line = forward.wait_for_line("Forwarding from", PATIENCE);
        let address = line.split(' ').nth(2).unwrap();
        for _ in 0..3 {
            assert_eq!(get(address).await, "hello from default/web-0\n", "{}", kubectl.version);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_watches_are_flushed_as_things_happen() {
    let sim = KubeSim::start().await.unwrap();
    for kubectl in Kubectl::all("logs_and_watches_are_flushed_as_things_happen", &sim.kubeconfig_for_admin().unwrap()) {
        let logs = Process::start(&mut kubectl.command(&["logs", "-f", "web-0"]));
        logs.wait_for_line("web-0 line 3", PATIENCE);
        sim.append_log("default", "web-0", "something happened");
        logs.wait_for_line("something happened", PATIENCE);
        let watch = Process::start(&mut kubectl.command(&["get", "pods", "-w", "-l", "app=new"]));
        let name = format!("new-{}", kubectl.version);
        let pod =
            json!({"metadata": {"name": name, "labels": {"app": "new"}}, "spec": {"containers": [{"name": "main"}]}});
        sim.put("pods", "default", pod).unwrap();
        watch.wait_for_line(&name, PATIENCE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn going_down_cuts_and_coming_up_serves_again() {
    let sim = KubeSim::start().await.unwrap();
    let admin = sim.kubeconfig_for_admin().unwrap();
    let Some(kubectl) = Kubectl::all("going_down_cuts_and_coming_up_serves_again", &admin).pop() else { return };
    let mut logs = Process::start(&mut kubectl.command(&["logs", "-f", "web-0"]));
    logs.wait_for_line("web-0 line 3", PATIENCE);
    sim.down().await;
    logs.wait(PATIENCE);
    assert_ne!(kubectl.run(&["get", "pods"]).code, 0);
    sim.up().await.unwrap();
    let _ = kubectl.run(&["get", "pods"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_remembered_as_the_api_server_saw_them() {
    let sim = KubeSim::start().await.unwrap();
    let proxy = sim.kubeconfig_for_proxy();
    let Some(kubectl) = Kubectl::all("requests_are_remembered_as_the_api_server_saw_them", &proxy).pop() else {
        return;
    };
    let _ = kubectl
        .run(&["get", "--raw", "/api/v1/namespaces/default/pods?limit=1", "--as", "alice", "--as-group", "devs"])
        .ok();
    let seen = sim.requests().pop().unwrap();
    assert_eq!((seen.user(), seen.groups()), ("alice", vec!["devs", "system:authenticated"]));
    assert_eq!((seen.path.as_str(), seen.code), ("/api/v1/namespaces/default/pods?limit=1", 200));
    let expected = [("impersonate-group", "devs"), ("impersonate-user", "alice")];
    assert_eq!(
        seen.headers_starting("impersonate-"),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

/// Fetches `/` over plain HTTP/1.0 and returns the body.
async fn get(address: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
}
