//! Servers that are not who they should be.

use std::time::Duration;

use teleport_kube::upstream::{Fault, Limits, Upstream, UpstreamError};
use teleport_pki::testing::{TestCas, around, certify};
use teleport_runtime::Clock;
use teleport_types::ServiceKind;

use crate::{
    server::{FakeApi, HOST, Options},
    support::{Home, base64, fetch, get, patient, post, trusting},
};

fn upstream(api: &FakeApi, cluster: &str) -> Upstream {
    let config = Home::new().config(cluster, "token: t");
    Upstream::start_with(config, api.dialer(), Limits::default(), &Clock::system())
}

/// Every way to the server must fail, before anything of a request is sent.
async fn refusal(api: &FakeApi, cluster: &str) -> UpstreamError {
    let upstream = upstream(api, cluster);
    let errors = [
        fetch(&upstream, "/hello").await.expect_err("shared"),
        patient(upstream.send(post("/echo", "x"))).await.expect_err("with a body"),
        patient(upstream.upgrade(get("/upgrade"))).await.expect_err("upgrade"),
    ];
    assert_eq!(api.state.requests(), 0);
    for error in &errors {
        assert!(matches!(error.fault(), Fault::Tls { .. }), "{error}");
        assert!(!error.client_text().contains(HOST), "{}", error.client_text());
    }
    let [error, ..] = errors;
    error
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let api = FakeApi::start(Options::default());
    let other = TestCas::new("root.example.com");
    let cluster = format!(
        "server: 'https://{HOST}', certificate-authority-data: '{}'",
        base64(&crate::server::authority_pem(&other))
    );
    let error = refusal(&api, &cluster).await;
    assert!(error.to_string().contains("is not signed by certificate-authority"), "{error}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused_unless_the_kubeconfig_names_it() {
    let api = FakeApi::start(Options::default());
    let elsewhere = trusting(&api).replace(HOST, "10.0.0.1");
    let error = refusal(&api, &elsewhere).await;
    assert!(error.to_string().contains("set tls-server-name"), "{error}");
    let named = upstream(&api, &format!("{elsewhere}, tls-server-name: {HOST}"));
    fetch(&named, "/hello").await.expect("the name is the certificate's");
}

#[tokio::test]
async fn a_certificate_without_alternative_names_gets_a_plain_answer() {
    let api = FakeApi::start(Options::default());
    let identity = api.cas.service_identity(&[ServiceKind::Kube]);
    api.certificates.set_otherwise(api.cas.service_certificate(&identity));
    let error = refusal(&api, &trusting(&api)).await;
    assert!(error.to_string().contains("has no subject alternative name"), "{error}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let api = FakeApi::start(Options::default());
    let name = teleport_pki::AltName::parse(HOST).expect("name");
    let template = teleport_pki::Template::web(&api.cas.cluster, &[name]).expect("template");
    let past = around(api.cas.now - Duration::from_secs(3600), Duration::from_secs(600));
    api.certificates.set_otherwise(certify(&template, &api.cas.host, past));
    let error = refusal(&api, &trusting(&api)).await;
    assert!(error.to_string().contains("has expired"), "{error}");
}

#[tokio::test]
async fn the_machines_roots_do_not_stand_in_for_another_authority() {
    let api = FakeApi::start(Options::default());
    let upstream = upstream(&api, &format!("server: 'https://{HOST}'"));
    let error = fetch(&upstream, "/hello").await.expect_err("signed by nobody known");
    // A machine without any roots says so instead.
    assert!(matches!(error.fault(), Fault::Tls { .. } | Fault::Credential(_)), "{error}");
    assert_eq!(api.state.requests(), 0);
}

#[tokio::test]
async fn insecure_skip_tls_verify_accepts_any_certificate() {
    let api = FakeApi::start(Options::default());
    let upstream = upstream(&api, "server: 'https://10.0.0.1', insecure-skip-tls-verify: true");
    fetch(&upstream, "/hello").await.expect("not verified");
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_named() {
    let api = FakeApi::start(Options { plain: true, ..Options::default() });
    let upstream = upstream(&api, &trusting(&api));
    let error = fetch(&upstream, "/hello").await.expect_err("no TLS there");
    assert!(error.to_string().contains("does not speak TLS") || error.to_string().contains("HTTPS port"), "{error}");
}

#[tokio::test]
async fn an_authority_that_is_no_certificate_is_a_clear_error() {
    let api = FakeApi::start(Options::default());
    let upstream =
        upstream(&api, &format!("server: 'https://{HOST}', certificate-authority-data: '{}'", base64("no PEM")));
    let error = fetch(&upstream, "/hello").await.expect_err("no authority");
    assert!(crate::support::chain(&error).contains("certificate-authority cannot be used"), "{error}");
}
