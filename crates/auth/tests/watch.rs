//! What services hear: everything at first, then each change, until they may not any more.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::time::Duration;

use common::{Cluster, JOIN_TOKEN, refusal, role};
use serde_json::json;
use teleport_api::{
    ErrorKind,
    client::Lines,
    messages::service::{HEARTBEAT_TTL, WatchEvent},
};
use teleport_types::ServiceKind;

/// Reads up to the next event that is no pulse.
async fn next(lines: &mut Lines) -> Option<WatchEvent> {
    loop {
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next()).await.expect("in time");
        let event = serde_json::from_slice(&line.expect("the stream holds")?).expect("an event");
        if !matches!(event, WatchEvent::Pulse) {
            return Some(event);
        }
    }
}

async fn word(lines: &mut Lines) -> String {
    match next(lines).await.expect("an event") {
        WatchEvent::Put { kind, name, .. } => format!("put {kind} {name}"),
        WatchEvent::Delete { kind, name } => format!("delete {kind} {name}"),
        WatchEvent::Cas(_) => "cas".to_owned(),
        WatchEvent::Ready => "ready".to_owned(),
        WatchEvent::Pulse => unreachable!("skipped"),
    }
}

#[tokio::test]
async fn a_watch_tells_all_there_is_then_each_change_and_no_secrets() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let mut lines = service.client.watch().await.expect("a watch");
    for expected in ["cas", "put role admin", "put role dev", "ready"] {
        assert_eq!(word(&mut lines).await, expected);
    }
    // Users, passwords and tokens are nobody's business.
    cluster.user("bob", &["dev"]).await;
    cluster.create(role("new", json!({}))).await;
    assert_eq!(word(&mut lines).await, "put role new");
    cluster.local().delete_resource("role", "new").await.expect("deleted");
    assert_eq!(word(&mut lines).await, "delete role new");
    cluster.login("bob").await.client.logout().await.expect("logged out");
    assert!(word(&mut lines).await.starts_with("put lock session-"));
    assert_eq!(service.announce("prod", None).await, None);
    let announced = word(&mut lines).await;
    assert!(
        announced.starts_with("put kube_server k-") && announced.ends_with(service.issued.id.as_str()),
        "{announced}"
    );
    cluster.clock.advance(HEARTBEAT_TTL);
    assert_eq!(word(&mut lines).await, announced.replacen("put", "delete", 1));
}

#[tokio::test]
async fn a_watch_ends_when_the_service_is_locked_and_does_not_begin_again() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let mut lines = service.client.watch().await.expect("a watch");
    let lock = json!({
        "kind": "lock", "version": "v2", "metadata": {"name": "s"},
        "spec": {"target": {"server_id": service.issued.id}},
    });
    cluster.create(lock).await;
    while next(&mut lines).await.is_some() {}
    assert_eq!(refusal(service.client.watch().await.map(drop)).kind, ErrorKind::Denied);
}

#[tokio::test]
async fn a_watch_ends_when_auth_stops() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let mut lines = service.client.watch().await.expect("a watch");
    let reader = tokio::spawn(async move { while let Ok(Some(_)) = lines.next().await {} });
    cluster.stop().await;
    tokio::time::timeout(Duration::from_secs(30), reader).await.expect("in time").expect("the reader ends");
}
