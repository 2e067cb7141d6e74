//! Tables of roles, requests and decisions.

#[path = "tests/versions.rs"]
mod versions;

use super::*;
use crate::{
    ClusterName, LoginSession, RoleName, UserIdentity, UserName,
    access::{
        RoleMap,
        impersonation::{Asked, acts_as},
    },
    kube_action::RequestLine,
    role::RolePolicy,
    yaml,
};

/// Makes a role from the lines under `spec:`, each `|` a new line.
fn role(name: &str, version: &str, spec: &str) -> Arc<RolePolicy> {
    let spec = spec.replace('|', "\n  ");
    let text = format!("kind: role\nversion: {version}\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n");
    match yaml::resources(&text).unwrap_or_else(|error| unreachable!("{error}\n{text}")).remove(0) {
        crate::AnyResource::Role(role) => Arc::new(RolePolicy::new(&role).expect("a policy")),
        other => unreachable!("{other:?}"),
    }
}

fn alice(roles: &[Arc<RolePolicy>], traits: &[(&str, &str)]) -> UserIdentity {
    let mut map = Traits::default();
    for (name, value) in traits {
        map.0.entry((*name).to_owned()).or_default().push((*value).to_owned());
    }
    UserIdentity {
        user: UserName::parse("alice").expect("a name"),
        session: LoginSession::random(),
        login_time: jiff::Timestamp::UNIX_EPOCH,
        roles: roles.iter().map(|role| role.name.clone()).collect(),
        traits: map,
        cluster: ClusterName::parse("main").expect("a name"),
        kube_cluster: None,
        login_ip: None,
        mfa: false,
        renewable: false,
    }
}

fn decide(roles: &[Arc<RolePolicy>], traits: &[(&str, &str)], request: &str) -> Result<Permit, Denied> {
    let user = alice(roles, traits);
    let map: RoleMap = roles.iter().map(|role| (role.name.clone(), Some(Arc::clone(role)))).collect();
    let subject = Subject::new(&user, &map).expect("readable roles");
    let name = KubeClusterName::parse("east").expect("a name");
    let labels: Labels = [("env".to_owned(), "prod".to_owned()), ("team".to_owned(), "db".to_owned())].into();
    let (method, target) = request.split_once(' ').expect("METHOD target");
    let (method, content_type) = match method {
        "APPLY" => ("PATCH", Some("application/apply-patch+yaml")),
        method => (method, None),
    };
    let action = KubeAction::parse(RequestLine { method, target, content_type }).expect("an action");
    authorize(&subject, &KubeTarget { name: &name, labels: &labels }, action)
}

const ALL: &str = "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [g]";

fn with_resources(version: &str, resources: &str) -> Arc<RolePolicy> {
    role("r", version, &format!("{ALL}, kubernetes_resources: [{resources}]}}"))
}

fn check(roles: &[Arc<RolePolicy>], rows: &[(&str, bool)]) {
    for (request, allowed) in rows {
        let decision = decide(roles, &[], request);
        assert_eq!(decision.is_ok(), *allowed, "{request}: {decision:?}");
    }
}

#[test]
fn labels_choose_the_roles_and_deny_labels_close_the_cluster() {
    let get = "GET /api/v1/namespaces/dev/pods/web";
    for (spec, allowed) in [
        ("allow: {kubernetes_labels: {env: prod}}", true),
        ("allow: {kubernetes_labels: {env: [dev, prod], team: db}}", true),
        ("allow: {kubernetes_labels: {env: prod, team: web}}", false),
        ("allow: {kubernetes_groups: [g]}", false),
        ("allow: {kubernetes_labels: {'*': '*'}}|deny: {kubernetes_labels: {env: [prod]}}", false),
        ("allow: {kubernetes_labels: {'*': '*'}}|deny: {kubernetes_labels: {env: dev, team: db}}", false),
        ("allow: {kubernetes_labels: {'*': '*'}}|deny: {kubernetes_labels: {env: dev}}", true),
    ] {
        assert_eq!(decide(&[role("r", "v7", spec)], &[], get).is_ok(), allowed, "{spec}");
    }
    assert!(decide(&[], &[], get).is_err(), "no role, no access");
}

