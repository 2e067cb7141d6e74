//! Many connections at a time: who opens some and says nothing stops nobody else.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Cluster, JOIN_TOKEN, config, start_time};
use teleport_auth::Limits;
use teleport_net::{ClientAddr, Conn, Remote, TlsConn};
use teleport_pki::{ServerName, tls};
use teleport_runtime::Clock;
use teleport_types::{
    KubeClusterName, ServiceKind,
    sni::{ALPN_AUTH, InternalName},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Duration = Duration::from_secs(30);

async fn cluster(limits: Limits) -> Cluster {
    let folder = tempfile::tempdir().expect("temp dir");
    let clock = Clock::manual(start_time());
    let limited = move |folder: &std::path::Path| teleport_auth::Config { limits, ..config(folder) };
    let cluster = Cluster::open(folder, clock, limited, |backend| backend).await;
    let cluster = cluster.map_err(|(error, _)| error).expect("the service starts");
    cluster.create(common::role("dev", serde_json::json!({}))).await;
    cluster.user("alice", &["dev"]).await;
    cluster
}

fn connect(cluster: &Cluster, address: &str) -> Conn {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let peer = Remote(ClientAddr(format!("{address}:40000").parse().expect("an address")));
    cluster.auth.accept(Conn::new(far, Some(peer)));
    Conn::new(near, None)
}

async fn guest(cluster: &Cluster, address: &str) -> TlsConn {
    let config = tls::internal_client(&cluster.auth.trust(), None, &[ALPN_AUTH], &cluster.clock);
    let name = ServerName::try_from(InternalName::Auth(cluster.auth.cluster().clone()).host()).expect("a host name");
    teleport_net::tls::connect(connect(cluster, address), config, name, PATIENCE).await.expect("a session")
}

/// Waits until the far end has closed.
async fn closed(mut conn: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // How it ends does not matter.
    let _ = tokio::time::timeout(PATIENCE, conn.read_to_end(&mut rest)).await.expect("closed in time");
}

#[tokio::test]
async fn half_open_connections_of_one_address_stop_nobody_elsewhere() {
    let cluster = cluster(Limits { guests_of_a_network: 4, ..Limits::default() }).await;
    let held: Vec<Conn> = (0..4).map(|_| connect(&cluster, "198.51.100.1")).collect();
    closed(connect(&cluster, "198.51.100.1")).await;
    let alice = cluster.login("alice").await;
    alice.client.me().await.expect("answered");
    drop(held);
    // The places come back, a moment later.
    let again = async {
        while cluster.client_from("198.51.100.1", None).ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("a place is free again");
}

#[tokio::test]
async fn guests_without_number_leave_users_services_and_this_process_their_places() {
    let cluster = cluster(Limits { guests: 4, ..Limits::default() }).await;
    let (alice, service) = (cluster.login("alice").await, cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await);
    let service = service.expect("joined");
    alice.client.me().await.expect("answered");
    assert_eq!(service.announce("prod", None).await, None);
    let mut held = Vec::new();
    for number in 0..12 {
        held.push(connect(&cluster, &format!("198.51.100.{number}")));
    }
    closed(connect(&cluster, "198.51.100.99")).await;
    alice.client.me().await.expect("a user who is there is still served");
    assert_eq!(service.announce("prod", None).await, None);
    cluster.local().status().await.expect("the admin tool gets in");
}

#[tokio::test]
async fn who_says_nothing_after_the_handshake_is_not_kept() {
    let limits = Limits { first_request: Duration::from_millis(50), ..Limits::default() };
    let cluster = cluster(limits).await;
    closed(guest(&cluster, "198.51.100.1").await).await;
}

#[tokio::test]
async fn a_guest_does_not_stay_and_may_come_again_and_who_proved_something_stays() {
    let limits = Limits { guest_stay: Duration::from_millis(200), ..Limits::default() };
    let cluster = cluster(limits).await;
    let alice = cluster.login("alice").await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let mut watch = service.client.watch().await.expect("a watch");
    let passing = cluster.client(None);
    passing.ping().await.expect("answered");
    closed(guest(&cluster, "198.51.100.1").await).await;
    passing.ping().await.expect("over another connection");
    alice.client.me().await.expect("answered");
    watch.next().await.expect("the watch goes on").expect("an event");
}

#[tokio::test]
async fn a_certificate_from_before_a_service_joined_as_something_else_gets_nothing_new() {
    let cluster = Cluster::start().await;
    let first = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let id = Some(first.issued.id.clone());
    let again = cluster.join_as(&first.client, JOIN_TOKEN, &[ServiceKind::Proxy], id).await.expect("joined again");
    assert_eq!(again.issued.id, first.issued.id);
    let heartbeat = teleport_api::messages::service::KubeHeartbeat { node_name: "x".to_owned(), clusters: Vec::new() };
    let refused = common::refusal(first.client.announce_kube(&heartbeat).await);
    assert!(refused.message.contains("joined as something else"), "{refused}");
}

#[tokio::test]
async fn a_client_that_keeps_asking_for_what_nobody_serves_is_made_to_connect_again() {
    let limits = Limits { answer_stay: Duration::from_millis(100), ..Limits::default() };
    let cluster = cluster(limits).await;
    let alice = cluster.login("alice").await;
    let host = InternalName::kube(&KubeClusterName::parse("prod").expect("a name"), cluster.auth.cluster()).host();
    for alpn in [tls::ALPN_H2, tls::ALPN_HTTP1] {
        let config =
            tls::internal_client(&cluster.auth.trust(), Some(Arc::clone(&alice.certificate)), &[alpn], &cluster.clock);
        let name = ServerName::try_from(host.clone()).expect("a host name");
        let mut conn = teleport_net::tls::connect(cluster.connect(), config, name, PATIENCE)
            .await
            .expect("the name's own certificate");
        if alpn == tls::ALPN_HTTP1 {
            conn.write_all(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
        } else {
            conn.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("written");
        }
        let mut said = Vec::new();
        tokio::time::timeout(PATIENCE, conn.read_to_end(&mut said)).await.expect("it ends").ok();
        let wanted: &[u8] = if alpn == tls::ALPN_HTTP1 { b"HTTP/1.1 404" } else { b"\x07\0\0\0\0\0" };
        assert!(said.windows(wanted.len()).any(|part| part == wanted), "an answer, or GOAWAY: {said:?}");
    }
}
