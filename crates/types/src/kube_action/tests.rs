//! Tables of requests and what they ask for.

use super::*;

fn parse(method: &str, target: &str) -> Result<KubeAction, ActionError> {
    KubeAction::parse(RequestLine { method, target, content_type: None })
}

/// Writes an action as `verb group/version namespace resource/subresource name`, `-` for what is empty.
fn words(action: &KubeAction) -> String {
    let or = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    match &action.scope {
        KubeScope::NonResource { path } => format!("{} {path}", action.verb),
        KubeScope::Resource(r) => {
            let kind =
                if r.subresource.is_empty() { r.resource.clone() } else { format!("{}/{}", r.resource, r.subresource) };
            format!("{} {}/{} {} {kind} {}", action.verb, or(&r.group), r.version, or(&r.namespace), or(&r.name))
        }
    }
}

#[test]
fn requests_ask_for_what_the_api_server_reads() {
    let rows = [
        ("GET", "/api/v1/namespaces/dev/pods", "list -/v1 dev pods -"),
        ("HEAD", "/api/v1/namespaces/dev/pods/web", "get -/v1 dev pods web"),
        ("GET", "/api/v1/pods", "list -/v1 - pods -"),
        ("POST", "/api/v1/namespaces/dev/pods", "create -/v1 dev pods -"),
        ("PUT", "/apis/apps/v1/namespaces/dev/deployments/web", "update apps/v1 dev deployments web"),
        ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web/scale", "patch apps/v1 dev deployments/scale web"),
        ("DELETE", "/api/v1/namespaces/dev/pods/web", "delete -/v1 dev pods web"),
        ("DELETE", "/api/v1/namespaces/dev/pods", "deletecollection -/v1 dev pods -"),
        ("GET", "/api/v1/namespaces", "list -/v1 - namespaces -"),
        ("GET", "/api/v1/namespaces/dev", "get -/v1 dev namespaces dev"),
        ("DELETE", "/api/v1/namespaces/dev", "delete -/v1 dev namespaces dev"),
        ("PUT", "/api/v1/namespaces/dev/finalize", "update -/v1 dev namespaces/finalize dev"),
        ("GET", "/api/v1/namespaces/dev/status", "get -/v1 dev namespaces/status dev"),
        ("GET", "/api/v1/nodes/n1", "get -/v1 - nodes n1"),
        ("GET", "/api/v1/namespaces/dev/pods/web/log?follow=true", "get -/v1 dev pods/log web"),
        ("POST", "/api/v1/namespaces/dev/pods/web/eviction", "create -/v1 dev pods/eviction web"),
        ("GET", "/apis/example.com/v1/widgets", "list example.com/v1 - widgets -"),
        (
            "GET",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            "get rbac.authorization.k8s.io/v1 - clusterroles system:node",
        ),
        (
            "GET",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/my%20role",
            "get rbac.authorization.k8s.io/v1 - clusterroles my role",
        ),
        ("GET", "/version", "get /version"),
        ("GET", "/", "get /"),
        ("GET", "/api", "get /api"),
        ("GET", "/api/v1", "get /api/v1"),
        ("GET", "/apis/apps/v1", "get /apis/apps/v1"),
        ("GET", "/apis/", "get /apis/"),
        ("GET", "/openapi/v3/apis/apps/v1?hash=AB", "get /openapi/v3/apis/apps/v1"),
        ("POST", "/metrics", "create /metrics"),
    ];
    for (method, target, expected) in rows {
        let action = parse(method, target).expect(target);
        assert_eq!(words(&action), expected, "{method} {target}");
    }
}

#[test]
fn every_spelling_of_watch_is_a_watch() {
    for query in
        ["watch", "watch=", "watch=1", "watch=true", "watch=t", "watch=TRUE", "watch=no", "w%61tch=1", "a=b&watch=1"]
    {
        let target = format!("/api/v1/pods?{query}");
        assert_eq!(words(&parse("GET", &target).expect(query)), "watch -/v1 - pods -", "{query}");
    }
    for query in ["watch=0", "watch=false", "watch=FALSE", "", "wat=1"] {
        let target = format!("/api/v1/pods?{query}");
        assert_eq!(words(&parse("GET", &target).expect(query)), "list -/v1 - pods -", "{query}");
    }
    assert_eq!(words(&parse("GET", "/api/v1/watch/namespaces/dev/pods").expect("ok")), "watch -/v1 dev pods -");
    assert_eq!(words(&parse("GET", "/api/v1/watch/namespaces/dev/pods/web").expect("ok")), "watch -/v1 dev pods web");
    parse("GET", "/api/v1/namespaces/dev/pods/web?watch=1").expect_err("a watch on one object goes by field selector");
    parse("GET", "/api/v1/pods?watch=false&watch=true").expect_err("ambiguous");
    parse("GET", "/api/v1/pods?Watch=true").expect_err("another spelling of the key");
}

