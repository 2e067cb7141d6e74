//! Services: how they join, what they may have certificates for, and whose names they may serve.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::time::Duration;

use common::{Cluster, JOIN_TOKEN, Service, refusal};
use serde_json::json;
use teleport_api::{
    ErrorKind,
    messages::service::{HEARTBEAT_TTL, KubeCertRequest, KubeHeartbeat, RenewRequest, WebCertRequest},
};
use teleport_pki::{KeyPair, ServerName, pem, verify_client, verify_server};
use teleport_types::{Identity, KubeClusterName, ServiceIdentity, ServiceKind, sni::InternalName};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn token(secret: &str, spec: serde_json::Value) -> serde_json::Value {
    json!({"kind": "token", "version": "v2", "metadata": {"name": secret}, "spec": spec})
}

fn identity(cluster: &Cluster, certificate: &str) -> ServiceIdentity {
    let chain = pem::certificates(certificate.as_bytes()).expect("PEM");
    let verified = verify_client(&chain, &cluster.auth.trust().current(), cluster.clock.now()).expect("it verifies");
    match verified.identity() {
        Identity::Service(service) => service.clone(),
        Identity::User(_) => panic!("not a service"),
    }
}

fn kube(name: &str) -> KubeClusterName {
    KubeClusterName::parse(name).expect("a name")
}

async fn kube_certificate(service: &Service, name: &str) -> Result<String, teleport_api::ClientError> {
    let key = KeyPair::generate();
    let request = KubeCertRequest { kube_cluster: kube(name), public_key: key.public().to_pem() };
    Ok(service.client.kube_certificate(&request).await?.certificate)
}

#[tokio::test]
async fn the_files_token_lets_services_of_its_kinds_in() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Proxy, ServiceKind::Kube]).await.expect("joined");
    let said = identity(&cluster, &service.issued.certificate);
    assert_eq!((&said.id, said.kinds.len()), (&service.issued.id, 2));
    let auth = refusal(cluster.join(JOIN_TOKEN, &[ServiceKind::Auth]).await.map(drop));
    assert_eq!(auth.kind, ErrorKind::Denied);
    assert_eq!(refusal(cluster.join(JOIN_TOKEN, &[]).await.map(drop)).kind, ErrorKind::BadRequest);
    assert_eq!(cluster.codes("instance.join").await, ["TJ002I", "TJ002E", "TJ002E"]);
}

#[tokio::test]
async fn a_wrong_token_is_refused_recorded_without_it_and_throttled() {
    let cluster = Cluster::start().await;
    for _ in 0..40 {
        let refused = refusal(cluster.join("guess-guess-guess", &[ServiceKind::Kube]).await.map(drop));
        assert_eq!(refused.kind, ErrorKind::Unauthenticated);
    }
    let throttled = refusal(cluster.join("guess-guess-guess", &[ServiceKind::Kube]).await.map(drop));
    assert_eq!(throttled.kind, ErrorKind::Throttled);
    let elsewhere = cluster.client_from("203.0.113.9", None);
    cluster.join_as(&elsewhere, JOIN_TOKEN, &[ServiceKind::Kube], None).await.expect("others are not affected");
    let events = format!("{:?}", cluster.events("instance.join").await);
    assert!(!events.contains("guess-guess") && !events.contains(JOIN_TOKEN));
}

