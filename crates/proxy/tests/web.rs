//! The web pages, as browsers, `tsh` and attackers see them.

mod rig;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rig::{Options, Rig, eventually};
use serde_json::{Value, json};
use teleport_api::{Client, Security};
use teleport_net::TcpDialer;
use teleport_pki::{CaSigner as _, ServerName, pem, tls};

fn status(head: &str) -> &str {
    head.lines().next().and_then(|line| line.split(' ').nth(1)).expect("a status")
}

#[tokio::test]
async fn ping_says_who_and_where() {
    let rig = Rig::ready(Options::default()).await;
    for path in ["/webapi/ping", "/webapi/find"] {
        let (head, body) = rig.request(&format!("GET {path} HTTP/1.1\r\nHost: proxy.example.com")).await;
        assert_eq!(status(&head), "200", "{head}");
        let expected = json!({
            "auth": {"type": "local", "local": true},
            "proxy": {
                "kube": {"enabled": true, "public_addr": "proxy.example.com:443"},
                "ssh": {"public_addr": "proxy.example.com:443"},
                "tls_routing_enabled": true,
            },
            "server_version": "1.2.3",
            "cluster_name": "main",
        });
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
    }
}

#[tokio::test]
async fn the_api_client_learns_the_authorities_over_the_web_certificate() {
    let rig = Rig::ready(Options::default()).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rig.cas.host.certificate().clone()).expect("an anchor");
    let config = tls::web_client(roots, &[tls::ALPN_H2], &rig.clock);
    let name = ServerName::try_from("proxy.example.com").expect("a name");
    let dialer = TcpDialer::new(rig.addr.to_string(), rig::DEADLINE);
    let client = Client::new(Arc::new(dialer), Security::Tls { config, name });
    let cas = client.cas().await.expect("the authorities");
    let host = pem::certificates(cas.host.first().expect("one").as_bytes()).expect("a certificate");
    assert_eq!(host, [rig.cas.host.certificate().clone()]);
    assert_eq!(client.ping().await.expect("a ping").cluster_name, rig.cas.cluster);
    assert_eq!(client.web_ping().await.expect("a ping").proxy.kube.public_addr, "proxy.example.com:443");
}

#[tokio::test]
async fn the_front_page_says_how_to_log_in() {
    let rig = Rig::ready(Options::default()).await;
    let (head, body) = rig.request("GET / HTTP/1.1\r\nHost: proxy.example.com").await;
    assert_eq!(status(&head), "200");
    assert!(head.to_ascii_lowercase().contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(body.contains("tsh login --proxy=proxy.example.com:443"), "{body}");
    assert!(!body.contains("<script") && !body.contains("style="), "nothing the policy would block: {body}");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let rig = Rig::ready(Options::default()).await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: x", "200"),
        ("HEAD / HTTP/1.1\r\nHost: x", "200"),
        ("GET /webapi/ping HTTP/1.1\r\nHost: x", "200"),
        ("GET /nothing HTTP/1.1\r\nHost: x", "404"),
        ("GET /v1/users HTTP/1.1\r\nHost: x", "404"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0", "405"),
        ("GET / HTTP/1.1\r\nHost: auth.main.teleport.internal", "421"),
    ] {
        let (head, _) = rig.request(request).await;
        assert_eq!(status(&head), expected, "{request}: {head}");
        let head = head.to_ascii_lowercase();
        for header in [
            "content-security-policy: default-src 'none';",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "strict-transport-security: max-age=31536000",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{request} lacks {header}: {head}");
        }
    }
}

#[tokio::test]
async fn a_proxy_on_this_machine_does_not_bind_browsers_to_https() {
    let rig = Rig::ready(Options { public_addr: "localhost:3080", ..Options::default() }).await;
    let (head, _) = rig.request("GET / HTTP/1.1\r\nHost: localhost").await;
    assert!(!head.to_ascii_lowercase().contains("strict-transport-security"), "{head}");
}

#[tokio::test]
async fn only_a_foreign_internal_host_is_misdirected() {
    let rig = Rig::ready(Options::default()).await;
    for (host, expected) in [
        ("proxy.example.com", "200"),
        ("load-balancer.internal", "200"),
        ("10.0.0.1:443", "200"),
        ("[::1]:443", "200"),
        ("", "200"),
        ("AUTH.main.teleport.INTERNAL", "421"),
        ("auth.main.teleport.internal.", "421"),
        ("auth.main.teleport.internal:443", "421"),
        ("k-aaaaaaaaaaaaaaaaaaaaaaaaaa.main.teleport.internal", "421"),
        ("anything.teleport.internal", "421"),
    ] {
        let (head, _) = rig.request(&format!("GET / HTTP/1.1\r\nHost: {host}")).await;
        assert_eq!(status(&head), expected, "{host:?}: {head}");
    }
    let (head, _) = rig.request("GET https://auth.main.teleport.internal/ HTTP/1.1\r\nHost: x").await;
    assert_eq!(status(&head), "421", "the absolute form: {head}");
}

#[tokio::test]
async fn http2_works_and_its_authority_is_checked_on_a_reused_connection() {
    let rig = Rig::ready(Options::default()).await;
    let tls = rig.browse("proxy.example.com", &[tls::ALPN_H2, tls::ALPN_HTTP1]).await.expect("a session");
    assert_eq!(tls.alpn(), Some(tls::ALPN_H2));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("HTTP/2");
    rig.tasks.spawn("client", async move {
        let _ = connection.await;
    });
    for (authority, expected) in [
        ("proxy.example.com", StatusCode::OK),
        ("auth.main.teleport.internal", StatusCode::MISDIRECTED_REQUEST),
        ("proxy.example.com", StatusCode::OK),
    ] {
        let request =
            Request::get(format!("https://{authority}/webapi/ping")).body(Empty::<Bytes>::new()).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), expected, "{authority}");
        answer.into_body().collect().await.expect("a body");
    }
}

#[tokio::test]
async fn malformed_requests_close_their_connection_and_nothing_else() {
    let rig = Rig::ready(Options::default()).await;
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    for bad in ["\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", &long, &many] {
        let (mut conn, mut answer) =
            (rig.browse("proxy.example.com", &[tls::ALPN_HTTP1]).await.expect("a session"), Vec::new());
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        // The server may close before it has read all of it.
        let _ = conn.write_all(bad.as_bytes()).await;
        let read = tokio::time::timeout(rig::DEADLINE, conn.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "closed: {:?}", bad.get(..20));
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    let (head, _) = rig.request("GET / HTTP/1.1\r\nHost: x").await;
    assert_eq!(status(&head), "200");
}

#[tokio::test]
async fn the_client_without_a_server_name_gets_the_web_certificate() {
    let rig = Rig::ready(Options::default()).await;
    let conn = rig.browse("127.0.0.1", &[tls::ALPN_HTTP1]).await.expect("a session");
    assert_eq!(conn.peer_certificates().len(), 1);
    eventually("the route is counted", || rig.metrics.taken("web") == 1).await;
}
