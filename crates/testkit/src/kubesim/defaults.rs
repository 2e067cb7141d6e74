//! What a cluster adds to an object: identity, defaults and the status that its controllers would write.
//!
//! There are no controllers: a pod runs as soon as it exists, a deployment is ready and makes no pods.

use serde_json::{Map, Value, json};
use teleport_runtime::Clock;

use super::kinds::{Kind, Scope};

/// The one node.
pub(super) const NODE: &str = "kubesim";

/// Gives a new object its identity and defaults. `name` is final.
pub(super) fn on_create(kind: &Kind, object: &mut Map<String, Value>, namespace: &str, name: &str) {
    object.insert("kind".into(), kind.kind.into());
    object.insert("apiVersion".into(), kind.api_version().into());
    let mut metadata = match object.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        _ => Map::new(),
    };
    metadata.remove("generateName");
    metadata.insert("name".into(), name.into());
    if kind.scope == Scope::Namespaced {
        metadata.insert("namespace".into(), namespace.into());
    }
    metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".into(), now().into());
    object.insert("metadata".into(), Value::Object(metadata));
    match kind.plural {
        "pods" => run_pod(object, name),
        "namespaces" => {
            object.insert("spec".into(), json!({"finalizers": ["kubernetes"]}));
            object.insert("status".into(), json!({"phase": "Active"}));
            let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
            if let Some(labels) = metadata.map(|metadata| metadata.entry("labels").or_insert_with(|| json!({})))
                && let Value::Object(labels) = labels
            {
                labels.insert("kubernetes.io/metadata.name".into(), name.into());
            }
        }
        "services" => expose_service(object),
        "secrets" => encode_secret(object),
        _ => {}
    }
    on_write(kind, object, None);
}

/// Keeps what a write may not change and lets the missing controllers have done their work.
pub(super) fn on_write(kind: &Kind, object: &mut Map<String, Value>, before: Option<&Value>) {
    if let (Some(before), Some(Value::Object(metadata))) = (before, object.get_mut("metadata")) {
        for fixed in ["uid", "creationTimestamp", "name", "namespace"] {
            if let Some(value) = before["metadata"].get(fixed) {
                metadata.insert(fixed.into(), value.clone());
            }
        }
    }
    if kind.plural != "deployments" {
        return;
    }
    let spec_changed = before.is_none_or(|before| before.get("spec") != object.get("spec"));
    let generation = before.map_or(0, |before| before["metadata"]["generation"].as_u64().unwrap_or(0));
    let generation = generation + u64::from(spec_changed);
    if let Some(Value::Object(spec)) = object.get_mut("spec") {
        spec.entry("replicas").or_insert(1.into());
        spec.entry("strategy").or_insert_with(|| json!({"type": "RollingUpdate"}));
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("generation".into(), generation.into());
    }
    let replicas = object.get("spec").map_or(Value::Null, |spec| spec["replicas"].clone());
    let available = json!({"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"});
    object.insert(
        "status".into(),
        json!({
            "observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas, "conditions": [available],
        }),
    );
}

/// Returns the time as Kubernetes writes it, in whole seconds.
pub(super) fn now() -> String {
    Clock::system().now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn run_pod(object: &mut Map<String, Value>, name: &str) {
    let started = now();
    let mut statuses = Vec::new();
    if let Some(Value::Object(spec)) = object.get_mut("spec") {
        for (field, value) in [("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("nodeName", NODE)] {
            spec.entry(field).or_insert(value.into());
        }
        spec.entry("terminationGracePeriodSeconds").or_insert(30.into());
        for container in spec.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(container) = container {
                container.entry("resources").or_insert_with(|| json!({}));
                container.entry("imagePullPolicy").or_insert("IfNotPresent".into());
            }
            statuses.push(json!({
                "name": container["name"], "ready": true, "started": true, "restartCount": 0,
                "image": container["image"], "imageID": "", "containerID": format!("sim://{name}"),
                "state": {"running": {"startedAt": started}}, "lastState": {},
            }));
        }
    }
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": started});
    object.insert(
        "status".into(),
        json!({
            "phase": "Running", "podIP": "10.77.0.10", "podIPs": [{"ip": "10.77.0.10"}], "hostIP": "127.0.0.1",
            "startTime": started, "qosClass": "BestEffort", "containerStatuses": statuses,
            "conditions": [condition("Initialized"), condition("Ready"), condition("ContainersReady"), condition("PodScheduled")],
        }),
    );
}

fn expose_service(object: &mut Map<String, Value>) {
    if let Some(Value::Object(spec)) = object.get_mut("spec") {
        spec.entry("type").or_insert("ClusterIP".into());
        spec.entry("clusterIP").or_insert("10.96.0.10".into());
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(port) = port {
                port.entry("protocol").or_insert("TCP".into());
                let number = port.get("port").cloned().unwrap_or_default();
                port.entry("targetPort").or_insert(number);
            }
        }
    }
    object.entry("status").or_insert_with(|| json!({"loadBalancer": {}}));
}

fn encode_secret(object: &mut Map<String, Value>) {
    object.entry("type").or_insert("Opaque".into());
    if let Some(Value::Object(plain)) = object.remove("stringData") {
        let data = object.entry("data").or_insert_with(|| json!({}));
        for (key, value) in plain {
            let encoded = data_encoding::BASE64.encode(value.as_str().unwrap_or_default().as_bytes());
            if let Value::Object(data) = data {
                data.insert(key, encoded.into());
            }
        }
    }
}
