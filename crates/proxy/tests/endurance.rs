//! Half-open connections, limits, draining, and certificates that change while the proxy runs.

mod rig;

use std::{path::Path, time::Duration};

use rig::{Auth, Echo, Options, Rig, eventually, kube_name, line};
use teleport_net::{Conn, HelloLimits};
use teleport_pki::{CaSigner as _, CertificateDer, KeyPair, Template, pem, testing::TestCas, tls};
use teleport_proxy::{KeyPairFiles, Limits, WebCertificate};
use teleport_runtime::Clock;
use teleport_types::sni::ALPN_AUTH;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Waits until the far end closes, whatever it says before.
async fn closed(conn: &mut Conn) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(rig::DEADLINE, conn.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection was not closed");
}

#[tokio::test]
async fn half_open_connections_are_given_up_and_do_not_disturb_others() {
    let hello = HelloLimits { deadline: Duration::from_millis(300), ..HelloLimits::default() };
    let limits = Limits { hello, handshake: hello.deadline, ..Limits::default() };
    let rig = Rig::ready(Options { limits, ..Options::default() }).await;
    let mut half_open = Vec::new();
    for i in 0..200 {
        let mut conn = rig.dial().await;
        // Some say nothing, some half a record, some nonsense after a good start.
        let said: &[u8] = [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00", b"\x16", b"G"][i % 3];
        conn.write_all(said).await.expect("writes");
        half_open.push(conn);
    }
    let mut conn = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session among them");
    assert_eq!(line(&mut conn).await, "auth teleport-auth 1 client known");
    rig.request("GET / HTTP/1.1\r\nHost: x").await;
    for conn in &mut half_open {
        closed(conn).await;
    }
    eventually("every one is counted", || rig.metrics.taken("broken") == 200).await;
}

#[tokio::test]
async fn a_web_handshake_that_stalls_is_given_up() {
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let rig = Rig::ready(Options { limits, ..Options::default() }).await;
    let config = tls::unverified_web_client(tls::InsecureWeb, &[], &rig.clock);
    let name = teleport_pki::ServerName::try_from("proxy.example.com").expect("a name");
    let mut client = rustls::ClientConnection::new(config, name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("to memory");
    let mut conn = rig.dial().await;
    conn.write_all(&hello).await.expect("writes");
    closed(&mut conn).await;
}

#[tokio::test]
async fn one_address_cannot_hold_every_place_open() {
    let limits = Limits { half_open: 3, ..Limits::default() };
    let rig = Rig::ready(Options { limits, ..Options::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(rig.dial().await);
    }
    eventually("two are too many", || rig.metrics.taken("over_limit") == 2).await;
    let mut turned_away = silent.split_off(3);
    for conn in &mut turned_away {
        closed(conn).await;
    }
    drop(silent);
    eventually("the places are free again", || rig.metrics.taken("closed") == 3).await;
    let (head, _) = rig.request("GET / HTTP/1.1\r\nHost: x").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[tokio::test]
async fn a_handshake_that_stalls_with_a_kubernetes_service_counts_until_it_is_made() {
    let limits = Limits { half_open: 2, ..Limits::default() };
    let rig = Rig::ready(Options { limits, ..Options::default() }).await;
    let service = Echo::kube(&rig, &["prod"]);
    rig.kube.serve(&[kube_name("prod")], &service);
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(rig.connect(&rig.kube_host("prod"), &[]).await.expect("a handshake that is made does not count"));
        line(made.last_mut().expect("just made")).await;
    }
    let config = tls::internal_client(&rig.cas.trust(), None, &[], &rig.clock);
    let mut stalled = Vec::new();
    for number in 0..3 {
        let name = teleport_pki::ServerName::try_from(rig.kube_host("prod")).expect("a name");
        let mut client = rustls::ClientConnection::new(config.clone(), name).expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("to memory");
        let mut conn = rig.dial().await;
        // The third is closed before it has said anything.
        let _ = conn.write_all(&hello).await;
        stalled.push(conn);
        eventually("its way is chosen", || rig.metrics.taken("kube") >= 4 + (number + 1).min(2)).await;
    }
    eventually("the third is too many", || rig.metrics.taken("over_limit") == 1).await;
    closed(&mut stalled[2]).await;
    drop(stalled);
    let again = async {
        while rig.connect(&rig.kube_host("prod"), &[]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(rig::DEADLINE, again).await.expect("the places are free again");
}

#[tokio::test]
async fn one_address_cannot_take_every_relay_to_auth() {
    let limits = Limits { relayed: 2, ..Limits::default() };
    let rig = Rig::start(Options { limits, ..Options::default() }).await;
    let _first = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session");
    let second = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session");
    assert!(rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.is_err(), "the third is too many");
    drop(second);
    let again = async {
        while rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(rig::DEADLINE, again).await.expect("the place is free again");
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let rig = Rig::start(Options { limits, ..Options::default() }).await;
    let mut first = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session");
    let _second = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session");
    let mut third = rig.dial().await;
    closed(&mut third).await;
    assert_eq!(line(&mut first).await, "auth teleport-auth 1 client known");
    first.shutdown().await.expect("closes its half");
    assert_eq!(first.read(&mut [0]).await.expect("reads"), 0);
    eventually("a place is free", || rig.metrics.taken("over_limit") == 1).await;
}

#[tokio::test]
async fn a_stop_lets_streams_end_and_refuses_new_connections() {
    let rig = Rig::ready(Options::default()).await;
    let service = Echo::kube(&rig, &["prod"]);
    rig.kube.serve(&[kube_name("prod")], &service);
    let mut stream = rig.connect(&rig.kube_host("prod"), &[]).await.expect("a session");
    line(&mut stream).await;
    let mut idle = rig.browse("proxy.example.com", &[tls::ALPN_HTTP1]).await.expect("a session");
    rig.tasks.request_stop();
    // The idle page goes at once, the stream stays until it is done.
    let idle = tokio::time::timeout(rig::DEADLINE, idle.read(&mut [0])).await.expect("it goes");
    assert!(matches!(idle, Ok(0) | Err(_)), "{idle:?}");
    let refused = async {
        while teleport_net::Dialer::dial(&teleport_net::TcpDialer::new(rig.addr.to_string(), rig::DEADLINE))
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(rig::DEADLINE, refused).await.expect("nobody listens any more");
    stream.write_all(b"last words").await.expect("writes");
    let mut words = [0; 10];
    stream.read_exact(&mut words).await.expect("reads");
    assert_eq!(&words, b"last words");
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_when_the_drain_is_over() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let rig = Rig::start(Options { limits, auth: Auth::There, ..Options::default() }).await;
    let mut stream = rig.connect(&rig.auth_host(), &[ALPN_AUTH]).await.expect("a session");
    line(&mut stream).await;
    rig.tasks.request_stop();
    let read = tokio::time::timeout(rig::DEADLINE, stream.read(&mut [0])).await.expect("it is cut");
    // Cut without a farewell in TLS, which the client may tell from an orderly end.
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn the_issued_certificate_is_renewed_before_it_ends() {
    let clock = Clock::manual(Clock::system().now());
    let rig = Rig::ready(Options { clock: clock.clone(), ..Options::default() }).await;
    let served = async || {
        let conn = rig.browse("proxy.example.com", &[tls::ALPN_HTTP1]).await.expect("a session");
        conn.peer_certificates().to_vec()
    };
    let first = served().await;
    clock.advance(Duration::from_secs(39 * 60));
    assert_eq!(served().await, first, "two thirds of an hour are not over");
    clock.advance(Duration::from_secs(2 * 60));
    let renewed = async {
        while served().await == first {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(rig::DEADLINE, renewed).await.expect("another one is served");
}

fn write_pair(folder: &Path, authority: &TestCas, names: &[&str]) -> CertificateDer<'static> {
    let names: Vec<_> = names.iter().map(|name| teleport_pki::AltName::parse(name).expect("a name")).collect();
    let template = Template::web(&authority.cluster, &names).expect("template");
    let key = KeyPair::generate();
    let certificate = template.issue(&authority.host, key.public(), authority.validity()).expect("issues");
    let chain = [certificate.clone(), authority.host.certificate().clone()];
    std::fs::write(folder.join("tls.crt"), pem::encode_certificates(&chain)).expect("writes");
    std::fs::write(folder.join("tls.key"), key.to_pem().as_bytes()).expect("writes");
    certificate
}

#[tokio::test]
async fn key_pair_files_are_served_and_read_again_when_they_change() {
    let folder = tempfile::tempdir().expect("temp dir");
    let authority = TestCas::new("public");
    let first = write_pair(folder.path(), &authority, &["proxy.example.com"]);
    let pair = KeyPairFiles { key_file: folder.path().join("tls.key"), cert_file: folder.path().join("tls.crt") };
    let certificate = WebCertificate::Files { pairs: vec![pair], every: Duration::from_millis(5) };
    certificate.check().expect("good files");
    let rig = Rig::ready(Options { certificate, ..Options::default() }).await;
    let served = async || {
        let config = tls::unverified_web_client(tls::InsecureWeb, &[], &rig.clock);
        let name = teleport_pki::ServerName::try_from("proxy.example.com").expect("a name");
        let conn = teleport_net::tls::connect(rig.dial().await, config, name, rig::DEADLINE).await.expect("a session");
        conn.peer_certificates().to_vec()
    };
    assert_eq!(served().await, [first, authority.host.certificate().clone()], "the whole chain");
    let second = write_pair(folder.path(), &authority, &["proxy.example.com"]);
    let changed = async {
        while served().await.first() != Some(&second) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(rig::DEADLINE, changed).await.expect("the new pair is served");
}

#[tokio::test]
async fn a_mistake_in_key_pair_files_is_found_at_the_start() {
    let folder = tempfile::tempdir().expect("temp dir");
    let pair = KeyPairFiles { key_file: folder.path().join("tls.key"), cert_file: folder.path().join("tls.crt") };
    let certificate = WebCertificate::files(vec![pair]);
    assert!(certificate.check().expect_err("no files").to_string().ends_with("tls.crt cannot be read"));
    write_pair(folder.path(), &TestCas::new("public"), &["proxy.example.com"]);
    certificate.check().expect("good files");
    std::fs::write(folder.path().join("tls.key"), KeyPair::generate().to_pem().as_bytes()).expect("writes");
    assert!(certificate.check().expect_err("another key").to_string().ends_with("cannot be used"));
}
