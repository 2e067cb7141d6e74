//! Access that ends while connections live: certificates, locks, roles, the service itself.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use teleport_types::{KubeClusterName, ServiceKind};

use crate::support::{DEADLINE, H2, Raw, Reply, World, later};

const WATCH: &str = "GET /api/v1/pods?watch=1 HTTP/1.1\nHost: x\n\n";

/// A world whose watches go on for ever.
async fn watching() -> World {
    World::start(|head| match head.contains("watch=1") || head.contains("/log") {
        true => {
            let (reply, sender) = Reply::stream(&[("Content-Type", "application/json")]);
            sender.try_send(b"{\"type\":\"ADDED\"}\n".to_vec()).expect("room");
            std::mem::forget(sender);
            reply
        }
        false if head.contains("/exec") => Reply::switch("SPDY/3.1"),
        false => Reply::new(200, "{}"),
    })
    .await
}

#[tokio::test]
async fn the_end_of_the_certificate_stops_a_watch_with_a_sentence() {
    let world = watching().await;
    let mut raw = world.raw().await;
    raw.send(WATCH).await;
    raw.until("ADDED").await;
    world.clock.advance(Duration::from_secs(3601));
    let last = raw.until("0\r\n\r\n").await;
    assert!(last.contains("\"type\":\"ERROR\"") && last.contains("the login has expired"), "{last}");
    raw.send(WATCH).await;
    let answer = raw.answer().await;
    assert_eq!(answer.code, 401);
    assert!(answer.message().contains("tsh login"), "{}", answer.message());
    world.audited(|line| line["event"]["event"] == "client.disconnect" && line["event"]["code"] == "T3006I").await;
}

#[tokio::test]
async fn an_expired_certificate_gets_a_sentence_and_nothing_else() {
    let world = watching().await;
    let before = later(world.cas.now, Duration::ZERO) - Duration::from_secs(1);
    let validity = teleport_pki::Validity { not_before: before - Duration::from_secs(60), not_after: before };
    let certificate = world.cas.user_certificate_for(&world.alice(), validity);
    let mut raw = Raw::new(world.connect_with(certificate, b"http/1.1").await.expect("admitted as expired"));
    for path in ["/api/v1/pods", "/version", "/healthz"] {
        raw.send(&format!("GET {path} HTTP/1.1\nHost: x\n\n")).await;
        let answer = raw.answer().await;
        assert_eq!(answer.code, 401, "{path}");
        assert_eq!(answer.message(), "the login has expired; log in again with tsh login");
    }
    assert!(world.api.heads().is_empty());
    world.audited(|line| line["event"]["event"] == "auth" && line["event"]["user"] == "alice").await;
}

#[tokio::test]
async fn locks_stop_requests_watches_and_sessions() {
    for (lock, code, text) in [
        ("{target: {user: alice}, message: too curious}", 403, "too curious"),
        ("{target: {role: all}}", 403, "access is locked"),
        ("{target: {kube_cluster: east}}", 403, "access is locked"),
        ("{target: {user: alice}, issued_before: '2100-01-01T00:00:00Z'}", 401, "log in again"),
    ] {
        let world = watching().await;
        let (mut watch, mut exec) = (world.raw().await, world.raw().await);
        watch.send(WATCH).await;
        watch.until("ADDED").await;
        exec.send("POST /api/v1/namespaces/d/pods/p/exec?command=sh HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: SPDY/3.1\n\n").await;
        exec.until("\r\n\r\n").await;
        world.set_lock(lock);
        let last = watch.until("0\r\n\r\n").await;
        assert!(last.contains(text), "{last}");
        assert_eq!(exec.rest().await, "", "the session ends");
        let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
        assert_eq!(answer.code, code);
        assert!(answer.message().contains(text), "{}", answer.message());
    }
}

#[tokio::test]
async fn locks_of_others_stop_nobody_else() {
    let world = watching().await;
    world.set_lock("{target: {user: bob}}");
    assert_eq!(world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await.code, 200);
    world.set_lock("{target: {user: alice}, issued_before: '2000-01-01T00:00:00Z'}");
    assert_eq!(world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await.code, 200);
}