#[test]
fn a_role_without_resource_rules_allows_every_request_but_kubelets() {
    for version in ["v7", "v8"] {
        check(
            &[role("r", version, &format!("{ALL}}}"))],
            &[
                ("GET /api/v1/pods", true),
                ("GET /api/v1/pods?watch=1", true),
                ("DELETE /api/v1/namespaces/dev/pods", true),
                ("POST /apis/example.com/v1/widgets", true),
                ("GET /api/v1/namespaces/dev/pods/web/exec", true),
                ("POST /api/v1/namespaces/dev/pods/web/eviction", true),
                ("GET /api/v1/namespaces/dev/services/web/proxy/x", true),
                ("APPLY /api/v1/namespaces/dev/pods/web", true),
                ("GET /api/v1/nodes/n/proxy/configz", false),
                ("GET /metrics", false),
                ("GET /logs/", false),
                ("GET /version", true),
                ("GET /openapi/v3", true),
                ("GET /readyz/etcd", true),
                ("POST /version", false),
                ("GET /apisx", false),
            ],
        );
    }
}

#[test]
fn v7_rules_name_kinds_in_the_singular() {
    check(
        &[with_resources("v7", "{kind: pod, namespace: dev, name: 'web-*', verbs: [get, list, exec]}")],
        &[
            ("GET /api/v1/namespaces/dev/pods/web-1", true),
            ("GET /api/v1/namespaces/dev/pods/web-1/log", true),
            ("GET /api/v1/namespaces/dev/pods/web-1/exec", true),
            ("POST /api/v1/namespaces/dev/pods/web-1/attach", true),
            ("GET /api/v1/namespaces/dev/pods/db-1", false),
            ("GET /api/v1/namespaces/prod/pods/web-1", false),
            ("DELETE /api/v1/namespaces/dev/pods/web-1", false),
            ("POST /api/v1/namespaces/dev/pods/web-1/portforward", false),
            ("GET /api/v1/namespaces/dev/pods/web-1/proxy", false),
            ("GET /api/v1/namespaces/dev/secrets/web-1", false),
            ("GET /apis/metrics.k8s.io/v1beta1/namespaces/dev/pods/web-1", false),
            ("GET /api/v1/namespaces/dev/pods", false),
            ("GET /api/v1/namespaces/dev/pods?fieldSelector=metadata.name=web-1", true),
            ("GET /api/v1/namespaces/dev/pods?fieldSelector=metadata.name=web-1&watch=1", false),
            ("GET /api/v1/namespaces/dev", true),
            ("GET /api/v1/namespaces/prod", false),
            ("GET /api/v1/namespaces", false),
            ("DELETE /api/v1/namespaces/dev", false),
            ("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true),
            ("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", true),
            ("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", false),
        ],
    );
}

#[test]
fn v7_namespace_grants_the_namespace_and_everything_inside() {
    check(
        &[with_resources("v7", "{kind: namespace, name: dev, verbs: ['*']}")],
        &[
            ("GET /api/v1/namespaces/dev", true),
            ("GET /api/v1/namespaces/dev/pods", true),
            ("GET /api/v1/namespaces/dev/pods?watch=true", true),
            ("DELETE /apis/example.com/v1/namespaces/dev/widgets/w", true),
            ("GET /api/v1/namespaces/prod/pods", false),
            ("GET /api/v1/pods", false),
            ("GET /api/v1/nodes", false),
            ("GET /api/v1/namespaces/dev/nodes/n", false),
        ],
    );
    check(
        &[with_resources("v7", "{kind: namespace, name: '*', verbs: [list]}")],
        &[
            ("GET /api/v1/pods", true),
            ("GET /api/v1/namespaces", true),
            ("GET /api/v1/nodes", false),
            ("GET /apis/example.com/v1/widgets", false),
        ],
    );
}

#[test]
fn v8_rules_name_plural_and_group() {
    check(
        &[with_resources(
            "v8",
            "{kind: deployments, api_group: apps, namespace: '*', name: '*', verbs: [get, list, watch]}, \
             {kind: namespaces, api_group: '', name: dev, verbs: [get]}, \
             {kind: widgets, api_group: '*.example.com', namespace: '^team-[ab]$', name: '*', verbs: ['*']}",
        )],
        &[
            ("GET /apis/apps/v1/deployments", true),
            ("GET /apis/apps/v1/namespaces/x/deployments?watch=1", true),
            ("GET /apis/extensions/v1beta1/namespaces/x/deployments", false),
            ("GET /apis/apps/v1/namespaces/x/statefulsets", false),
            ("GET /api/v1/namespaces/dev", true),
            ("GET /api/v1/namespaces/dev/pods", false),
            ("GET /apis/shop.example.com/v1/namespaces/team-a/widgets", true),
            ("GET /apis/shop.example.com/v1/namespaces/team-c/widgets", false),
            ("GET /apis/shop.example.com/v1/widgets", false),
            ("GET /apis/example.org/v1/namespaces/team-a/widgets", false),
        ],
    );
}

#[test]
fn a_name_in_another_group_is_another_kind() {
    let core = with_resources("v8", "{kind: secrets, api_group: '', namespace: '*', name: '*', verbs: ['*']}");
    let other = with_resources("v8", "{kind: secrets, api_group: vault.io, namespace: '*', name: '*', verbs: ['*']}");
    check(&[Arc::clone(&core)], &[("GET /api/v1/secrets", true), ("GET /apis/vault.io/v1/secrets", false)]);
    check(&[other], &[("GET /api/v1/secrets", false), ("GET /apis/vault.io/v1/secrets", true)]);
}

#[test]
fn rules_for_namespaces_do_not_reach_cluster_wide_objects_nor_the_reverse() {
    check(
        &[with_resources("v8", "{kind: '*', api_group: '*', namespace: dev, name: '*', verbs: ['*']}")],
        &[
            ("GET /api/v1/nodes/n", false),
            ("GET /api/v1/namespaces/dev/pods", true),
            ("GET /apis/example.com/v1/widgets/w", false),
        ],
    );
    check(
        &[with_resources("v8", "{kind: '*', api_group: '*', name: '*', verbs: ['*']}")],
        &[
            ("GET /api/v1/nodes", true),
            ("GET /api/v1/pods", false),
            ("GET /api/v1/namespaces/dev/pods", false),
            ("GET /apis/example.com/v1/widgets", false),
        ],
    );
}

#[test]
fn deny_wins_over_every_role() {
    let all = role("all", "v7", &format!("{ALL}}}"));
    let deny =
        role("no", "v7", "deny: {kubernetes_resources: [{kind: secret, namespace: '*', name: 'db-*', verbs: ['*']}]}");
    check(
        &[all, deny],
        &[
            ("GET /api/v1/namespaces/dev/secrets/web", true),
            ("GET /api/v1/namespaces/dev/secrets/db-1", false),
            ("GET /api/v1/namespaces/dev/secrets", false),
            ("DELETE /api/v1/namespaces/dev/secrets", false),
            ("POST /api/v1/namespaces/dev/secrets", false),
            ("GET /api/v1/namespaces/dev/pods", true),
        ],
    );
    let all = role("all", "v8", &format!("{ALL}}}"));
    let deny =
        role("no", "v8", "deny: {kubernetes_resources: [{kind: widgets, api_group: '*', name: '*', verbs: [list]}]}");
    check(
        &[all, deny],
        &[
            ("GET /apis/example.com/v1/namespaces/dev/widgets", false),
            ("GET /apis/example.com/v1/widgets", false),
            ("GET /apis/example.com/v1/namespaces/dev/widgets/w", true),
        ],
    );
}

#[test]
fn a_list_that_would_need_filtering_is_refused_with_a_sentence() {
    let some = with_resources("v7", "{kind: pod, namespace: dev, name: 'web-*', verbs: ['*']}");
    for request in ["GET /api/v1/namespaces/dev/pods", "GET /api/v1/pods?watch=1", "DELETE /api/v1/namespaces/dev/pods"]
    {
        let denied = decide(&[Arc::clone(&some)], &[], request).expect_err(request);
        assert!(denied.client.contains("cannot be filtered"), "{}", denied.client);
    }
    let denied =
        decide(&[Arc::clone(&some)], &[], "POST /api/v1/namespaces/dev/pods").expect_err("the name is in the body");
    assert!(denied.client.contains("decide this by the object's name"), "{}", denied.client);
    let denied = decide(&[some], &[], "GET /api/v1/namespaces/dev/secrets").expect_err("no rule");
    assert!(denied.client.contains("no Teleport role allows it"), "{}", denied.client);
}

#[test]
fn writes_to_subresources_need_more_than_create() {
    let verbs =
        |verbs: &str| with_resources("v7", &format!("{{kind: pod, namespace: '*', name: '*', verbs: [{verbs}]}}"));
    let pod = "/api/v1/namespaces/dev/pods/web";
    for (have, request, allowed) in [
        ("create", format!("POST {pod}/eviction"), false),
        ("create, delete", format!("POST {pod}/eviction"), true),
        ("patch", format!("PATCH {pod}/ephemeralcontainers"), false),
        ("patch, exec", format!("PATCH {pod}/ephemeralcontainers"), true),
        ("create", format!("POST {pod}/binding"), false),
        ("create, update", format!("POST {pod}/binding"), true),
        ("patch", format!("PATCH {pod}/status"), true),
        ("patch", format!("APPLY {pod}"), false),
        ("patch, create", format!("APPLY {pod}"), true),
        ("get", format!("GET {pod}/exec"), false),
        ("get", format!("GET {pod}/attach"), false),
        ("get", format!("GET {pod}/portforward"), false),
        ("get, create, exec", format!("GET {pod}/portforward"), false),
        ("get, create, update, patch, delete", format!("GET {pod}/proxy/x"), false),
        ("proxy", format!("DELETE {pod}/proxy/x"), true),
        ("update", format!("PUT {pod}/exec"), false),
    ] {
        assert_eq!(decide(&[verbs(have)], &[], &request).is_ok(), allowed, "[{have}] {request}");
    }
}

#[test]
fn kubelets_are_reached_by_the_proxy_verb_alone() {
    for (verbs, allowed) in [("get", false), ("'*'", false), ("proxy", true)] {
        let rule = with_resources("v8", &format!("{{kind: nodes, api_group: '', name: '*', verbs: [{verbs}]}}"));
        for path in ["exec/dev/web/c", "run/dev/web/c", "configz", "metrics"] {
            let decision = decide(&[Arc::clone(&rule)], &[], &format!("GET /api/v1/nodes/n/proxy/{path}"));
            assert_eq!(decision.is_ok(), allowed, "{verbs} {path}");
        }
    }
}

#[test]
fn only_roles_that_match_the_request_give_users_and_groups() {
    let pods = role(
        "pods",
        "v7",
        "allow: {kubernetes_labels: {env: prod}, kubernetes_groups: [readers], kubernetes_resources: [{kind: pod, namespace: '*', name: '*', verbs: [get, list]}]}",
    );
    let admin = role(
        "admin",
        "v7",
        "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: ['system:masters', b], kubernetes_users: [root], kubernetes_resources: [{kind: secret, namespace: '*', name: '*', verbs: ['*']}]}",
    );
    let elsewhere = role("dev", "v7", "allow: {kubernetes_labels: {env: dev}, kubernetes_groups: [dev]}");
    let deny = role("deny", "v7", "deny: {kubernetes_groups: [b]}");
    let roles = [pods, admin, elsewhere, deny];
    let of = |request: &str| {
        let permit = decide(&roles, &[], request).expect(request);
        (permit.allowed().users.join(","), permit.allowed().groups.join(","))
    };
    let own = |text: &str| text.to_owned();
    assert_eq!(of("GET /api/v1/pods"), (own("alice"), own("readers,system:authenticated")));
    assert_eq!(of("GET /api/v1/secrets"), (own("root"), own("system:masters,system:authenticated")));
    assert_eq!(of("GET /version"), (own("root"), own("readers,system:masters,system:authenticated")));
}

#[test]
fn a_user_that_every_rule_denies_is_nobody() {
    let all = role("all", "v7", &format!("{ALL}}}"));
    let deny = role("no", "v7", "deny: {kubernetes_users: ['al*']}");
    let denied = decide(&[all, deny], &[], "GET /version").expect_err("nobody to act as");
    assert!(denied.client.contains("denies every Kubernetes user"), "{}", denied.client);
}

#[test]
fn traits_fill_templates_and_never_reach_under_system() {
    let spec = "allow: {kubernetes_labels: {team: '{{external.team}}'}, kubernetes_groups: ['{{internal.kubernetes_groups}}', 'x-{{external.team}}'], kubernetes_users: ['{{external.kube}}'], kubernetes_resources: [{kind: pod, namespace: '{{external.ns}}', name: '*', verbs: ['*']}]}";
    let traits = [
        ("team", "db"),
        ("ns", "dev"),
        ("ns", "*"),
        ("kubernetes_groups", "ops"),
        ("kubernetes_groups", "system:masters"),
        ("kubernetes_groups", " system:masters"),
        ("kubernetes_groups", "a,system:masters"),
        ("kubernetes_groups", "a\r\nImpersonate-Group: system:masters"),
        ("kube", "system:admin"),
    ];
    let permit = decide(&[role("r", "v7", spec)], &traits, "GET /api/v1/namespaces/dev/pods/web").expect("allowed");
    assert_eq!(permit.allowed().users, ["alice"], "the default is the user's own name");
    assert_eq!(permit.allowed().groups, ["a,system:masters", "ops", "x-db", "system:authenticated"]);
    decide(&[role("r", "v7", spec)], &traits, "GET /api/v1/namespaces/prod/pods/web")
        .expect_err("`*` from a trait is a name");
    decide(&[role("r", "v7", spec)], &[], "GET /version").expect_err("no trait, no label");
}

#[test]
fn refusals_speak_as_kubernetes_does() {
    let pods = with_resources("v7", "{kind: pod, namespace: dev, name: '*', verbs: [get]}");
    for (request, text) in [
        (
            "DELETE /api/v1/namespaces/dev/pods/web",
            r#"pods "web" is forbidden: User "alice" cannot delete resource "pods" in API group "" in the namespace "dev": no Teleport role allows it"#,
        ),
        (
            "GET /apis/apps/v1/deployments",
            r#"deployments.apps is forbidden: User "alice" cannot list resource "deployments" in API group "apps" at the cluster scope: no Teleport role allows it"#,
        ),
        (
            "POST /api/v1/namespaces/dev/pods/web/eviction",
            r#"pods "web" is forbidden: User "alice" cannot create resource "pods/eviction" in API group "" in the namespace "dev": no Teleport role allows it"#,
        ),
        (
            "GET /metrics",
            r#"forbidden: User "alice" cannot get path "/metrics": Teleport roles cannot allow this path; discovery and health paths are open"#,
        ),
    ] {
        assert_eq!(decide(&[Arc::clone(&pods)], &[], request).expect_err(request).client, text);
    }
}

#[test]
fn a_role_that_cannot_be_read_denies_its_holder() {
    let user = alice(&[role("r", "v7", &format!("{ALL}}}"))], &[]);
    let map: RoleMap = [(RoleName::parse("r").expect("a name"), None)].into();
    Subject::new(&user, &map).expect_err("unreadable");
    Subject::new(&user, &RoleMap::default()).expect("a role that is gone gives nothing");
}

#[test]
fn clients_choose_among_what_is_allowed() {
    let one = role("one", "v7", "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [g, h]}");
    let two =
        role("two", "v7", "allow: {kubernetes_labels: {'*': '*'}, kubernetes_users: [u, v], kubernetes_groups: [g]}");
    type Row<'a> = (&'a Arc<RolePolicy>, Asked<'a>, Result<(&'a str, &'a [&'a str]), &'a str>);
    let asked = |users: &[&'static str], groups: &[&'static str]| Asked {
        users: users.to_vec(),
        groups: groups.to_vec(),
        other: None,
    };
    let rows: [Row<'_>; 11] = [
        (&one, asked(&[], &[]), Ok(("alice", &["g", "h", "system:authenticated"]))),
        (&one, asked(&["alice"], &["h"]), Ok(("alice", &["h", "system:authenticated"]))),
        (&one, asked(&[""], &["h", "h", "system:authenticated"]), Ok(("alice", &["h", "system:authenticated"]))),
        (&one, asked(&["bob"], &[]), Err("impersonate user \"bob\"")),
        (&one, asked(&[], &["g", "system:masters"]), Err("impersonate group \"system:masters\"")),
        (&one, asked(&["alice", "alice"], &[]), Err("more than once")),
        (&one, Asked { other: Some("impersonate-uid"), ..Asked::default() }, Err("impersonate-uid")),
        (&two, asked(&[], &[]), Err("choose one with --as: u, v")),
        (&two, asked(&["v"], &[]), Ok(("v", &["g", "system:authenticated"]))),
        (&two, asked(&["alice"], &[]), Err("impersonate user \"alice\"")),
        (&two, asked(&["", "u"], &["g"]), Ok(("u", &["g", "system:authenticated"]))),
    ];
    for (role, asked, expected) in rows {
        let permit = decide(&[Arc::clone(role)], &[], "GET /version").expect("allowed");
        match (acts_as(&permit, &asked, "alice"), expected) {
            (Ok(acts), Ok((user, groups))) => {
                assert_eq!((acts.user, acts.groups.as_slice()), (user, groups), "{asked:?}")
            }
            (Err(denied), Err(text)) => assert!(denied.client.contains(text), "{}", denied.client),
            (got, _) => unreachable!("{asked:?}: {got:?}"),
        }
    }
}

