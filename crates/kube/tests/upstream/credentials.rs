//! What reaches the API of the credential, and of whatever the caller left in the request.

use http::{Request, header};
use http_body_util::Empty;
use teleport_kube::upstream::{Limits, Upstream};
use teleport_runtime::Clock;

use crate::{
    server::{FakeApi, Options, user_pems},
    support::{Home, base64, fetch, patient, trusting, with_token},
};

fn with_foreign_authorization() -> Request<Empty<bytes::Bytes>> {
    Request::get("https://elsewhere.test:1/hello?a=b")
        .header(header::AUTHORIZATION, "Bearer of-the-client")
        .header(header::AUTHORIZATION, "Basic of-the-client")
        .header(header::HOST, "elsewhere.test")
        .body(Empty::new())
        .expect("request")
}

#[tokio::test]
async fn the_api_sees_our_credential_and_its_own_name_whatever_the_request_said() {
    for options in [Options::default(), Options::http1()] {
        let api = FakeApi::start(options);
        let upstream = with_token(&api, Limits::default());
        patient(upstream.send(with_foreign_authorization())).await.expect("answer");
        patient(upstream.upgrade(with_foreign_authorization())).await.expect("answer");
        assert_eq!(*api.state.authorizations.lock().expect("lock"), ["Bearer secret-token"; 2]);
        assert_eq!(*api.state.hosts.lock().expect("lock"), ["api.test:6443"; 2]);
        let lines = api.state.lines.lock().expect("lock").clone();
        assert!(lines.iter().all(|line| line.ends_with("GET /hello?a=b")), "{lines:?}");
    }
}

#[tokio::test]
async fn with_a_client_certificate_alone_no_authorization_is_sent() {
    let api = FakeApi::start(Options::default());
    let (chain, key, certified) = user_pems(&api.cas);
    let user = format!("client-certificate-data: '{}', client-key-data: '{}'", base64(&chain), base64(&key));
    let config = Home::new().config(&trusting(&api), &user);
    let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &Clock::system());
    patient(upstream.send(with_foreign_authorization())).await.expect("answer");
    assert_eq!(*api.state.authorizations.lock().expect("lock"), [""]);
    assert_eq!(*api.state.client_certificates.lock().expect("lock"), [certified.cert[0].to_vec()]);
}

#[tokio::test]
async fn a_token_that_is_none_is_a_clear_error() {
    let (home, api) = (Home::new(), FakeApi::start(Options::default()));
    for (content, reason) in [("  \n", "it is empty"), ("two\nlines", "characters that no header may have")] {
        home.write("token", content);
        let config = home.config(&trusting(&api), "tokenFile: token");
        let upstream = Upstream::start_with(config, api.dialer(), Limits::default(), &Clock::system());
        let error = fetch(&upstream, "/hello").await.expect_err("no token");
        assert!(crate::support::chain(&error).contains(reason), "{}", crate::support::chain(&error));
    }
}
