//! Policy is live: whatever ends a right stops a running watch within moments, and the next command says what to do.

use std::{path::Path, time::Duration};

use serde_json::Value;
use teleport_testkit::{Laptop, World, common::any_kubectl, process::Process};

use teleport_testkit::wait::{self, PATIENCE};

both_apis!(
    the_end_of_the_certificate_stops_a_watch_and_the_next_command_says_to_log_in,
    shrinking_the_roles_stops_a_watch_and_the_next_command_says_to_log_in,
    a_narrowed_role_stops_a_watch_and_what_it_still_allows_goes_on,
    roles_that_grew_are_in_the_next_login,
);

/// The promise is a second; the rest is for a busy machine.
const CUT: Duration = Duration::from_secs(5);

const NARROWED: &str = "kind: role
version: v8
metadata: {name: developer}
spec:
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: [devs]
    kubernetes_resources: [{kind: '*', api_group: '*', namespace: dev, name: '*', verbs: ['*']}]
";

/// Starts a watch in `default` that has already shown what is there.
fn watch(laptop: &Laptop, kubectl: &Path) -> Process {
    let watch = Process::start(laptop.command(kubectl).args(["get", "pods", "-w"]));
    watch.wait_for_line("web-0", PATIENCE);
    watch
}

/// Runs a command that must be refused and returns what kubectl says.
fn refused(laptop: &Laptop, kubectl: &Path) -> String {
    let next = laptop.kubectl(kubectl, &["get", "pods"]);
    assert_ne!(next.code, 0, "{}", next.all());
    next.stderr
}

fn assert_cut_is_audited(world: &World, user: &str) {
    world.event("client.disconnect", |event| event.get("user") == Some(&Value::from(user)));
    // What was cut is closed in the log, with the reason.
    let cut = world.event("kube.request", |event| event.get("outcome") == Some(&Value::from("interrupted")));
    assert!(cut.get("error").is_some() && cut.get("ended").is_some(), "{cut:#}");
}

async fn the_end_of_the_certificate_stops_a_watch_and_the_next_command_says_to_log_in(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let machine = world.signed("alice", "5s");
    let mut watch = watch(&machine, &kubectl);
    watch.wait(Duration::from_secs(5) + CUT);
    assert_cut_is_audited(&world, "alice");
    let said = refused(&machine, &kubectl);
    assert!(said.contains("expired") && said.contains("tsh login"), "{said}");
}

