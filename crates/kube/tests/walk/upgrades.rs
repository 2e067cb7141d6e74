//! Requests that become another protocol, and API servers that do not play along.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::{Reply, World};

const EXEC: &str = "POST /api/v1/namespaces/d/pods/p/exec?command=sh&stdin=true HTTP/1.1\nHost: x\n\
                    Connection: Upgrade\nUpgrade: SPDY/3.1\nX-Stream-Protocol-Version: v4.channel.k8s.io\n\n";
const WEBSOCKET: &str = "GET /api/v1/namespaces/d/pods/p/exec?command=sh HTTP/1.1\nHost: x\nConnection: keep-alive, Upgrade\n\
                         Upgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGVzdA==\n\
                         Sec-WebSocket-Extensions: permessage-deflate\nSec-WebSocket-Protocol: v5.channel.k8s.io\n\n";

#[tokio::test]
async fn after_the_switch_bytes_go_both_ways() {
    for (request, protocol) in [(EXEC, "SPDY/3.1"), (WEBSOCKET, "websocket")] {
        let world = World::start(move |_| Reply::switch(protocol)).await;
        let mut raw = world.raw().await;
        raw.send(request).await;
        let head = raw.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.to_ascii_lowercase().contains(&format!("upgrade: {}", protocol.to_ascii_lowercase())), "{head}");
        raw.send_bytes(b"ping pong").await;
        raw.until("ping pong").await;
        let sent = world.api.requested(1).await[0].to_ascii_lowercase();
        assert!(sent.contains("impersonate-user: alice") && sent.contains("connection: upgrade"), "{sent}");
        assert!(!sent.contains("sec-websocket-extensions"), "{sent}");
    }
}

#[tokio::test]
async fn a_failed_upgrade_is_passed_on_and_ends_the_connection() {
    for status in [200, 400, 403, 404, 500] {
        let world = World::start(move |_| Reply::new(status, "why not")).await;
        let mut raw = world.raw().await;
        raw.send(EXEC).await;
        raw.send("GET /api/v1/secrets HTTP/1.1\nHost: x\n\n").await;
        let rest = raw.rest().await;
        assert!(rest.starts_with(&format!("HTTP/1.1 {status} ")), "{rest}");
        assert!(rest.ends_with("why not"), "only one answer: {rest}");
        assert_eq!(world.api.heads().len(), 1, "{status}");
        assert!(world.api.received().iter().all(|bytes| !bytes.contains("secrets")), "{status}");
    }
}

#[tokio::test]
async fn nothing_behind_the_request_goes_on_before_the_switch() {
    let hold = Arc::new(Notify::new());
    let held = Arc::clone(&hold);
    let world = World::start(move |head| match head.contains("/exec") {
        true => Reply::switch("SPDY/3.1").after(&held),
        false => Reply::new(200, "{}"),
    })
    .await;
    let mut raw = world.raw().await;
    raw.send(&format!("{EXEC}GET /api/v1/secrets HTTP/1.1\nHost: x\n\n")).await;
    world.api.requested(1).await;
    // Another request has gone all the way meanwhile, so the smuggled one had its time.
    world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    assert!(world.api.received().iter().all(|bytes| !bytes.contains("secrets")));
    hold.notify_one();
    raw.until("GET /api/v1/secrets").await;
    assert_eq!(world.api.heads().len(), 2, "after the switch it is bytes, not a request");
}

#[tokio::test]
async fn nothing_behind_a_refused_upgrade_goes_on() {
    let hold = Arc::new(Notify::new());
    let held = Arc::clone(&hold);
    let world = World::start(move |head| match head.contains("/exec") {
        true => Reply::new(400, "no").after(&held),
        false => Reply::new(200, "{}"),
    })
    .await;
    let mut raw = world.raw().await;
    raw.send(&format!("{EXEC}GET /api/v1/secrets HTTP/1.1\nHost: x\n\n")).await;
    world.api.requested(1).await;
    hold.notify_one();
    let rest = raw.rest().await;
    assert!(rest.starts_with("HTTP/1.1 400 ") && rest.ends_with("no"), "{rest}");
    assert!(world.api.received().iter().all(|bytes| !bytes.contains("secrets")));
}

#[tokio::test]
async fn redirects_are_not_followed_and_not_passed_on() {
    let elsewhere = crate::support::api::Api::start(|_| Reply::new(200, "{}")).await;
    let target = format!("http://{}/api/v1/pods", elsewhere.addr());
    for status in [301, 302, 307, 308] {
        let location = target.clone();
        let world = World::start(move |_| Reply::with(status, &[("Location", &location)], "")).await;
        for request in [EXEC, WEBSOCKET, "GET /apis/aggregated.example.com/v1/things HTTP/1.1\nHost: x\n\n"] {
            let answer = world.get(request).await;
            assert_eq!(answer.code, 502, "{status} {request}");
            assert!(!answer.head.contains("ocation"), "{}", answer.head);
            answer.message();
        }
        assert!(elsewhere.received().is_empty(), "nothing was dialled");
    }
}

#[tokio::test]
async fn a_redirect_within_the_server_passes() {
    let world = World::start(|_| Reply::with(301, &[("Location", "/api/v1/namespaces/d/services/s/proxy/")], "")).await;
    let answer = world.get("GET /api/v1/namespaces/d/services/s/proxy HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(answer.code, 301, "{answer:?}");
    let world = World::start(|_| Reply::with(301, &[("Location", "//evil.example.com/")], "")).await;
    let answer = world.get("GET /api/v1/namespaces/d/services/s/proxy HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(answer.code, 502, "{answer:?}");
}

#[tokio::test]
async fn get_on_pods_is_not_enough_for_exec_attach_and_portforward() {
    let world = World::start(|_| Reply::switch("websocket")).await;
    world.set_role(
        "all",
        "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_resources: [{kind: pod, namespace: '*', name: '*', verbs: [get, list, watch]}]}}",
    );
    for subresource in ["exec", "attach", "portforward"] {
        for request in [EXEC, WEBSOCKET] {
            let answer = world.get(&request.replace("/exec", &format!("/{subresource}"))).await;
            assert_eq!(answer.code, 403, "{subresource}");
            assert!(answer.message().contains("pods \"p\" is forbidden"), "{}", answer.message());
        }
    }
    assert!(world.api.heads().is_empty());
}

#[tokio::test]
async fn a_wish_for_another_protocol_where_there_is_none_is_dropped() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    for upgrade in ["h2c", "websocket", "TLS/1.0"] {
        let request = format!(
            "GET /api/v1/pods HTTP/1.1\nHost: x\nConnection: Upgrade, HTTP2-Settings\nUpgrade: {upgrade}\nHTTP2-Settings: AAMAAABk\n\n"
        );
        let answer = world.get(&request).await;
        assert_eq!(answer.code, 200, "{upgrade}");
    }
    for head in world.api.heads() {
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
    }
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_refused() {
    let world = World::start(|_| Reply::switch("SPDY/3.1")).await;
    let request = EXEC.replace("Host: x\n", "Host: x\nContent-Length: 5\n");
    let mut raw = world.raw().await;
    raw.send(&format!("{request}hello")).await;
    assert_eq!(raw.answer().await.code, 400);
    assert!(world.api.heads().is_empty());
}
