//! What the audit log says: before the request is forwarded, and at its end.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Reply, World};

fn begun(world: &World, event: &str) -> Vec<Value> {
    let lines = world.audit().into_iter();
    lines.filter(|line| line["begin"]["event"] == event).map(|line| line["begin"].clone()).collect()
}

#[tokio::test]
async fn a_request_is_written_down_before_it_is_forwarded_and_closed_after() {
    let seen: Arc<Mutex<Option<Arc<World>>>> = Arc::default();
    let looking = Arc::clone(&seen);
    let counted = Arc::new(Mutex::new(0));
    let counting = Arc::clone(&counted);
    let world = World::start(move |head| {
        if head.contains("/pods") {
            let world = looking.lock().expect("not poisoned").clone().expect("set");
            *counting.lock().expect("not poisoned") = begun(&world, "kube.request").len();
        }
        Reply::new(201, "{}")
    })
    .await;
    let world = Arc::new(world);
    *seen.lock().expect("not poisoned") = Some(Arc::clone(&world));
    let answer =
        world.get("POST /api/v1/namespaces/dev/pods?dryRun=All HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}").await;
    assert_eq!(answer.code, 201);
    assert_eq!(*counted.lock().expect("not poisoned"), 1, "the API server was asked after the log knew");
    let begin = begun(&world, "kube.request").remove(0);
    for (field, value) in [
        ("code", "T3009I"),
        ("user", "alice"),
        ("kubernetes_cluster", "east"),
        ("request_path", "/api/v1/namespaces/dev/pods"),
        ("verb", "POST"),
        ("resource_kind", "pods"),
        ("resource_namespace", "dev"),
        ("resource_api_group", ""),
        ("proto", "kube"),
    ] {
        assert_eq!(begin[field], value, "{field}: {begin:#}");
    }
    assert_eq!(begin["kubernetes_labels"]["env"], "test");
    let end = world.audited(|line| line["end"]["uid"] == begin["uid"]).await;
    assert_eq!(end["end"]["response_code"], 201);
    assert_eq!(end["end"]["success"], true);
    assert_eq!(end["end"]["kubernetes_users"], serde_json::json!(["alice"]));
    assert_eq!(end["end"]["kubernetes_groups"], serde_json::json!(["devs", "system:authenticated"]));
    seen.lock().expect("not poisoned").take();
}

#[tokio::test]
async fn refusals_are_written_down_with_their_code() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    world.set_role("all", "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_resources: [{kind: pod, namespace: dev, name: '*', verbs: [get]}]}}");
    world.get("DELETE /api/v1/namespaces/dev/pods/web HTTP/1.1\nHost: x\n\n").await;
    let begin = begun(&world, "kube.request").remove(0);
    let end = world.audited(|line| line["end"]["uid"] == begin["uid"]).await;
    assert_eq!(end["end"]["response_code"], 403);
    assert_eq!(end["end"]["success"], false);
    world.get("GET /api/v1/%2e%2e/x HTTP/1.1\nHost: x\n\n").await;
    let odd = world.audited(|line| line["event"]["event"] == "kube.request").await;
    assert_eq!(odd["event"]["response_code"], 400);
    assert_eq!(odd["event"]["request_path"], "/api/v1/%2e%2e/x");
}

#[tokio::test]
async fn discovery_is_counted_and_not_listed() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    world.get("GET /apis HTTP/1.1\nHost: x\n\n").await;
    world.get("GET /openapi/v2 HTTP/1.1\nHost: x\n\n").await;
    assert!(begun(&world, "kube.request").is_empty());
    let mut registry = prometheus_client::registry::Registry::default();
    world.service.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    assert!(text.contains("teleport_kube_requests_total{outcome=\"Forwarded\",what=\"Discovery\"} 2"), "{text}");
}

#[tokio::test]
async fn discovery_that_is_refused_is_written_down() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    world.get("GET /metrics HTTP/1.1\nHost: x\n\n").await;
    let probed = world.audited(|line| line["event"]["request_path"] == "/metrics").await;
    assert_eq!((&probed["event"]["response_code"], &probed["event"]["success"]), (&403.into(), &false.into()));
    // kubectl's first words to a cluster that the user may not use are discovery.
    world.set_role("all", "{allow: {kubernetes_labels: {env: other}}}");
    assert_eq!(world.get("GET /api HTTP/1.1\nHost: x\n\n").await.code, 403);
    let refused = world.audited(|line| line["event"]["request_path"] == "/api").await;
    assert_eq!((&refused["event"]["user"], &refused["event"]["kubernetes_cluster"]), (&"alice".into(), &"east".into()));
}

