//! The JSON of every event type, held by golden files: field names, codes and order are public contract.
//!
//! `AUDIT_BLESS=1 cargo test -p teleport-audit --test events` writes them anew.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{collections::BTreeSet, fs, path::PathBuf};

use common::*;
use jiff::Timestamp;
use serde_json::{Value, json};
use teleport_audit::{
    Body, Event, Patch,
    event::{
        AuthAttempt, CertCreate, CertIdentity, CertType, ClientDisconnect, Exec, InstanceJoin, JoinTokenCreate,
        KubeClusterChange, KubePod, KubeTarget, LockChange, LoginMethod, Port, Protocol, RoleChange, SessionEnd,
        SessionRejected, SessionStart, SettingChange, UserChange, UserLogin,
    },
    store::Filter,
};
use teleport_types::{
    ClusterName, LoginSession, RoleName, ServiceIdentity, ServiceKind, Traits, UserIdentity, UserName,
};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn alice() -> UserIdentity {
    UserIdentity {
        user: UserName::parse("alice").unwrap(),
        session: LoginSession::parse("5d1f4d5c-8c60-4a5e-8f0e-3f6f6b6a7c11").unwrap(),
        login_time: time("2026-05-04T08:00:00Z"),
        roles: vec![RoleName::parse("dev").unwrap()],
        traits: Traits::default(),
        cluster: cluster(),
        kube_cluster: None,
        login_ip: None,
        mfa: false,
        renewable: true,
    }
}

fn cluster() -> ClusterName {
    ClusterName::parse("main.example").unwrap()
}

fn by_alice(body: Body) -> Event {
    Event::new(body).by(&alice()).remote("192.0.2.7:50123".parse().unwrap())
}

fn target() -> KubeTarget {
    KubeTarget {
        kubernetes_users: vec!["alice".to_owned()],
        kubernetes_groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
        kubernetes_labels: [("env".to_owned(), "prod".to_owned())].into(),
        ..kube_target()
    }
}

fn pod() -> KubePod {
    KubePod {
        name: "web-0".to_owned(),
        namespace: "default".to_owned(),
        container: Some("app".to_owned()),
        image: Some("registry.example/web:1".to_owned()),
        node: Some("node-1".to_owned()),
    }
}

fn user_change() -> UserChange {
    UserChange {
        roles: vec![RoleName::parse("dev").unwrap()],
        connector: Some("local".to_owned()),
        expires: Some(time("2027-01-01T00:00:00Z")),
        ..UserChange::named(UserName::parse("bob").unwrap())
    }
}

fn role_change() -> RoleChange {
    RoleChange { name: RoleName::parse("dev").unwrap(), updated_by: Some("alice".to_owned()) }
}

fn lock_change() -> LockChange {
    LockChange {
        target: [("user".to_owned(), "bob".to_owned())].into(),
        expires: Some(time("2026-05-05T00:00:00Z")),
        ..LockChange::named("0f0e3c1a")
    }
}

fn kube_change() -> KubeClusterChange {
    KubeClusterChange {
        name: kube_target().kubernetes_cluster,
        kube_labels: [("env".to_owned(), "prod".to_owned())].into(),
    }
}

fn accounts() -> Vec<(&'static str, Event)> {
    let local =
        || Event::new(Body::UserLogin(UserLogin { user_agent: Some("tsh/1".to_owned()), ..UserLogin::local() }));
    let sso = UserLogin {
        method: LoginMethod::Oidc,
        attributes: serde_json::from_value(json!({"groups": ["devs"]})).unwrap(),
        user_agent: None,
    };
    let cert = CertIdentity {
        user: "alice".to_owned(),
        roles: vec![RoleName::parse("dev").unwrap()],
        system_roles: Vec::new(),
        kubernetes_cluster: Some(kube_target().kubernetes_cluster),
        route_to_cluster: None,
        teleport_cluster: cluster(),
        expires: time("2026-05-04T20:00:00Z"),
        client_ip: Some("192.0.2.7".parse().unwrap()),
    };
    let join = |host_id| InstanceJoin {
        method: "token".to_owned(),
        token_name: Some("ab12…".to_owned()),
        node_name: "host-1".to_owned(),
        role: vec![ServiceKind::Kube],
        host_id,
    };
    let service = ServiceIdentity { id: server(), kinds: vec![ServiceKind::Kube], cluster: cluster() };
    let token = JoinTokenCreate {
        name: "ab12…".to_owned(),
        roles: vec![ServiceKind::Kube],
        join_method: "token".to_owned(),
        expires: Some(time("2026-05-04T13:00:00Z")),
    };
    vec![
        ("user.login", local().by_user(&alice().user).succeeded()),
        ("user.login-failed", local().by_claimed("al ice").failed("wrong password")),
        ("user.login-sso", Event::new(Body::UserLogin(sso)).by_user(&alice().user).succeeded()),
        ("user.create", Event::new(Body::UserCreate(user_change())).by_local(0)),
        ("user.update", by_alice(Body::UserUpdate(user_change()))),
        ("user.delete", by_alice(Body::UserDelete(UserChange::named(UserName::parse("bob").unwrap())))),
        ("user.password_change", by_alice(Body::UserPasswordChange(user_change()))),
        ("cert.create", by_alice(Body::CertCreate(CertCreate { cert_type: CertType::User, identity: cert }))),
        ("auth", Event::new(Body::Auth(AuthAttempt { target: Some("k-x.main.example".to_owned()) })).failed("expired")),
        ("join_token.create", by_alice(Body::JoinTokenCreate(token))),
        ("instance.join", Event::new(Body::InstanceJoin(join(Some(server())))).by_service(&service).succeeded()),
        ("instance.join-failed", Event::new(Body::InstanceJoin(join(None))).failed("the token has expired")),
    ]
}

