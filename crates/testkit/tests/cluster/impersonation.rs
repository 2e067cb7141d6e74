//! As whom requests arrive: exactly as roles say, chosen among what they say with `--as` and `--as-group`.

use teleport_testkit::{World, common::any_kubectl, programs, world::whoami};

use crate::every_kubectl;

both_apis!(
    the_api_server_sees_the_user_with_exactly_the_groups_of_the_role,
    as_chooses_among_the_users_and_groups_of_the_roles,
    a_denied_user_leaves_the_choice_to_the_rest,
);

const SWITCHER: &str = "kind: role
version: v8
metadata: {name: switcher}
spec:
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_users: [ada, deploy-bot]
    kubernetes_groups: [devs, viewers]
    kubernetes_resources: [{kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*']}]
---
kind: role
version: v8
metadata: {name: no-bot}
spec:
  deny:
    kubernetes_users: [deploy-bot]
";

async fn the_api_server_sees_the_user_with_exactly_the_groups_of_the_role(world: World, test: &str) {
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl(test) {
        // 1.27 asks for a version of the API that current servers do not have any more.
        if version == "1.27" {
            continue;
        }
        let (user, groups) = whoami(&alice, &kubectl, &[]);
        assert_eq!((user.as_str(), groups), ("alice", vec!["devs".into(), "system:authenticated".into()]), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_carries_the_identity_of_the_user_and_nothing_of_the_proxy() {
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    for (version, kubectl) in every_kubectl("every_request_carries_the_identity_of_the_user_and_nothing_of_the_proxy") {
        world.sim().clear_requests();
        let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
        let _ = alice.kubectl(&kubectl, &["exec", "web-0", "--", "true"]).ok();
        let seen = world.sim().requests();
        // The proxy itself may look up the pod of an exec, under its own name.
        let own = |path: &str| path.ends_with("/pods/web-0");
        let users: Vec<_> = seen.iter().filter(|seen| seen.header("impersonate-user") != [""; 0]).collect();
        assert!(users.len() >= 2, "{version}");
        for request in &seen {
            if request.header("impersonate-user").is_empty() && own(&request.path) {
                continue;
            }
            assert_eq!(request.user(), "alice", "{version} {}", request.path);
            assert_eq!(request.groups(), ["devs", "system:authenticated"], "{version} {}", request.path);
            assert_eq!(request.header("impersonate-user"), ["alice"]);
            assert!(request.header("x-forwarded-for").iter().all(|address| *address == "127.0.0.1"));
        }
    }
}

async fn as_chooses_among_the_users_and_groups_of_the_roles(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    world.system.create(SWITCHER);
    world.system.add_user("ada", "switcher");
    let ada = world.system.logged_in("ada");
    let must_choose = ada.kubectl(&kubectl, &["get", "pods"]);
    assert_eq!(must_choose.code, 1);
    assert!(must_choose.stderr.contains("choose one with --as: ada, deploy-bot"), "{}", must_choose.stderr);
    let all = ["devs", "system:authenticated", "viewers"].map(String::from).to_vec();
    assert_eq!(whoami(&ada, &kubectl, &["--as=deploy-bot"]), ("deploy-bot".into(), all));
    let some = ["system:authenticated", "viewers"].map(String::from).to_vec();
    assert_eq!(whoami(&ada, &kubectl, &["--as=ada", "--as-group=viewers"]), ("ada".into(), some));
    // Fewer groups, fewer rights.
    let refused = ada.kubectl(&kubectl, &["delete", "pod", "web-0", "--as=ada", "--as-group=viewers"]);
    assert!(refused.stderr.contains(r#"User "ada" cannot delete"#), "{}", refused.all());
    for (more, words) in [
        (&["--as=mallory"][..], r#"no Teleport role allows to impersonate user "mallory""#),
        (
            &["--as=ada", "--as-group=system:masters"],
            r#"no Teleport role allows to impersonate group "system:masters""#,
        ),
        (&["--as=system:admin"], r#"no Teleport role allows to impersonate user "system:admin""#),
        (&["--as=ada", "--as-uid=0"], "impersonate users and groups only"),
    ] {
        let refused = ada.kubectl(&kubectl, &[&["get", "pods"], more].concat());
        assert_eq!(refused.code, 1, "{more:?}: {}", refused.all());
        assert!(refused.stderr.contains("Forbidden") && refused.stderr.contains(words), "{more:?}: {}", refused.stderr);
    }
}

async fn a_denied_user_leaves_the_choice_to_the_rest(world: World, test: &str) {
    let Some(kubectl) = any_kubectl(test) else { return };
    world.system.create(SWITCHER);
    world.system.add_user("ada", "switcher,no-bot");
    let ada = world.system.logged_in("ada");
    assert_eq!(whoami(&ada, &kubectl, &[]).0, "ada");
    let refused = ada.kubectl(&kubectl, &["get", "pods", "--as=deploy-bot"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_system_come_from_a_literal_in_a_role_only() {
    let Some(kubectl) = programs::kubectls().pop().map(|(_, path)| path) else {
        return teleport_testkit::skip("groups_of_system_come_from_a_literal_in_a_role_only", "no kubectl");
    };
    let world = World::simulated().await;
    world.system.create(
        "kind: role
version: v8
metadata: {name: by-trait}
spec:
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: ['{{external.groups}}', viewers]
---
kind: user
version: v2
metadata: {name: trudy}
spec:
  roles: [by-trait]
  traits: {groups: ['system:masters', devs]}
",
    );
    let trudy = world.signed("trudy", "1h");
    let (_, groups) = whoami(&trudy, &kubectl, &[]);
    assert_eq!(groups, ["devs", "system:authenticated", "viewers"]);
    world.system.add_user("root", "admin");
    let (_, groups) = whoami(&world.system.logged_in("root"), &kubectl, &[]);
    assert_eq!(groups, ["system:authenticated", "system:masters"]);
}