#[test]
fn a_field_selector_can_name_one_object() {
    for (selector, name) in [
        ("metadata.name%3Dweb", "web"),
        ("metadata.name==web", "web"),
        ("status.phase=Running,metadata.name=web", "web"),
        ("metadata.name!=web", "-"),
        ("metadata.name=", "-"),
        ("metadata.namespace=web", "-"),
        ("metadata.name=a%5C,b", "-"),
        ("metadata.name=a/b", "-"),
    ] {
        let action = parse("GET", &format!("/api/v1/namespaces/dev/pods?fieldSelector={selector}")).expect(selector);
        assert_eq!(words(&action), format!("list -/v1 dev pods {name}"), "{selector}");
    }
    let delete = parse("DELETE", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name=web").expect("ok");
    assert_eq!(words(&delete), "deletecollection -/v1 dev pods -", "the API server reads no name here");
}

#[test]
fn only_one_spelling_of_a_path_is_read() {
    for target in [
        "",
        "*",
        "api/v1/pods",
        "http://other/api/v1/pods",
        "//api/v1/pods",
        "/api//v1/pods",
        "/api/v1/pods/",
        "/api/v1/./pods",
        "/api/v1/namespaces/dev/../prod/pods",
        "/api/v1/namespaces/dev/%2e%2e/prod/pods",
        "/api/v1/namespaces/dev/%2E./prod/pods",
        "/api/v1/namespaces/dev%2Fpods/web",
        "/api/v1/namespaces/dev%2fpods/web",
        "/api/v1/namespaces/dev/pods/a%5Cb",
        "/api/v1/namespaces/dev/pods/a\\b",
        "/api/v1/namespaces/dev/pods/web;x=1",
        "/api/v1/namespaces/dev/pods/web%3Bx",
        "/api/v1/pods%3Fwatch=1",
        "/api/v1/pods%23x",
        "/api/v1/namespaces/dev/pods/web%00",
        "/api/v1/namespaces/dev/pods/web%0A",
        "/api/v1/namespaces/dev/pods/web%C2%85",
        "/api/v1/namespaces/dev/pods/%FF",
        "/api/v1/namespaces/dev/pods/%77eb",
        "/api/v1/namespaces/dev/pods/%252e",
        "/api/v1/namespaces/dev/pods/web%",
        "/api/v1/namespaces/dev/pods/web%2",
        "/api/v1/namespaces/dev/pods/sys%3anode",
        "/api/v1/namespaces/dev/pods/web#x",
        "/api/v1/namespaces/dev/pods/w b",
        "/api/v1/namespaces/dev/pods/{x}",
        "/api/v1/namespaces/dev/pods/web/log/more",
        "/api/v1/namespaces/dev/pods/web/exec/",
        "/api/v1/proxy/namespaces/dev/pods/web",
        "/api/v1/pods?a=1;watch=1",
        "/api/v1/pods?a=%zz",
        "/api/v1/pods?a=b#c",
        "/api/v1/pods?x=%ff",
    ] {
        assert!(matches!(parse("GET", target), Err(ActionError::NotCanonical(_))), "{target}");
    }
}

#[test]
fn what_is_forwarded_is_written_anew() {
    for (target, forwarded) in [
        ("/api/v1/pods?limit=500&x=a%20b", "/api/v1/pods?limit=500&x=a%20b"),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%3Ab",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/a:b",
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/my%20role",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/my%20role",
        ),
        (
            "/api/v1/namespaces/dev/services/https:web:443/proxy/",
            "/api/v1/namespaces/dev/services/https:web:443/proxy/",
        ),
        ("/", "/"),
        ("/healthz/", "/healthz/"),
    ] {
        assert_eq!(parse("GET", target).expect(target).target(), forwarded);
    }
}

