//! Every route, called by everybody who may not, is refused. The list is the router's own, so a new route is in it.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::sync::Arc;

use common::{Cluster, JOIN_TOKEN, Login, refusal, role, user};
use http::Method;
use serde_json::{Value, json};
use teleport_api::{ApiError, Client, ClientError, ErrorKind, messages::admin::SignRequest};
use teleport_auth::{Access, Route, routes};
use teleport_pki::KeyPair;
use teleport_types::{
    ServiceKind,
    role::{RuleResource, RuleVerb},
};

async fn call(client: &Client, route: &Route) -> Result<Value, ClientError> {
    let path = route.path.replace("{kind}", "role").replace("{name}", "dev");
    let body = (route.method != Method::GET).then(|| json!({}));
    client.call(route.method.clone(), &path, body.as_ref()).await
}

/// Somebody, and which routes are open to them.
struct Caller {
    name: &'static str,
    client: Client,
    may: fn(&Route) -> bool,
}

async fn callers(cluster: &Cluster) -> Vec<Caller> {
    cluster.user("root", &["admin"]).await;
    cluster.user("locked", &["admin"]).await;
    cluster.create(role("reader", json!({"rules": [{"resources": ["role"], "verbs": ["read", "list"]}]}))).await;
    cluster
        .create(json!({
            "kind": "role", "version": "v7", "metadata": {"name": "no-writes"},
            "spec": {"deny": {"rules": [{"resources": ["*"], "verbs": ["create", "update", "delete"]}]}},
        }))
        .await;
    cluster.user("reader", &["reader"]).await;
    cluster.user("restrained", &["admin", "no-writes"]).await;
    let login = async |name| cluster.login(name).await;
    let (alice, reader, restrained) = (login("alice").await, login("reader").await, login("restrained").await);
    let (ended, locked, root) = (login("alice").await, login("locked").await, login("root").await);
    let expired = cluster.try_login("root", Some(60)).await.expect("logged in");
    let pinned = cluster.reissue(&root, None, Some("prod")).await.expect("reissued");
    ended.client.logout().await.expect("logged out");
    cluster
        .create(json!({
            "kind": "lock", "version": "v2", "metadata": {"name": "l"}, "spec": {"target": {"user": "locked"}},
        }))
        .await;
    let kube = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube]).await.expect("joined");
    let proxy = cluster.join(JOIN_TOKEN, &[ServiceKind::Proxy]).await.expect("joined");
    let gone = cluster.join(JOIN_TOKEN, &[ServiceKind::Kube, ServiceKind::Proxy]).await.expect("joined");
    cluster.create(json!({
        "kind": "lock", "version": "v2", "metadata": {"name": "s"}, "spec": {"target": {"server_id": gone.issued.id}},
    })).await;
    expired.client.me().await.expect("the connection is open");
    cluster.clock.advance(std::time::Duration::from_secs(61));
    fn service(route: &Route, kind: ServiceKind) -> bool {
        [Access::Service, Access::ServiceOf(kind)].contains(&route.access)
    }
    vec![
        Caller { name: "a stranger", client: cluster.guest(), may: |_| false },
        Caller { name: "a user without rules", client: alice.client, may: |r| r.access == Access::User },
        Caller {
            name: "a user who may read roles",
            client: reader.client,
            may: |r| matches!(r.access, Access::User | Access::AdminOfKind(RuleVerb::Read | RuleVerb::List)),
        },
        Caller {
            name: "an administrator denied writes",
            client: restrained.client,
            may: |r| {
                r.access == Access::User
                    || matches!(r.access, Access::Admin(_, verb) | Access::AdminOfKind(verb) if matches!(verb, RuleVerb::Read | RuleVerb::List))
            },
        },
        Caller { name: "a login that was ended", client: ended.client, may: |_| false },
        Caller { name: "a locked administrator", client: locked.client, may: |_| false },
        Caller { name: "an expired administrator", client: expired.client, may: |_| false },
        Caller {
            name: "an administrator's certificate for one Kubernetes cluster",
            client: pinned.client,
            may: |r| r.access == Access::User,
        },
        Caller { name: "a kube service", client: kube.client, may: |r| service(r, ServiceKind::Kube) },
        Caller { name: "a proxy", client: proxy.client, may: |r| service(r, ServiceKind::Proxy) },
        Caller { name: "a locked service", client: gone.client, may: |_| false },
        Caller {
            name: "the local admin tool",
            client: cluster.local(),
            may: |r| matches!(r.access, Access::Admin(..) | Access::AdminOfKind(_)),
        },
    ]
}

