//! Upgrades: a connection of their own, the upstream's answer as it is, and no byte lost.

use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use teleport_kube::upstream::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    server::{FakeApi, Options},
    support::{fetch, patient, text, with_token},
};

fn upgrade(path: &str) -> Request<Empty<bytes::Bytes>> {
    Request::get(path)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "test")
        .body(Empty::new())
        .expect("request")
}

#[tokio::test]
async fn bytes_right_behind_the_101_are_delivered_and_the_stream_goes_both_ways() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    let mut answer = patient(upstream.upgrade(upgrade("/upgrade"))).await.expect("answer");
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()[header::UPGRADE], "test");
    let mut io = TokioIo::new(patient(hyper::upgrade::on(&mut answer)).await.expect("upgrade"));
    let mut early = [0; 11];
    patient(io.read_exact(&mut early)).await.expect("read");
    assert_eq!(&early, b"early bytes");
    patient(io.write_all(b"there and back")).await.expect("write");
    let mut echo = [0; 14];
    patient(io.read_exact(&mut echo)).await.expect("read");
    assert_eq!(&echo, b"there and back");
    assert_eq!(*api.state.lines.lock().expect("lock"), ["1.1 GET /upgrade"]);
}

#[tokio::test]
async fn an_answer_that_is_no_101_is_passed_on() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    let answer = patient(upstream.upgrade(upgrade("/refuse-upgrade"))).await.expect("answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(answer).await, "no exec for you");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    let answer = patient(upstream.upgrade(upgrade("/redirect"))).await.expect("answer");
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(fetch(&upstream, "/redirect").await.expect("answer").0, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(api.state.requests(), 2);
}

#[tokio::test]
async fn an_upgrade_takes_no_pooled_connection_and_leaves_none() {
    let api = FakeApi::start(Options::http1());
    let upstream = with_token(&api, Limits::default());
    fetch(&upstream, "/hello").await.expect("answer");
    let answer = patient(upstream.upgrade(upgrade("/refuse-upgrade"))).await.expect("answer");
    text(answer).await;
    assert_eq!(api.state.handshakes(), 2);
    fetch(&upstream, "/hello").await.expect("answer");
    let answer = patient(upstream.upgrade(upgrade("/refuse-upgrade"))).await.expect("answer");
    text(answer).await;
    assert_eq!(api.state.handshakes(), 3);
}
