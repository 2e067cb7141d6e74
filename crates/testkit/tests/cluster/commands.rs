//! After one login every kubectl does its everyday work, in front of both Kubernetes APIs.

use std::path::Path;

use teleport_testkit::{
    Laptop, World,
    process::{Process, run},
    world::KubeApi,
};

use teleport_testkit::wait::PATIENCE;

use crate::every_kubectl;

both_apis!(
    every_kubectl_reads_and_prints_what_is_there,
    every_kubectl_makes_changes_and_removes_objects,
    a_watch_shows_changes_as_they_happen,
    a_large_object_passes_both_ways_unchanged,
    what_the_proxy_answers_is_what_the_api_server_answers,
);

async fn every_kubectl_reads_and_prints_what_is_there(world: World, test: &str) {
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl(test) {
        let says = |args: &[&str], what: &str| {
            let printed = alice.kubectl(&kubectl, args).ok().stdout;
            assert!(printed.contains(what), "{version} {args:?} without {what:?}:\n{printed}");
        };
        says(&["get", "pods"], "web-0");
        says(&["get", "pods", "-o", "wide"], "NODE");
        says(&["get", "pod", "web-0", "-o", "yaml"], "name: web-0");
        says(&["get", "pods", "-l", "app=web", "-o", "name"], "pod/web-1");
        says(&["describe", "pod", "web-0"], "Name:");
        says(&["get", "configmap", "settings", "-o", "jsonpath={.data.greeting}"], "hello");
        says(&["get", "--raw", "/api/v1/namespaces/default/pods/web-0"], "\"web-0\"");
        says(&["api-resources"], "configmaps");
        says(&["api-versions"], "apps/v1");
        // The simulator has no schemas to explain.
        if matches!(world.api, KubeApi::Real(_)) {
            says(&["explain", "pod.spec"], "containers");
        }
        says(&["version"], "Server Version");
    }
}

async fn every_kubectl_makes_changes_and_removes_objects(world: World, test: &str) {
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl(test) {
        let name = format!("made-by-{}", version.replace('.', "-"));
        change(&alice, &kubectl, &name);
    }
}

fn change(alice: &Laptop, kubectl: &Path, name: &str) {
    let object = format!("configmap/{name}");
    let does = |args: &[&str], said: &str| {
        let printed = alice.kubectl(kubectl, args).ok().stdout;
        assert_eq!(printed, format!("{object} {said}\n"), "{args:?}");
    };
    let manifest = |value: &str| {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{colour: {value}}}\n");
        std::fs::write(alice.home().join("manifest.yaml"), text).expect("write");
        alice.home().join("manifest.yaml").display().to_string()
    };
    does(&["apply", "-f", &manifest("red")], "created");
    does(&["apply", "-f", &manifest("blue")], "configured");
    does(&["apply", "--server-side", "--force-conflicts", "-f", &manifest("green")], "serverside-applied");
    does(&["patch", "configmap", name, "--type=merge", "-p", r#"{"data":{"size":"big"}}"#], "patched");
    does(&["label", "configmap", name, "team=blue"], "labeled");
    let stored = alice.kubectl(kubectl, &["get", "configmap", name, "-o", "jsonpath={.data}{.metadata.labels}"]).ok();
    assert_eq!(stored.stdout, r#"{"colour":"green","size":"big"}{"team":"blue"}"#);
    let deleted = alice.kubectl(kubectl, &["delete", "configmap", name]).ok();
    assert!(deleted.stdout.starts_with(&format!("configmap \"{name}\" deleted")), "{}", deleted.stdout);
    let gone = alice.kubectl(kubectl, &["delete", "configmap", name]);
    let not_found = format!("Error from server (NotFound): configmaps \"{name}\" not found\n");
    assert_eq!((gone.code, gone.stderr), (1, not_found));
    does(&["create", "configmap", name, "--from-literal=a=b"], "created");
    let _ = alice.kubectl(kubectl, &["delete", "configmaps", "-l", "none=such"]).ok();
    let _ = alice.kubectl(kubectl, &["delete", "configmap", name]).ok();
}

async fn a_watch_shows_changes_as_they_happen(world: World, test: &str) {
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl(test) {
        let name = format!("watched-by-{}", version.replace('.', "-"));
        let watch = Process::start(alice.command(&kubectl).args(["get", "configmaps", "-w"]));
        watch.wait_for_line("settings", PATIENCE);
        let _ = alice.kubectl(&kubectl, &["create", "configmap", &name]).ok();
        watch.wait_for_line(&name, PATIENCE);
        let _ = alice.kubectl(&kubectl, &["delete", "configmap", &name]).ok();
    }
}

async fn a_large_object_passes_both_ways_unchanged(world: World, test: &str) {
    let alice = world.system.logged_in("alice");
    let Some((_, kubectl)) = every_kubectl(test).pop() else { return };
    // Near the most that a Kubernetes object may hold.
    let text: String = (0..120_000).map(|number| format!("{number:07}\n")).collect();
    std::fs::write(alice.home().join("large"), &text).expect("write");
    let from = format!("--from-file=large={}", alice.home().join("large").display());
    let _ = alice.kubectl(&kubectl, &["create", "configmap", "large", &from]).ok();
    let stored = alice.kubectl(&kubectl, &["get", "configmap", "large", "-o", "jsonpath={.data.large}"]).ok();
    assert!(stored.stdout == text, "{} of {} bytes came back", stored.stdout.len(), text.len());
    let _ = alice.kubectl(&kubectl, &["delete", "configmap", "large"]).ok();
}

async fn what_the_proxy_answers_is_what_the_api_server_answers(world: World, test: &str) {
    let Some((_, kubectl)) = every_kubectl(test).pop() else { return };
    let alice = world.system.logged_in("alice");
    let direct = alice.home().join("direct");
    std::fs::write(&direct, world.api.kubeconfig_for_user("alice", &["devs"])).expect("write");
    for args in [
        &["get", "pod", "web-0", "-o", "json"][..],
        &["get", "pods", "-o", "yaml"],
        &["get", "--raw", "/api"],
        &["get", "--raw", "/version"],
        &["get", "--raw", "/apis/apps/v1"],
        &["get", "pod", "none-such"],
        &["auth", "can-i", "delete", "pods"],
    ] {
        let through = alice.kubectl(&kubectl, args);
        let past = run(alice.command(&kubectl).env("KUBECONFIG", &direct).args(args), b"");
        assert_eq!((through.code, through.stdout, through.stderr), (past.code, past.stdout, past.stderr), "{args:?}");
    }
}