#[tokio::test]
async fn a_session_has_its_events_and_no_bytes() {
    let world = World::start(|_| Reply::switch("SPDY/3.1")).await;
    let mut raw = world.raw().await;
    raw.send(
        "POST /api/v1/namespaces/dev/pods/web/exec?command=echo&command=hi&container=main&tty=true HTTP/1.1\nHost: x\n\
         Connection: Upgrade\nUpgrade: SPDY/3.1\n\n",
    )
    .await;
    raw.until("\r\n\r\n").await;
    let start = world.audited(|line| line["event"]["event"] == "session.start").await;
    raw.send_bytes(b"a secret").await;
    raw.until("a secret").await;
    drop(raw);
    let end = world.audited(|line| line["event"]["event"] == "session.end").await;
    assert_eq!(start["event"]["sid"], end["event"]["sid"]);
    assert_eq!(end["event"]["interactive"], true);
    assert_eq!(end["event"]["initial_command"], serde_json::json!(["echo", "hi"]));
    let exec = begun(&world, "exec").remove(0);
    for (field, value) in [
        ("code", "T3002I"),
        ("command", "echo hi"),
        ("kubernetes_pod_name", "web"),
        ("kubernetes_pod_namespace", "dev"),
        ("kubernetes_container_name", "main"),
    ] {
        assert_eq!(exec[field], value, "{exec:#}");
    }
    let close = world.audited(|line| line["end"]["uid"] == exec["uid"]).await;
    assert_eq!(close["end"]["response_code"], 101);
    assert!(!format!("{:?}", world.audit()).contains("a secret"));
    assert!(begun(&world, "kube.request").is_empty());
}

#[tokio::test]
async fn a_forwarded_port_is_a_port_event() {
    let world = World::start(|_| Reply::switch("SPDY/3.1")).await;
    let mut raw = world.raw().await;
    raw.send("POST /api/v1/namespaces/dev/pods/web/portforward?ports=80 HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: SPDY/3.1\n\n").await;
    raw.until("\r\n\r\n").await;
    assert_eq!(begun(&world, "port").remove(0)["addr"], "web:80");
    assert!(!world.audit().iter().any(|line| line["event"]["event"] == "session.start"));
}

#[tokio::test]
async fn an_api_server_that_is_down_is_one_clear_sentence() {
    let world = World::start(|_| Reply::bytes("")).await;
    let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\nConnection: close\n\n");
    let cut = async {
        world.api.requested(1).await;
        world.api.hang_up();
    };
    let (answer, ()) = tokio::join!(answer, cut);
    assert_eq!(answer.code, 503, "{answer:?}");
    assert!(answer.message().contains("Kubernetes API of cluster \"east\""), "{}", answer.message());
    let begin = begun(&world, "kube.request").remove(0);
    let end = world.audited(|line| line["end"]["uid"] == begin["uid"]).await;
    assert_eq!(end["end"]["success"], false);
}

#[tokio::test]
async fn secrets_of_a_request_are_in_no_event() {
    let world = World::start(|_| Reply::new(200, "{\"data\":\"c2VjcmV0LWJvZHk\"}")).await;
    world
        .get(
            "POST /api/v1/namespaces/dev/secrets?x=secret-query HTTP/1.1\nHost: x\nAuthorization: Bearer secret-header\n\
             Content-Length: 11\n\nsecret-body",
        )
        .await;
    let begin = begun(&world, "kube.request").remove(0);
    world.audited(|line| line["end"]["uid"] == begin["uid"]).await;
    let log = format!("{:?}", world.audit());
    for secret in ["secret-query", "secret-header", "secret-body", "c2VjcmV0LWJvZHk", "upstream-token"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_full_audit_storage_stops_requests_and_not_discovery() {
    let spool = teleport_audit::Limits { spool_bytes: 64 << 10, reserve_bytes: 16 << 10, segment_bytes: 16 << 10 };
    let world = World::start_with(|_| Reply::new(200, "{}"), spool, teleport_kube::Limits::default()).await;
    let mut raw = world.raw().await;
    let mut forwarded = 0;
    let full = loop {
        raw.send("GET /api/v1/namespaces/dev/pods HTTP/1.1\nHost: x\n\n").await;
        let answer = raw.answer().await;
        if answer.code != 200 {
            break answer;
        }
        forwarded += 1;
        assert!(forwarded < 1000, "the spool fills up");
    };
    assert_eq!(full.code, 503);
    assert!(full.message().contains("audit storage full"), "{}", full.message());
    assert_eq!(world.api.heads().len(), forwarded, "what was refused was not forwarded");
    raw.send("GET /version HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(raw.answer().await.code, 200);
}
