//! What runs for long: exec, logs, copies and forwarded ports with every kubectl, and what becomes of them at a stop.

use std::{path::Path, time::Duration};

use serde_json::Value;
use teleport_testkit::{
    World,
    common::any_kubectl,
    process::{Process, run},
    programs,
};

use teleport_testkit::wait::{self, PATIENCE};

use crate::every_kubectl;

#[tokio::test(flavor = "multi_thread")]
async fn exec_passes_both_streams_the_input_and_the_exit_code() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("exec_passes_both_streams_the_input_and_the_exit_code") {
        let exec = alice.kubectl(&kubectl, &["exec", "web-0", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!((exec.code, exec.stdout.as_str()), (3, "out\n"), "{version}: {}", exec.all());
        assert!(exec.stderr.starts_with("err\n"), "{version}: {}", exec.stderr);
        let lines: String = (0..200_000).map(|number| format!("{number}\n")).collect();
        let cat = run(alice.command(&kubectl).args(["exec", "-i", "web-0", "--", "cat"]), lines.as_bytes()).ok();
        assert!(cat.stdout == lines, "{version}: {} of {} bytes came back", cat.stdout.len(), lines.len());
    }
    let commands = world.closed("exec", 2 * programs::kubectls().len());
    for event in &commands {
        assert_eq!(event.get("user"), Some(&Value::from("alice")));
        assert_eq!(event.get("outcome"), None, "a command that ended in order is not interrupted: {event:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_with_a_terminal_has_one() {
    let test = "exec_with_a_terminal_has_one";
    if !Path::new("/usr/bin/script").exists() {
        return teleport_testkit::skip(test, "no script(1); install bsdutils");
    }
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl(test) {
        let command =
            format!("{} exec -it web-0 -- sh -c 'test -t 0 && test -t 1 && echo has-a-terminal'", kubectl.display());
        let mut script = alice.command(Path::new("/usr/bin/script"));
        let ended = run(script.args(["-qec", &command, "/dev/null"]), b"");
        assert!(ended.code == 0 && ended.stdout.contains("has-a-terminal"), "{version}: {}", ended.all());
    }
    let count = programs::kubectls().len();
    assert_eq!(world.system.events("session.start", count).len(), count);
    assert_eq!(world.system.events("session.end", count).len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_line_by_line() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("logs_are_followed_line_by_line") {
        let logs = Process::start(alice.command(&kubectl).args(["logs", "-f", "web-0"]));
        logs.wait_for_line("web-0 line 3", PATIENCE);
        let news = format!("something happened to {version}");
        world.sim().append_log("default", "web-0", &news);
        logs.wait_for_line(&news, PATIENCE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_copied_in_and_out() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("files_are_copied_in_and_out") {
        let sent = alice.home().join("sent");
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(3_000_000).collect();
        std::fs::write(&sent, &content).expect("write");
        let (sent, got) = (sent.display().to_string(), alice.home().join("got"));
        let _ = alice.kubectl(&kubectl, &["cp", &sent, &format!("web-0:copy-{version}")]).ok();
        let _ = alice.kubectl(&kubectl, &["cp", &format!("web-0:copy-{version}"), &got.display().to_string()]).ok();
        assert!(std::fs::read(&got).expect("read") == content, "{version}: the copy differs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_port_carries_connection_after_connection() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("a_forwarded_port_carries_connection_after_connection") {
        let forward =
            Process::start(alice.command(&kubectl).args(["port-forward", "--address=127.0.0.1", "pod/web-0", ":80"]));
        let line = forward.wait_for_line("Forwarding from", PATIENCE);
        let address = line.split(' ').nth(2).expect("an address");
        for _ in 0..3 {
            assert_eq!(fetch(address).await, "hello from default/web-0\n", "{version}");
        }
    }
    let ports = world.closed("port", 1);
    assert!(ports.iter().all(|event| event.get("user") == Some(&Value::from("alice"))), "{ports:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_forbids_is_refused_before_the_upgrade() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("what_a_role_forbids_is_refused_before_the_upgrade") {
        world.sim().clear_requests();
        for args in [&["exec", "api-0", "--", "true"][..], &["port-forward", "pod/api-0", ":80"], &["logs", "api-0"]] {
            let refused = alice.kubectl(&kubectl, &[&["-n", "production"], args].concat());
            assert_eq!(refused.code, 1, "{version} {args:?}: {}", refused.all());
            assert!(refused.stderr.contains("orbidden"), "{version} {args:?}: {}", refused.stderr);
        }
        assert!(!world.sim().requests().iter().any(|seen| seen.path.contains("production")), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_access_ends_an_exec_and_says_why_in_the_log() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("losing_access_ends_an_exec_and_says_why_in_the_log") {
        let mut exec =
            Process::start(alice.command(&kubectl).args(["exec", "web-0", "--", "sh", "-c", "echo on; sleep 60"]));
        exec.wait_for_line("on", PATIENCE);
        let lock =
            format!("{{kind: lock, version: v2, metadata: {{name: l{version}}}, spec: {{target: {{user: alice}}}}}}");
        world.system.create(&lock);
        let status = exec.wait(Duration::from_secs(5));
        // Over SPDY kubectl takes a lost connection for an end in order.
        assert!(!status.success() || is_spdy(version), "{version}");
        let _ = world.system.tctl(&["rm", &format!("lock/l{version}")]).ok();
        until_allowed(&alice, &kubectl);
    }
    let cut = world.system.events("client.disconnect", 1);
    assert!(cut.iter().all(|event| event.get("reason").is_some_and(|reason| reason != "")), "{cut:#?}");
}

fn until_allowed(laptop: &teleport_testkit::Laptop, kubectl: &Path) {
    let allowed = || laptop.kubectl(kubectl, &["get", "pods"]).code == 0;
    assert!(wait::until(PATIENCE, allowed), "the lock is gone and access is not back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_short_exec_finish_and_the_log_ends_clean() {
    let Some(kubectl) = any_kubectl("a_stop_lets_a_short_exec_finish_and_the_log_ends_clean") else { return };
    let mut world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let script = ["exec", "web-0", "--", "sh", "-c", "echo on; sleep 2; echo off"];
    let mut exec = Process::start(alice.command(&kubectl).args(script));
    exec.wait_for_line("on", PATIENCE);
    world.system.stop();
    assert!(exec.wait(PATIENCE).success(), "{}", exec.output());
    exec.wait_for_line("off", PATIENCE);
    world.system.start_daemon();
    assert_log_is_clean(&world);
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_cuts_a_long_exec_and_a_watch_and_the_log_ends_clean() {
    let Some(kubectl) = any_kubectl("a_stop_cuts_a_long_exec_and_a_watch_and_the_log_ends_clean") else { return };
    let mut world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let mut exec =
        Process::start(alice.command(&kubectl).args(["exec", "web-0", "--", "sh", "-c", "echo on; sleep 100"]));
    exec.wait_for_line("on", PATIENCE);
    let mut watch = Process::start(alice.command(&kubectl).args(["get", "pods", "-w"]));
    watch.wait_for_line("web-0", PATIENCE);
    world.system.stop();
    assert!(!exec.wait(PATIENCE).success(), "{}", exec.output());
    watch.wait(PATIENCE);
    world.system.start_daemon();
    assert_log_is_clean(&world);
}

/// Holds that nothing is left open in the log, that what was cut says why, and that the chain is whole.
fn assert_log_is_clean(world: &World) {
    let export = exported(world);
    let is = |event: &Value, outcome: &str| event.get("outcome") == Some(&Value::from(outcome));
    for event in &export {
        assert!(!is(event, "in_progress"), "{event:#}");
        let says_why = event.get("error") == Some(&Value::from("the service stops"));
        assert!(!is(event, "interrupted") || says_why, "{event:#}");
    }
    let _ = world.system.tctl(&["audit", "verify"]).ok();
}

fn exported(world: &World) -> Vec<Value> {
    let export = world.system.tctl(&["audit", "export"]).ok().stdout;
    export.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn is_spdy(version: &str) -> bool {
    ["1.27", "1.30"].contains(&version)
}

/// Fetches `/` over plain HTTP/1.0 and returns the body.
async fn fetch(address: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut connection = tokio::net::TcpStream::connect(address).await.expect("it listens");
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("write");
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, connection.read_to_string(&mut answer));
    read.await.expect("in time").expect("read");
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
}
