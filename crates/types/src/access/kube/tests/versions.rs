//! The matrix of role versions: what each allows by what its documents say and leave out.

use super::*;

const VERSIONS: [&str; 6] = ["v3", "v4", "v5", "v6", "v7", "v8"];

/// The answer as one letter: `y` allowed, `-` no rule, `d` denied, `f` needs a filter, `n` needs the name.
fn answer(roles: &[Arc<RolePolicy>], request: &str) -> char {
    let texts = [
        ("cannot be filtered", 'f'),
        ("by the object's name", 'n'),
        ("a Teleport role denies it", 'd'),
        ("no Teleport role allows it", '-'),
    ];
    match decide(roles, &[], request) {
        Ok(_) => 'y',
        Err(denied) => texts.iter().find(|(text, _)| denied.client.contains(text)).map_or('?', |(_, letter)| *letter),
    }
}

/// Holds each request against the roles of every version: a letter each, from v3 to v8.
fn matrix(roles: impl Fn(&str) -> Vec<Arc<RolePolicy>>, rows: &[(&str, &str)]) {
    for (request, expected) in rows {
        let answers: String = VERSIONS.iter().map(|version| answer(&roles(version), request)).collect();
        assert_eq!(answers, *expected, "{request} from v3 to v8");
    }
}

/// A rule about pods as each version writes it.
fn pods(version: &str, namespace: &str, name: &str) -> String {
    let (kind, rest) = match version {
        "v8" => ("pods", ", api_group: '', verbs: ['*']"),
        "v7" => ("pod", ", verbs: ['*']"),
        "v5" => ("pod", ", verbs: ['*']"),
        _ => ("pod", ""),
    };
    format!("{{kind: {kind}, namespace: '{namespace}', name: '{name}'{rest}}}")
}

fn refusal(version: &str, spec: &str) -> String {
    let text = format!("kind: role\nversion: {version}\nmetadata: {{name: r}}\nspec: {spec}\n");
    yaml::resources(&text).expect_err(&text).to_string()
}

