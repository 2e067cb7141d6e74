//! What kubectl is told through a name that nobody serves.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Cluster, JOIN_TOKEN, Login};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use teleport_pki::{CertifiedKey, ServerName, tls};
use teleport_types::{KubeClusterName, ServiceKind, sni::InternalName};

/// Asks for `/api` through the name of a Kubernetes cluster, as kubectl does.
async fn ask(cluster: &Cluster, name: &str, certificate: Option<Arc<CertifiedKey>>) -> (u16, Value) {
    let kube = KubeClusterName::parse(name).expect("a name");
    let host = InternalName::kube(&kube, cluster.auth.cluster()).host();
    let config = tls::internal_client(&cluster.auth.trust(), certificate, &[tls::ALPN_HTTP1], &cluster.clock);
    let server = ServerName::try_from(host).expect("a host name");
    let tls = teleport_net::tls::connect(cluster.connect(), config, server, Duration::from_secs(10));
    let io = TokioIo::new(tls.await.expect("the name's own certificate answers"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP");
    let connection = tokio::spawn(connection);
    let request = http::Request::get("/api")
        .header("host", "teleport.example.com")
        .header("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")
        .body(Empty::<bytes::Bytes>::new());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/json");
    let code = answer.status().as_u16();
    let warning = answer.headers()["warning"].to_str().expect("text").to_owned();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    drop(sender);
    connection.await.expect("the connection ends").expect("in order");
    let status: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        (&status["kind"], &status["apiVersion"], &status["status"]),
        (&"Status".into(), &"v1".into(), &"Failure".into())
    );
    assert_eq!(status["code"], code);
    // kubectl does not read the body of this answer, but prints the warning.
    assert_eq!(warning, teleport_types::kube_warning::value(message(&status)));
    (code, status)
}

fn message(status: &Value) -> &str {
    status["message"].as_str().expect("a message")
}

#[tokio::test]
async fn an_unknown_cluster_is_404_and_one_that_is_away_503() {
    let cluster = Cluster::start().await;
    let alice = cluster.login("alice").await;
    let (code, status) = ask(&cluster, "prod", Some(Arc::clone(&alice.certificate))).await;
    assert_eq!((code, &status["reason"]), (404, &"NotFound".into()));
    assert!(message(&status).contains("tsh kube ls"), "{status}");
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(service.announce("prod", None).await, None);
    let (code, status) = ask(&cluster, "prod", Some(Arc::clone(&alice.certificate))).await;
    assert_eq!((code, &status["reason"]), (503, &"ServiceUnavailable".into()));
    assert!(message(&status).contains("prod"), "{status}");
    // A certificate for another cluster does not learn of it.
    let pinned = cluster.reissue(&alice, None, Some("dev")).await.expect("reissued");
    assert_eq!(ask(&cluster, "prod", Some(pinned.certificate)).await.0, 404);
    let pinned = cluster.reissue(&alice, None, Some("prod")).await.expect("reissued");
    assert_eq!(ask(&cluster, "prod", Some(pinned.certificate)).await.0, 503);
}

#[tokio::test]
async fn a_user_who_may_not_see_a_cluster_does_not_learn_of_it() {
    let cluster = Cluster::start().await;
    cluster.user("bob", &["admin"]).await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(service.announce("prod", None).await, None);
    let bob = cluster.login("bob").await;
    let (code, status) = ask(&cluster, "prod", Some(bob.certificate)).await;
    assert_eq!(code, 404);
    assert!(!message(&status).contains("prod"), "{status}");
}

#[tokio::test]
async fn strangers_expired_and_ended_logins_are_told_to_log_in() {
    let cluster = Cluster::start().await;
    let short = cluster.try_login("alice", Some(60)).await.expect("logged in");
    let ended = cluster.login("alice").await;
    ended.client.logout().await.expect("logged out");
    cluster.clock.advance(Duration::from_secs(61));
    for certificate in [None, Some(short.certificate), Some(ended.certificate)] {
        let (code, status) = ask(&cluster, "prod", certificate).await;
        assert_eq!((code, &status["reason"]), (401, &"Unauthorized".into()));
        assert!(message(&status).contains("tsh login"), "{status}");
    }
}

#[tokio::test]
async fn a_service_is_no_user() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(ask(&cluster, "prod", Some(service.certificate)).await.0, 403);
}

#[tokio::test]
async fn names_of_other_clusters_are_not_answered() {
    let cluster = Cluster::start().await;
    let Login { certificate, .. } = cluster.login("alice").await;
    for host in [
        "auth.other.teleport.internal",
        "proxy.main.teleport.internal",
        "k-aaaaaaaaaaaaaaaaaaaaaaaaaa.other.teleport.internal",
    ] {
        let config = tls::internal_client(
            &cluster.auth.trust(),
            Some(Arc::clone(&certificate)),
            &[tls::ALPN_H2],
            &cluster.clock,
        );
        let name = ServerName::try_from(host).expect("a host name");
        let made = teleport_net::tls::connect(cluster.connect(), config, name, Duration::from_secs(10)).await;
        assert!(made.is_err(), "{host}");
    }
}

#[tokio::test]
async fn who_does_not_know_the_clusters_name_yet_finds_auth() {
    let cluster = Cluster::start().await;
    for host in ["auth.teleport.internal", "auth.example.com", "127.0.0.1"] {
        let config = tls::unverified_pinned_client(&[tls::ALPN_H2], &cluster.clock);
        let name = ServerName::try_from(host).expect("a name or an address");
        let made = teleport_net::tls::connect(cluster.connect(), config, name, Duration::from_secs(10)).await;
        assert!(made.is_ok(), "{host}: {:?}", made.err());
    }
}
