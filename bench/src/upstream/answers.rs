//! The answers of the static upstream, made once.

use bytes::Bytes;
use serde_json::{Value, json};

/// Pods in the list, so that it is about 1.1 MB long.
const PODS: usize = 740;

/// Bodies, as they are sent.
pub(super) struct Answers {
    pub(super) pod: Bytes,
    pub(super) list: Bytes,
    pub(super) event: Bytes,
    pub(super) version: Bytes,
    pub(super) namespace: Bytes,
    pub(super) review: Bytes,
    pub(super) not_found: Bytes,
    /// What an exec sends again and again.
    pub(super) block: Bytes,
}

impl Answers {
    /// Makes them.
    pub(super) fn make() -> Self {
        let text = |value: &Value| Bytes::from(value.to_string());
        let items: Vec<Value> = (0..PODS).map(pod).collect();
        let list =
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "4711"}, "items": items});
        let mut event = json!({"type": "MODIFIED", "object": pod(0)}).to_string();
        event.push('\n');
        Self {
            pod: text(&pod(0)),
            list: text(&list),
            event: Bytes::from(event),
            version: text(&json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0", "platform": "linux/amd64"})),
            namespace: text(&json!({
                "kind": "Namespace", "apiVersion": "v1",
                "metadata": {"name": "kube-system", "uid": "5e4cb0a2-8f4a-4b0b-9f5a-0b1f7d3f0c11"},
            })),
            review: text(&json!({
                "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
                "spec": {}, "status": {"allowed": true},
            })),
            not_found: text(&json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "the static upstream has no such thing", "reason": "NotFound", "code": 404,
            })),
            block: Bytes::from(vec![b'x'; 32 << 10]),
        }
    }
}

/// A pod of some 1.5 KB, as a small real one is.
fn pod(number: usize) -> Value {
    let name = format!("web-{number}");
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": "default", "generateName": "web-", "resourceVersion": "4711",
            "uid": format!("0d6b1c1e-5a57-4a4e-9f3c-{number:012}"), "creationTimestamp": "2025-01-01T00:00:00Z",
            "annotations": {
                "checksum/config": "6f3a1d0c5b7e9f2a4c8d1e0b3a5f7c9d2e4b6a8c0d1f3e5a7b9c2d4e6f8a0b1c", "example.com/team": "front-end",
            },
            "labels": {"app": "web", "pod-template-hash": "6d4cf56db6", "tier": "front"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6", "controller": true,
                "blockOwnerDeletion": true, "uid": "b1f0a0f5-95d3-4e86-9a4b-4c8f5b8c2a01",
            }],
        },
        "spec": {
            "containers": [{
                "name": "web", "image": "registry.example.com/web:1.2.3", "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
                "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent",
            }],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "nodeName": "node-1", "schedulerName": "default-scheduler", "priority": 0,
        },
        "status": {
            "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.1.0.7", "startTime": "2025-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2025-01-01T00:00:05Z"}],
            "containerStatuses": [{
                "name": "web", "ready": true, "restartCount": 0, "image": "registry.example.com/web:1.2.3",
                "state": {"running": {"startedAt": "2025-01-01T00:00:03Z"}}, "started": true,
            }],
            "qosClass": "Burstable",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_have_the_sizes_that_the_figures_are_about() {
        let answers = Answers::make();
        assert!((1_400..1_600).contains(&answers.pod.len()), "{}", answers.pod.len());
        assert!((1_050_000..1_150_000).contains(&answers.list.len()), "{}", answers.list.len());
    }
}
