//! What Teleport's policy decides: whom one acts as, and what a narrow role leaves.

use super::super::case::{Case, Person};

const ACTING: &str =
    "whom a request may act as is decided by Teleport roles, not by impersonation rights in Kubernetes";
const NARROW: &str = "the Teleport role allows reading pods and configmaps in the run's namespaces, and nothing else";
const PATHS: &str = "paths that are no resources pass for discovery, version and health only";

pub(super) const CASES: &[Case] = &[
    Case::read(
        "--as, --as-group",
        "oneself and one's own groups",
        r#"
kubectl get configmaps --as=$MATRIX_USER --as-group=$MATRIX_GROUP
kubectl auth can-i create pods --as=$MATRIX_USER --as-group=$MATRIX_GROUP
kubectl auth whoami --as=$MATRIX_USER --as-group=$MATRIX_GROUP
"#,
    ),
    Case::read(
        "--as, --as-group",
        "someone else",
        r#"
~ kubectl get configmaps --as=someone-else
~ kubectl get configmaps --as=system:admin
~ kubectl auth can-i create pods --as=someone-else
"#,
    )
    .differs("cannot impersonate", ACTING),
    Case::read(
        "--as, --as-group",
        "another group",
        r#"
~ kubectl get configmaps --as=$MATRIX_USER --as-group=system:masters
~ kubectl get configmaps --as=$MATRIX_USER --as-group=$MATRIX_GROUP --as-group=nobody
"#,
    )
    .differs("cannot impersonate", ACTING),
    Case::read(
        "policy",
        "what a narrow role allows",
        r#"
kubectl get pods
kubectl get configmaps -o yaml
kubectl get pod web -o json
kubectl describe configmap settings --show-events=false
kubectl logs done
- timeout 3 kubectl get pods -w
kubectl api-resources
kubectl version
"#,
    )
    .by(Person::Reader),
    Case::read(
        "policy",
        "what a narrow role keeps back",
        r#"
~ kubectl get secrets
~ kubectl get secret database -o yaml
~ kubectl get pods -A
~ kubectl -n default get pods
~ kubectl get deployments
~ kubectl logs deployment/app
~ kubectl describe configmap settings
~ kubectl exec web -c main -- true
~ kubectl create configmap nope --from-literal=a=b --dry-run=server
~ kubectl label configmap settings a=b --dry-run=server
~ kubectl get namespaces
"#,
    )
    .by(Person::Reader)
    .differs("orbidden", NARROW),
    Case::read(
        "policy",
        "paths that are no resources",
        r#"
~ kubectl get --raw /metrics
~ kubectl get --raw /logs/
~ kubectl get --raw /nope
"#,
    )
    .differs("orbidden", PATHS),
];
