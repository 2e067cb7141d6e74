//! Which connections requests go over, and what becomes of those that break.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use http::StatusCode;
use http_body_util::BodyExt as _;
use teleport_kube::upstream::{Fault, Limits, Upstream};

use crate::{
    server::{FakeApi, Options},
    support::{Home, fetch, open, patient, post, text, until, with_token},
};

#[tokio::test]
async fn a_hundred_requests_share_one_connection() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    for answer in join_all((0..50).map(|_| fetch(&upstream, "/hello"))).await {
        assert_eq!(answer.expect("answer"), (StatusCode::OK, "hello".to_owned()));
    }
    for _ in 0..50 {
        fetch(&upstream, "/hello").await.expect("answer");
    }
    assert_eq!(api.state.requests(), 100);
    assert_eq!(api.state.handshakes(), 1);
    let authorizations = api.state.authorizations.lock().expect("lock");
    assert!(authorizations.iter().all(|value| value == "Bearer secret-token"), "{authorizations:?}");
}

#[tokio::test]
async fn another_connection_is_opened_when_the_streams_of_one_run_out() {
    let api = FakeApi::start(Options { streams: Some(3), ..Options::default() });
    let upstream = with_token(&api, Limits::default());
    let watches = join_all((0..7).map(|_| open(&upstream, "/watch"))).await;
    let watches: Vec<_> = watches.into_iter().map(|watch| watch.expect("watch")).collect();
    assert_eq!(api.state.handshakes(), 3, "seven watches, three on a connection");
    fetch(&upstream, "/hello").await.expect("there are two free streams");
    assert_eq!(api.state.handshakes(), 3);
    drop(watches);
    for _ in 0..9 {
        fetch(&upstream, "/hello").await.expect("streams that ended are free again");
    }
    assert_eq!(api.state.handshakes(), 3);
}

#[tokio::test]
async fn a_burst_never_waits_behind_watches_for_a_stream() {
    let api = FakeApi::start(Options { streams: Some(2), ..Options::default() });
    let upstream = with_token(&api, Limits::default());
    let watches = patient(join_all((0..20).map(|_| open(&upstream, "/watch")))).await;
    assert!(watches.iter().all(Result::is_ok));
    assert_eq!(api.state.handshakes(), 10);
}

#[tokio::test]
async fn when_everything_is_in_use_a_request_waits_for_a_stream_and_then_says_so() {
    let api = FakeApi::start(Options { streams: Some(1), ..Options::default() });
    let limits = Limits { connections: 1, connect: Duration::from_secs(1), ..Limits::default() };
    let upstream = with_token(&api, limits);
    let watch = open(&upstream, "/watch").await.expect("watch");
    let error = fetch(&upstream, "/hello").await.expect_err("no stream is free");
    assert!(matches!(error.fault(), Fault::Busy { .. }), "{error}");
    assert!(error.client_text().contains("too many requests"), "{}", error.client_text());
    let (answer, ()) = tokio::join!(fetch(&upstream, "/hello"), async { drop(watch) });
    answer.expect("the stream became free while it waited");
}

#[tokio::test]
async fn readers_who_stand_still_do_not_stop_others() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    // Each fills its stream's window of 1 MiB, together many times hyper's own window for a connection.
    let stalled = join_all((0..30).map(|_| open(&upstream, "/flood"))).await;
    until(|| async { api.state.flooded.load(Ordering::SeqCst) >= 30 << 20 }).await;
    assert_eq!(fetch(&upstream, "/hello").await.expect("answer").1, "hello");
    assert_eq!(api.state.handshakes(), 1);
    drop(stalled);
}

#[tokio::test]
async fn a_request_with_a_body_goes_over_http1_and_its_connection_is_used_again() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    for _ in 0..5 {
        let answer = patient(upstream.send(post("/echo", "some content"))).await.expect("answer");
        assert_eq!(text(answer).await, "some content");
    }
    let lines = api.state.lines.lock().expect("lock").clone();
    assert!(lines.iter().all(|line| line == "1.1 POST /echo"), "{lines:?}");
    assert_eq!(api.state.handshakes(), 1);
}

#[tokio::test]
async fn a_server_without_http2_is_spoken_to_over_kept_http1_connections() {
    let api = FakeApi::start(Options::http1());
    let upstream = with_token(&api, Limits::default());
    for _ in 0..20 {
        fetch(&upstream, "/hello").await.expect("answer");
    }
    assert_eq!(api.state.handshakes(), 1);
    let watch = open(&upstream, "/watch").await.expect("watch");
    fetch(&upstream, "/hello").await.expect("the watch has its own connection");
    assert_eq!(api.state.handshakes(), 2);
    drop(watch);
}

#[tokio::test]
async fn an_http_server_on_loopback_needs_no_tls() {
    let api = FakeApi::start(Options { plain: true, ..Options::default() });
    let config = Home::new().config("server: 'http://127.0.0.1:8001/base'", "token: t");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &teleport_runtime::Clock::system());
    assert_eq!(fetch(&upstream, "/hello?x=1").await.expect("answer").1, "hello");
    assert_eq!(*api.state.lines.lock().expect("lock"), ["1.1 GET /base/hello?x=1"]);
    assert_eq!(*api.state.hosts.lock().expect("lock"), ["127.0.0.1:8001"]);
}