#[test]
fn methods_without_a_meaning_are_refused() {
    for method in ["OPTIONS", "TRACE", "CONNECT", "get", "FOO", ""] {
        assert!(matches!(parse(method, "/api/v1/pods"), Err(ActionError::Method { .. })), "{method}");
    }
    for (method, target) in
        [("PUT", "/api/v1/pods"), ("PATCH", "/api/v1/pods"), ("POST", "/api/v1/namespaces/dev/pods/web")]
    {
        parse(method, target).expect_err(target);
    }
}

/// Each method on each subresource: streams and the proxy keep their own verb, nothing that writes becomes a read.
#[test]
fn no_subresource_is_read_as_something_weaker() {
    let subresources = [
        "exec",
        "attach",
        "portforward",
        "proxy",
        "log",
        "ephemeralcontainers",
        "eviction",
        "binding",
        "token",
        "scale",
        "status",
        "approval",
        "finalize",
        "resize",
        "console",
    ];
    for subresource in subresources {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let target = format!("/api/v1/namespaces/dev/pods/web/{subresource}");
            let action = parse(method, &target).expect("parses");
            let expected = match (subresource, method) {
                ("exec" | "attach", _) => ApiVerb::Exec,
                ("portforward", _) => ApiVerb::PortForward,
                ("proxy", _) => ApiVerb::Proxy,
                (_, "GET" | "HEAD") => ApiVerb::Get,
                (_, "POST") => ApiVerb::Create,
                (_, "PUT") => ApiVerb::Update,
                (_, "PATCH") => ApiVerb::Patch,
                _ => ApiVerb::Delete,
            };
            assert_eq!(action.verb, expected, "{method} {subresource}");
            assert_eq!(action.resource().expect("a resource").subresource, subresource);
        }
    }
}

#[test]
fn whatever_is_behind_a_proxy_is_a_proxy() {
    for target in [
        "/api/v1/nodes/n1/proxy",
        "/api/v1/nodes/n1/proxy/exec/dev/web/c",
        "/api/v1/nodes/n1/proxy/configz",
        "/api/v1/namespaces/dev/pods/web:80/proxy/a/b?watch=1&watch=0",
        "/api/v1/namespaces/dev/services/web/proxy/namespaces/x/",
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(parse(method, target).expect(target).verb, ApiVerb::Proxy, "{method} {target}");
        }
    }
}

#[test]
fn server_side_apply_may_create() {
    let target = "/api/v1/namespaces/dev/configmaps/c?fieldManager=kubectl";
    for (content_type, may_create) in [
        (Some("application/apply-patch+yaml"), true),
        (Some("Application/Apply-Patch+CBOR; charset=utf-8"), true),
        (Some("application/merge-patch+json"), false),
        (None, false),
    ] {
        let action = KubeAction::parse(RequestLine { method: "PATCH", target, content_type }).expect("parses");
        assert_eq!(action.may_create, may_create, "{content_type:?}");
    }
}

#[test]
fn odd_requests_never_panic() {
    let pieces = [
        "/",
        "api",
        "apis",
        "v1",
        "%",
        "%2",
        "%41",
        "?",
        "&",
        "=",
        "watch",
        "namespaces",
        "\u{e9}",
        ".",
        "proxy",
        "\0",
        "fieldSelector=metadata.name",
    ];
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    for _ in 0..20_000 {
        let mut target = String::new();
        for _ in 0..(seed % 9) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            target.push_str(pieces.get((seed % pieces.len() as u64) as usize).expect("in range"));
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if let Ok(action) = parse("GET", &target) {
            let again = parse("GET", action.target()).expect("what is forwarded reads the same");
            assert_eq!(again, action, "{target}");
        }
    }
}

#[test]
fn nothing_lies_below_a_namespaces_status() {
    for target in ["/api/v1/namespaces/a/status/x", "/api/v1/namespaces/a/finalize/x/y"] {
        let request = RequestLine { method: "GET", target, content_type: None };
        assert!(matches!(KubeAction::parse(request), Err(ActionError::NotCanonical(_))), "{target}");
    }
}