async fn shrinking_the_roles_stops_a_watch_and_the_next_command_says_to_log_in(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    let mut watch = watch(&alice, &kubectl);
    let _ = world.system.tctl(&["users", "update", "alice", "--set-roles=nothing"]).ok();
    watch.wait(CUT);
    assert_cut_is_audited(&world, "alice");
    let said = refused(&alice, &kubectl);
    assert!(said.contains("tsh login"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_user_stops_a_watch_and_every_command() {
    let Some(kubectl) = any_kubectl("deleting_the_user_stops_a_watch_and_every_command") else { return };
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let mut watch = watch(&alice, &kubectl);
    let _ = world.system.tctl(&["users", "rm", "alice"]).ok();
    watch.wait(CUT);
    assert_cut_is_audited(&world, "alice");
    refused(&alice, &kubectl);
    let again = alice.tsh(&["logout"]);
    assert_eq!(again.code, 0, "{}", again.all());
    assert_eq!(alice.login("alice", &[]).code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_stops_a_watch_with_its_message_and_its_removal_lets_the_user_in_again() {
    let test = "a_lock_stops_a_watch_with_its_message_and_its_removal_lets_the_user_in_again";
    let Some(kubectl) = any_kubectl(test) else { return };
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let mut watch = watch(&alice, &kubectl);
    world.system.create(
        "{kind: lock, version: v2, metadata: {name: trouble}, spec: {target: {user: alice}, message: call the office}}",
    );
    watch.wait(CUT);
    assert_cut_is_audited(&world, "alice");
    let said = refused(&alice, &kubectl);
    assert!(said.contains("call the office"), "{said}");
    assert_eq!(world.system.laptop().login("alice", &[]).code, 1, "a locked user cannot log in either");
    let _ = world.system.tctl(&["rm", "lock/trouble"]).ok();
    let _ = retried(&alice, &kubectl, &["get", "pods"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_a_role_or_a_cluster_stops_whoever_it_is_about() {
    let test = "a_lock_on_a_role_or_a_cluster_stops_whoever_it_is_about";
    let Some(kubectl) = any_kubectl(test) else { return };
    let world = World::simulated().await;
    world.system.add_user("root", "admin");
    let (alice, root) = (world.system.logged_in("alice"), world.system.logged_in("root"));
    world.system.create("{kind: lock, version: v2, metadata: {name: r}, spec: {target: {role: developer}}}");
    assert!(until_refused(&alice, &kubectl).contains("locked"));
    let mut watch = watch(&root, &kubectl);
    let _ = root.kubectl(&kubectl, &["get", "pods"]).ok();
    world.system.create("{kind: lock, version: v2, metadata: {name: c}, spec: {target: {kube_cluster: kubesim}}}");
    watch.wait(CUT);
    assert!(refused(&root, &kubectl).contains("locked"));
}

async fn a_narrowed_role_stops_a_watch_and_what_it_still_allows_goes_on(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    let dev = Process::start(alice.command(&kubectl).args(["-n", "dev", "get", "pods", "-w"]));
    dev.wait_for_line("web-0", PATIENCE);
    let mut default = watch(&alice, &kubectl);
    world.system.create(NARROWED);
    default.wait(CUT);
    assert_cut_is_audited(&world, "alice");
    let said = refused(&alice, &kubectl);
    assert!(said.contains(r#"User "alice" cannot list resource "pods""#), "{said}");
    // The watch that is still allowed was not cut: it shows what happens now.
    let _ = alice.kubectl(&kubectl, &["-n", "dev", "annotate", "pod", "web-0", "note=seen", "--overwrite"]).ok();
    let lines = |dev: &Process| dev.output().matches("web-0").count();
    assert!(wait::until(PATIENCE, || lines(&dev) >= 2), "{}", dev.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_stops_a_watch_and_a_copy_of_the_credentials_is_worth_nothing() {
    let test = "logout_stops_a_watch_and_a_copy_of_the_credentials_is_worth_nothing";
    let Some(kubectl) = any_kubectl(test) else { return };
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let mut watch = watch(&alice, &kubectl);
    let thief = world.system.laptop();
    let copied = std::process::Command::new("cp").arg("-a").arg(alice.home().join(".")).arg(thief.home()).status();
    assert!(copied.expect("cp runs").success());
    let text = std::fs::read_to_string(thief.kubeconfig()).expect("read");
    let moved = text.replace(&alice.home().display().to_string(), &thief.home().display().to_string());
    std::fs::write(thief.kubeconfig(), moved).expect("write");
    let _ = thief.kubectl(&kubectl, &["get", "pods"]).ok();
    let _ = alice.tsh(&["logout"]).ok();
    watch.wait(CUT);
    assert!(refused(&thief, &kubectl).contains("tsh login"));
}

async fn roles_that_grew_are_in_the_next_login(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    let mut watch = watch(&alice, &kubectl);
    let _ = world.system.tctl(&["users", "update", "alice", "--set-roles=developer,admin"]).ok();
    // Growing takes nothing away from the certificate there is, and gives it nothing.
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    assert_eq!(alice.kubectl(&kubectl, &["-n", "production", "get", "pods"]).code, 1);
    watch.signal("TERM");
    watch.wait(PATIENCE);
    let _ = alice.tsh(&["logout"]).ok();
    let _ = alice.login("alice", &[]).ok();
    let _ = alice.kubectl(&kubectl, &["-n", "production", "get", "pods"]).ok();
}

/// Runs a command until it works, for a little while.
fn retried(laptop: &Laptop, kubectl: &Path, args: &[&str]) -> String {
    let run = || laptop.kubectl(kubectl, args);
    let worked = wait::for_some(CUT, || Some(run()).filter(|ended| ended.code == 0));
    worked.unwrap_or_else(run).ok().stdout
}

/// Runs a command until it is refused, for a little while, and returns what kubectl says.
fn until_refused(laptop: &Laptop, kubectl: &Path) -> String {
    let run = || laptop.kubectl(kubectl, &["get", "pods"]);
    wait::for_some(CUT, || Some(run()).filter(|ended| ended.code != 0)).expect("it is refused").stderr
}
