//! Clients that would use up the service: floods of frames, headers without end, requests that never come whole. They are
//! cut or bounded, and others are served meanwhile.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use teleport_audit::Limits as SpoolLimits;
use teleport_kube::Limits;

use crate::support::{
    H2, Reply, World,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, block, frame, is_ok,
    },
};

const POD: &str = "/api/v1/namespaces/d/pods/p";
/// What a flood may cost; the service's other tests run in the same process.
const MOST_MIB: usize = 192;

async fn world() -> World {
    World::start(|_| Reply::new(200, "{}")).await
}

/// A request of someone else is answered.
async fn others_are_served(world: &World) {
    let answer = world.get(&format!("GET {POD} HTTP/1.1\nHost: x\n\n")).await;
    assert_eq!(answer.code, 200, "{answer:?}");
}

fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).expect("a number") / 1024
}

/// Sends a piece again and again and reads nothing, until it is cut, or nothing is taken any more. Returns how often it was
/// taken.
async fn flood(frames: &mut Frames, piece: &[u8], times: usize) -> usize {
    for sent in 0..times {
        if frames.send(piece).await.is_err() {
            return sent;
        }
    }
    times
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection_and_hold_up_nobody() {
    const STREAMS: u32 = 100_000;
    let world = world().await;
    let mut frames = Frames::new(world.connect(b"h2").await).await;
    let request = block("GET", POD);
    let attack = async {
        let mut sent = 0;
        for batch in (0..STREAMS).step_by(100) {
            let pairs: Vec<u8> = (batch..batch + 100)
                .flat_map(|number| {
                    let stream = number * 2 + 1;
                    let open = frame(HEADERS, END_STREAM | END_HEADERS, stream, &request);
                    [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
                })
                .collect();
            if frames.send(&pairs).await.is_err() {
                break;
            }
            sent += 100;
        }
        sent
    };
    let others = async {
        for _ in 0..20 {
            others_are_served(&world).await;
        }
    };
    let (sent, ()) = tokio::join!(attack, others);
    assert!(sent < STREAMS / 10, "{sent} streams were opened and reset on one connection");
    // What it is told before it is cut is that it asks for too much.
    let mut farewell = None;
    while let Some((kind, _, payload)) = frames.next().await {
        if kind == GOAWAY {
            farewell = payload.get(4..8).map(<[u8]>::to_vec);
        }
    }
    assert!(farewell.is_none_or(|code| code == 11_u32.to_be_bytes()), "ENHANCE_YOUR_CALM, if anything");
    others_are_served(&world).await;
}

#[tokio::test]
async fn header_frames_without_end_are_cut_at_the_limit() {
    let world = world().await;
    let mut frames = Frames::new(world.connect(b"h2").await).await;
    frames.send(&frame(HEADERS, END_STREAM, 1, &block("GET", POD))).await.expect("written");
    // Fields of a kilobyte each, names literal: 16 KiB a frame, a gibibyte if nobody stops it.
    let field = [&[0_u8, 1, b'a', 0x7f, 0x81, 0x07][..], &[b'x'; 1024]].concat();
    let more = frame(CONTINUATION, 0, 1, &field.repeat(15));
    let taken = flood(&mut frames, &more, 65_536).await * more.len();
    assert!(taken < 8 << 20, "{taken} bytes of headers were taken");
    others_are_served(&world).await;
    assert_eq!(world.api.heads().len(), 1, "it was never a request");
}

#[tokio::test]
async fn floods_of_frames_that_say_nothing_are_bounded() {
    let window = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    for (what, piece) in [
        ("empty DATA", frame(DATA, 0, 1, b"")),
        ("SETTINGS", settings),
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("WINDOW_UPDATE", window),
        ("empty CONTINUATION", frame(CONTINUATION, 0, 3, b"")),
    ] {
        let world = world().await;
        let before = resident_mib();
        let mut frames = Frames::new(world.connect(b"h2").await).await;
        let upload = block("POST", "/api/v1/namespaces/d/pods");
        frames.send(&frame(HEADERS, END_HEADERS, 1, &upload)).await.expect("written");
        if what == "empty CONTINUATION" {
            frames.send(&frame(HEADERS, 0, 3, &upload)).await.expect("written");
        }
        // A thousand at once: the cost of sending must not be what bounds it.
        flood(&mut frames, &piece.repeat(1000), 300).await;
        others_are_served(&world).await;
        let grown = resident_mib().saturating_sub(before);
        assert!(grown < MOST_MIB, "{what}: {grown} MiB");
    }
}

#[tokio::test]
async fn hundreds_of_groups_that_a_client_acts_as_pass() {
    let world = world().await;
    let groups: Vec<String> = (0..300).map(|i| format!("group-{i:03}")).collect();
    let spec = format!("{{allow: {{kubernetes_labels: {{'*': '*'}}, kubernetes_groups: [{}]}}}}", groups.join(", "));
    world.set_role("all", &spec);
    let asked = groups.iter().take(200).map(|group| format!("Impersonate-Group: {group}\n")).collect::<String>();
    let answer = world.get(&format!("GET {POD} HTTP/1.1\nHost: x\nImpersonate-User: alice\n{asked}\n")).await;
    assert_eq!(answer.code, 200, "{answer:?}");
    let mut client = H2::new(world.connect(b"h2").await).await;
    let request = Request::get(format!("https://x{POD}")).header("impersonate-user", "alice");
    let request = groups.iter().take(200).fold(request, |request, group| request.header("impersonate-group", group));
    let answer = client.send(request.body(Full::<Bytes>::default()).expect("a request")).await;
    assert_eq!(answer.status(), 200);
    for head in world.api.requested(2).await {
        let passed = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("impersonate-group: group-"));
        assert_eq!(passed.count(), 200);
    }
}

#[tokio::test]
async fn a_url_of_64_kib_is_refused_and_the_next_request_served() {
    let world = world().await;
    let url = format!("{POD}?x={}", "y".repeat(66_000));
    let mut raw = world.raw().await;
    raw.send(&format!("GET {url} HTTP/1.1\nHost: x\n\n")).await;
    assert_eq!(raw.answer().await.code, 414);
    others_are_served(&world).await;

    let mut frames = Frames::new(world.connect(b"h2").await).await;
    // A literal whose length takes three bytes (RFC 7541 §5.1).
    let length = u32::try_from(url.len() - 127).expect("fits");
    let length = [0x7f, (length & 0x7f) as u8 | 0x80, (length >> 7 & 0x7f) as u8 | 0x80, (length >> 14) as u8];
    let long = [&[0x82, 0x87, 0x04][..], &length, url.as_bytes(), &[1, 1, b'x']].concat();
    let mut parts = long.chunks(16_000);
    frames.send(&frame(HEADERS, END_STREAM, 1, parts.next().expect("one"))).await.expect("written");
    let rest: Vec<_> = parts.collect();
    for (index, part) in rest.iter().enumerate() {
        let flags = if index + 1 == rest.len() { END_HEADERS } else { 0 };
        frames.send(&frame(CONTINUATION, flags, 1, part)).await.expect("written");
    }
    assert!(!is_ok(frames.answer(1).await));
    frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &block("GET", POD))).await.expect("written");
    assert!(is_ok(frames.answer(3).await), "the connection goes on");
    assert!(world.api.heads().iter().all(|head| head.len() < 4096));
}

