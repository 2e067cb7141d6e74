//! Real sockets on loopback: listening, dialling, local sockets, and what happens to rude peers.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use teleport_net::{
    Accept, Conn, Dialer, Listener, NetError, TcpDialer, UnixDialer, UnixListener, memory, tls as net_tls,
};
use teleport_pki::{
    testing::TestCas,
    tls::{self, Certificates, ClientAuth, InsecureWeb},
    verify_client,
};
use teleport_runtime::Clock;
use teleport_types::sni::{ALPN_AUTH, InternalName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DEADLINE: Duration = Duration::from_secs(10);

async fn dial(addr: SocketAddr) -> Conn {
    TcpDialer::new(addr.to_string(), DEADLINE).dial().await.expect("dials")
}

#[tokio::test]
async fn a_connection_knows_the_client_and_carries_bytes_both_ways() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let mut client = dial(listener.addr()).await;
    let mut server = listener.accept().await;
    let peer = server.peer().expect("an address").0;
    assert!(peer.ip().is_loopback());
    client.write_all(b"ping").await.expect("writes");
    let mut four = [0; 4];
    server.read_exact(&mut four).await.expect("reads");
    server.write_all(b"pong").await.expect("writes");
    client.read_exact(&mut four).await.expect("reads");
    assert_eq!(&four, b"pong");
}

#[tokio::test]
async fn a_taken_port_and_a_closed_port_are_named() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let addr = listener.addr().to_string();
    let taken = Listener::bind(&addr).await.expect_err("taken");
    assert_eq!(taken.to_string(), format!("cannot listen on {addr}"));
    drop(listener);
    let closed = TcpDialer::new(&addr, DEADLINE).dial().await.expect_err("closed");
    assert_eq!(closed.to_string(), format!("cannot connect to {addr}"));
}

