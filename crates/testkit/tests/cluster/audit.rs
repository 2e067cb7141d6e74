//! What the audit log says after a day's work: everything in order, nothing secret, and a chain that shows tampering.

use serde_json::Value;
use teleport_testkit::{PASSWORD, World, common::any_kubectl, process::run};

both_apis!(every_step_of_a_login_and_a_command_has_its_event,);

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_holds_no_secret_and_its_chain_verifies() {
    let Some(kubectl) = any_kubectl("the_audit_log_holds_no_secret_and_its_chain_verifies") else { return };
    let mut world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "secret", "database", "-o", "yaml"]).ok();
    let literal = "--from-literal=password=hunter2hunter2";
    let _ = alice.kubectl(&kubectl, &["create", "secret", "generic", "s", literal]).ok();
    let _ = alice.kubectl(&kubectl, &["get", "pods", "--token=a-token-of-hers"]);
    let _ = run(alice.command(&kubectl).args(["exec", "-i", "web-0", "--", "cat"]), b"typed-in-the-shell").ok();
    world.event("exec", |event| event.get("ended").is_some());
    let _ = world.system.tctl(&["audit", "verify"]).ok();
    let export = world.system.tctl(&["audit", "export"]).ok().stdout;
    let log = world.system.daemon().output();
    assert!(log.contains("teleport is ready"));
    for secret in
        ["hunter2", PASSWORD, "kubesim-secret", "a-token-of-hers", "typed-in-the-shell", world.sim().proxy_token()]
    {
        assert!(!export.contains(secret), "the audit log holds {secret}");
        assert!(!log.contains(secret), "the daemon's log at DEBUG holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_record_is_named() {
    let Some(kubectl) = any_kubectl("an_altered_record_is_named") else { return };
    let mut world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["-n", "production", "get", "pod", "api-0"]);
    world.event("kube.request", |event| event.get("response_code") == Some(&Value::from(403)));
    world.system.stop();
    let folder = world.system.data_dir().join("audit");
    let day = std::fs::read_dir(&folder)
        .expect("read")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|kind| kind == "ndjson") && !path.ends_with("heads.ndjson"));
    let day = day.expect("a file of the day");
    let text = std::fs::read_to_string(&day).expect("read");
    assert!(text.contains(r#""resource_name":"api-0""#), "{text}");
    std::fs::write(&day, text.replace(r#""resource_name":"api-0""#, r#""resource_name":"web-0""#)).expect("write");
    world.system.start_daemon();
    let verdict = world.system.tctl(&["audit", "verify"]);
    assert_eq!(verdict.code, 1, "{}", verdict.all());
    assert!(verdict.stderr.starts_with("ERROR: the audit log is not whole"), "{}", verdict.stderr);
    assert!(!verdict.stdout.is_empty(), "it names the record");
}

async fn every_step_of_a_login_and_a_command_has_its_event(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "pod", "web-0"]).ok();
    let name = Value::from(world.api.name());
    let by_alice = |event: &Value| event.get("user") == Some(&Value::from("alice"));
    let login = world.event("user.login", by_alice);
    assert_eq!(login.get("success"), Some(&Value::from(true)));
    let certificate = world.event("cert.create", |event| {
        let user = event.get("cert_type") == Some(&Value::from("user"));
        user && event.pointer("/identity/kubernetes_cluster") == Some(&name)
    });
    assert_eq!(certificate.pointer("/identity/user"), Some(&Value::from("alice")));
    let got = world.event("kube.request", by_alice);
    for (field, value) in [
        ("kubernetes_cluster", name),
        ("verb", Value::from("GET")),
        ("request_path", Value::from("/api/v1/namespaces/default/pods/web-0")),
        ("resource_kind", Value::from("pods")),
        ("resource_name", Value::from("web-0")),
        ("response_code", Value::from(200)),
        ("kubernetes_users", Value::from(vec!["alice"])),
        ("kubernetes_groups", Value::from(vec!["devs", "system:authenticated"])),
    ] {
        assert_eq!(got.get(field), Some(&value), "{field}: {got:#}");
    }
    assert_eq!(got.get("login_session"), login.get("login_session"));
    world.event("user.create", |event| event.get("name") == Some(&Value::from("alice")));
    world.event("role.created", |event| event.get("name") == Some(&Value::from("developer")));
}