#[tokio::test]
async fn a_stored_token_is_kept_as_a_hash_and_ends_in_time() {
    let cluster = Cluster::start().await;
    let short = refusal(cluster.local().create_resource("token", &token("short", json!({"roles": ["Kube"]}))).await);
    assert!(short.message.contains("16 characters"), "{short}");
    let mut document = token(SECRET, json!({"roles": ["Kube"]}));
    document["metadata"]["expires"] = json!("2026-01-01T01:00:00Z");
    cluster.create(document).await;
    let listed = cluster.local().list_resources("token").await.expect("a list");
    assert_eq!(listed.items.len(), 1);
    assert!(!format!("{listed:?}").contains(SECRET));
    cluster.join(SECRET, &[ServiceKind::Kube]).await.expect("joined");
    let more = refusal(cluster.join(SECRET, &[ServiceKind::Kube, ServiceKind::Proxy]).await.map(drop));
    assert_eq!(more.kind, ErrorKind::Denied);
    let kept = listed.items[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    assert_eq!(refusal(cluster.join(&kept, &[ServiceKind::Kube]).await.map(drop)).kind, ErrorKind::Unauthenticated);
    cluster.clock.advance(Duration::from_secs(3600));
    assert_eq!(refusal(cluster.join(SECRET, &[ServiceKind::Kube]).await.map(drop)).kind, ErrorKind::Unauthenticated);
    let database = std::fs::read(cluster.folder.path().join("state.db")).expect("read");
    let wal = std::fs::read(cluster.folder.path().join("state.db-wal")).expect("read");
    assert!(!contains(&database, SECRET) && !contains(&wal, SECRET), "the secret is nowhere in the store");
    assert_eq!(cluster.codes("join_token.create").await, ["TJT00I"]);
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_token_that_was_read_can_be_written_back_and_its_kept_name_opens_nothing() {
    let cluster = Cluster::start().await;
    let secret = "f".repeat(64);
    cluster.create(token(&secret, json!({"roles": ["kube"]}))).await;
    let mut read = cluster.local().resource("token", &secret).await.expect("found by its secret");
    let kept = read["metadata"]["name"].as_str().expect("a name").to_owned();
    read["spec"]["roles"] = json!(["kube", "proxy"]);
    cluster.local().put_resource("token", &kept, &read).await.expect("changed");
    assert_eq!(cluster.local().list_resources("token").await.expect("a list").items.len(), 1);
    cluster.join(&secret, &[ServiceKind::Proxy]).await.expect("joined");
    assert_eq!(refusal(cluster.join(&kept, &[ServiceKind::Kube]).await.map(drop)).kind, ErrorKind::Unauthenticated);
    cluster.local().delete_resource("token", &kept).await.expect("removed");
}

#[tokio::test]
async fn a_removed_token_lets_nobody_in() {
    let cluster = Cluster::start().await;
    cluster.create(token(SECRET, json!({"roles": ["kube"]}))).await;
    cluster.local().delete_resource("token", SECRET).await.expect("removed by its secret");
    assert_eq!(refusal(cluster.join(SECRET, &[ServiceKind::Kube]).await.map(drop)).kind, ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn an_id_stays_with_who_holds_its_certificate() {
    let cluster = Cluster::start().await;
    let first = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let id = Some(first.issued.id.clone());
    let thief = cluster.join_as(&cluster.guest(), JOIN_TOKEN, &[ServiceKind::Kube], id.clone()).await.expect("joined");
    assert_ne!(thief.issued.id, first.issued.id);
    let again = cluster.join_as(&first.client, JOIN_TOKEN, &[ServiceKind::Kube], id).await.expect("joined");
    assert_eq!(again.issued.id, first.issued.id);
}

#[tokio::test]
async fn renewal_gives_the_same_identity_a_new_end_and_a_lock_stops_it() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    cluster.clock.advance(Duration::from_secs(5 * 24 * 3600));
    let key = KeyPair::generate();
    let request = RenewRequest { public_key: key.public().to_pem() };
    let renewed = service.client.renew_service(&request).await.expect("renewed");
    assert_eq!(identity(&cluster, &renewed.certificate), identity(&cluster, &service.issued.certificate));
    assert_eq!(renewed.expires, service.issued.expires + Duration::from_secs(5 * 24 * 3600));
    let lock = json!({
        "kind": "lock", "version": "v2", "metadata": {"name": "agent"},
        "spec": {"target": {"server_id": service.issued.id}, "message": "stolen"},
    });
    cluster.create(lock).await;
    let refused = refusal(service.client.renew_service(&request).await.map(drop));
    assert!(refused.kind == ErrorKind::Denied && refused.message.contains("stolen"), "{refused}");
    cluster.clock.advance(Duration::from_secs(6 * 24 * 3600));
    assert_eq!(refusal(service.client.renew_service(&request).await.map(drop)).kind, ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_server_certificate_is_for_a_name_the_service_announces_now_and_for_that_alone() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let other = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let arn = "arn:aws:eks:eu-west-1:1:cluster/prod";
    assert_eq!(refusal(kube_certificate(&service, arn).await).kind, ErrorKind::Denied);
    assert_eq!(service.announce(arn, Some("uid-1")).await, None);
    let certificate = kube_certificate(&service, arn).await.expect("issued");
    let chain = pem::certificates(certificate.as_bytes()).expect("PEM");
    let host = |name: &str| {
        let host = InternalName::kube(&kube(name), cluster.auth.cluster()).host();
        ServerName::try_from(host).expect("a host name")
    };
    let trusted = cluster.auth.trust().current();
    verify_server(&chain, &host(arn), &trusted, cluster.clock.now()).expect("for its own name");
    verify_server(&chain, &host("dev"), &trusted, cluster.clock.now()).expect_err("for no other");
    assert!(verify_client(&chain, &trusted, cluster.clock.now()).is_err(), "it is no client certificate");
    assert_eq!(refusal(kube_certificate(&other, arn).await).kind, ErrorKind::Denied);
    cluster.clock.advance(HEARTBEAT_TTL);
    assert_eq!(refusal(kube_certificate(&service, arn).await).kind, ErrorKind::Denied, "the announcement is over");
}

#[tokio::test]
async fn a_name_belongs_to_who_registered_it_first() {
    let cluster = Cluster::start().await;
    cluster.create(token(SECRET, json!({"roles": ["kube"], "kube_clusters": ["prod"]}))).await;
    let first = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let second = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let granted = cluster.join(SECRET, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(first.announce("prod", None).await, None);
    assert_eq!(first.announce("prod", Some("uid-1")).await, None, "the identity is learned later");
    let refused = second.announce("prod", Some("uid-1")).await.expect("not its own");
    assert!(refused.contains("token that names prod"), "{refused}");
    assert_eq!(refusal(kube_certificate(&second, "prod").await).kind, ErrorKind::Denied);
    assert_eq!(granted.announce("prod", Some("uid-1")).await, None);
    let other = granted.announce("prod", Some("uid-2")).await.expect("another cluster");
    assert!(other.contains("another Kubernetes cluster"), "{other}");
    assert!(granted.announce("dev", None).await.is_some(), "a scoped token grants no other names");
    assert!(first.announce("prod", Some("uid-2")).await.is_some(), "not even by its first service");
    cluster.local().delete_resource("kube_cluster", "prod").await.expect("forgotten");
    assert_eq!(second.announce("prod", Some("uid-2")).await, None, "after that it is free");
    assert_eq!(cluster.codes("kube.create").await, ["T3010I", "T3010I"]);
    assert_eq!(cluster.codes("kube.delete").await, ["T3012I"]);
}

#[tokio::test]
async fn services_of_the_same_process_serve_every_name() {
    let cluster = Cluster::start().await;
    let first = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(first.announce("prod", Some("uid-1")).await, None);
    let token = cluster.auth.token_for_this_process(&[ServiceKind::Kube]);
    let own = cluster.join(&token, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(own.announce("prod", None).await, None);
    let refused = refusal(cluster.join(&token, &[ServiceKind::Proxy]).await.map(drop));
    assert_eq!(refused.kind, ErrorKind::Denied);
}

#[tokio::test]
async fn users_see_the_clusters_their_roles_allow_and_whether_somebody_serves_them() {
    let cluster = Cluster::start().await;
    cluster.create(common::role("blind", json!({"kubernetes_labels": {"env": "other"}}))).await;
    cluster.user("bob", &["blind"]).await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    assert_eq!(service.announce("prod", None).await, None);
    let (alice, bob) = (cluster.login("alice").await, cluster.login("bob").await);
    let rows = alice.client.kube_clusters().await.expect("rows").items;
    assert_eq!(rows.iter().map(|row| (row.name.as_str(), row.online)).collect::<Vec<_>>(), [("prod", true)]);
    assert!(bob.client.kube_clusters().await.expect("rows").items.is_empty());
    let nothing = KubeHeartbeat { node_name: "host".to_owned(), clusters: Vec::new() };
    service.client.announce_kube(&nothing).await.expect("withdrawn");
    assert!(!alice.client.kube_clusters().await.expect("rows").items[0].online);
}

#[tokio::test]
async fn a_web_certificate_is_for_public_names_only() {
    let cluster = Cluster::start().await;
    let proxy = cluster.join(JOIN_TOKEN, &[ServiceKind::Proxy]).await.expect("joined");
    let key = KeyPair::generate();
    let request = |hosts: &[&str]| WebCertRequest {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        public_key: key.public().to_pem(),
    };
    let issued = proxy.client.web_certificate(&request(&["teleport.example.com", "127.0.0.1"])).await.expect("issued");
    let chain = pem::certificates(issued.certificate.as_bytes()).expect("PEM");
    key.certified(chain).expect("the key matches");
    for bad in [&["auth.main.teleport.internal"][..], &[], &["not a host"], &["*.example.com"]] {
        let refused = refusal(proxy.client.web_certificate(&request(bad)).await.map(drop));
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{bad:?}");
    }
}