#[test]
fn a_put_that_may_make_an_object_needs_create_too() {
    let rule = |verbs: &str| {
        role(
            "r",
            "v8",
            &format!(
                "allow:|  kubernetes_labels: {{'*': '*'}}|  kubernetes_resources:|  - {{kind: '*', api_group: '*', namespace: '*', name: '*', verbs: [{verbs}]}}"
            ),
        )
    };
    for (request, made) in [
        ("PUT /api/v1/namespaces/a/services/x", true),
        ("PUT /apis/rbac.authorization.k8s.io/v1/clusterroles/x", true),
        ("PUT /apis/coordination.k8s.io/v1/namespaces/a/leases/x", true),
        ("PUT /api/v1/namespaces/a/configmaps/x", false),
    ] {
        assert_eq!(decide(&[rule("update")], &[], request).is_err(), made, "{request}");
        assert!(decide(&[rule("update, create")], &[], request).is_ok(), "{request}");
    }
}

#[test]
fn who_is_denied_to_delete_one_is_denied_to_delete_many() {
    let allow = role("all", "v8", "allow:|  kubernetes_labels: {'*': '*'}");
    let deny = role(
        "keep",
        "v8",
        "deny:|  kubernetes_resources:|  - {kind: pods, api_group: '', namespace: '*', name: '*', verbs: [delete]}",
    );
    let request = "DELETE /api/v1/namespaces/a/pods";
    assert!(decide(std::slice::from_ref(&allow), &[], request).is_ok(), "allowed alone");
    decide(&[allow, deny], &[], request).expect_err("denied");
}