#[tokio::test]
async fn a_role_that_shrinks_takes_the_next_request_and_the_running_ones() {
    let world = watching().await;
    let mut client = H2::new(world.connect(b"h2").await).await;
    let request =
        |path: &str| Request::get(format!("https://x{path}")).body(Full::<Bytes>::default()).expect("a request");
    let mut watch = client.send(request("/api/v1/pods?watch=1")).await.into_body();
    let mut logs = client.send(request("/api/v1/namespaces/d/pods/p/log?follow=1")).await.into_body();
    let mut kept = client.send(request("/api/v1/namespaces/kept/pods?watch=1")).await.into_body();
    for body in [&mut watch, &mut logs, &mut kept] {
        body.frame().await.expect("a frame").expect("good");
    }
    world.set_role(
        "all",
        "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [devs], kubernetes_resources: [{kind: pod, namespace: kept, name: '*', verbs: ['*']}]}}",
    );
    let last =
        tokio::time::timeout(DEADLINE, watch.frame()).await.expect("in time").expect("a frame").expect("a sentence");
    let last = String::from_utf8_lossy(last.data_ref().expect("data")).into_owned();
    assert!(last.contains("ERROR") && last.contains("taken away by a change of roles"), "{last}");
    let broken = tokio::time::timeout(DEADLINE, logs.frame()).await.expect("in time").expect("an end");
    assert!(broken.is_err() || last.contains("ERROR"), "the log stream is broken off: {broken:?}");
    assert_eq!(client.send(request("/api/v1/pods")).await.status(), 403);
    assert_eq!(client.send(request("/api/v1/namespaces/kept/pods/p")).await.status(), 200, "the connection lives on");
    let quiet = tokio::time::timeout(Duration::from_millis(50), kept.frame()).await;
    assert!(quiet.is_err(), "what is still allowed goes on: {quiet:?}");
}

#[tokio::test]
async fn a_change_of_groups_ends_what_runs_with_the_old_ones() {
    let world = watching().await;
    let mut raw = world.raw().await;
    raw.send(WATCH).await;
    raw.until("ADDED").await;
    world.set_role("all", "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [viewers]}}");
    assert!(raw.until("0\r\n\r\n").await.contains("ERROR"));
}

#[tokio::test]
async fn a_role_that_is_gone_or_cannot_be_read_denies() {
    let world = watching().await;
    let name = teleport_types::RoleName::parse("all").expect("a name");
    let mut raw = world.raw().await;
    raw.send(WATCH).await;
    raw.until("ADDED").await;
    world.change(|state| {
        state.roles.insert(name.clone(), None);
    });
    raw.until("ERROR").await;
    let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(answer.code, 403);
    assert!(answer.message().contains("cannot be read by this version"), "{}", answer.message());
    world.change(|state| {
        state.roles.remove(&name);
    });
    let answer = world.get("GET /version HTTP/1.1\nHost: x\n\n").await;
    assert!(answer.message().contains("cannot access Kubernetes cluster \"east\""), "{}", answer.message());
}

#[tokio::test]
async fn locks_that_cannot_be_read_deny_everyone() {
    let world = watching().await;
    world.change(|state| state.unreadable_locks.push("l".to_owned()));
    assert_eq!(world.get("GET /version HTTP/1.1\nHost: x\n\n").await.code, 403);
}

#[tokio::test]
async fn an_authority_that_is_trusted_no_more_takes_its_users_along() {
    let world = watching().await;
    let mut raw = world.raw().await;
    raw.send(WATCH).await;
    raw.until("ADDED").await;
    let other = teleport_pki::testing::TestCas::at("main", world.cas.now);
    world.change(|state| {
        let mut cas = teleport_api::messages::CaBundle::clone(state.cas.as_ref().expect("known"));
        let certificate = teleport_pki::CaSigner::certificate(&other.user).clone();
        cas.user = vec![teleport_pki::pem::encode_certificates(&[certificate])];
        state.cas = Some(cas.into());
    });
    raw.until("ERROR").await;
    raw.until("0\r\n\r\n").await;
    raw.send(WATCH).await;
    assert_eq!(raw.answer().await.code, 401);
}

