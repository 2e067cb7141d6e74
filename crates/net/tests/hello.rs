//! Reading a ClientHello: whole, in pieces, too large, too slow, and not one at all.

use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls_pki_types::ServerName;
use teleport_net::{Conn, Hello, HelloLimits, NetError, Opening, hello};
use teleport_pki::{
    testing::TestCas,
    tls::{self, InsecureWeb},
};
use teleport_runtime::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

fn pipe() -> (DuplexStream, Conn) {
    let (near, far) = tokio::io::duplex(256 * 1024);
    (near, Conn::new(far, None))
}

/// Returns the bytes of a real ClientHello.
fn client_hello(name: &str, alpn: &[&[u8]]) -> Vec<u8> {
    let config = tls::unverified_web_client(InsecureWeb, alpn, &Clock::system());
    let name = ServerName::try_from(name.to_owned()).expect("name");
    let mut client = ClientConnection::new(config, name).expect("client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("to memory");
    bytes
}

async fn opening(bytes: &[u8]) -> Result<Opening, NetError> {
    let (mut client, conn) = pipe();
    client.write_all(bytes).await.expect("writes");
    client.shutdown().await.expect("closes");
    let opening = hello::read(conn, HelloLimits::default()).await;
    drop(client);
    opening
}

#[tokio::test]
async fn names_are_read_and_every_byte_is_still_there() {
    let bytes = client_hello("K-ABC.main.Teleport.internal", &[b"h2", b"http/1.1"]);
    assert!(bytes.len() > 1460, "the hello has a post-quantum key and fits no single segment: {}", bytes.len());
    let with_more = [bytes.as_slice(), b"and what the client sent right behind"].concat();
    let Opening::Tls(hello, mut conn) = opening(&with_more).await.expect("a hello") else {
        panic!("not TLS");
    };
    let expected = Hello {
        server_name: Some("k-abc.main.teleport.internal".to_owned()),
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    assert_eq!(hello, expected);
    assert!(hello.offers(b"h2") && !hello.offers(b"h3"));
    let mut again = Vec::new();
    conn.read_to_end(&mut again).await.expect("reads");
    assert_eq!(again, with_more);
}

#[tokio::test]
async fn a_client_may_name_nothing() {
    let Opening::Tls(hello, _) = opening(&client_hello("127.0.0.1", &[])).await.expect("a hello") else {
        panic!("not TLS");
    };
    assert_eq!(hello, Hello { server_name: None, alpn: vec![] });
}

#[tokio::test]
async fn a_hello_in_single_bytes_is_read_like_one_in_one_piece() {
    let bytes = client_hello("proxy.example.com", &[b"h2"]);
    let (client, conn) = tokio::io::duplex(1);
    let conn = Conn::new(conn, None);
    let sent = bytes.clone();
    let writer = tokio::spawn(async move {
        let mut client = client;
        // The pipe holds one byte, so each one is read before the next is there.
        client.write_all(&sent).await.expect("writes");
    });
    let Opening::Tls(hello, mut conn) = hello::read(conn, HelloLimits::default()).await.expect("a hello") else {
        panic!("not TLS");
    };
    assert_eq!(hello.server_name.as_deref(), Some("proxy.example.com"));
    writer.await.expect("the writer ends");
    let mut again = vec![0; bytes.len()];
    conn.read_exact(&mut again).await.expect("reads");
    assert_eq!(again, bytes);
}

#[tokio::test]
async fn a_hello_spread_over_several_records_is_read() {
    let whole = client_hello("proxy.example.com", &[b"h2"]);
    let (header, body) = whole.split_at(5);
    let mut records = Vec::new();
    for part in body.chunks(100) {
        records.extend_from_slice(&header[..3]);
        records.extend_from_slice(&u16::try_from(part.len()).expect("small").to_be_bytes());
        records.extend_from_slice(part);
    }
    let Opening::Tls(hello, _) = opening(&records).await.expect("a hello") else {
        panic!("not TLS");
    };
    assert_eq!(hello.server_name.as_deref(), Some("proxy.example.com"));
}

#[tokio::test]
async fn a_hello_without_end_is_cut_at_the_limit() {
    let (mut client, conn) = pipe();
    // A handshake message of 65 535 bytes, promised in full records of which none completes it.
    let mut bytes = Vec::new();
    for record in 0..6 {
        bytes.extend_from_slice(&[0x16, 3, 1, 0x40, 0]);
        let body = if record == 0 { [&[1, 0, 0xff, 0xff][..], &[0; 0x4000 - 4]].concat() } else { vec![0; 0x4000] };
        bytes.extend_from_slice(&body);
    }
    client.write_all(&bytes).await.expect("writes");
    let error = hello::read(conn, HelloLimits { most_bytes: 8 * 1024, ..HelloLimits::default() }).await;
    assert!(matches!(error, Err(NetError::Protocol("the TLS ClientHello is too large"))), "{error:?}");
}

#[tokio::test]
async fn a_client_that_stops_half_way_is_given_up_at_the_deadline() {
    let limits = HelloLimits { deadline: Duration::from_millis(30), ..HelloLimits::default() };
    let bytes = client_hello("proxy.example.com", &[]);
    for part in [0, 1, 5, 700, bytes.len() - 1] {
        let (mut client, conn) = pipe();
        client.write_all(&bytes[..part]).await.expect("writes");
        let begun = Instant::now();
        let error = hello::read(conn, limits).await;
        assert!(matches!(error, Err(NetError::Deadline { .. })), "{part} bytes: {error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{part} bytes");
    }
}

#[tokio::test]
async fn a_client_that_closes_early_is_no_surprise() {
    let bytes = client_hello("proxy.example.com", &[]);
    for part in [0, 1, 700] {
        let error = opening(&bytes[..part]).await;
        assert!(matches!(error, Err(NetError::Closed)), "{part} bytes: {error:?}");
    }
}

#[tokio::test]
async fn other_protocols_are_refused() {
    for bytes in [&b"\x00\x01\x02"[..], b"\x80\x2e\x01\x03\x01", b"ssh", b"\x17\x03\x03\x00\x00", b"\xff"] {
        let error = opening(bytes).await;
        assert!(matches!(error, Err(NetError::Protocol(_))), "{bytes:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_malformed_hello_is_answered_with_an_alert() {
    let (mut client, conn) = pipe();
    let mut bytes = client_hello("proxy.example.com", &[]);
    // The length of the session id, far beyond the message.
    bytes[43] = 0xff;
    client.write_all(&bytes).await.expect("writes");
    let error = hello::read(conn, HelloLimits::default()).await;
    assert!(matches!(error, Err(NetError::Protocol("the TLS ClientHello is malformed"))), "{error:?}");
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).await.expect("reads");
    assert_eq!(alert.first(), Some(&0x15), "a TLS alert: {alert:?}");
}

#[tokio::test]
async fn random_bytes_never_panic_nor_hang() {
    let base = client_hello("proxy.example.com", &[b"h2", b"http/1.1"]);
    for round in 0..500_usize {
        let mut bytes = base.clone();
        let noise: [u8; 16] = teleport_runtime::random::bytes();
        for (i, byte) in noise.iter().enumerate().take(1 + round % 16) {
            let at = 5 + (usize::from(*byte) * 7 + i * 131 + round * 17) % (bytes.len() - 5);
            bytes[at] = byte.wrapping_add(u8::try_from(i).expect("small"));
        }
        let read = tokio::time::timeout(Duration::from_secs(5), opening(&bytes)).await;
        assert!(read.is_ok(), "hangs on {bytes:?}");
    }
}

#[tokio::test]
async fn plain_http_is_told_apart_and_answered() {
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "P"] {
        let (mut client, conn) = pipe();
        client.write_all(request.as_bytes()).await.expect("writes");
        let Opening::PlainHttp(conn) = hello::read(conn, HelloLimits::default()).await.expect("an opening") else {
            panic!("{request:?} is not TLS");
        };
        hello::answer_plain_http(conn, Duration::from_secs(5)).await.expect("answers");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("reads");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with("use https:// in the address.\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_session_begins_with_the_bytes_read_ahead() {
    let cas = TestCas::new("main");
    let clock = Clock::system();
    let certificates = tls::Certificates::single(cas.web_certificate(&["localhost"]));
    let server = tls::web_server(std::sync::Arc::new(certificates), &[b"h2"], &clock);
    let client = tls::unverified_web_client(InsecureWeb, &[b"h2"], &clock);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("localhost").expect("name");
    let deadline = Duration::from_secs(10);
    let client = tokio::spawn(teleport_net::tls::connect(Conn::new(near, None), client, name, deadline));
    let Opening::Tls(_, conn) = hello::read(Conn::new(far, None), HelloLimits::default()).await.expect("a hello")
    else {
        panic!("not TLS");
    };
    let server = teleport_net::tls::accept(conn, server, deadline).await.expect("handshake");
    assert_eq!((server.server_name(), server.alpn()), (Some("localhost"), Some(&b"h2"[..])));
    let client = client.await.expect("joins").expect("handshake");
    assert_eq!(client.peer_certificates().len(), 1);
}
