//! Strangers who flood the web pages with HTTP/2 frames: they are cut or bounded, and the pages are served meanwhile.

mod rig;

use std::time::Duration;

use rig::{Options, Rig};
use teleport_net::TlsConn;
use teleport_pki::tls;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET https://x/`, the names from the static table (RFC 7541 appendix A).
const GET: &[u8] = b"\x82\x87\x84\x01\x01x";
/// What a flood may cost; other tests run in the same process.
const MOST_MIB: usize = 192;

/// Writes one frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let [_, high, middle, low] = length;
    [&[high, middle, low, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

async fn http2(rig: &Rig) -> TlsConn {
    let mut conn = rig.browse("proxy.example.com", &[tls::ALPN_H2]).await.expect("a session");
    conn.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("writes");
    conn.write_all(&frame(SETTINGS, 0, 0, b"")).await.expect("writes");
    conn
}

/// Sends pieces and reads nothing, until it is cut or nothing is taken any more. Returns how many were taken.
async fn flood(conn: &mut TlsConn, pieces: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut taken = 0;
    for piece in pieces {
        let written = async {
            conn.write_all(&piece).await?;
            conn.flush().await
        };
        match tokio::time::timeout(Duration::from_secs(2), written).await {
            Ok(Ok(())) => taken += 1,
            _ => break,
        }
    }
    taken
}

async fn pages_are_served(rig: &Rig) {
    let (head, _) = rig.request("GET / HTTP/1.1\r\nHost: x").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).expect("a number") / 1024
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection_and_hold_up_nobody() {
    let rig = Rig::ready(Options::default()).await;
    let mut conn = http2(&rig).await;
    let batches = (0..1000_u32).map(|batch| {
        let pair = |number: u32| {
            let stream = (batch * 100 + number) * 2 + 1;
            let open = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
            [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        };
        (0..100).flat_map(pair).collect()
    });
    let others = async {
        for _ in 0..10 {
            pages_are_served(&rig).await;
        }
    };
    let (taken, ()) = tokio::join!(flood(&mut conn, batches), others);
    assert!(taken < 1000, "all of 100 000 streams were opened and reset on one connection");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(rig::DEADLINE, conn.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection ends");
    pages_are_served(&rig).await;
}

#[tokio::test]
async fn header_frames_without_end_are_cut() {
    let rig = Rig::ready(Options::default()).await;
    let mut conn = http2(&rig).await;
    conn.write_all(&frame(HEADERS, END_STREAM, 1, GET)).await.expect("writes");
    let field = [&[0_u8, 1, b'a', 0x7f, 0x81, 0x07][..], &[b'x'; 1024]].concat();
    let more = frame(CONTINUATION, 0, 1, &field.repeat(15));
    let taken = flood(&mut conn, std::iter::repeat_n(more.clone(), 65_536)).await * more.len();
    assert!(taken < 16 << 20, "{taken} bytes of headers were taken");
    pages_are_served(&rig).await;
}

#[tokio::test]
async fn floods_of_frames_that_say_nothing_are_bounded() {
    let rig = Rig::ready(Options::default()).await;
    for (what, piece) in [
        ("empty DATA", frame(DATA, 0, 1, b"")),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("PING", frame(PING, 0, 0, &[7; 8])),
    ] {
        let before = resident_mib();
        let mut conn = http2(&rig).await;
        // A request that goes on: its body is what the empty frames belong to.
        conn.write_all(&frame(HEADERS, END_HEADERS, 1, GET)).await.expect("writes");
        flood(&mut conn, std::iter::repeat_n(piece.repeat(1000), 200)).await;
        pages_are_served(&rig).await;
        let grown = resident_mib().saturating_sub(before);
        assert!(grown < MOST_MIB, "{what}: {grown} MiB");
    }
}