#[tokio::test]
async fn too_many_headers_are_answered_with_a_clear_error() {
    let world = world().await;
    let many = (0..600).map(|number| format!("X-{number}: y\n")).collect::<String>();
    let answer = world.get(&format!("GET {POD} HTTP/1.1\nHost: x\n{many}\n")).await;
    assert_eq!(answer.code, 431, "{answer:?}");
    let large = (0..40).map(|number| format!("X-{number}: {}\n", "y".repeat(16 << 10))).collect::<String>();
    let mut raw = world.raw().await;
    raw.offer(&format!("GET {POD} HTTP/1.1\nHost: x\n{large}")).await;
    assert_eq!(raw.answer().await.code, 431);

    let mut client = H2::new(world.connect(b"h2").await).await;
    let request = (0..40).fold(Request::get(format!("https://x{POD}")), |request, number| {
        request.header(format!("x-{number}"), "y".repeat(8 << 10))
    });
    let answer = client.send(request.body(Full::<Bytes>::default()).expect("a request")).await;
    assert_eq!(answer.status(), 431);
    let request = Request::get(format!("https://x{POD}")).body(Full::<Bytes>::default()).expect("a request");
    assert_eq!(client.send(request).await.status(), 200, "the connection goes on");
    assert_eq!(world.api.requested(1).await.len(), 1);
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_cut() {
    let limits = Limits { request_head: Duration::from_millis(200), ..Limits::default() };
    let world = World::start_with(|_| Reply::new(200, "{}"), SpoolLimits::default(), limits).await;
    for said in ["", "GET", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut raw = world.raw().await;
        raw.send_bytes(said.as_bytes()).await;
        raw.rest().await;
    }
    others_are_served(&world).await;
}

#[tokio::test]
async fn a_body_that_stalls_holds_up_no_other_request_of_its_connection() {
    let world = world().await;
    let mut frames = Frames::new(world.connect(b"h2").await).await;
    for stream in (1..40).step_by(2) {
        let upload = block("POST", "/api/v1/namespaces/d/pods");
        frames.send(&frame(HEADERS, END_HEADERS, stream, &upload)).await.expect("written");
        frames.send(&frame(DATA, 0, stream, &[b'x'; 3000])).await.expect("written");
    }
    for stream in (41..81).step_by(2) {
        frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block("GET", POD))).await.expect("written");
        assert!(is_ok(frames.answer(stream).await));
    }
    others_are_served(&world).await;
}