fn refused(answer: &Result<Value, ClientError>) -> bool {
    let kind = answer.as_ref().err().and_then(ClientError::api).map(|error| error.kind);
    matches!(kind, Some(ErrorKind::Denied | ErrorKind::Unauthenticated))
}

#[tokio::test]
async fn every_route_refuses_everybody_who_may_not() {
    let cluster = Cluster::start().await;
    let callers = callers(&cluster).await;
    let (mut denials, mut admissions) = (0, 0);
    for route in routes().iter().filter(|route| route.access != Access::Anyone) {
        for Caller { name, client, may } in &callers {
            if may(route) {
                admissions += 1;
                continue;
            }
            let answer = call(client, route).await;
            assert!(refused(&answer), "{} {} did not refuse {name}: {answer:?}", route.method, route.path);
            denials += 1;
        }
    }
    assert!(denials > 200 && admissions > 40, "{denials} {admissions}");
    // Nothing that was refused was done.
    cluster.login("alice").await;
    cluster.local().resource("role", "dev").await.expect("it is there");
}

/// The counterpart: who may is not refused, so the table above does not pass because everything fails.
#[tokio::test]
async fn every_route_admits_who_may() {
    let cluster = Cluster::start().await;
    let callers = callers(&cluster).await;
    for route in routes().iter().filter(|route| route.access != Access::Anyone) {
        let streams = ["/v1/watch", "/v1/audit/export"].contains(&route.path.as_str());
        let ends_login = route.path == "/v1/logout";
        let mut admitted = 0;
        for Caller { name, client, may } in callers.iter().filter(|_| !ends_login) {
            if !may(route) {
                continue;
            }
            admitted += 1;
            if streams {
                client.lines(&route.path).await.unwrap_or_else(|error| panic!("{} {name}: {error:?}", route.path));
                continue;
            }
            let answer = call(client, route).await;
            let pinned_reissue = route.path == "/v1/certs/user";
            assert!(!refused(&answer) || pinned_reissue, "{} {} refused {name}: {answer:?}", route.method, route.path);
        }
        assert!(admitted > 0 || ends_login, "nobody may {} {}", route.method, route.path);
    }
}

#[test]
fn the_routes_open_to_anybody_are_few_and_known() {
    let open: Vec<_> =
        routes().into_iter().filter(|route| route.access == Access::Anyone).map(|route| route.path).collect();
    assert_eq!(open, ["/v1/ping", "/v1/cas", "/v1/login", "/v1/join"]);
}

#[test]
fn signing_for_others_needs_the_right_over_authorities() {
    let route = routes().into_iter().find(|route| route.path == "/v1/certs/sign").expect("a route");
    assert_eq!(route.access, Access::Admin(RuleResource::CertAuthority, RuleVerb::Create));
}

#[tokio::test]
async fn an_identity_file_of_an_administrator_works_from_elsewhere() {
    let cluster = Cluster::start().await;
    cluster.user("root", &["admin"]).await;
    let key = KeyPair::generate();
    let request =
        SignRequest { user: user("root"), public_key: key.public().to_pem(), ttl_seconds: 3600, kube_cluster: None };
    let issued = cluster.local().sign(&request).await.expect("signed");
    let certificate = common::certified(&key, &issued.certificate);
    let client = cluster.client(Some(Arc::clone(&certificate)));
    client.status().await.expect("an answer");
    client.create_resource("role", &role("new", json!({}))).await.expect("created");
    let created = cluster.events("role.created").await;
    assert_eq!(created.last().expect("an event")["updated_by"], "root");
    // Losing the role ends it at once.
    let login = Login { issued, certificate, client };
    cluster.local().put_resource("role", "admin", &role("admin", json!({}))).await.expect("changed");
    assert_eq!(refusal(login.client.status().await.map(drop)).kind, ErrorKind::Denied);
}

#[tokio::test]
async fn a_document_of_another_kind_than_the_path_is_refused() {
    let cluster = Cluster::start().await;
    cluster.create(role("role-writer", json!({"rules": [{"resources": ["role"], "verbs": ["*"]}]}))).await;
    cluster.user("writer", &["role-writer"]).await;
    let writer = cluster.login("writer").await;
    let root = json!({"kind": "user", "version": "v2", "metadata": {"name": "writer"}, "spec": {"roles": ["admin"]}});
    let refused: ApiError = refusal(writer.client.create_resource("role", &root).await);
    assert_eq!(refused.kind, ErrorKind::BadRequest);
    let renamed = refusal(writer.client.put_resource("role", "dev", &role("admin", json!({}))).await);
    assert_eq!(renamed.kind, ErrorKind::BadRequest);
}
