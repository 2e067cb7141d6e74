//! The audit log's end at auth: what services deliver, what administrators read, and that it can be checked.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use common::{Cluster, JOIN_TOKEN, Service, refusal};
use teleport_api::{ErrorKind, messages::audit::EventQuery};
use teleport_audit::{
    Emitter, Event, Limits, WriterInfo,
    event::{AuthAttempt, Body},
    ship,
};
use teleport_runtime::TaskGroup;
use teleport_types::{ServiceId, ServiceKind};

fn emitter(cluster: &Cluster, id: &ServiceId, folder: &str) -> Emitter {
    let info = WriterInfo { cluster: cluster.auth.cluster().clone(), server: id.clone() };
    Emitter::open(&cluster.folder.path().join(folder), cluster.clock.clone(), info).expect("the spool opens")
}

fn attempt(text: &str) -> Event {
    Event::new(Body::Auth(AuthAttempt::default())).failed(text)
}

/// Ships everything a service has written, through the API.
async fn deliver(service: &Service, emitter: &Emitter) {
    let done = TaskGroup::new("test");
    done.request_stop();
    let sink = teleport_api::audit_sink::AuditSink(service.client.clone());
    ship::run(emitter.clone(), sink, done.stop_signal()).await;
}

#[tokio::test]
async fn what_a_service_delivers_is_stored_once_and_can_be_read_and_checked() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let emitter = emitter(&cluster, &service.issued.id, "service-spool");
    for n in 0..3 {
        emitter.emit(attempt(&format!("attempt {n}"))).expect("written");
    }
    deliver(&service, &emitter).await;
    // The same again, as after an answer that was lost on its way.
    emitter.spool().rewind(1);
    deliver(&service, &emitter).await;
    let events = cluster.events("auth").await;
    let errors: Vec<_> = events.iter().map(|event| event["error"].as_str().expect("an error")).collect();
    assert_eq!(errors, ["attempt 0", "attempt 1", "attempt 2"]);
    let report = cluster.local().verify_audit().await.expect("a report");
    assert!(report.ok && report.writers == 2 && report.records > 5, "{report:?}");
    let mut lines = cluster.local().export_audit().await.expect("an export");
    let mut exported = 0;
    while let Some(line) = lines.next().await.expect("the stream holds") {
        let event: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert!(event["code"].is_string() && event["uid"].is_string(), "{event}");
        exported += 1;
    }
    assert!(exported >= 6, "{exported}");
}

#[tokio::test]
async fn a_service_cannot_speak_for_another() {
    let cluster = Cluster::start().await;
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let forged = emitter(&cluster, &ServiceId::random(), "forged-spool");
    forged.emit(attempt("not me")).expect("written");
    let batch = {
        let record = std::fs::read_dir(cluster.folder.path().join("forged-spool")).expect("list");
        let lines: Vec<String> = record
            .filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok())
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.contains("not me"))
            .collect();
        assert_eq!(lines.len(), 1);
        serde_json::json!({"oldest": 1, "records": lines})
    };
    let answer: Result<serde_json::Value, _> =
        service.client.call(http::Method::POST, "/v1/audit/records", Some(&batch)).await;
    assert_eq!(refusal(answer).kind, ErrorKind::BadRequest);
    assert!(cluster.events("auth").await.is_empty());
}

#[tokio::test]
async fn events_are_found_by_type_user_time_and_number() {
    let cluster = Cluster::start().await;
    cluster.user("bob", &["dev"]).await;
    cluster.login("alice").await;
    cluster.clock.advance(std::time::Duration::from_secs(60));
    let middle = cluster.clock.now();
    cluster.login("bob").await;
    cluster.login("alice").await;
    cluster.events("").await;
    let find = async |query: EventQuery| {
        let query = EventQuery { types: Some("user.login,user.delete".to_owned()), ..query };
        cluster.local().audit_events(&query).await.expect("events").items.len()
    };
    assert_eq!(find(EventQuery::default()).await, 3);
    assert_eq!(find(EventQuery { user: Some("alice".to_owned()), ..EventQuery::default() }).await, 2);
    assert_eq!(find(EventQuery { from: Some(middle), ..EventQuery::default() }).await, 2);
    assert_eq!(find(EventQuery { to: Some(middle), ..EventQuery::default() }).await, 1);
    assert_eq!(find(EventQuery { limit: Some(1), ..EventQuery::default() }).await, 1);
}

#[tokio::test]
async fn changes_of_documents_are_recorded_with_who_made_them() {
    let cluster = Cluster::start().await;
    let role = common::role("tmp", serde_json::json!({}));
    cluster.create(role.clone()).await;
    cluster.local().put_resource("role", "tmp", &role).await.expect("changed");
    cluster.local().delete_resource("role", "tmp").await.expect("deleted");
    assert_eq!(cluster.codes("role.created").await, ["T9000I", "T9000I", "T9000I"]);
    assert_eq!(cluster.codes("role.updated").await, ["T9002I"]);
    let deleted = cluster.events("role.deleted").await;
    assert_eq!((&deleted[0]["code"], &deleted[0]["local_uid"]), (&"T9001I".into(), &4242.into()));
    let held = refusal(cluster.local().delete_resource("role", "dev").await);
    assert!(held.kind == ErrorKind::Conflict && held.message.contains("alice"), "{held}");
}

#[tokio::test]
async fn when_the_audit_storage_is_full_work_is_refused_but_logins_and_the_local_admin_get_in() {
    let cluster = Cluster::start().await;
    let (folder, clock) = cluster.stop().await;
    let small = Limits { spool_bytes: 64 * 1024, reserve_bytes: 32 * 1024, segment_bytes: 4 * 1024 };
    let opened = Cluster::open_with_spool(folder, clock, common::config, |backend| backend, small).await;
    let cluster = opened.map_err(|(error, _)| error).expect("it starts");
    let alice = cluster.login("alice").await;
    cluster.user("root", &["admin"]).await;
    let root = cluster.login("root").await;
    while cluster.emitter.emit(attempt("filling up")).is_ok() {}
    let role = common::role("new", serde_json::json!({}));
    let service = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await;
    for refused in [
        refusal(root.client.create_resource("role", &role).await),
        refusal(alice.client.logout().await),
        refusal(service.map(drop)),
    ] {
        assert_eq!(refused.kind, ErrorKind::Unavailable);
        assert_eq!(refused.message, "audit storage full");
    }
    assert!(cluster.local().resource("role", "new").await.is_err(), "what could not be recorded was not done");
    cluster.login("alice").await;
    cluster.local().create_resource("role", &role).await.expect("the local admin gets in");
}
