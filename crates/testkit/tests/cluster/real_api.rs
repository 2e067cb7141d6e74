//! The real API server itself: what the other tests rest on, and that it never outlives them.

use http::Method;
use serde_json::json;
use teleport_testkit::{
    Laptop,
    common::any_kubectl,
    envtest::EnvTest,
    wait::{self, PATIENCE},
};

/// A laptop that goes past Teleport.
fn direct(kubeconfig: &str) -> Laptop {
    let laptop = Laptop::new("127.0.0.1:1", "");
    std::fs::write(laptop.kubeconfig(), kubeconfig).expect("write");
    laptop
}

#[test]
fn the_proxy_may_impersonate_and_nothing_else() {
    let test = "the_proxy_may_impersonate_and_nothing_else";
    let Some(real) = EnvTest::shared(test) else { return };
    let Some(kubectl) = any_kubectl(test) else { return };
    let proxy = direct(&real.kubeconfig_for_proxy());
    let can = |args: &[&str]| proxy.kubectl(&kubectl, &[&["auth", "can-i"], args].concat()).stdout.trim().to_owned();
    for (args, answer) in [
        (&["impersonate", "users"][..], "yes"),
        (&["impersonate", "groups"], "yes"),
        (&["impersonate", "serviceaccounts"], "yes"),
        (&["get", "pods", "-n", "production"], "yes"),
        (&["list", "pods"], "no"),
        (&["get", "secrets"], "no"),
        (&["create", "pods/exec"], "no"),
        (&["impersonate", "uids.authentication.k8s.io"], "no"),
    ] {
        assert_eq!(can(args), answer, "{args:?}");
    }
}

#[test]
fn developers_edit_in_two_namespaces_and_viewers_view() {
    let test = "developers_edit_in_two_namespaces_and_viewers_view";
    let Some(real) = EnvTest::shared(test) else { return };
    let Some(kubectl) = any_kubectl(test) else { return };
    let developer = direct(&real.kubeconfig_for_user("dora", &["devs"]));
    let viewer = direct(&real.kubeconfig_for_user("vera", &["viewers"]));
    for (who, args, answer) in [
        (&developer, &["list", "pods", "-n", "default"][..], "yes"),
        (&developer, &["create", "pods/exec", "-n", "dev"], "yes"),
        (&developer, &["get", "secrets", "-n", "default"], "yes"),
        (&developer, &["list", "pods", "-n", "production"], "no"),
        (&viewer, &["list", "pods", "-n", "production"], "yes"),
        (&viewer, &["delete", "pods", "-n", "default"], "no"),
        (&viewer, &["get", "secrets", "-n", "default"], "no"),
    ] {
        let said = who.kubectl(&kubectl, &[&["auth", "can-i"], args].concat()).stdout;
        assert_eq!(said.trim(), answer, "{args:?}");
    }
    let pods = viewer.kubectl(&kubectl, &["get", "pods", "-A", "-o", "name"]).ok().stdout;
    assert!(pods.contains("web-0") && pods.contains("web-1") && pods.contains("api-0"), "{pods}");
}

#[test]
fn the_servers_end_with_their_owner() {
    let Some(real) = EnvTest::start().expect("it starts") else {
        teleport_testkit::skip("the_servers_end_with_their_owner", "no kube-apiserver; set KUBEBUILDER_ASSETS");
        return;
    };
    let created = real
        .request(Method::POST, "/api/v1/namespaces", Some(&json!({"metadata": {"name": "mine"}})))
        .expect("it answers");
    assert_eq!(created.0, 201, "{}", created.1);
    let ids = real.process_ids();
    assert_eq!(ids.len(), 2);
    let runs = |id: &u32| std::path::Path::new(&format!("/proc/{id}")).exists();
    assert!(ids.iter().all(runs));
    drop(real);
    assert!(wait::until(PATIENCE, || !ids.iter().any(runs)), "{ids:?} still run");
}
