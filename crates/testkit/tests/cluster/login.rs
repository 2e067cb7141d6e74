//! Logging in and out: one certificate for many commands, one line for each mistake, and the rest of the kubeconfig stays.

use serde_json::Value;
use teleport_testkit::{PASSWORD, World, common::any_kubectl, process::Ended};

both_apis!(
    after_login_the_only_cluster_is_selected_and_status_says_who_one_is,
    forty_kubectls_at_once_cost_one_certificate_cold_and_none_warm,
);

/// Holds that a command failed with exactly one line for people.
fn assert_one_line(ended: &Ended, words: &str) {
    assert_eq!(ended.code, 1, "{}", ended.all());
    assert!(ended.stderr.starts_with("ERROR: ") && ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

async fn after_login_the_only_cluster_is_selected_and_status_says_who_one_is(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    let context = alice.kubectl(&kubectl, &["config", "current-context"]).ok().stdout;
    assert_eq!(context.trim(), format!("main-{}", world.api.name()));
    let status: Value = serde_json::from_str(&alice.tsh(&["status", "--format=json"]).ok().stdout).expect("JSON");
    assert_eq!(status.pointer("/active/username"), Some(&Value::from("alice")));
    assert_eq!(status.pointer("/active/kubernetes_cluster"), Some(&Value::from(world.api.name())));
    let listed = alice.tsh(&["kube", "ls"]).ok().stdout;
    assert!(listed.contains(world.api.name()) && listed.contains("env=test") && listed.contains('*'), "{listed}");
    // Still valid: nothing is asked for again.
    let _ = alice.tsh(&["login"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_shorter_than_the_role_allows_lasts_as_asked() {
    let world = World::simulated().await;
    let alice = world.system.laptop();
    let _ = alice.login("alice", &["--ttl=10"]).ok();
    let status: Value = serde_json::from_str(&alice.tsh(&["status", "--format=json"]).ok().stdout).expect("JSON");
    let until = status.pointer("/active/valid_until").and_then(Value::as_str).expect("an end");
    let until: jiff::Timestamp = until.parse().expect("a time");
    let left = until.duration_since(teleport_runtime::Clock::system().now());
    assert!(left <= jiff::SignedDuration::from_mins(10), "{left:?}");
    assert!(left > jiff::SignedDuration::from_mins(8), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_user_get_the_same_clear_line() {
    let world = World::simulated().await;
    let laptop = world.system.laptop();
    let (proxy, pin) = (format!("--proxy={}", world.system.proxy()), format!("--ca-pin={}", world.system.ca_pin()));
    let wrong = laptop.tsh_with(&["login", &proxy, "--user=alice", &pin], "not the password");
    assert_one_line(&wrong, "password");
    let unknown = laptop.tsh_with(&["login", &proxy, "--user=nobody-here", &pin], PASSWORD);
    assert_eq!(wrong.stderr, unknown.stderr);
    let failed = world.system.events("user.login", 2);
    assert!(failed.iter().all(|event| event.get("success") == Some(&Value::from(false))), "{failed:?}");
    let wrong_pin = format!("--ca-pin=sha256:{}", "0".repeat(64));
    let refused = laptop.tsh_with(&["login", &proxy, "--user=alice", &wrong_pin], PASSWORD);
    assert_eq!(refused.code, 1);
    assert_eq!(world.system.events("user.login", 2).len(), 2, "no password reached a server with another pin");
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_access_and_leaves_the_rest_of_the_kubeconfig() {
    let Some(kubectl) = any_kubectl("logout_ends_access_and_leaves_the_rest_of_the_kubeconfig") else { return };
    let world = World::simulated().await;
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

async fn forty_kubectls_at_once_cost_one_certificate_cold_and_none_warm(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    let forty = || {
        std::thread::scope(|scope| {
            let get = || alice.kubectl(&kubectl, &["get", "pods"]).ok();
            let runs: Vec<_> = (0..40).map(|_| scope.spawn(get)).collect();
            for run in runs {
                assert!(run.join().expect("no panic").stdout.contains("web-0"));
            }
        });
    };
    forty();
    assert_eq!(certificates_for(&world), 1, "a cold laptop needs one certificate");
    forty();
    assert_eq!(certificates_for(&world), 1, "a warm laptop needs none");
}

/// Counts the certificates that users were issued for the Kubernetes cluster; there is one at least.
fn certificates_for(world: &World) -> usize {
    let cluster = Value::from(world.api.name());
    let is_of = |event: &Value| {
        event.get("cert_type") == Some(&Value::from("user"))
            && event.pointer("/identity/kubernetes_cluster") == Some(&cluster)
    };
    world.event("cert.create", is_of);
    world.system.events("cert.create", 1).iter().filter(|event| is_of(event)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_whose_cluster_is_gone_says_so() {
    let Some(kubectl) = any_kubectl("a_context_whose_cluster_is_gone_says_so") else { return };
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let text = std::fs::read_to_string(alice.kubeconfig()).expect("read");
    assert!(text.contains("--kube-cluster=kubesim"), "{text}");
    std::fs::write(alice.kubeconfig(), text.replace("--kube-cluster=kubesim", "--kube-cluster=nowhere"))
        .expect("write");
    let refused = alice.kubectl(&kubectl, &["get", "pods"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("nowhere"), "{}", refused.stderr);
    let unknown = alice.tsh(&["kube", "login", "nowhere"]);
    assert_one_line(&unknown, "nowhere");
    assert!(unknown.stderr.contains("kubesim"), "it says what there is: {}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_serves_a_cluster_answers_in_the_form_of_kubernetes() {
    let test = "an_address_where_nobody_serves_a_cluster_answers_in_the_form_of_kubernetes";
    let Some(kubectl) = any_kubectl(test) else { return };
    let world = World::simulated().await;
    // The certificate is good for every cluster; the name in front of it is one that nobody registered.
    let machine = world.signed("alice", "1h");
    let text = std::fs::read_to_string(machine.kubeconfig()).expect("read");
    let name = text.lines().find(|line| line.contains("tls-server-name")).expect("a name");
    let label = name.trim().trim_start_matches("tls-server-name:").trim().split('.').next().expect("a label");
    let other = format!("k-{}", "a".repeat(label.len() - 2));
    std::fs::write(machine.kubeconfig(), text.replace(label, &other)).expect("write");
    let refused = machine.kubectl(&kubectl, &["get", "pods"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(refused.stderr.contains("(NotFound)"), "{}", refused.stderr);
    assert!(refused.stderr.contains("Warning: there is no such Kubernetes cluster"), "{}", refused.stderr);
}
