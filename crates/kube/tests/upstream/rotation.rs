//! Files that change under a running service: tokens, authorities, client certificates.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt as _;
use teleport_kube::upstream::{Fault, InCluster, Limits, Upstream, UpstreamConfig};
use teleport_pki::testing::TestCas;
use teleport_runtime::Clock;
use teleport_types::KubeClusterName;

use crate::{
    server::{FakeApi, HOST, Options, authority_pem, user_pems},
    support::{Home, fetch, get, open, patient, post, text, trusting, until},
};

const MINUTE: Duration = Duration::from_secs(60);

fn service_account(home: &Home, api: &FakeApi, token: &str) -> UpstreamConfig {
    home.write("token", token);
    home.write("ca.crt", &api.ca_pem());
    let folder = home.folder.path().to_owned();
    let pod = InCluster { folder, host: Some(HOST.to_owned()), port: Some("443".to_owned()) };
    pod.config(KubeClusterName::parse("here").expect("name")).expect("service account")
}

fn clock() -> Clock {
    Clock::manual(Clock::system().now())
}

fn want(api: &FakeApi, token: &str) {
    *api.state.wanted.lock().expect("lock") = Some(format!("Bearer {token}"));
}

fn last_authorization(api: &FakeApi) -> Option<String> {
    api.state.authorizations.lock().expect("lock").last().cloned()
}

#[tokio::test]
async fn a_service_account_token_is_read_again_each_minute() {
    let (home, api, clock) = (Home::new(), FakeApi::start(Options::default()), clock());
    let config = service_account(&home, &api, "first\n");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock);
    fetch(&upstream, "/hello").await.expect("answer");
    home.write("token", "second\n");
    fetch(&upstream, "/hello").await.expect("answer");
    assert_eq!(last_authorization(&api).as_deref(), Some("Bearer first"));
    clock.advance(MINUTE);
    until(|| async {
        fetch(&upstream, "/hello").await.expect("answer");
        last_authorization(&api).as_deref() == Some("Bearer second")
    })
    .await;
    assert_eq!(api.state.handshakes(), 1, "a new token needs no new connection");
}

#[tokio::test]
async fn a_refused_token_is_read_again_at_once_and_the_request_repeated() {
    let (home, api) = (Home::new(), FakeApi::start(Options::default()));
    let config = service_account(&home, &api, "first");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock());
    fetch(&upstream, "/hello").await.expect("answer");
    home.write("token", "second");
    want(&api, "second");
    assert_eq!(fetch(&upstream, "/hello").await.expect("answer").0, StatusCode::OK);
    assert_eq!(api.state.requests(), 3);

    home.write("token", "third");
    want(&api, "third");
    let upgraded = patient(upstream.upgrade(get("/refuse-upgrade"))).await.expect("answer");
    assert_eq!(upgraded.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_refusal_that_reading_again_does_not_change_is_passed_on() {
    let (home, api) = (Home::new(), FakeApi::start(Options::default()));
    let config = service_account(&home, &api, "first");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock());
    want(&api, "another");
    let (status, text) = fetch(&upstream, "/hello").await.expect("answer");
    assert_eq!((status, text.as_str()), (StatusCode::UNAUTHORIZED, "who are you"));
    assert_eq!(api.state.requests(), 1);
}

#[tokio::test]
async fn a_request_with_a_body_is_not_repeated_but_makes_the_token_fresh() {
    let (home, api) = (Home::new(), FakeApi::start(Options::default()));
    let config = service_account(&home, &api, "first");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock());
    fetch(&upstream, "/hello").await.expect("answer");
    home.write("token", "second");
    want(&api, "second");
    let refused = patient(upstream.send(post("/echo", "x"))).await.expect("answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    until(|| async {
        let answer = patient(upstream.send(post("/echo", "x"))).await.expect("answer");
        answer.status() == StatusCode::OK && text(answer).await == "x"
    })
    .await;
}

