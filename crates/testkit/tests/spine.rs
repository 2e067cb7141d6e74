//! Log in once, then kubectl works as yourself: the whole path with real binaries and every kubectl there is.

use std::time::Duration;

use serde_json::Value;
use teleport_testkit::{
    System,
    common::{ROLES, any_kubectl},
    kubesim::KubeSim,
    process::Process,
    programs,
};

struct World {
    sim: KubeSim,
    system: System,
}

async fn world() -> World {
    let sim = KubeSim::start().await.expect("kubesim starts");
    let system = System::start(&sim.kubeconfig_for_proxy());
    system.create(ROLES);
    system.add_user("alice", "developer");
    World { sim, system }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_one_login_every_kubectl_works_as_the_user() {
    let world = world().await;
    let alice = world.system.logged_in("alice");
    let kubectls = programs::kubectls();
    if kubectls.is_empty() {
        teleport_testkit::skip("after_one_login_every_kubectl_works_as_the_user", "no kubectl");
    }
    for (version, kubectl) in kubectls {
        let pods = alice.kubectl(&kubectl, &["get", "pods"]).ok();
        assert!(pods.stdout.contains("web-0"), "{version}: {}", pods.all());
        world.sim.clear_requests();
        let _ = alice.kubectl(&kubectl, &["get", "pod", "web-0", "-o", "json"]).ok();
        let seen = world.sim.requests();
        let get = seen.iter().find(|seen| seen.path.contains("/pods/web-0")).expect("the request arrived");
        assert_eq!(get.user(), "alice", "{version}");
        assert_eq!(get.groups(), ["devs", "system:authenticated"], "{version}");
        assert!(get.header("x-forwarded-for").iter().all(|addr| *addr == "127.0.0.1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_is_forbidden_in_production_in_the_words_of_kubernetes() {
    let Some(kubectl) = any_kubectl("a_developer_is_forbidden_in_production_in_the_words_of_kubernetes") else {
        return;
    };
    let world = world().await;
    let alice = world.system.logged_in("alice");
    world.sim.clear_requests();
    let refused = alice.kubectl(&kubectl, &["-n", "production", "get", "pod", "api-0"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("Error from server (Forbidden): pods \"api-0\" is forbidden: User \"alice\""),
        "{}",
        refused.stderr
    );
    assert!(!world.sim.requests().iter().any(|seen| seen.path.contains("production")), "nothing was forwarded");
    let events = world.system.events("kube.request", 1);
    let denied =
        events.iter().find(|event| event.get("response_code") == Some(&Value::from(403))).expect("it is audited");
    assert_eq!(denied.get("user"), Some(&Value::from("alice")));
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_logs_apply_delete_and_port_forward_pass() {
    let world = world().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in programs::kubectls() {
        let exec = alice.kubectl(&kubectl, &["exec", "web-0", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!((exec.code, exec.stdout.as_str()), (3, "out\n"), "{version}: {}", exec.all());
        assert!(exec.stderr.contains("err\n"), "{version}");
        let _ = alice.kubectl(&kubectl, &["logs", "web-0", "--tail=1"]).ok();
        let name = format!("made-by-{}", version.replace('.', "-"));
        let _ = alice.kubectl(&kubectl, &["create", "configmap", &name, "--from-literal=a=b"]).ok();
        let _ = alice.kubectl(&kubectl, &["delete", "configmap", &name]).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shrinking_the_roles_stops_a_running_watch_and_the_next_command() {
    let Some(kubectl) = any_kubectl("shrinking_the_roles_stops_a_running_watch_and_the_next_command") else { return };
    let world = world().await;
    let alice = world.system.logged_in("alice");
    let mut watch = Process::start(alice.command(&kubectl).args(["get", "pods", "-w"]));
    watch.wait_for_line("web-0", Duration::from_secs(20));
    let _ = world.system.tctl(&["users", "update", "alice", "--set-roles=nothing"]).ok();
    watch.wait(Duration::from_secs(10));
    let next = alice.kubectl(&kubectl, &["get", "pods"]);
    assert_ne!(next.code, 0, "{}", next.all());
    let cut = world.system.events("client.disconnect", 1);
    assert!(cut.iter().any(|event| event.get("user") == Some(&Value::from("alice"))), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_access_and_leaves_the_rest_of_the_kubeconfig() {
    let Some(kubectl) = any_kubectl("logout_ends_access_and_leaves_the_rest_of_the_kubeconfig") else { return };
    let world = world().await;
    let alice = world.system.laptop();
    let own = "apiVersion: v1\nkind: Config\nclusters:\n- name: mine\n  cluster: {server: https://127.0.0.1:1}\ncontexts:\n- name: mine\n  context: {cluster: mine, user: mine}\nusers:\n- name: mine\n  user: {token: abc}\ncurrent-context: mine\n";
    std::fs::write(alice.kubeconfig(), own).expect("write");
    let _ = alice.login("alice", &[]).ok();
    let saved = std::fs::read_to_string(alice.kubeconfig()).expect("read");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    let _ = alice.tsh(&["logout"]).ok();
    let context = alice.kubectl(&kubectl, &["config", "current-context"]).ok();
    assert_eq!(context.stdout.trim(), "mine");
    let after = std::fs::read_to_string(alice.kubeconfig()).expect("read");
    assert!(!after.contains("main-kubesim"), "{after}");
    // A copy of the kubeconfig from before is worth nothing now.
    std::fs::write(alice.kubeconfig(), saved).expect("write");
    let refused = alice.kubectl(&kubectl, &["get", "pods"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("tsh login"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_one_clear_line() {
    let world = world().await;
    let laptop = world.system.laptop();
    let (proxy, pin) = (format!("--proxy={}", world.system.proxy()), format!("--ca-pin={}", world.system.ca_pin()));
    let refused = laptop.tsh_with(&["login", &proxy, "--user=alice", &pin], "not the password");
    assert_eq!(refused.code, 1);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(refused.stderr.starts_with("ERROR: "), "{}", refused.stderr);
    let failed = world.system.events("user.login", 1);
    assert!(failed.iter().any(|event| event.get("success") == Some(&Value::from(false))), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_kubectls_at_once_cost_one_certificate() {
    let Some(kubectl) = any_kubectl("forty_kubectls_at_once_cost_one_certificate") else { return };
    let world = world().await;
    let alice = world.system.logged_in("alice");
    let before = world.system.events("cert.create", 0).len();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..40).map(|_| scope.spawn(|| alice.kubectl(&kubectl, &["get", "pods"]).ok())).collect();
        for run in runs {
            assert!(run.join().expect("no panic").stdout.contains("web-0"));
        }
    });
    let issued = world.system.events("cert.create", before).len() - before;
    assert!(issued <= 1, "{issued} certificates were issued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_is_a_clear_answer_and_comes_back() {
    let Some(kubectl) = any_kubectl("a_dead_upstream_is_a_clear_answer_and_comes_back") else { return };
    let world = world().await;
    let alice = world.system.logged_in("alice");
    world.sim.down().await;
    let refused = alice.kubectl(&kubectl, &["get", "pods"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("kubesim"), "it names the cluster: {}", refused.stderr);
    world.sim.up().await.expect("kubesim comes back");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_chain_verifies_and_holds_no_secret() {
    let Some(kubectl) = any_kubectl("the_audit_chain_verifies_and_holds_no_secret") else { return };
    let world = world().await;
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "secret", "database", "-o", "yaml"]);
    let _ = alice.kubectl(&kubectl, &["create", "secret", "generic", "s", "--from-literal=password=hunter2hunter2"]);
    world.system.events("kube.request", 2);
    let _ = world.system.tctl(&["audit", "verify"]).ok();
    let export = world.system.tctl(&["audit", "export"]).ok().stdout;
    for secret in ["hunter2", teleport_testkit::PASSWORD, world.sim.proxy_token(), "kubesim-secret"] {
        assert!(!export.contains(secret), "the audit log holds {secret}");
    }
}
