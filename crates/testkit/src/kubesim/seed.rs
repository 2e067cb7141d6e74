//! What is in the cluster at the start.

use serde_json::{Value, json};

use super::{
    defaults, kinds,
    objects::{furnish, key},
    store::Store,
};

/// Fills a new store: three namespaces, a node, pods, and one of most other kinds.
pub(super) fn fill(store: &Store) {
    for namespace in ["default", "dev", "production", "kube-system"] {
        put(store, "", "namespaces", "", json!({"metadata": {"name": namespace}}));
        furnish(store, namespace);
    }
    let status = json!({
        "nodeInfo": {"kubeletVersion": super::discovery::GIT_VERSION, "operatingSystem": "linux", "architecture": "amd64"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "addresses": [{"type": "Hostname", "address": defaults::NODE}],
    });
    put(store, "", "nodes", "", json!({"metadata": {"name": defaults::NODE}, "status": status}));
    for (namespace, name, app) in [
        ("default", "web-0", "web"),
        ("default", "web-1", "web"),
        ("dev", "web-0", "web"),
        ("production", "api-0", "api"),
        ("production", "db-0", "db"),
    ] {
        put(store, "", "pods", namespace, pod(name, app));
    }
    let data = json!({"greeting": "hello"});
    put(store, "", "configmaps", "default", json!({"metadata": {"name": "settings"}, "data": data}));
    let secret = json!({"metadata": {"name": "database"}, "stringData": {"password": "kubesim-secret"}});
    put(store, "", "secrets", "default", secret.clone());
    put(store, "", "secrets", "production", secret);
    let service = json!({"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]});
    put(store, "", "services", "default", json!({"metadata": {"name": "web"}, "spec": service}));
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod("web", "web")["spec"]});
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template});
    put(
        store,
        "apps",
        "deployments",
        "default",
        json!({"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec}),
    );
}

fn pod(name: &str, app: &str) -> Value {
    let container =
        json!({"name": "main", "image": "kubesim/web:1", "ports": [{"containerPort": 8080, "protocol": "TCP"}]});
    json!({"metadata": {"name": name, "labels": {"app": app}}, "spec": {"containers": [container]}})
}

fn put(store: &Store, group: &str, plural: &str, namespace: &str, object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if let (Some(kind), Value::Object(mut object)) = (kinds::find(group, "v1", plural), object) {
        defaults::on_create(kind, &mut object, namespace, &name);
        let stored = store.create(key(kind, namespace, &name), Value::Object(object));
        debug_assert!(stored.is_ok(), "the seed names nothing twice");
    }
}