#[tokio::test]
async fn a_request_that_the_server_saw_is_never_sent_twice() {
    for (options, path) in [(Options::http1(), "/break"), (Options::http1(), "/break-after-body")] {
        let api = FakeApi::start(options);
        let upstream = with_token(&api, Limits::default());
        fetch(&upstream, "/hello").await.expect("the connection is pooled");
        let error = match path {
            "/break" => fetch(&upstream, path).await.expect_err("broken"),
            _ => patient(upstream.send(post(path, "content"))).await.expect_err("broken"),
        };
        assert!(matches!(error.fault(), Fault::Protocol(_)), "{error}");
        assert_eq!(api.state.requests(), 2, "{path}");
    }
}

#[tokio::test]
async fn pooled_connections_that_died_are_replaced() {
    for options in [Options::default(), Options::http1()] {
        let api = FakeApi::start(options);
        let upstream = with_token(&api, Limits::default());
        fetch(&upstream, "/hello").await.expect("answer");
        let answer = patient(upstream.send(post("/echo", "x"))).await.expect("answer");
        text(answer).await;
        api.cut_connections().await;
        assert_eq!(fetch(&upstream, "/hello").await.expect("a new connection").1, "hello");
        let answer = patient(upstream.send(post("/echo", "again"))).await.expect("a new connection");
        assert_eq!(text(answer).await, "again");
    }
}

#[tokio::test]
async fn connections_nobody_uses_are_closed() {
    let api = FakeApi::start(Options::default());
    let short = Duration::from_millis(50);
    let upstream = with_token(&api, Limits { http2_idle: short, http1_idle: short, ..Limits::default() });
    fetch(&upstream, "/hello").await.expect("answer");
    text(patient(upstream.send(post("/echo", "x"))).await.expect("answer")).await;
    let watch = open(&upstream, "/watch").await.expect("watch");
    until(|| async { api.state.open.load(Ordering::SeqCst) == 1 }).await;
    let mut watch = watch;
    let first = watch.body_mut().frame().await.expect("a frame").expect("data");
    assert_eq!(first.into_data().expect("data"), "first", "a connection in use is kept");
    drop(watch);
    until(|| async { api.state.open.load(Ordering::SeqCst) == 0 }).await;
}

#[tokio::test]
async fn large_heads_pass() {
    for options in [Options::default(), Options::http1()] {
        let api = FakeApi::start(options);
        let upstream = with_token(&api, Limits::default());
        let answer = open(&upstream, "/many-headers").await.expect("answer");
        assert!(answer.headers().len() >= 400);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_meets_a_deadline() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits { head: Duration::from_millis(50), ..Limits::default() });
    let error = fetch(&upstream, "/never").await.expect_err("deadline");
    assert!(matches!(error.fault(), Fault::Deadline { .. }), "{error}");
    assert!(error.client_text().contains("did not answer in time"), "{}", error.client_text());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_clear_error() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    api.stop().await;
    let error = fetch(&upstream, "/hello").await.expect_err("nobody there");
    assert!(matches!(error.fault(), Fault::Dial(_)), "{error}");
    assert_eq!(error.client_text(), "the Kubernetes API of cluster \"production\" cannot be reached");
    assert!(error.to_string().contains("https://api.test:6443"), "{error}");
}

#[tokio::test]
async fn a_cancelled_request_gives_its_stream_back() {
    let api = FakeApi::start(Options { streams: Some(1), ..Options::default() });
    let upstream = with_token(&api, Limits { connections: 1, ..Limits::default() });
    fetch(&upstream, "/hello").await.expect("answer");
    for _ in 0..5 {
        let cancelled = tokio::time::timeout(Duration::from_millis(10), upstream.send(crate::support::get("/never")));
        assert!(cancelled.await.is_err());
        fetch(&upstream, "/hello").await.expect("the stream is free");
    }
    assert_eq!(api.state.handshakes(), 1);
}

#[tokio::test]
async fn after_drain_nothing_is_sent_and_nothing_is_left_open() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    let watch = open(&upstream, "/watch").await.expect("watch");
    fetch(&upstream, "/hello").await.expect("answer");
    patient(upstream.drain(Duration::from_millis(50))).await;
    let error = fetch(&upstream, "/hello").await.expect_err("stopped");
    assert!(matches!(error.fault(), Fault::Stopped | Fault::Credential(_)), "{error}");
    drop(watch);
    until(|| async { api.state.open.load(Ordering::SeqCst) == 0 }).await;
}

#[tokio::test]
async fn waiting_for_an_answer_takes_little_memory() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    let size = std::mem::size_of_val(&upstream.send(crate::support::get("/hello")));
    assert!(size <= 4 * 1024, "{size} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_cut_under_load_cost_only_what_was_under_way() {
    let api = FakeApi::start(Options { streams: Some(10), ..Options::default() });
    let upstream = with_token(&api, Limits::default());
    let clients = join_all((0..40).map(|_| async {
        let mut broken = 0;
        for _ in 0..50 {
            match fetch(&upstream, "/hello").await {
                Ok((status, text)) => assert_eq!((status, text.as_str()), (StatusCode::OK, "hello")),
                Err(error) => {
                    assert!(
                        matches!(error.fault(), Fault::Protocol(_) | Fault::Dial(_) | Fault::Tls { .. }),
                        "{error}"
                    );
                    broken += 1;
                }
            }
        }
        broken
    }));
    let cut = async {
        for times in 1..=5 {
            until(|| async { api.state.requests() >= times * 200 }).await;
            api.cut_connections().await;
        }
    };
    let (broken, ()) = tokio::join!(clients, cut);
    let broken: usize = broken.into_iter().sum();
    assert!(broken <= 5 * 40 * 2, "{broken} of 2000 broke");
    assert_eq!(fetch(&upstream, "/hello").await.expect("it goes on").1, "hello");
}
