//! The self check at start and the identity of a cluster.

use teleport_kube::upstream::{Limits, SelfCheck};

use crate::{
    server::{FakeApi, Options},
    support::{patient, with_token},
};

#[tokio::test]
async fn enough_rights_pass() {
    let api = FakeApi::start(Options::default());
    let upstream = with_token(&api, Limits::default());
    assert!(matches!(patient(upstream.check()).await, SelfCheck::Ok));
    assert_eq!(api.state.requests(), 4);
}

#[tokio::test]
async fn missing_rights_come_with_what_to_apply() {
    let api = FakeApi::start(Options::default());
    *api.state.denied.lock().expect("lock") = vec!["groups", "pods"];
    let upstream = with_token(&api, Limits::default());
    let SelfCheck::Missing(missing) = patient(upstream.check()).await else { panic!("rights are missing") };
    assert_eq!(missing.to_string(), "not allowed to impersonate groups, get pods");
    let manifest = missing.manifest();
    let documents: Vec<serde_json::Value> =
        manifest.split("---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect();
    let [role, binding] = documents.as_slice() else { panic!("two documents: {manifest}") };
    let rules = serde_json::json!([
        { "apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] },
        { "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"] },
    ]);
    assert_eq!((&role["kind"], &role["rules"]), (&"ClusterRole".into(), &rules));
    let subjects = serde_json::json!([{ "kind": "ServiceAccount", "namespace": "teleport", "name": "agent" }]);
    assert_eq!((&binding["kind"], &binding["subjects"]), (&"ClusterRoleBinding".into(), &subjects));
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
}

#[tokio::test]
async fn a_cluster_that_does_not_take_the_credential_is_told_from_one_that_is_away() {
    let api = FakeApi::start(Options::default());
    *api.state.wanted.lock().expect("lock") = Some("Bearer another".to_owned());
    let upstream = with_token(&api, Limits::default());
    let SelfCheck::Refused { status, .. } = patient(upstream.check()).await else { panic!("refused") };
    assert_eq!(status, http::StatusCode::UNAUTHORIZED);

    api.stop().await;
    let SelfCheck::Unreachable(error) = patient(upstream.check()).await else { panic!("unreachable") };
    assert!(error.client_text().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn the_identity_holds_the_uid_and_the_authority() {
    let (one, other) = (FakeApi::start(Options::default()), FakeApi::start(Options::default()));
    let identity = patient(with_token(&one, Limits::default()).identity()).await.expect("identity");
    assert_eq!(identity.kube_system_uid.as_deref(), Some("uid-1"));
    let again = patient(with_token(&one, Limits::default()).identity()).await.expect("identity");
    assert_eq!(identity, again);
    let different = patient(with_token(&other, Limits::default()).identity()).await.expect("identity");
    assert_ne!(identity, different);
    assert_eq!(identity.api_authority.map(|hash| hash.len()), Some(64));
}
