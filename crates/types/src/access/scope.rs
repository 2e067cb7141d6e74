//! Which kinds of Kubernetes' own objects live in namespaces, so that a rule for namespaces never reaches past them.

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindScope {
    /// In a namespace.
    Namespaced,
    /// Outside of namespaces.
    ClusterWide,
    /// Not known without asking the cluster.
    Unknown,
}

/// Kinds in groups where some are cluster-wide: group, cluster-wide kinds, namespaced kinds.
const MIXED: &[(&str, &[&str], &[&str])] = &[
    (
        "",
        &["namespaces", "nodes", "persistentvolumes", "componentstatuses"],
        &[
            "pods",
            "services",
            "endpoints",
            "configmaps",
            "secrets",
            "serviceaccounts",
            "replicationcontrollers",
            "persistentvolumeclaims",
            "events",
            "limitranges",
            "resourcequotas",
            "podtemplates",
            "bindings",
        ],
    ),
    ("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings"], &["roles", "rolebindings"]),
    ("networking.k8s.io", &["ingressclasses", "ipaddresses", "servicecidrs"], &["ingresses", "networkpolicies"]),
    (
        "storage.k8s.io",
        &["storageclasses", "volumeattachments", "csidrivers", "csinodes", "volumeattributesclasses"],
        &["csistoragecapacities"],
    ),
    (
        "authorization.k8s.io",
        &["subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        &["localsubjectaccessreviews"],
    ),
    ("resource.k8s.io", &["deviceclasses", "resourceslices"], &["resourceclaims", "resourceclaimtemplates"]),
    ("metrics.k8s.io", &["nodes"], &["pods"]),
    ("policy", &["podsecuritypolicies"], &["poddisruptionbudgets"]),
];

/// Groups of which every kind lives in namespaces.
const NAMESPACED: &[&str] =
    &["apps", "batch", "autoscaling", "discovery.k8s.io", "coordination.k8s.io", "events.k8s.io"];

/// Groups of which every kind is cluster-wide.
const CLUSTER_WIDE: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "certificates.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "node.k8s.io",
    "scheduling.k8s.io",
];

/// Finds where objects of a kind live.
pub fn scope_of(group: &str, plural: &str) -> KindScope {
    if NAMESPACED.contains(&group) {
        return KindScope::Namespaced;
    }
    if CLUSTER_WIDE.contains(&group) {
        return KindScope::ClusterWide;
    }
    match MIXED.iter().find(|(name, ..)| *name == group) {
        Some((_, cluster_wide, _)) if cluster_wide.contains(&plural) => KindScope::ClusterWide,
        Some((.., namespaced)) if namespaced.contains(&plural) => KindScope::Namespaced,
        _ => KindScope::Unknown,
    }
}
