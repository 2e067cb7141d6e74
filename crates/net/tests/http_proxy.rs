//! Dialling through an HTTP proxy, and around it.

use std::time::Duration;

use teleport_net::{Conn, Dialer, HttpProxy, Listener, NetError, ProxiedDialer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DEADLINE: Duration = Duration::from_secs(10);

fn proxy(https_proxy: &str, no_proxy: &str) -> HttpProxy {
    HttpProxy::from_settings(Some(https_proxy), Some(no_proxy)).expect("settings").expect("a proxy")
}

/// Reads one CONNECT and gives `answer`; returns what was asked and the connection.
async fn answer_connect(listener: &Listener, answer: &str) -> (String, Conn) {
    let mut conn = listener.accept().await;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(conn.read_u8().await.expect("reads"));
    }
    conn.write_all(answer.as_bytes()).await.expect("writes");
    (String::from_utf8(request).expect("utf-8"), conn)
}

async fn through(userinfo: &str, answer: &str) -> (Result<Conn, NetError>, String, Conn) {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let proxy = proxy(&format!("http://{userinfo}{}/", listener.addr()), "");
    let dialer = ProxiedDialer::new("teleport.example.com:443", Some(proxy), DEADLINE);
    let (dialled, (request, conn)) = tokio::join!(dialer.dial(), answer_connect(&listener, answer));
    (dialled, request, conn)
}

#[tokio::test]
async fn a_tunnel_is_opened_and_bytes_right_behind_the_answer_are_kept() {
    let (dialled, request, mut far) = through("", "HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello").await;
    assert_eq!(request, "CONNECT teleport.example.com:443 HTTP/1.1\r\nHost: teleport.example.com:443\r\n\r\n");
    let mut near = dialled.expect("a tunnel");
    let mut five = [0; 5];
    near.read_exact(&mut five).await.expect("reads");
    assert_eq!(&five, b"hello");
    near.write_all(b"there").await.expect("writes");
    far.read_exact(&mut five).await.expect("reads");
    assert_eq!(&five, b"there");
}

#[tokio::test]
async fn user_and_password_are_decoded_and_sent() {
    let (dialled, request, _) = through("me:p%40ss@", "HTTP/1.1 200 OK\r\n\r\n").await;
    dialled.expect("a tunnel");
    // base64 of me:p@ss
    assert!(request.contains("\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n"), "{request}");
}

#[tokio::test]
async fn a_refusal_is_told() {
    let (dialled, ..) = through("", "HTTP/1.1 403 Not today\r\n\r\n").await;
    assert_eq!(dialled.expect_err("refused").to_string(), "the HTTP proxy refused: \"HTTP/1.1 403 Not today\"");
    let (dialled, ..) = through("", "HTTP/1.1 407 Who are you\r\n\r\n").await;
    assert!(dialled.expect_err("refused").to_string().contains("user name and password"));
    let (dialled, ..) = through("", "SSH-2.0-x\r\n\r\n").await;
    dialled.expect_err("no HTTP");
}

#[tokio::test]
async fn a_proxy_that_says_nothing_or_too_much_is_given_up() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let proxy = proxy(&listener.addr().to_string(), "");
    let dialer = ProxiedDialer::new("t.example.com:443", Some(proxy.clone()), Duration::from_millis(50));
    assert!(matches!(dialer.dial().await, Err(NetError::Deadline { .. })));

    let dialer = ProxiedDialer::new("t.example.com:443", Some(proxy), DEADLINE);
    drop(listener.accept().await);
    let flood = "x".repeat(20_000);
    let (dialled, _) = tokio::join!(dialer.dial(), answer_connect(&listener, &flood));
    assert!(matches!(dialled, Err(NetError::Protocol(_))), "{dialled:?}");
}

#[tokio::test]
async fn a_covered_host_is_dialled_directly() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    let proxy = proxy("http://192.0.2.1:1", "");
    let dialer = ProxiedDialer::new(listener.addr().to_string(), Some(proxy), DEADLINE);
    let (dialled, _) = tokio::join!(dialer.dial(), listener.accept());
    dialled.expect("loopback never goes through a proxy");
}

#[test]
fn no_proxy_covers_names_suffixes_addresses_ranges_and_ports() {
    let list = "example.com, .internal.test,*.star.test,10.0.0.0/8,192.0.2.7,2001:db8::/32,ported.test:8443";
    let proxy = proxy("proxy.test:3128", list);
    for direct in [
        "example.com:443",
        "EXAMPLE.com.:443",
        "a.example.com:443",
        "a.internal.test:443",
        "a.star.test:443",
        "10.200.3.4:443",
        "192.0.2.7:1",
        "[2001:db8:1::1]:443",
        "ported.test:8443",
        "localhost:3080",
        "127.0.0.2:3080",
        "[::1]:3080",
    ] {
        assert!(!proxy.applies_to(direct), "{direct} is dialled directly");
    }
    for proxied in [
        "notexample.com:443",
        "internal.test:443",
        "11.0.0.1:443",
        "192.0.2.8:1",
        "[2001:db9::1]:443",
        "ported.test:443",
        "example.com.evil.test:443",
    ] {
        assert!(proxy.applies_to(proxied), "{proxied} goes through the proxy");
    }
    assert!(!self::proxy("proxy.test", "*").applies_to("anything.test:443"));
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    for (text, some) in [("", false), ("  ", false), ("http://p:1", true), ("p", true), ("HTTP://u:p@p:1/x", true)] {
        let read = HttpProxy::from_settings(Some(text), None).expect(text);
        assert_eq!(read.is_some(), some, "{text:?}");
    }
    assert!(HttpProxy::from_settings(None, Some("*")).expect("none").is_none());
    for bad in ["https://p:1", "socks5://p:1", "http://", "http://a b"] {
        HttpProxy::from_settings(Some(bad), None).expect_err(bad);
    }
}
