//! Where one request ends and the next begins: never two upstream for one that was understood.

use crate::support::{Reply, World};

/// Sends bytes and tells how many requests the API server saw, and what came back.
async fn sent(bytes: &str) -> (Vec<String>, String) {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let mut raw = world.raw().await;
    raw.send_bytes(bytes.as_bytes()).await;
    let first = raw.until("\r\n").await;
    (world.api.heads(), first)
}

#[tokio::test]
async fn lengths_that_can_be_read_two_ways_are_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        "Content-Length: 5, 6",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
    ] {
        let smuggled = format!(
            "POST /api/v1/namespaces/d/configmaps HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nhelloGET /api/v1/secrets HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let (heads, first) = sent(&smuggled).await;
        assert!(first.contains(" 400 "), "{headers}: {first}");
        assert!(heads.is_empty(), "{headers}: {heads:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_wins_over_a_length_and_is_written_anew() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    let mut raw = world.raw().await;
    raw.send_bytes(
        b"POST /api/v1/namespaces/d/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
          2e\r\nGET /api/v1/secrets HTTP/1.1\r\nHost: smuggled\r\n\r\n\r\n0\r\n\r\n",
    )
    .await;
    raw.until("\r\n").await;
    let heads = world.api.heads();
    assert!(heads.len() <= 1 && heads.iter().all(|head| head.starts_with("POST ")), "{heads:?}");
    assert!(heads.iter().all(|head| !head.to_ascii_lowercase().contains("content-length")), "{heads:?}");
}

#[tokio::test]
async fn http_1_0_with_chunks_and_bare_line_feeds_smuggle_nothing() {
    let chunks = "5\r\nhello\r\n0\r\n\r\nGET /api/v1/secrets HTTP/1.1\r\nHost: x\r\n\r\n";
    let old = format!(
        "POST /api/v1/namespaces/d/configmaps HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    );
    let (heads, _) = sent(&old).await;
    assert!(heads.iter().all(|head| !head.contains("secrets")), "{heads:?}");
    let bare = "GET /api/v1/pods HTTP/1.1\nHost: x\nX: y\n\nGET /api/v1/secrets HTTP/1.1\n\n";
    let (heads, _) = sent(bare).await;
    assert!(heads.iter().filter(|head| head.contains("pods")).count() <= 1, "{heads:?}");
}

#[tokio::test]
async fn a_refused_request_with_a_body_leaves_no_second_one() {
    let world = World::start(|_| Reply::new(200, "{}")).await;
    world.set_role("all", "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_resources: [{kind: pod, namespace: '*', name: '*', verbs: [get]}]}}");
    let mut raw = world.raw().await;
    let inner = "GET /api/v1/namespaces/d/pods/p HTTP/1.1\r\nHost: x\r\n\r\n";
    raw.send_bytes(
        format!(
            "POST /api/v1/namespaces/d/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{inner}",
            inner.len()
        )
        .as_bytes(),
    )
    .await;
    assert_eq!(raw.answer().await.code, 403);
    // Whatever follows on this connection, the body was never a request.
    raw.send_bytes(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    raw.rest().await;
    assert!(world.api.heads().iter().all(|head| head.contains("/version")), "{:?}", world.api.heads());
}

#[tokio::test]
async fn a_body_goes_through_whole_and_without_trailers() {
    let world = World::start(|_| Reply::new(201, "{}")).await;
    let answer = world
        .get(
            "POST /api/v1/namespaces/d/configmaps HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTrailer: Impersonate-User\n\n\
             5\nhello\n0\nImpersonate-User: root\n\n",
        )
        .await;
    assert_eq!(answer.code, 201);
    let received = world.api.received().join("");
    assert!(received.contains("hello"), "{received}");
    assert!(!received.contains("root"), "{received}");
}

#[tokio::test]
async fn a_redirected_credential_of_ours_is_no_answer_for_the_client() {
    let world = World::start(|_| Reply::new(401, "{}")).await;
    let answer = world.get("GET /api/v1/pods HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(answer.code, 502, "the client's login is good: {answer:?}");
    answer.message();
}
