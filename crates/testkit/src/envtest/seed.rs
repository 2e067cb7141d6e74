//! What is in the real cluster at the start: who may do what, and the objects that `kubesim` has too.

use std::time::Duration;

use anyhow::{Result, anyhow};
use http::Method;
use serde_json::{Value, json};

use super::{PROXY_USER, admin::Admin};
use crate::wait;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
/// The API server makes some of what objects depend on, as the namespace `default`, a moment after it is ready.
const SETTLED: Duration = Duration::from_secs(20);

/// Fills a new cluster.
pub(super) fn fill(admin: &Admin) -> Result<()> {
    for namespace in ["dev", "production"] {
        create(admin, "/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))?;
    }
    proxy_rights(admin)?;
    people_rights(admin)?;
    for (namespace, name, app) in [
        ("default", "web-0", "web"),
        ("default", "web-1", "web"),
        ("dev", "web-0", "web"),
        ("production", "api-0", "api"),
        ("production", "db-0", "db"),
    ] {
        create(admin, &format!("/api/v1/namespaces/{namespace}/pods"), &pod(name, app))?;
    }
    let settings = json!({"metadata": {"name": "settings"}, "data": {"greeting": "hello"}});
    create(admin, "/api/v1/namespaces/default/configmaps", &settings)?;
    for namespace in ["default", "production"] {
        let secret = json!({"metadata": {"name": "database"}, "stringData": {"password": "kubesim-secret"}});
        create(admin, &format!("/api/v1/namespaces/{namespace}/secrets"), &secret)?;
    }
    Ok(())
}

/// Gives the proxy exactly what the documented `ClusterRole` gives.
fn proxy_rights(admin: &Admin) -> Result<()> {
    let rules = json!([
        {"apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]},
    ]);
    create(admin, &format!("{RBAC}/clusterroles"), &json!({"metadata": {"name": "teleport"}, "rules": rules}))?;
    bind(admin, None, "teleport", "teleport", &json!({"kind": "User", "name": PROXY_USER}))
}

/// Developers edit in two namespaces, viewers view everywhere.
///
/// `edit` and `view` themselves stay empty without a controller manager, which gathers them from these parts.
fn people_rights(admin: &Admin) -> Result<()> {
    for namespace in ["default", "dev"] {
        for role in ["system:aggregate-to-edit", "system:aggregate-to-view"] {
            let name = format!("devs-{}", role.rsplit('-').next().unwrap_or(role));
            bind(admin, Some(namespace), &name, role, &json!({"kind": "Group", "name": "devs"}))?;
        }
    }
    bind(admin, None, "viewers", "system:aggregate-to-view", &json!({"kind": "Group", "name": "viewers"}))
}

fn bind(admin: &Admin, namespace: Option<&str>, name: &str, role: &str, subject: &Value) -> Result<()> {
    let mut subject = subject.clone();
    if let Some(subject) = subject.as_object_mut() {
        subject.insert("apiGroup".into(), "rbac.authorization.k8s.io".into());
    }
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    let path = match namespace {
        Some(namespace) => format!("{RBAC}/namespaces/{namespace}/rolebindings"),
        None => format!("{RBAC}/clusterrolebindings"),
    };
    create(admin, &path, &json!({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}))
}

fn pod(name: &str, app: &str) -> Value {
    let container = json!({"name": "main", "image": "kubesim/web:1", "ports": [{"containerPort": 8080}]});
    json!({"metadata": {"name": name, "labels": {"app": app}}, "spec": {"containers": [container]}})
}

fn create(admin: &Admin, path: &str, object: &Value) -> Result<()> {
    let made = wait::for_some(SETTLED, || match admin.request(&Method::POST, path, Some(object)) {
        Ok((200..=299, _)) => Some(Ok(())),
        Ok((403 | 404 | 500.., _)) => None,
        Ok((code, answer)) => Some(Err(anyhow!("POST {path}: {code} {answer}"))),
        Err(error) => Some(Err(error)),
    });
    made.unwrap_or_else(|| Err(anyhow!("POST {path} is refused for {SETTLED:?}")))
}