#[tokio::test]
async fn certificates_of_services_and_for_other_clusters_are_turned_away() {
    let world = watching().await;
    let service = world.cas.service_certificate(&world.cas.service_identity(&[ServiceKind::Proxy, ServiceKind::Kube]));
    let mut raw = Raw::new(world.connect_with(service, b"http/1.1").await.expect("a connection"));
    raw.send("GET /version HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(raw.answer().await.code, 403);
    let mut pinned = world.alice();
    pinned.kube_cluster = Some(KubeClusterName::parse("west").expect("a name"));
    let certificate = world.cas.user_certificate(&pinned);
    let mut raw = Raw::new(world.connect_with(certificate, b"http/1.1").await.expect("a connection"));
    raw.send("GET /version HTTP/1.1\nHost: x\n\n").await;
    let answer = raw.answer().await;
    assert_eq!(answer.code, 403);
    assert!(answer.message().contains("\"west\""), "{}", answer.message());
    assert!(world.api.heads().is_empty());
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_is_cut_too() {
    let never = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = std::sync::Arc::clone(&never);
    let world = World::start(move |head| match head.contains("/pods") {
        true => Reply::new(200, "{}").after(&held),
        false => Reply::new(200, "{}"),
    })
    .await;
    let mut raw = world.raw().await;
    raw.send("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    world.api.requested(1).await;
    world.set_lock("{target: {user: alice}}");
    assert_eq!(raw.answer().await.code, 401);
    drop(never);
}

#[tokio::test]
async fn an_api_server_that_says_nothing_has_a_deadline() {
    let mut limits = teleport_kube::Limits::default();
    limits.upstream.head = Duration::from_millis(50);
    let never = std::sync::Arc::new(tokio::sync::Notify::new());
    let script = move |head: &str| match head.contains("/pods") {
        true => Reply::new(200, "{}").after(&never),
        false => Reply::new(200, "{}"),
    };
    let world = World::start_with(script, teleport_audit::Limits::default(), limits).await;
    let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(answer.code, 504);
    assert!(answer.message().contains("did not answer in time"), "{}", answer.message());
}

#[tokio::test]
async fn a_stream_that_nobody_reads_does_not_hold_up_the_others() {
    let world = World::start(|head| match head.contains("/log") {
        true => {
            let (reply, sender) = Reply::stream(&[("Content-Type", "text/plain")]);
            for _ in 0..16 {
                sender.try_send(vec![b'x'; 512 * 1024]).expect("room");
            }
            std::mem::forget(sender);
            reply
        }
        false => Reply::new(200, "{}"),
    })
    .await;
    let mut client = H2::new(world.connect(b"h2").await).await;
    let request =
        |path: &str| Request::get(format!("https://x{path}")).body(Full::<Bytes>::default()).expect("a request");
    let stalled = client.send(request("/api/v1/namespaces/d/pods/p/log?follow=1")).await;
    for _ in 0..20 {
        let answer = client.send(request("/api/v1/namespaces/d/pods/p")).await;
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("a body");
    }
    drop(stalled);
}

#[tokio::test]
async fn a_stranger_does_not_get_past_the_handshake() {
    let world = watching().await;
    let stranger = teleport_pki::testing::TestCas::at("main", world.cas.now);
    let certificate = stranger.user_certificate(&world.alice());
    let answered = match world.connect_with(certificate, b"http/1.1").await {
        Ok(conn) => {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut conn = conn;
            let _ = conn.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await;
            conn.read(&mut [0; 1]).await.unwrap_or(0)
        }
        Err(_) => 0,
    };
    assert_eq!(answered, 0, "nothing is said to a stranger");
    assert!(world.api.heads().is_empty());
}

#[tokio::test]
async fn a_drained_service_cuts_what_goes_on_and_says_so() {
    let world = watching().await;
    let mut raw = world.raw().await;
    raw.send(WATCH).await;
    raw.until("ADDED").await;
    world.service.drain(Duration::from_millis(20)).await;
    let rest = raw.rest().await;
    assert!(rest.contains("the Kubernetes service stops"), "{rest}");
}

/// What the service counts as under way.
fn open_requests(world: &World) -> String {
    let (mut registry, mut text) = (prometheus_client::registry::Registry::default(), String::new());
    world.service.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("teleport_kube_open_requests "));
    line.expect("the gauge").to_owned()
}

#[tokio::test]
async fn what_is_under_way_is_counted_until_it_ends_whichever_way() {
    let world = watching().await;
    for request in [
        WATCH,
        "GET /api/v1/namespaces/d/pods/p/exec?command=sh HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: SPDY/3.1\n\n",
    ] {
        let mut raw = world.raw().await;
        raw.send(request).await;
        raw.until(if request == WATCH { "ADDED" } else { "101" }).await;
        assert_eq!(open_requests(&world), "1", "{request}");
        drop(raw);
        let ended = async {
            while open_requests(&world) != "0" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("nothing is left");
    }
    world.get("GET /api/v1/namespaces/other HTTP/1.1\nHost: x\n\n").await;
    world.set_role("all", "{allow: {}}");
    assert_eq!(world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await.code, 403);
    assert_eq!(open_requests(&world), "0");
}