#[test]
fn a_role_that_lists_no_objects_means_what_its_version_says() {
    matrix(
        |version| vec![role("r", version, &format!("{ALL}}}"))],
        &[
            ("GET /api/v1/pods", "yyy-yy"),
            ("GET /api/v1/pods?watch=1", "yyy-yy"),
            ("GET /api/v1/namespaces/dev/pods", "yyy-yy"),
            ("GET /api/v1/namespaces/dev/pods/web", "yyy-yy"),
            ("GET /api/v1/namespaces/dev/pods/web/log", "yyy-yy"),
            ("GET /api/v1/namespaces/dev/pods/web/status", "yyy-yy"),
            ("GET /api/v1/namespaces/dev/pods/web/exec", "yyy-yy"),
            ("POST /api/v1/namespaces/dev/pods/web/attach", "yyy-yy"),
            ("POST /api/v1/namespaces/dev/pods/web/portforward", "yyy-yy"),
            ("GET /api/v1/namespaces/dev/pods/web/proxy/x", "yyy-yy"),
            ("POST /api/v1/namespaces/dev/pods/web/eviction", "yyy-yy"),
            ("POST /api/v1/namespaces/dev/pods/web/binding", "yyy-yy"),
            ("PATCH /api/v1/namespaces/dev/pods/web/ephemeralcontainers", "yyy-yy"),
            ("POST /api/v1/namespaces/dev/pods", "yyy-yy"),
            ("PUT /api/v1/namespaces/dev/pods/web", "yyy-yy"),
            ("PATCH /api/v1/namespaces/dev/pods/web", "yyy-yy"),
            ("APPLY /api/v1/namespaces/dev/pods/web", "yyy-yy"),
            ("DELETE /api/v1/namespaces/dev/pods/web", "yyy-yy"),
            ("DELETE /api/v1/namespaces/dev/pods", "yyy-yy"),
            ("GET /api/v1/secrets", "yyyyyy"),
            ("DELETE /api/v1/namespaces/dev/secrets", "yyyyyy"),
            ("GET /api/v1/namespaces/dev", "yyyyyy"),
            ("GET /api/v1/nodes", "yyyyyy"),
            ("APPLY /apis/apps/v1/namespaces/dev/deployments/web", "yyyyyy"),
            ("GET /apis/example.com/v1/widgets", "yyyyyy"),
            ("GET /apis/example.com/v1/namespaces/dev/pods/web", "yyyyyy"),
            ("GET /apis/metrics.k8s.io/v1beta1/namespaces/dev/pods", "yyyyyy"),
            ("GET /api/v1/namespaces/dev/services/web/proxy/x", "yyyyyy"),
            ("GET /api/v1/nodes/n/proxy/exec/dev/web/c", "------"),
            ("GET /api/v1/nodes/n/proxy/configz", "------"),
            ("GET /version", "yyyyyy"),
            ("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "yyyyyy"),
        ],
    );
}

#[test]
fn rules_about_pods_of_a_namespace_restrict_pods_alone_before_v7() {
    matrix(
        |version| vec![with_resources(version, &pods(version, "dev", "*"))],
        &[
            ("GET /api/v1/namespaces/dev/pods", "yyyyyy"),
            ("GET /api/v1/namespaces/dev/pods/web/exec", "yyyyyy"),
            ("POST /api/v1/namespaces/dev/pods", "yyyyyy"),
            ("DELETE /api/v1/namespaces/dev/pods", "yyyyyy"),
            ("GET /api/v1/pods", "ffffff"),
            ("GET /api/v1/namespaces/prod/pods", "------"),
            ("GET /api/v1/namespaces/prod/pods/web", "------"),
            ("GET /api/v1/namespaces/prod/pods/web/log", "------"),
            ("POST /api/v1/namespaces/prod/pods/web/exec", "------"),
            ("POST /api/v1/namespaces/prod/pods/web/portforward", "------"),
            ("POST /api/v1/namespaces/prod/pods", "------"),
            ("DELETE /api/v1/namespaces/prod/pods", "------"),
            ("PATCH /api/v1/namespaces/prod/pods/web/ephemeralcontainers", "------"),
            ("GET /api/v1/secrets", "yyyy--"),
            ("GET /api/v1/namespaces/prod/secrets/db", "yyyy--"),
            ("DELETE /apis/apps/v1/namespaces/prod/deployments/web", "yyyy--"),
            ("GET /api/v1/namespaces/dev", "yyyyyy"),
            ("GET /api/v1/namespaces/prod", "yyyy--"),
            ("GET /apis/example.com/v1/widgets", "yyyy--"),
        ],
    );
}

#[test]
fn rules_about_pods_by_name_hold_in_every_version() {
    matrix(
        |version| vec![with_resources(version, &pods(version, "dev", "web-*"))],
        &[
            ("GET /api/v1/namespaces/dev/pods/web-1", "yyyyyy"),
            ("POST /api/v1/namespaces/dev/pods/web-1/exec", "yyyyyy"),
            ("POST /api/v1/namespaces/dev/pods/web-1/eviction", "yyyyyy"),
            ("APPLY /api/v1/namespaces/dev/pods/web-1", "yyyyyy"),
            ("GET /api/v1/namespaces/dev/pods/db", "------"),
            ("POST /api/v1/namespaces/dev/pods/db/exec", "------"),
            ("GET /api/v1/namespaces/dev/pods", "ffffff"),
            ("DELETE /api/v1/namespaces/dev/pods", "ffffff"),
            ("POST /api/v1/namespaces/dev/pods", "nnnnnn"),
        ],
    );
}

#[test]
fn a_deny_of_pods_wins_in_every_version() {
    let all = role("all", "v8", &format!("{ALL}}}"));
    let deny = |version: &str| {
        role("no", version, &format!("deny: {{kubernetes_resources: [{}]}}", pods(version, "dev", "db-*")))
    };
    matrix(
        |version| vec![Arc::clone(&all), deny(version)],
        &[
            ("GET /api/v1/namespaces/dev/pods/db-1", "dddddd"),
            ("POST /api/v1/namespaces/dev/pods/db-1/exec", "dddddd"),
            ("POST /api/v1/namespaces/dev/pods/db-1/portforward", "dddddd"),
            ("GET /api/v1/namespaces/dev/pods/db-1/proxy/x", "dddddd"),
            ("GET /api/v1/namespaces/dev/pods/web", "yyyyyy"),
            ("GET /api/v1/namespaces/prod/pods/db-1", "yyyyyy"),
            ("GET /api/v1/namespaces/dev/pods", "ffffff"),
            ("POST /api/v1/namespaces/dev/pods", "nnnnnn"),
            ("GET /api/v1/namespaces/dev/secrets/db-1", "yyyyyy"),
        ],
    );
}

#[test]
fn no_labels_are_every_cluster_in_v3_alone() {
    let get = ("GET /api/v1/namespaces/dev/secrets", "y-----");
    matrix(|version| vec![role("r", version, "allow: {kubernetes_groups: [g]}")], &[get]);
    for (labels, expected) in
        [("{}", "------"), ("{env: dev}", "------"), ("{env: prod}", "yyyyyy"), ("{'*': '*'}", "yyyyyy")]
    {
        let spec = format!("allow: {{kubernetes_groups: [g], kubernetes_labels: {labels}}}");
        matrix(|version| vec![role("r", version, &spec)], &[(get.0, expected)]);
    }
    let deny = "allow: {kubernetes_groups: [g], kubernetes_labels: {'*': '*'}}|deny: {kubernetes_groups: [x]}";
    matrix(|version| vec![role("r", version, deny)], &[(get.0, "yyyyyy")]);
}

#[test]
fn labels_that_were_empty_stay_empty_when_the_role_is_stored() {
    let text = "kind: role\nversion: v3\nmetadata: {name: r}\nspec: {allow: {kubernetes_labels: {}}}\n";
    let role = yaml::resources(text).expect("reads").remove(0);
    let stored = role.to_value();
    assert_eq!(stored["spec"]["allow"]["kubernetes_labels"], serde_json::json!({}));
    assert_eq!(crate::AnyResource::from_value(stored).expect("reads back"), role);
}

#[test]
fn before_v7_a_role_that_names_nobody_gives_nothing() {
    let ssh = "allow: {logins: [root], node_labels: {'*': '*'}, kubernetes_labels: {'*': '*'}}";
    let rows = [("GET /api/v1/secrets", "----yy"), ("GET /version", "----yy")];
    matrix(|version| vec![role("r", version, ssh)], &rows);
    let denied = "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [g]}|deny: {kubernetes_groups: ['*']}";
    matrix(|version| vec![role("r", version, denied)], &rows);
    let no_trait = "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: ['{{external.none}}']}";
    matrix(|version| vec![role("r", version, no_trait)], &rows);

    let labels = Labels::default();
    for (spec, version, sees) in [(ssh, "v3", false), (ssh, "v6", false), (ssh, "v7", true), (no_trait, "v3", false)] {
        let held = [role("r", version, spec)];
        let user = alice(&held, &[]);
        let map: RoleMap = held.iter().map(|role| (role.name.clone(), Some(Arc::clone(role)))).collect();
        let subject = Subject::new(&user, &map).expect("readable roles");
        assert_eq!(subject.sees_cluster(&labels), sees, "{version} {spec}");
    }
}

#[test]
fn each_role_gives_its_principals_for_what_its_own_version_allows() {
    let admins = role("admins", "v6", "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: ['system:masters']}");
    let viewers = role("viewers", "v5", "allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [viewers]}");
    let shell = role("shell", "v3", "allow: {logins: [root]}");
    let roles = [admins, viewers, shell];
    let groups = |request: &str| decide(&roles, &[], request).expect(request).allowed().groups.join(",");
    assert_eq!(groups("GET /api/v1/pods"), "viewers,system:authenticated");
    assert_eq!(groups("POST /api/v1/namespaces/dev/pods/web/exec"), "viewers,system:authenticated");
    assert_eq!(groups("GET /api/v1/secrets"), "system:masters,viewers,system:authenticated");
}

#[test]
fn v3_means_every_host_when_it_names_logins() {
    let labels: Labels = [("env".to_owned(), "prod".to_owned())].into();
    for (version, spec, every) in [
        ("v3", "allow: {logins: [root]}", true),
        ("v3", "allow: {kubernetes_groups: [g]}", false),
        ("v3", "allow: {logins: [root], node_labels: {env: dev}}", false),
        ("v3", "allow: {logins: [root], node_labels: {}}", false),
        ("v4", "allow: {logins: [root]}", false),
        ("v8", "allow: {logins: [root]}", false),
    ] {
        let role = role("r", version, spec);
        assert_eq!(role.allow.node_labels.all(&labels, &Traits::default()), every, "{version} {spec}");
        assert!(!role.deny.node_labels.any(&labels, &Traits::default()), "{version} {spec}");
    }
}

#[test]
fn an_empty_list_of_objects_is_clear_in_v6_alone() {
    for version in VERSIONS {
        let spec = "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [g], kubernetes_resources: []}}";
        if version == "v6" {
            let role = with_resources(version, "");
            assert_eq!(answer(&[Arc::clone(&role)], "GET /api/v1/namespaces/dev/pods/web"), '-');
            assert_eq!(answer(&[role], "GET /api/v1/secrets"), 'y');
        } else {
            assert!(refusal(version, spec).contains("an empty list is not clear"), "{version}");
        }
    }
}

#[test]
fn what_a_version_cannot_say_is_refused() {
    for version in ["v3", "v4", "v5", "v6"] {
        for (side, rule, expected) in [
            ("allow", "{kind: secret, namespace: dev, name: '*'}", "names pods (\"pod\") alone"),
            ("allow", "{kind: '*', namespace: dev, name: '*'}", "names pods (\"pod\") alone"),
            ("allow", "{kind: pods, namespace: dev, name: '*'}", "names pods (\"pod\") alone"),
            ("deny", "{kind: namespace, name: dev}", "names pods (\"pod\") alone"),
            ("allow", "{kind: pod, api_group: '', namespace: dev, name: '*'}", "write the role as v8"),
            ("allow", "{kind: pod, namespace: dev, name: '*', verbs: [get]}", "is about every verb"),
            ("deny", "{kind: pod, namespace: dev, name: '*', verbs: [exec]}", "is about every verb"),
            ("allow", "{kind: pod, namespace: dev, name: '*', verbs: ['*', get]}", "is about every verb"),
            ("deny", "{kind: pod, namespace: dev, name: '*', verbs: []}", "name at least one verb"),
            ("allow", "{kind: pod, name: '*'}", "pods are in namespaces"),
        ] {
            let text = refusal(version, &format!("{{{side}: {{kubernetes_resources: [{rule}]}}}}"));
            assert!(text.contains(expected), "{version} {rule}: {text}");
        }
        for field in ["kubernetes_labels_expression: x", "app_labels: {'*': '*'}", "request: {roles: [x]}"] {
            let text = refusal(version, &format!("{{allow: {{{field}}}}}"));
            assert!(text.contains("not supported yet"), "{version} {field}: {text}");
        }
    }
    for version in ["v7", "v8"] {
        let rule = "{kind: '*', api_group: '*', namespace: dev, name: '*'}"
            .replace(", api_group: '*'", if version == "v8" { ", api_group: '*'" } else { "" });
        let text = refusal(version, &format!("{{allow: {{kubernetes_resources: [{rule}]}}}}"));
        assert!(text.contains("name at least one verb"), "{version}: {text}");
    }
}

#[test]
fn null_is_not_a_way_to_leave_a_field_out() {
    for version in VERSIONS {
        for field in ["kubernetes_labels", "kubernetes_resources"] {
            let allow = serde_json::json!({"kubernetes_groups": ["g"], field: null});
            let role = serde_json::json!(
                {"kind": "role", "version": version, "metadata": {"name": "r"}, "spec": {"allow": allow}}
            );
            crate::AnyResource::from_value(role).expect_err("refused");
        }
    }
    for version in VERSIONS {
        for (field, expected) in
            [("kubernetes_labels", "fields are expected"), ("kubernetes_resources", "a list is expected")]
        {
            let text = refusal(version, &format!("{{allow: {{kubernetes_groups: [g], {field}: }}}}"));
            assert!(text.contains(expected), "{version}: {text}");
        }
    }
}
