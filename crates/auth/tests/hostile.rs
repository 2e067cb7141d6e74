//! Input that is not what it should be: refused in the API's own form, quickly, and nothing stops working.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::time::Duration;

use common::{Cluster, refusal};
use http::Method;
use serde_json::{Value, json};
use teleport_api::{Client, ClientError, ErrorKind};
use teleport_types::ServiceKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn post(client: &Client, path: &str, body: &Value) -> Result<Value, ClientError> {
    client.call(Method::POST, path, Some(body)).await
}

#[tokio::test]
async fn bodies_of_the_wrong_shape_are_refused_without_being_repeated() {
    let cluster = Cluster::start().await;
    for body in [
        json!(null),
        json!([]),
        json!({"user": "alice"}),
        json!({"user": "alice", "password": 123_456_789, "public_key": ""}),
        json!({"user": "system:admin", "password": "a-secret-password", "public_key": ""}),
        json!({"user": "../alice", "password": "a-secret-password", "public_key": ""}),
        json!({"user": "a\u{202e}b", "password": "a-secret-password", "public_key": ""}),
        json!({"user": "alice", "password": "a-secret-password", "public_key": "", "admin": true}),
    ] {
        let refused = refusal(post(&cluster.guest(), "/v1/login", &body).await);
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{body}");
        let said = refused.to_string();
        assert!(!said.contains("123456789") && !said.contains("a-secret"), "{said}");
    }
}

#[tokio::test]
async fn what_a_stranger_may_send_is_small() {
    let cluster = Cluster::start().await;
    let body = json!({"user": "alice", "password": "x".repeat(100 * 1024), "public_key": ""});
    let refused = refusal(post(&cluster.guest(), "/v1/login", &body).await);
    assert_eq!(refused.kind, ErrorKind::BadRequest);
    cluster.login("alice").await;
}

#[tokio::test]
async fn unknown_paths_methods_and_kinds_are_told_apart_from_rights() {
    let cluster = Cluster::start().await;
    let local = cluster.local();
    for (method, path) in [
        (Method::GET, "/v1/nothing"),
        (Method::GET, "/"),
        (Method::DELETE, "/v1/ping"),
        (Method::GET, "/v1/resources/unicorn"),
        (Method::GET, "/v1/resources/role/ghost"),
        (Method::GET, "/v1/resources/user/%2e%2e"),
    ] {
        let answer: Result<Value, _> = local.call::<(), _>(method.clone(), path, None).await;
        let refused = refusal(answer);
        assert!(matches!(refused.kind, ErrorKind::NotFound | ErrorKind::BadRequest), "{method} {path}: {refused}");
    }
}

#[tokio::test]
async fn documents_that_are_too_large_or_not_documents_are_refused() {
    let cluster = Cluster::start().await;
    let mut large = common::role("large", json!({}));
    large["metadata"]["description"] = "x".repeat(1_100_000).into();
    let refused = refusal(cluster.local().create_resource("role", &large).await);
    assert!(refused.kind == ErrorKind::BadRequest && refused.message.contains("1 MiB"), "{refused}");
    for bad in [
        json!({"kind": "role", "version": "v7", "metadata": {"name": "x"}, "spec": {"allow": {"kubernetes_group": []}}}),
        json!({"kind": "role", "version": "v2", "metadata": {"name": "x"}, "spec": {}}),
        json!({"kind": "role", "version": "v7", "metadata": {"name": "../x"}, "spec": {}}),
        json!({"kind": "role", "version": "v7", "metadata": {"name": "x", "revision": "not one"}, "spec": {}}),
    ] {
        let answer =
            cluster.local().put_resource("role", bad["metadata"]["name"].as_str().expect("a name"), &bad).await;
        assert_eq!(refusal(answer).kind, ErrorKind::BadRequest, "{bad}");
    }
}

#[tokio::test]
async fn connections_that_speak_no_tls_or_stop_in_the_middle_do_no_harm() {
    let cluster = Cluster::start().await;
    let mut half_open = Vec::new();
    for opening in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00\x00\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for _ in 0..50 {
            let mut conn = cluster.connect();
            conn.write_all(opening).await.expect("written");
            half_open.push(conn);
        }
    }
    tokio::time::timeout(Duration::from_secs(30), cluster.login("alice")).await.expect("others are served");
    // What is no TLS is closed at once, not left to the deadline.
    let mut answer = Vec::new();
    let closed = half_open[0].read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("in time").expect("closed");
}

#[tokio::test]
async fn a_certificate_of_another_cluster_is_refused() {
    let (cluster, other) = (Cluster::start().await, Cluster::start().await);
    let stranger = other.login("alice").await;
    assert!(cluster.client(Some(stranger.certificate)).me().await.is_err());
    let service = other.join(common::JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    assert!(cluster.client(Some(service.certificate)).watch().await.is_err());
}

#[tokio::test]
async fn a_store_that_is_full_says_so() {
    let cluster = Cluster::start_with(|inner| std::sync::Arc::new(Full(inner))).await;
    let login = cluster.login("alice").await;
    let refused = refusal(cluster.local().create_resource("role", &common::role("full", json!({}))).await);
    assert!(refused.kind == ErrorKind::Unavailable && refused.message.contains("disk is full"), "{refused}");
    login.client.me().await.expect("reading goes on");
}

/// Has no room for the role `full`.
#[derive(Debug)]
struct Full(std::sync::Arc<dyn teleport_backend::Backend>);

mod full {
    use teleport_backend::{Answer, Backend, Error, Item, Key, Page, Prefix, Range, Revision, Watcher, Write};

    impl Backend for super::Full {
        fn create(&self, write: Write) -> Answer<'_, Revision> {
            if write.key.last() == "full" {
                return Box::pin(async { Err(Error::Full { path: "state.db".into() }) });
            }
            self.0.create(write)
        }

        fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
            self.0.get(key)
        }

        fn range(&self, range: Range) -> Answer<'_, Page> {
            self.0.range(range)
        }

        fn put(&self, write: Write) -> Answer<'_, Revision> {
            self.0.put(write)
        }

        fn compare_and_swap(&self, write: Write, expected: Revision) -> Answer<'_, Revision> {
            self.0.compare_and_swap(write, expected)
        }

        fn delete<'a>(&'a self, key: &'a Key, expected: Option<Revision>) -> Answer<'a, Revision> {
            self.0.delete(key, expected)
        }

        fn delete_range<'a>(&'a self, prefix: &'a Prefix) -> Answer<'a, u64> {
            self.0.delete_range(prefix)
        }

        fn watch<'a>(&'a self, prefix: &'a Prefix, after: Revision) -> Answer<'a, Box<dyn Watcher>> {
            self.0.watch(prefix, after)
        }

        fn close(&self) -> Answer<'_, ()> {
            self.0.close()
        }
    }
}
