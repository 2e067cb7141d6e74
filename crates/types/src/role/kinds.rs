//! The kinds of objects that a v7 role can name, and what they are in Kubernetes.

/// What a kind of a v7 role means in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V7Kind {
    /// The name in the role.
    pub name: &'static str,
    /// The plural name in paths.
    pub plural: &'static str,
    /// The API group, empty for the core group.
    pub group: &'static str,
}

const fn kind(name: &'static str, plural: &'static str, group: &'static str) -> V7Kind {
    V7Kind { name, plural, group }
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Every kind of a v7 role, `*` excepted.
pub const V7: &[V7Kind] = &[
    kind("pod", "pods", ""),
    kind("secret", "secrets", ""),
    kind("configmap", "configmaps", ""),
    kind("namespace", "namespaces", ""),
    kind("service", "services", ""),
    kind("serviceaccount", "serviceaccounts", ""),
    kind("kube_node", "nodes", ""),
    kind("persistentvolume", "persistentvolumes", ""),
    kind("persistentvolumeclaim", "persistentvolumeclaims", ""),
    kind("deployment", "deployments", "apps"),
    kind("replicaset", "replicasets", "apps"),
    kind("statefulset", "statefulsets", "apps"),
    kind("daemonset", "daemonsets", "apps"),
    kind("clusterrole", "clusterroles", RBAC),
    kind("kube_role", "roles", RBAC),
    kind("clusterrolebinding", "clusterrolebindings", RBAC),
    kind("rolebinding", "rolebindings", RBAC),
    kind("cronjob", "cronjobs", "batch"),
    kind("job", "jobs", "batch"),
    kind("certificatesigningrequest", "certificatesigningrequests", "certificates.k8s.io"),
    kind("ingress", "ingresses", "networking.k8s.io"),
];

/// Finds the kind that a v7 role calls `name`.
pub fn find(name: &str) -> Option<&'static V7Kind> {
    V7.iter().find(|kind| kind.name == name)
}
