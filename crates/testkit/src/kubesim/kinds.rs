//! The table of kinds that are served; discovery, routing, printing and storage all read it.

/// One kind of object.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    pub(super) kind: &'static str,
    pub(super) short: &'static [&'static str],
    /// Groups of kinds that `kubectl get` knows by one word.
    pub(super) categories: &'static [&'static str],
    pub(super) scope: Scope,
    pub(super) use_: Use,
    /// Sub-resources with the kind their answers or bodies have, and their verbs.
    pub(super) subresources: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// Whether objects live in a namespace.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Scope {
    Namespaced,
    Cluster,
}

/// Whether objects are kept or only answered.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Use {
    /// Stored, listed and watched.
    Kept,
    /// A question whose answer is the object itself.
    Review,
}

impl Kind {
    /// Returns `v1` or `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the verbs of the resource itself, in discovery's order.
    pub(super) fn verbs(&self) -> &'static [&'static str] {
        match self.use_ {
            Use::Kept => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Use::Review => &["create"],
        }
    }
}

/// Finds a kind by what a path says.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// Returns the groups and versions that are served, core first.
pub(super) fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = KINDS.iter().map(|kind| (kind.group, kind.version)).collect();
    all.dedup();
    all
}

const GET_UPDATE: &[&str] = &["get", "patch", "update"];
const CONNECT: &[&str] = &["create", "get"];

/// Everything that is served, in order of groups.
pub(super) static KINDS: &[Kind] = &[
    Kind { short: &["cm"], ..core("configmaps", "configmap", "ConfigMap") },
    Kind { short: &["ev"], ..core("events", "event", "Event") },
    Kind {
        short: &["ns"],
        scope: Scope::Cluster,
        subresources: &[("status", "Namespace", GET_UPDATE)],
        ..core("namespaces", "namespace", "Namespace")
    },
    Kind { short: &["no"], scope: Scope::Cluster, ..core("nodes", "node", "Node") },
    Kind {
        short: &["po"],
        categories: &["all"],
        subresources: &[
            ("attach", "PodAttachOptions", CONNECT),
            ("exec", "PodExecOptions", CONNECT),
            ("log", "Pod", &["get"]),
            ("portforward", "PodPortForwardOptions", CONNECT),
            ("status", "Pod", GET_UPDATE),
        ],
        ..core("pods", "pod", "Pod")
    },
    core("secrets", "secret", "Secret"),
    Kind { short: &["sa"], ..core("serviceaccounts", "serviceaccount", "ServiceAccount") },
    Kind { short: &["svc"], categories: &["all"], ..core("services", "service", "Service") },
    Kind {
        group: "apps",
        short: &["deploy"],
        categories: &["all"],
        subresources: &[("status", "Deployment", GET_UPDATE)],
        ..core("deployments", "deployment", "Deployment")
    },
    review("authentication.k8s.io", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview"),
    // The only version that `kubectl auth whoami` of 1.27 asks for.
    Kind {
        version: "v1beta1",
        ..review("authentication.k8s.io", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview")
    },
    review("authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"),
    review("authorization.k8s.io", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview"),
];

const fn core(plural: &'static str, singular: &'static str, kind: &'static str) -> Kind {
    Kind {
        group: "",
        version: "v1",
        plural,
        singular,
        kind,
        short: &[],
        categories: &[],
        scope: Scope::Namespaced,
        use_: Use::Kept,
        subresources: &[],
    }
}

const fn review(group: &'static str, plural: &'static str, singular: &'static str, kind: &'static str) -> Kind {
    Kind { group, scope: Scope::Cluster, use_: Use::Review, ..core(plural, singular, kind) }
}