fn work() -> Vec<(&'static str, Event)> {
    let exec = Exec { target: target(), pod: pod(), command: "ls -l".to_owned(), exit_code: None, exit_error: None };
    let start = SessionStart {
        target: target(),
        pod: pod(),
        terminal_size: Some("80:24".to_owned()),
        initial_command: vec!["sh".to_owned()],
        session_recording: "off".to_owned(),
        reason: None,
    };
    let end = SessionEnd {
        target: target(),
        pod: pod(),
        participants: vec!["alice".to_owned()],
        interactive: true,
        initial_command: vec!["sh".to_owned()],
        session_recording: "off".to_owned(),
        session_start: time("2026-05-04T11:00:00Z"),
        session_stop: time("2026-05-04T12:00:00.5Z"),
    };
    let port = Port { target: target(), pod: pod(), addr: "web-0:8080".to_owned() };
    let cut = ClientDisconnect {
        reason: "the certificate has expired".to_owned(),
        kubernetes_cluster: Some(kube_target().kubernetes_cluster),
    };
    let limit = SessionRejected { reason: "max_kubernetes_connections".to_owned(), maximum: 5 };
    vec![
        ("kube.request", request("/api/v1/namespaces/default/pods").by(&alice()).proto(Protocol::Kube)),
        ("exec", by_alice(Body::Exec(exec.clone()))),
        ("exec-failed", by_alice(Body::Exec(Exec { exit_code: Some(2), ..exec })).failed("exit code 2")),
        ("port", by_alice(Body::Port(port.clone()))),
        ("port-failed", by_alice(Body::Port(port)).failed("the pod does not listen")),
        ("session.start", by_alice(Body::SessionStart(start))),
        ("session.end", by_alice(Body::SessionEnd(end))),
        ("session.rejected", by_alice(Body::SessionRejected(limit))),
        ("client.disconnect", by_alice(Body::ClientDisconnect(cut)).message("cut")),
    ]
}

fn resources() -> Vec<(&'static str, Event)> {
    vec![
        ("role.created", by_alice(Body::RoleCreated(role_change()))),
        ("role.updated", by_alice(Body::RoleUpdated(role_change()))),
        ("role.deleted", by_alice(Body::RoleDeleted(role_change()))),
        ("lock.created", by_alice(Body::LockCreated(lock_change()))),
        ("lock.deleted", by_alice(Body::LockDeleted(LockChange::named("0f0e3c1a")))),
        ("kube.create", by_alice(Body::KubeCreate(kube_change()))),
        ("kube.update", by_alice(Body::KubeUpdate(kube_change()))),
        ("kube.delete", by_alice(Body::KubeDelete(kube_change()))),
        (
            "auth_preference.update",
            by_alice(Body::AuthPreferenceUpdate(SettingChange { updated_by: Some("alice".to_owned()) })),
        ),
    ]
}

fn assert_golden(name: &str, event: &mut Value) {
    // These two differ from run to run and from version to version.
    for field in ["uid", "server_version"] {
        let value = event.get_mut(field).unwrap_or_else(|| panic!("{name} has no {field}"));
        assert!(value.as_str().is_some_and(|text| !text.is_empty()));
        *value = Value::String(format!("<{field}>"));
    }
    let written = format!("{}\n", serde_json::to_string_pretty(event).unwrap());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.json"));
    if std::env::var_os("AUDIT_BLESS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, golden, "{name} is not as in {}", path.display());
}

#[test]
fn every_event_is_written_as_its_golden_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    let mut kinds = BTreeSet::new();
    let events = [accounts(), work(), resources()].concat();
    for (name, event) in &events {
        kinds.insert(event.kind());
        emitter.emit(event.clone()).unwrap();
        assert!(name.starts_with(event.kind()), "{name}");
    }
    for ((name, _), record) in events.iter().zip(spooled(dir.path())) {
        assert_golden(name, &mut common::json(&record));
    }
    let all: BTreeSet<&str> = Body::KINDS.iter().copied().collect();
    assert_eq!(kinds, all, "an event type has no golden file");
}

#[test]
fn a_completed_request_reads_as_its_golden_file_says() {
    let (dir, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emitter = emitter(dir.path());
    let entry = emitter.begin(request("/api/v1/namespaces/default/pods/web-0").by(&alice())).unwrap();
    let as_whom = (vec!["alice".to_owned()], vec!["dev".to_owned()]);
    entry.complete(Patch::success().response_code(200).impersonated(as_whom.0, as_whom.1).resource_name("web-0"));
    let exec = Exec {
        target: kube_target(),
        pod: KubePod { name: "web-0".to_owned(), namespace: "default".to_owned(), ..KubePod::default() },
        command: "false".to_owned(),
        exit_code: None,
        exit_error: None,
    };
    let entry = emitter.begin(by_alice(Body::Exec(exec))).unwrap();
    entry.complete(Patch::failure("exit code 1").exit_code(1).exit_error("command terminated").pod(pod()).bytes(10, 2));
    drop(emitter.begin(request("/watch")).unwrap());
    let store = open_store(log.path());
    take(&store, &spooled(dir.path())).unwrap();
    let events = store.query(&Filter::default(), 10).unwrap();
    assert_eq!(events.len(), 3);
    for event in events {
        let name = match (event.kind(), event.outcome()) {
            ("exec", _) => "logged-exec-failed",
            (_, None) => "logged-kube.request",
            (_, Some(_)) => "logged-kube.request-interrupted",
        };
        assert_golden(name, &mut serde_json::to_value(&event).unwrap());
    }
}
