//! Further certificates of a login: with today's roles, never beyond the login, never for somebody who is gone.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Cluster, Login, refusal, role, user};
use serde_json::json;
use teleport_api::{
    ErrorKind,
    messages::admin::{SignRequest, UpdateUser},
};
use teleport_pki::KeyPair;
use teleport_types::{Identity, RoleName, Traits, UserIdentity};

fn identity(cluster: &Cluster, login: &Login) -> UserIdentity {
    match login.verified(cluster).identity() {
        Identity::User(user) => user.clone(),
        Identity::Service(_) => panic!("not a user"),
    }
}

#[tokio::test]
async fn a_reissued_certificate_never_outlives_the_one_that_asked() {
    let cluster = Cluster::start().await;
    let login = cluster.try_login("alice", Some(7200)).await.expect("logged in");
    let end = login.issued.expires;
    let mut current = login;
    for asked in [None, Some(30 * 3600), Some(7200)] {
        cluster.clock.advance(Duration::from_secs(600));
        current = cluster.reissue(&current, asked, None).await.expect("reissued");
        assert_eq!(current.verified(&cluster).not_after(), end, "{asked:?}");
    }
    let shorter = cluster.reissue(&current, Some(60), None).await.expect("reissued");
    assert_eq!(shorter.issued.expires, cluster.clock.now() + Duration::from_secs(60));
    let again = cluster.reissue(&shorter, Some(7200), None).await.expect("reissued");
    assert_eq!(again.issued.expires, shorter.issued.expires, "what was given up does not come back");
    cluster.clock.advance(Duration::from_secs(7200));
    let expired = refusal(cluster.reissue(&current, None, None).await.map(drop));
    assert_eq!(expired.kind, ErrorKind::Unauthenticated);
    assert!(expired.to_string().contains("tsh login"), "{expired}");
}

#[tokio::test]
async fn a_connection_that_outlives_its_certificate_is_refused_too() {
    let cluster = Cluster::start().await;
    let login = cluster.try_login("alice", Some(60)).await.expect("logged in");
    login.client.me().await.expect("the connection is open");
    cluster.clock.advance(Duration::from_secs(61));
    assert_eq!(refusal(login.client.me().await).kind, ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_shortened_role_holds_from_the_login_on() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    let mut dev = role("dev", json!({}));
    dev["spec"]["options"] = json!({"max_session_ttl": "1h"});
    cluster.local().put_resource("role", "dev", &dev).await.expect("changed");
    cluster.clock.advance(Duration::from_secs(1800));
    let reissued = cluster.reissue(&login, None, None).await.expect("reissued");
    assert_eq!(reissued.issued.expires, common::start_time() + Duration::from_secs(3600));
    cluster.clock.advance(Duration::from_secs(1800));
    let refused = refusal(cluster.reissue(&login, None, None).await.map(drop));
    assert!(refused.message.contains("as long as"), "{refused}");
}

#[tokio::test]
async fn a_reissue_takes_the_roles_and_traits_of_now() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    let grown = UpdateUser {
        roles: Some(["dev", "admin"].map(|name| RoleName::parse(name).expect("a name")).to_vec()),
        traits: Some(Traits([("team".to_owned(), vec!["blue".to_owned()])].into())),
        password: None,
    };
    cluster.local().update_user(&user("alice"), &grown).await.expect("changed");
    let reissued = cluster.reissue(&login, None, None).await.expect("reissued");
    let (before, after) = (identity(&cluster, &login), identity(&cluster, &reissued));
    assert_eq!((after.roles.len(), after.traits.values("team")), (2, &["blue".to_owned()][..]));
    assert_eq!((after.session, after.login_time), (before.session, before.login_time));
}

#[tokio::test]
async fn a_certificate_for_one_kubernetes_cluster_asks_for_nothing_further() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    let pinned = cluster.reissue(&login, None, Some("prod")).await.expect("reissued");
    let said = identity(&cluster, &pinned);
    assert_eq!(said.kube_cluster.as_ref().map(|name| name.as_str()), Some("prod"));
    assert!(!said.renewable);
    let refused = refusal(cluster.reissue(&pinned, None, None).await.map(drop));
    assert_eq!(refused.kind, ErrorKind::Denied);
}

#[tokio::test]
async fn what_an_administrator_signs_is_its_own_login_and_ends_with_it() {
    let cluster = Cluster::start().await;
    let key = KeyPair::generate();
    let request = SignRequest {
        user: user("alice"),
        public_key: key.public().to_pem(),
        ttl_seconds: 1000 * 3600,
        kube_cluster: None,
    };
    let issued = cluster.local().sign(&request).await.expect("signed");
    assert_eq!(issued.expires, cluster.clock.now() + Duration::from_secs(30 * 3600));
    let certificate = common::certified(&key, &issued.certificate);
    let client = cluster.client(Some(Arc::clone(&certificate)));
    let login = Login { issued, certificate, client };
    let refused = refusal(cluster.reissue(&login, None, None).await.map(drop));
    assert_eq!(refused.kind, ErrorKind::Denied);
    let events = cluster.events("cert.create").await;
    assert_eq!(events.last().expect("an event")["local_uid"], 4242);
    let ghost = SignRequest { user: user("ghost"), ..request };
    refusal(cluster.local().sign(&ghost).await);
}