#[tokio::test]
async fn clients_that_reset_at_once_do_not_end_the_listener() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    for _ in 0..50 {
        let stream = std::net::TcpStream::connect(listener.addr()).expect("connects");
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("set");
        drop(stream);
    }
    let mut last = dial(listener.addr()).await;
    last.write_all(b"x").await.expect("writes");
    let wanted = async {
        loop {
            let mut conn = listener.accept().await;
            let mut byte = [0];
            if matches!(conn.read(&mut byte).await, Ok(1)) {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, wanted).await.expect("the last one is accepted too");
}

#[tokio::test]
async fn a_silent_client_is_given_up_and_others_are_served_meanwhile() {
    let cas = TestCas::new("main");
    let clock = Clock::system();
    let host = InternalName::Auth(cas.cluster.clone());
    let certificates = Arc::new(Certificates::single(cas.server_certificate(&host)));
    let server = tls::internal_server(certificates, &cas.trust(), ClientAuth::Required, &[ALPN_AUTH], &clock)
        .expect("configuration");
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let _silent = dial(listener.addr()).await;
    let silent = tokio::spawn(net_tls::accept(listener.accept().await, Arc::clone(&server), DEADLINE / 100));

    let user = cas.user_certificate(&cas.user_identity("alice", &["dev"]));
    let client = tls::internal_client(&cas.trust(), Some(user), &[ALPN_AUTH], &clock);
    let name = ServerName::try_from(host.host()).expect("name");
    let client = tokio::spawn(net_tls::connect(dial(listener.addr()).await, client, name, DEADLINE));
    let served = net_tls::accept(listener.accept().await, server, DEADLINE).await.expect("handshake");
    client.await.expect("joins").expect("handshake");
    assert_eq!(served.alpn(), Some(ALPN_AUTH));
    assert_eq!(served.server_name(), Some(host.host().as_str()));
    let verified = verify_client(served.peer_certificates(), &cas.trusted(), clock.now()).expect("verifies");
    assert_eq!(verified.identity().cluster(), &cas.cluster);
    let given_up = silent.await.expect("joins");
    assert!(matches!(given_up, Err(NetError::Deadline { .. })), "{given_up:?}");
}

#[tokio::test]
async fn a_server_with_the_wrong_certificate_is_not_spoken_to() {
    let (ours, theirs) = (TestCas::new("main"), TestCas::new("main"));
    let clock = Clock::system();
    let host = InternalName::Auth(ours.cluster.clone());
    let certificates = Arc::new(Certificates::single(theirs.server_certificate(&host)));
    let server = tls::internal_server(certificates, &theirs.trust(), ClientAuth::Optional, &[ALPN_AUTH], &clock)
        .expect("configuration");
    let (dialer, mut listener) = memory::pair("auth");
    let client = tls::internal_client(&ours.trust(), None, &[ALPN_AUTH], &clock);
    let name = ServerName::try_from(host.host()).expect("name");
    let near = dialer.dial().await.expect("dials");
    let far = listener.accept().await.expect("a connection");
    let (client, server) =
        tokio::join!(net_tls::connect(near, client, name, DEADLINE), net_tls::accept(far, server, DEADLINE));
    assert!(matches!(client, Err(NetError::Handshake(_))), "{client:?}");
    assert!(matches!(server, Err(NetError::Handshake(_))), "{server:?}");
}

#[tokio::test]
async fn every_kind_of_listener_gives_connections_through_one_trait() {
    async fn round_trip(listener: &mut dyn Accept, dialer: &dyn Dialer) {
        let mut near = dialer.dial().await.expect("dials");
        let mut far = listener.accept().await.expect("a connection");
        near.write_all(b"x").await.expect("writes");
        assert_eq!(far.read_u8().await.expect("reads"), b'x', "{}", dialer.target());
        near.shutdown().await.expect("closes its half");
        assert_eq!(far.read(&mut [0]).await.expect("reads"), 0, "{}", dialer.target());
        far.write_all(b"y").await.expect("still writes");
        assert_eq!(near.read_u8().await.expect("still reads"), b'y', "{}", dialer.target());
    }
    let mut tcp = Listener::bind("127.0.0.1:0").await.expect("listens");
    let to_tcp = TcpDialer::new(tcp.addr().to_string(), DEADLINE);
    round_trip(&mut tcp, &to_tcp).await;
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("run/tctl.sock");
    round_trip(&mut UnixListener::bind(&path).await.expect("listens"), &UnixDialer::new(&path, DEADLINE)).await;
    let (dialer, mut listener) = memory::pair("auth");
    round_trip(&mut listener, &dialer).await;
    drop(dialer);
    assert!(Accept::accept(&mut listener).await.is_none(), "no dialer is left");
}

#[tokio::test]
async fn a_dialer_into_a_service_that_is_gone_says_so() {
    let (dialer, listener) = memory::pair("auth");
    drop(listener);
    assert!(matches!(dialer.dial().await, Err(NetError::Gone)));
}

#[tokio::test]
async fn the_local_socket_is_private_and_names_the_user() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("run/tctl.sock");
    let listener = UnixListener::bind(&path).await.expect("listens");
    let mode = |path| std::fs::metadata(path).expect("stat").permissions().mode() & 0o777;
    assert_eq!(mode(path.as_path()), 0o600);
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    let _client = UnixDialer::new(&path, DEADLINE).dial().await.expect("dials");
    assert_eq!(listener.accept().await.uid, rustix::process::getuid().as_raw());

    let second = UnixListener::bind(&path).await.expect_err("in use");
    assert!(matches!(second, NetError::Listen { .. }), "{second:?}");
    drop(listener);
    assert!(!path.exists(), "the socket goes with its listener");
}

#[tokio::test]
async fn a_socket_left_behind_by_a_crash_is_replaced() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("tctl.sock");
    // Dropping the standard library's listener leaves the file, as a crash does.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(path.exists());
    let _listener = UnixListener::bind(&path).await.expect("replaces it");
    UnixDialer::new(&path, DEADLINE).dial().await.expect("dials");
}

#[tokio::test]
async fn an_insecure_client_still_wants_the_handshake_in_time() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let config = tls::unverified_web_client(InsecureWeb, &[], &Clock::system());
    let name = ServerName::try_from("localhost").expect("name");
    let made = net_tls::connect(dial(listener.addr()).await, config, name, DEADLINE / 200).await;
    assert!(matches!(made, Err(NetError::Deadline { .. })), "{made:?}");
}
