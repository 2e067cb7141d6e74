//! Whom the API server takes a request for: our word alone, whatever the client sends.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::{H2, Reply, World};

/// The headers of a head that tell an identity, sorted.
fn identity(head: &str) -> Vec<String> {
    let bears = |line: &&str| {
        ["impersonate", "authorization", "x-remote", "cookie", "forwarded"]
            .iter()
            .any(|name| line.to_ascii_lowercase().contains(name))
    };
    let mut lines: Vec<String> = head.lines().skip(1).filter(bears).map(str::to_owned).collect();
    lines.sort();
    lines
}

const OURS: [&str; 4] = [
    "authorization: Bearer upstream-token",
    "impersonate-group: devs",
    "impersonate-group: system:authenticated",
    "impersonate-user: alice",
];

#[tokio::test]
async fn our_identity_arrives_whole_whatever_connection_names() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    for connection in [
        "Connection: impersonate-user, impersonate-group, authorization, x-remote-user, close",
        "Connection: Impersonate-User\nConnection: IMPERSONATE-GROUP , Authorization",
        "connection: close, impersonate-user,impersonate-group\nConnection: authorization",
        "Connection: keep-alive, X-Remote-User",
    ] {
        let before = world.api.heads().len();
        let answer = world.get(&format!("GET /api/v1/pods HTTP/1.1\nHost: x\n{connection}\n\n")).await;
        assert_eq!(answer.code, 200, "{answer:?}");
        assert_eq!(identity(&world.api.requested(before + 1).await[before]), OURS, "{connection}");
    }
}

#[tokio::test]
async fn nothing_of_the_clients_own_identity_passes() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let answer = world
        .get(
            "GET /api/v1/pods HTTP/1.1\nHost: x\nAuthorization: Bearer mine\nCookie: a=b\nX-Remote-User: root\n\
             X-Remote-Group: system:masters\nX-Remote-Extra-a: b\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Uri: /\n\
             Forwarded: for=1.2.3.4\nProxy-Authorization: Basic x\n\n",
        )
        .await;
    assert_eq!(answer.code, 200);
    assert_eq!(identity(&world.api.requested(1).await[0]), OURS);
}

#[tokio::test]
async fn what_a_client_may_act_as_narrows_and_what_it_may_not_is_refused() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    world.set_role("all", "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [devs, ops]}}");
    let ask = |headers: &str| format!("GET /api/v1/pods HTTP/1.1\nHost: x\n{headers}\n\n");
    let narrowed = world.get(&ask("Impersonate-User: alice\nIMPERSONATE-GROUP: ops")).await;
    assert_eq!(narrowed.code, 200);
    assert_eq!(
        identity(&world.api.requested(1).await[0]),
        [OURS[0], "impersonate-group: ops", "impersonate-group: system:authenticated", OURS[3]]
    );
    for refused in [
        "Impersonate-User: root",
        "Impersonate-User: alice\nImpersonate-User: root",
        "Impersonate-Group: system:masters",
        "Impersonate-Group: ops\nimpersonate-group: system:masters",
        "Impersonate-Uid: 0",
        "Impersonate-Extra-Scopes: all",
        "Impersonate-Something-New: x",
    ] {
        let answer = world.get(&ask(refused)).await;
        assert_eq!(answer.code, 403, "{refused}");
        assert!(answer.message().contains("impersonate"), "{}", answer.message());
    }
    assert_eq!(world.api.heads().len(), 1, "nothing refused was forwarded");
}

#[tokio::test]
async fn names_that_two_servers_could_read_differently_are_refused() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    for header in [
        "Impersonate_User: root",
        "Impersonate-User : root",
        "Impersonate-User\t: root",
        "X: a\n Impersonate-User: root",
        "Impersonate-Us\u{e9}r: root",
        "Impersonate-User: a\u{0}b",
    ] {
        let answer = world.get(&format!("GET /api/v1/pods HTTP/1.1\nHost: x\n{header}\n\n")).await;
        assert_eq!(answer.code, 400, "{header:?}");
    }
    assert!(world.api.heads().is_empty());
}

#[tokio::test]
async fn http2_clients_get_no_other_identity() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let mut client = H2::new(world.connect(b"h2").await).await;
    let request = Request::get("https://public.example.com/api/v1/pods")
        .header("x-remote-user", "root")
        .header("authorization", "Bearer mine")
        .header("cookie", "a=b")
        .header("cookie", "c=d");
    let answer = client.send(request.body(Full::<Bytes>::default()).expect("a request")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(identity(&world.api.requested(1).await[0]), OURS);
    let request = Request::get("https://public.example.com/api/v1/pods").header("impersonate-group", "system:masters");
    let answer = client.send(request.body(Full::<Bytes>::default()).expect("a request")).await;
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn a_user_with_many_groups_is_forwarded_whole() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let groups: Vec<String> = (0..300).map(|i| format!("group-{i:03}")).collect();
    let spec = format!("{{allow: {{kubernetes_labels: {{'*': '*'}}, kubernetes_groups: [{}]}}}}", groups.join(", "));
    world.set_role("all", &spec);
    let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(answer.code, 200, "{answer:?}");
    assert_eq!(identity(&world.api.requested(1).await[0]).len(), 303);
}

#[tokio::test]
async fn an_answer_brings_no_identity_and_no_cookie() {
    let world = World::start(|_| {
        Reply::with(
            200,
            &[("X-Remote-User", "root"), ("Set-Cookie", "a=b"), ("Connection", "keep-alive"), ("X-Kept", "1")],
            "{}",
        )
    })
    .await;
    let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("x-kept: 1"), "{head}");
    assert!(!head.contains("x-remote-user") && !head.contains("set-cookie"), "{head}");
}
