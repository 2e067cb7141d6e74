//! What roles allow in Kubernetes, and the words kubectl prints when they do not.

use serde_json::Value;
use teleport_testkit::{World, common::any_kubectl};

use crate::every_kubectl;

both_apis!(
    a_developer_is_forbidden_in_production_in_the_words_of_kubernetes,
    what_a_role_allows_and_kubernetes_does_not_is_refused_by_kubernetes,
    can_i_answers_what_would_happen,
    single_objects_pass_and_a_list_that_would_need_filtering_says_so,
    paths_that_reach_past_objects_need_a_grant_of_their_own,
);

async fn a_developer_is_forbidden_in_production_in_the_words_of_kubernetes(world: World, test: &str) {
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl(test) {
        for (args, words) in [
            (
                &["get", "pod", "api-0"][..],
                r#"(Forbidden): pods "api-0" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "production""#,
            ),
            (
                &["get", "pods"],
                r#"(Forbidden): pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "production""#,
            ),
            (
                &["delete", "deployment", "web"],
                r#"(Forbidden): deployments.apps "web" is forbidden: User "alice" cannot delete resource "deployments" in API group "apps" in the namespace "production""#,
            ),
            (
                &["create", "configmap", "mine"],
                r#"configmaps is forbidden: User "alice" cannot create resource "configmaps" in API group "" in the namespace "production""#,
            ),
        ] {
            let refused = alice.kubectl(&kubectl, &[&["-n", "production"], args].concat());
            assert_eq!(refused.code, 1, "{version} {args:?}: {}", refused.all());
            assert!(refused.stderr.contains(words), "{version} {args:?}: {}", refused.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_never_forwarded_and_always_audited() {
    let Some(kubectl) = any_kubectl("a_refused_request_is_never_forwarded_and_always_audited") else { return };
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    world.sim().clear_requests();
    let refused = alice.kubectl(&kubectl, &["-n", "production", "get", "pod", "api-0"]);
    assert_eq!(refused.code, 1);
    assert!(!world.sim().requests().iter().any(|seen| seen.path.contains("production")), "nothing was forwarded");
    let denied = world.event("kube.request", |event| event.get("response_code") == Some(&Value::from(403)));
    assert_eq!(denied.get("user"), Some(&Value::from("alice")));
    assert_eq!(denied.get("resource_namespace"), Some(&Value::from("production")));
    assert_eq!(denied.get("resource_name"), Some(&Value::from("api-0")));
}

async fn what_a_role_allows_and_kubernetes_does_not_is_refused_by_kubernetes(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    world.system.create(
        "kind: role
version: v8
metadata: {name: looker}
spec:
  allow:
    kubernetes_labels: {env: test}
    kubernetes_groups: [viewers]
    kubernetes_resources: [{kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*']}]
",
    );
    world.system.add_user("vera", "looker");
    let vera = world.system.logged_in("vera");
    let _ = vera.kubectl(&kubectl, &["-n", "production", "get", "pods"]).ok();
    let refused = vera.kubectl(&kubectl, &["delete", "pod", "web-0"]);
    let words = r#"pods "web-0" is forbidden: User "vera" cannot delete resource "pods""#;
    assert!(refused.code == 1 && refused.stderr.contains(words), "{}", refused.all());
    let _ = vera.kubectl(&kubectl, &["get", "pod", "web-0"]).ok();
}

async fn can_i_answers_what_would_happen(world: World, test: &str) {
    // Kubernetes would let these groups do everything: what is refused, roles refuse.
    world.system.create(
        "kind: role
version: v8
metadata: {name: fenced}
spec:
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: ['system:masters']
    kubernetes_resources: [{kind: '*', api_group: '*', namespace: default, name: '*', verbs: ['*']}]
",
    );
    world.system.add_user("fay", "fenced");
    world.system.add_user("root", "admin");
    let [alice, fay, root] = ["alice", "fay", "root"].map(|user| world.system.logged_in(user));
    for (version, kubectl) in every_kubectl(test) {
        for (who, args, answer) in [
            (&alice, &["list", "pods"][..], "yes"),
            (&alice, &["create", "pods/exec", "-n", "dev"], "yes"),
            (&alice, &["list", "pods", "-n", "production"], "no"),
            (&alice, &["delete", "nodes"], "no"),
            (&fay, &["delete", "pods"], "yes"),
            (&fay, &["list", "pods", "-n", "production"], "no"),
            (&fay, &["list", "pods", "--all-namespaces"], "no"),
            (&fay, &["get", "nodes"], "no"),
            (&root, &["list", "pods", "--all-namespaces"], "yes"),
            (&root, &["get", "nodes"], "yes"),
            (&root, &["*", "*"], "yes"),
        ] {
            let said = who.kubectl(&kubectl, &[&["auth", "can-i"], args].concat());
            let line = said.stdout.lines().next().unwrap_or_default();
            let as_said = line == answer || line.starts_with(&format!("{answer} - "));
            assert!(as_said, "{version} {args:?}: {}", said.all());
            assert_eq!(said.code == 0, answer == "yes", "{version} {args:?}");
        }
    }
}

async fn single_objects_pass_and_a_list_that_would_need_filtering_says_so(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    world.system.create(
        "kind: role
version: v8
metadata: {name: one-pod}
spec:
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: [devs]
    kubernetes_resources: [{kind: pods, api_group: '', namespace: default, name: 'web-*', verbs: [get, list, watch]}]
  deny:
    kubernetes_resources: [{kind: pods, api_group: '', namespace: default, name: web-1, verbs: ['*']}]
",
    );
    world.system.add_user("bob", "one-pod");
    let bob = world.system.logged_in("bob");
    let _ = bob.kubectl(&kubectl, &["get", "pod", "web-0"]).ok();
    for (args, words) in [
        (&["get", "pods"][..], "cannot be filtered to that part yet"),
        (&["get", "pod", "web-1"], "a Teleport role denies it"),
        (&["get", "pod", "other"], "no Teleport role allows it"),
        (&["get", "configmap", "settings"], "no Teleport role allows it"),
        (&["delete", "pod", "web-0"], "no Teleport role allows it"),
    ] {
        let refused = bob.kubectl(&kubectl, args);
        assert_eq!(refused.code, 1, "{args:?}: {}", refused.all());
        assert!(refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_decide_which_clusters_a_role_is_about() {
    let Some(kubectl) = any_kubectl("labels_decide_which_clusters_a_role_is_about") else { return };
    let world = World::simulated().await;
    world.system.create(
        "kind: role
version: v8
metadata: {name: elsewhere}
spec:
  allow:
    kubernetes_labels: {env: production}
    kubernetes_groups: ['system:masters']
    kubernetes_resources: [{kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*']}]
",
    );
    world.system.add_user("eve", "elsewhere");
    let eve = world.system.laptop();
    let login = eve.login("eve", &[]).ok();
    assert!(!login.stdout.contains("kubesim"), "a cluster she may not see is not named: {}", login.stdout);
    assert!(!eve.tsh(&["kube", "ls"]).ok().stdout.contains("kubesim"));
    let refused = world.signed("eve", "1h").kubectl(&kubectl, &["get", "pods"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains(r#"User "eve" cannot access Kubernetes cluster "kubesim""#), "{}", refused.stderr);
}

async fn paths_that_reach_past_objects_need_a_grant_of_their_own(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    for path in ["/version", "/healthz", "/api", "/apis/apps/v1", "/openapi/v3"] {
        let _ = alice.kubectl(&kubectl, &["get", "--raw", path]).ok();
    }
    for path in [
        "/metrics",
        "/logs/",
        "/debug/pprof/",
        "/api/v1/nodes/n/proxy/configz",
        "/api/v1/namespaces/default/pods/web-0/proxy/",
        "/api/v1/namespaces/default/services/web/proxy/",
        "/api/v1/namespaces/default/pods/..%2f..%2fproduction%2fpods/api-0",
    ] {
        let refused = alice.kubectl(&kubectl, &["get", "--raw", path]);
        assert_eq!(refused.code, 1, "{path}: {}", refused.all());
        assert!(refused.stderr.starts_with("Error from server ("), "{path}: {}", refused.stderr);
    }
}