#[tokio::test]
async fn a_token_file_that_vanishes_leaves_the_last_token_in_use() {
    let (home, api, clock) = (Home::new(), FakeApi::start(Options::default()), clock());
    let config = service_account(&home, &api, "first");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock);
    fetch(&upstream, "/hello").await.expect("answer");
    std::fs::remove_file(home.folder.path().join("token")).expect("remove");
    clock.advance(MINUTE);
    want(&api, "another");
    assert_eq!(fetch(&upstream, "/hello").await.expect("the old token is sent").0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_file_that_was_never_there_is_a_clear_error_until_it_comes() {
    let (home, api, clock) = (Home::new(), FakeApi::start(Options::default()), clock());
    let config = home.config(&trusting(&api), "tokenFile: token");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock);
    let error = fetch(&upstream, "/hello").await.expect_err("no token");
    assert!(matches!(error.fault(), Fault::Credential(_)), "{error}");
    assert!(crate::support::chain(&error).contains("/token"), "{error}");
    assert!(!error.client_text().contains("/token"), "{}", error.client_text());
    home.write("token", "late");
    clock.advance(MINUTE);
    until(|| async { fetch(&upstream, "/hello").await.is_ok() }).await;
}

#[tokio::test]
async fn a_new_authority_makes_new_connections_while_old_ones_run_on() {
    let (home, api, clock) = (Home::new(), FakeApi::start(Options::default()), clock());
    let config = service_account(&home, &api, "t");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock);
    let mut watch = open(&upstream, "/watch").await.expect("watch");
    let old_identity = patient(upstream.identity()).await.expect("identity");

    let next = TestCas::new("root.example.com");
    api.certificates.set_otherwise(next.web_certificate(&[HOST]));
    home.write("ca.crt", &authority_pem(&next));
    clock.advance(MINUTE);
    until(|| async {
        fetch(&upstream, "/hello").await.expect("the old connection still serves");
        api.state.handshakes() == 2
    })
    .await;
    fetch(&upstream, "/hello").await.expect("answer");
    assert_eq!(api.state.handshakes(), 2);
    let first = patient(watch.body_mut().frame()).await.expect("a frame").expect("data");
    assert_eq!(first.into_data().expect("data"), "first");
    assert_ne!(patient(upstream.identity()).await.expect("identity").api_authority, old_identity.api_authority);
}

#[tokio::test]
async fn a_client_certificate_is_presented_and_a_new_one_used_for_new_connections() {
    let (home, api, clock) = (Home::new(), FakeApi::start(Options::default()), clock());
    let (chain, key, first) = user_pems(&api.cas);
    home.write("c.pem", &chain);
    home.write("k.pem", &key);
    let config = home.config(&trusting(&api), "client-certificate: c.pem, client-key: k.pem");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock);
    fetch(&upstream, "/hello").await.expect("answer");
    assert_eq!(last_authorization(&api).as_deref(), Some(""));

    let (chain, key, second) = user_pems(&api.cas);
    home.write("c.pem", &chain);
    home.write("k.pem", &key);
    clock.advance(MINUTE);
    until(|| async {
        fetch(&upstream, "/hello").await.expect("answer");
        api.state.handshakes() == 2
    })
    .await;
    let seen = api.state.client_certificates.lock().expect("lock").clone();
    assert_eq!(seen, [first.cert[0].to_vec(), second.cert[0].to_vec()]);
}

#[tokio::test]
async fn half_a_rotation_is_not_used() {
    let (home, api, clock) = (Home::new(), FakeApi::start(Options::default()), clock());
    let (chain, key, _) = user_pems(&api.cas);
    home.write("c.pem", &chain);
    home.write("k.pem", &key);
    let config = home.config(&trusting(&api), "client-certificate: c.pem, client-key: k.pem");
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &clock);
    fetch(&upstream, "/hello").await.expect("answer");
    let (chain, key, _) = user_pems(&api.cas);
    home.write("c.pem", &chain);
    clock.advance(MINUTE);
    for _ in 0..20 {
        fetch(&upstream, "/hello").await.expect("the old pair serves");
        tokio::task::yield_now().await;
    }
    assert_eq!(api.state.handshakes(), 1);
    home.write("k.pem", &key);
    until(|| async {
        clock.advance(MINUTE);
        fetch(&upstream, "/hello").await.expect("answer");
        api.state.handshakes() == 2
    })
    .await;
}
