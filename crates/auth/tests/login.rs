//! Logging in: who gets what, for how long, and what the log says of it.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::time::Duration;

use common::{Cluster, PASSWORD, refusal, role, user};
use serde_json::json;
use teleport_api::{
    ErrorKind,
    messages::{
        admin::{CreateUser, UpdateUser},
        user::LoginRequest,
    },
};
use teleport_pki::KeyPair;
use teleport_types::{Identity, Traits};

fn request(name: &str, password: &str) -> LoginRequest {
    let public_key = KeyPair::generate().public().to_pem();
    LoginRequest { user: user(name), password: password.to_owned(), public_key, ttl_seconds: None }
}

#[tokio::test]
async fn a_login_gives_a_certificate_that_says_who_and_until_when() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    let verified = login.verified(&cluster);
    let Identity::User(identity) = verified.identity() else { panic!("not a user") };
    assert_eq!((identity.user.as_str(), identity.roles.len(), identity.renewable), ("alice", 1, true));
    assert_eq!(identity.session, login.issued.session);
    assert_eq!(identity.login_ip.map(|ip| ip.to_string()).as_deref(), Some("192.0.2.1"));
    assert_eq!(verified.not_after(), cluster.clock.now() + Duration::from_secs(12 * 3600));
    assert_eq!(login.issued.expires, verified.not_after());
    assert_eq!(login.client.me().await.expect("an answer").kubernetes_groups, ["developers"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let cluster = Cluster::start().await;
    let wrong = refusal(cluster.guest().login(&request("alice", "wrong password!")).await);
    let unknown = refusal(cluster.guest().login(&request("nobody", PASSWORD)).await);
    assert_eq!(wrong.kind, ErrorKind::Unauthenticated);
    assert_eq!(wrong, unknown);
    let long = refusal(cluster.guest().login(&request("alice", &"x".repeat(50_000))).await);
    assert_eq!(wrong, long);
    assert_eq!(cluster.codes("user.login").await, ["T1000W", "T1000W", "T1000W"]);
}

#[tokio::test]
async fn making_a_user_who_exists_is_refused_and_changes_nothing() {
    let cluster = Cluster::start().await;
    let again = CreateUser {
        name: user("alice"),
        roles: Vec::new(),
        traits: Traits::default(),
        password: Some("another long password".to_owned()),
    };
    assert_eq!(refusal(cluster.local().create_user(&again).await).kind, ErrorKind::Conflict);
    cluster.login("alice").await;
}

#[tokio::test]
async fn the_log_tells_logins_and_certificates_and_no_secret() {
    let cluster = Cluster::start().await;
    cluster.login("alice").await;
    refusal(cluster.guest().login(&request("alice", "a wrong secret")).await);
    let logins = cluster.events("user.login").await;
    assert_eq!(logins[0]["code"], "T1000I");
    assert_eq!(logins[0]["user"], "alice");
    assert_eq!(logins[0]["addr.remote"], "192.0.2.1:40000");
    assert_eq!(logins[1]["code"], "T1000W");
    let certificates = cluster.events("cert.create").await;
    assert_eq!(certificates.len(), 1);
    assert_eq!(certificates[0]["code"], "TC000I");
    assert_eq!(certificates[0]["identity"]["user"], "alice");
    let everything = format!("{:?}", cluster.events("").await);
    assert!(!everything.contains(PASSWORD) && !everything.contains("a wrong secret"));
}

#[tokio::test]
async fn the_span_is_the_shortest_of_what_was_asked_what_roles_allow_and_thirty_hours() {
    let cluster = Cluster::start().await;
    let mut short = role("short", json!({}));
    short["spec"]["options"] = json!({"max_session_ttl": "2h"});
    let mut long = role("long", json!({}));
    long["spec"]["options"] = json!({"max_session_ttl": "1000h"});
    cluster.create(short).await;
    cluster.create(long).await;
    cluster.user("bob", &["long"]).await;
    cluster.user("carol", &["long", "short", "dev"]).await;
    const HOUR: u64 = 3600;
    for (name, asked, expected) in [
        ("alice", None, 12 * HOUR),
        ("alice", Some(HOUR), HOUR),
        ("alice", Some(20 * HOUR), 20 * HOUR),
        ("alice", Some(100 * HOUR), 30 * HOUR),
        ("bob", Some(u64::MAX), 30 * HOUR),
        ("carol", None, 2 * HOUR),
        ("carol", Some(5 * HOUR), 2 * HOUR),
        ("carol", Some(90), 90),
    ] {
        let login = cluster.try_login(name, asked).await.expect("logged in");
        let verified = login.verified(&cluster);
        assert_eq!(verified.not_after(), cluster.clock.now() + Duration::from_secs(expected), "{name} {asked:?}");
    }
    let nothing = refusal(cluster.try_login("alice", Some(0)).await.map(drop));
    assert_eq!(nothing.kind, ErrorKind::BadRequest);
}

#[tokio::test]
async fn a_user_without_roles_or_with_one_that_is_gone_is_told_so() {
    let cluster = Cluster::start().await;
    cluster.user("bob", &[]).await;
    let refused = refusal(cluster.try_login("bob", None).await.map(drop));
    assert_eq!(refused.kind, ErrorKind::Denied);
    assert!(refused.message.contains("no roles"), "{refused}");
    assert_eq!(cluster.codes("user.login").await, ["T1000W"]);
    // Only damage or a hand in the database can take a held role away.
    let key = teleport_backend::Key::parse("/roles/dev").expect("a key");
    cluster.backend.delete(&key, None).await.expect("deleted");
    let refused = refusal(cluster.try_login("alice", None).await.map(drop));
    assert!(refused.message.contains("role dev, which does not exist"), "{refused}");
}

#[tokio::test]
async fn a_login_ends_with_its_user() {
    let cluster = Cluster::start().await;
    let mut alice = cluster.local().resource("user", "alice").await.expect("read");
    alice["metadata"]["expires"] = json!("2026-01-01T02:00:00Z");
    cluster.local().put_resource("user", "alice", &alice).await.expect("changed");
    let login = cluster.login("alice").await;
    assert_eq!(login.issued.expires, cluster.clock.now() + Duration::from_secs(7200));
    cluster.clock.advance(Duration::from_secs(7200));
    assert!(cluster.try_login("alice", None).await.is_err());
}

#[tokio::test]
async fn passwords_are_checked_when_they_are_set() {
    let cluster = Cluster::start().await;
    for bad in ["elevenchars", "äääääääääää", &"x".repeat(1025)] {
        let request = CreateUser {
            name: user("bob"),
            roles: Vec::new(),
            traits: Traits::default(),
            password: Some(bad.to_owned()),
        };
        assert_eq!(refusal(cluster.local().create_user(&request).await).kind, ErrorKind::BadRequest);
        let change = UpdateUser { password: Some(bad.to_owned()), ..UpdateUser::default() };
        assert_eq!(refusal(cluster.local().update_user(&user("alice"), &change).await).kind, ErrorKind::BadRequest);
    }
    assert!(cluster.local().resource("user", "bob").await.is_err(), "nothing is left of a refused user");
    cluster.login("alice").await;
}

#[tokio::test]
async fn a_user_without_a_password_cannot_log_in() {
    let cluster = Cluster::start().await;
    cluster
        .create(json!({"kind": "user", "version": "v2", "metadata": {"name": "bob"}, "spec": {"roles": ["dev"]}}))
        .await;
    let refused = refusal(cluster.try_login("bob", None).await.map(drop));
    assert_eq!(refused.message, "the user name or the password is wrong");
}

#[tokio::test]
async fn roles_of_a_user_must_exist() {
    let cluster = Cluster::start().await;
    let refused = refusal(
        cluster
            .local()
            .create_resource(
                "user",
                &json!({"kind": "user", "version": "v2", "metadata": {"name": "bob"}, "spec": {"roles": ["ghost"]}}),
            )
            .await,
    );
    assert!(refused.message.contains("no role ghost"), "{refused}");
}

#[tokio::test]
async fn a_key_that_is_no_p256_key_is_refused_before_the_password_is_tried() {
    let cluster = Cluster::start().await;
    let mut bad = request("alice", PASSWORD);
    bad.public_key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned();
    assert_eq!(refusal(cluster.guest().login(&bad).await).kind, ErrorKind::BadRequest);
    assert!(cluster.events("user.login").await.is_empty());
}

#[tokio::test]
async fn failed_logins_are_throttled_and_certificates_are_not() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    for _ in 0..5 {
        let wrong = refusal(cluster.guest().login(&request("alice", "wrong password!")).await);
        assert_eq!(wrong.kind, ErrorKind::Unauthenticated);
    }
    let throttled = refusal(cluster.try_login("alice", None).await.map(drop));
    assert_eq!(throttled.kind, ErrorKind::Throttled);
    assert!(throttled.to_string().contains("try again in"), "{throttled}");
    // The certificate goes on working from the same address, and so does its renewal.
    login.client.me().await.expect("an answer");
    cluster.reissue(&login, None, None).await.expect("reissued");
    // The right password from elsewhere is not affected.
    let elsewhere = cluster.client_from("203.0.113.9", None);
    elsewhere.login(&request("alice", PASSWORD)).await.expect("logged in");
    cluster.clock.advance(Duration::from_secs(400));
    cluster.login("alice").await;
    assert_eq!(cluster.codes("user.login").await.iter().filter(|code| *code == "T1000W").count(), 5);
}
