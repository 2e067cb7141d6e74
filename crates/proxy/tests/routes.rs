//! Each way through the front door, with real TLS over loopback.

mod rig;

use rig::{Auth, Echo, Options, Rig, kube_name, line};
use teleport_net::NetError;
use teleport_pki::tls;
use teleport_types::sni::ALPN_AUTH;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn echoes(conn: &mut teleport_net::TlsConn) {
    conn.write_all(b"over and out").await.expect("writes");
    conn.shutdown().await.expect("closes its half");
    let mut back = String::new();
    conn.read_to_string(&mut back).await.expect("reads");
    assert_eq!(back, "over and out");
}

#[tokio::test]
async fn sessions_with_auth_end_at_auth_wherever_it_runs() {
    for auth in [Auth::Here, Auth::There] {
        let rig = Rig::start(Options { auth, ..Options::default() }).await;
        let mut conn = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session");
        // The client's certificate arrives, which no one in the middle could have presented.
        assert_eq!(line(&mut conn).await, "auth teleport-auth 1 client known");
        echoes(&mut conn).await;
        assert_eq!(rig.metrics.taken("auth"), 1);
    }
}

#[tokio::test]
async fn a_kubernetes_cluster_served_here_gets_its_sessions_whole() {
    let rig = Rig::start(Options::default()).await;
    let service = Echo::kube(&rig, &["prod", "dev"]);
    rig.kube.serve(&[kube_name("prod"), kube_name("dev")], &service);
    for (cluster, alpn) in [("prod", vec![tls::ALPN_H2]), ("dev", vec![tls::ALPN_HTTP1]), ("prod", vec![])] {
        let mut conn = rig.connect(&rig.kube_host(cluster), &alpn).await.expect("a session");
        let agreed = String::from_utf8_lossy(alpn.first().copied().unwrap_or_default()).into_owned();
        assert_eq!(line(&mut conn).await, format!("kube {agreed} 1 client known"));
        echoes(&mut conn).await;
    }
    assert_eq!(rig.metrics.taken("kube"), 3);
}

#[tokio::test]
async fn auth_answers_for_a_kubernetes_cluster_that_nobody_serves() {
    let rig = Rig::start(Options::default()).await;
    let mut conn = rig.connect(&rig.kube_host("gone"), &[tls::ALPN_H2]).await.expect("a session");
    assert_eq!(line(&mut conn).await, "auth h2 1 client known");
    assert_eq!(rig.metrics.taken("answer"), 1);

    // Served for a while, then withdrawn: the next session is answered by auth again.
    let service = Echo::kube(&rig, &["gone"]);
    rig.kube.serve(&[kube_name("gone")], &service);
    let mut served = rig.connect(&rig.kube_host("gone"), &[tls::ALPN_H2]).await.expect("a session");
    assert_eq!(line(&mut served).await, "kube h2 1 client known");
    rig.kube.serve(&[], &service);
    let mut conn = rig.connect(&rig.kube_host("gone"), &[tls::ALPN_H2]).await.expect("a session");
    assert_eq!(line(&mut conn).await, "auth h2 1 client known");
    echoes(&mut served).await;
}

#[tokio::test]
async fn names_and_protocols_that_lead_nowhere_get_an_alert_that_says_so() {
    let rig = Rig::start(Options::default()).await;
    let leaf = rig.auth_host().replace(".main.", ".leaf.");
    let proxy = rig.auth_host().replace("auth.", "proxy.");
    for (host, alpn, alert) in [
        (leaf.as_str(), ALPN_AUTH, "UnrecognisedName"),
        ("nobody.main.teleport.internal", tls::ALPN_H2, "UnrecognisedName"),
        (&rig.auth_host(), tls::ALPN_H2, "NoApplicationProtocol"),
        (&proxy, b"teleport-ssh", "NoApplicationProtocol"),
    ] {
        match rig.connect(host, &[alpn]).await {
            Err(NetError::Handshake(error)) => assert!(error.to_string().contains(alert), "{host}: {error}"),
            other => panic!("{host}: {other:?}"),
        }
    }
    assert_eq!(rig.metrics.taken("refused"), 4);
}

#[tokio::test]
async fn a_client_is_told_when_auth_is_away() {
    let rig = Rig::start(Options { auth: Auth::Away, ..Options::default() }).await;
    match rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await {
        Err(NetError::Handshake(error)) => assert!(error.to_string().contains("InternalError"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let rig = Rig::start(Options::default()).await;
    let mut conn = rig.dial().await;
    conn.write_all(b"GET / HTTP/1.1\r\nHost: proxy.example.com\r\n\r\n").await.expect("writes");
    let mut answer = String::new();
    conn.read_to_string(&mut answer).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("https://"), "{answer}");
    assert_eq!(rig.metrics.taken("plain_http"), 1);
}
