//! One spelling of a path, one reading of a query, one host of a connection.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::{H2, Reply, World};

#[tokio::test]
async fn other_spellings_never_reach_the_api_server() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    for target in [
        "/api/v1/namespaces/dev/%2e%2e/prod/pods",
        "/api/v1/namespaces/dev/%252e%252e/pods",
        "//api/v1/pods",
        "/api//v1/pods",
        "/api/v1/./pods",
        "/api/v1/namespaces/dev/../prod/pods",
        "/api/v1/namespaces/a%2fb/pods",
        "/api/v1/namespaces/a%2Fb/pods",
        "/api/v1/namespaces/a%5cb/pods",
        "/api/v1/namespaces/a;x/pods",
        "/api/v1/namespaces/a%00/pods",
        "/api/v1/pods%3Fwatch=1",
        "/api/v1/pods%23x",
        "http://other.example.com/api/v1/pods",
        "/api/v1/pods?watch=false&watch=true",
        "/api/v1/pods?watch=0;watch=1",
        "/api/v1/pods?Watch=1",
    ] {
        let answer = world.get(&format!("GET {target} HTTP/1.1\nHost: x\n\n")).await;
        assert_eq!(answer.code, 400, "{target}");
        answer.message();
    }
    let two = "Content-Type: application/merge-patch+json\nContent-Type: application/apply-patch+yaml";
    let answer =
        world.get(&format!("PATCH /api/v1/namespaces/d/pods/p HTTP/1.1\nHost: x\n{two}\nContent-Length: 0\n\n")).await;
    assert_eq!(answer.code, 400, "a body that could be read two ways");
    for line in ["OPTIONS /api/v1/pods", "TRACE /api/v1/pods", "FOO /api/v1/pods", "OPTIONS *", "CONNECT x:443"] {
        let answer = world.get(&format!("{line} HTTP/1.1\nHost: x\n\n")).await;
        assert!(matches!(answer.code, 400 | 405), "{line}: {answer:?}");
    }
    assert!(world.api.heads().is_empty(), "{:?}", world.api.heads());
}

#[tokio::test]
async fn what_is_forwarded_is_what_was_understood() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    world.get("GET /apis/rbac.authorization.k8s.io/v1/clusterroles/a%3Ab?limit=5&x=%41 HTTP/1.1\nHost: x\n\n").await;
    let head = &world.api.requested(1).await[0];
    assert!(
        head.starts_with("GET /apis/rbac.authorization.k8s.io/v1/clusterroles/a:b?limit=5&x=%41 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.to_ascii_lowercase().contains(&format!("host: {}", world.api.addr())), "{head}");
}

#[tokio::test]
async fn a_host_that_names_another_internal_name_is_misdirected() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let mut raw = world.raw().await;
    for (host, code) in [
        ("public.example.com:443", 200),
        (world.host.as_str(), 200),
        ("AUTH.main.teleport.internal", 421),
        ("auth.main.teleport.internal.:3080", 421),
        ("k-aaaaaaaaaaaaaaaaaaaaaaaaaa.main.teleport.internal", 421),
        ("public.example.com", 200),
    ] {
        raw.send(&format!("GET /api/v1/pods HTTP/1.1\nHost: {host}\n\n")).await;
        assert_eq!(raw.answer().await.code, code, "{host}");
    }
    let mut client = H2::new(world.connect(b"h2").await).await;
    let request = Request::get("https://auth.main.teleport.internal/api/v1/pods").body(Full::<Bytes>::default());
    assert_eq!(client.send(request.expect("a request")).await.status(), 421);
}

#[tokio::test]
async fn proxies_of_pods_services_and_nodes_need_their_own_verb() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let verbs = "[get, list, watch, create, update, patch, delete, deletecollection, exec, portforward]";
    let rule = |kind: &str, namespace: &str| format!("{{kind: {kind}{namespace}, name: '*', verbs: {verbs}}}");
    world.set_role(
        "all",
        &format!(
            "{{allow: {{kubernetes_labels: {{'*': '*'}}, kubernetes_resources: [{}, {}, {}]}}}}",
            rule("pod", ", namespace: '*'"),
            rule("service", ", namespace: '*'"),
            rule("kube_node", "")
        ),
    );
    let upgrade = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGVzdA==\n";
    for path in [
        "namespaces/d/pods/p/proxy/x",
        "namespaces/d/services/s/proxy/",
        "nodes/n/proxy/exec/d/p/c",
        "nodes/n/proxy/configz",
    ] {
        for (method, headers) in [
            ("GET", ""),
            ("POST", "Content-Length: 0\n"),
            ("PUT", "Content-Length: 0\n"),
            ("DELETE", ""),
            ("GET", upgrade),
        ] {
            let answer = world.get(&format!("{method} /api/v1/{path} HTTP/1.1\nHost: x\n{headers}\n")).await;
            assert_eq!(answer.code, 403, "{method} {path}");
        }
    }
    assert!(world.api.heads().is_empty());
}

#[tokio::test]
async fn paths_beside_discovery_and_health_are_closed() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    for (path, code) in [
        ("/version", 200),
        ("/api", 200),
        ("/apis", 200),
        ("/apis/apps/v1", 200),
        ("/openapi/v3", 200),
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 403),
        ("/logs/x", 403),
        ("/debug/pprof/heap", 403),
        ("/configz", 403),
        ("/", 403),
    ] {
        let answer = world.get(&format!("GET {path} HTTP/1.1\nHost: x\n\n")).await;
        assert_eq!(answer.code, code, "{path}");
    }
}

#[tokio::test]
async fn questions_that_roles_answer_with_no_are_answered_here() {
    let world = World::start(|_| Reply::new(201, "{\"status\":{\"allowed\":true}}")).await;
    world.set_role(
        "all",
        "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_resources: [{kind: pod, namespace: dev, name: '*', verbs: [get, list]}]}}",
    );
    for (attributes, allowed) in [
        (r#"{"verb":"get","resource":"pods","namespace":"dev"}"#, true),
        (r#"{"verb":"delete","resource":"pods","namespace":"dev"}"#, false),
        (r#"{"verb":"list","resource":"pods"}"#, false),
        (r#"{"verb":"create","resource":"pods","subresource":"exec","namespace":"dev","name":"p"}"#, false),
        (r#"{"verb":"get","resource":"deployments","group":"apps","namespace":"dev"}"#, false),
        (r#"{"verb":"get","resource":"nodes","namespace":"default"}"#, false),
        (r#"{"verb":"use","resource":"podsecuritypolicies"}"#, true),
        (r#"{"verb":"*","resource":"*","group":"*"}"#, true),
    ] {
        let body = format!(
            r#"{{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{{"resourceAttributes":{attributes}}}}}"#
        );
        let answer = world
            .get(&format!(
                "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\nHost: x\nContent-Type: application/json\n\
                 Content-Length: {}\n\n{body}",
                body.len()
            ))
            .await;
        assert_eq!(answer.code, 201, "{attributes}: {answer:?}");
        let review: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(review["status"]["allowed"], allowed, "{attributes}: {review}");
        assert_eq!(review["status"]["reason"].is_string(), !allowed, "{attributes}: {review}");
    }
    let asked = world.api.received().join("");
    assert!(asked.contains(r#""verb":"get","resource":"pods""#) && !asked.contains(r#""verb":"delete""#), "{asked}");
}
