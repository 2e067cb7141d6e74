//! Who may do what: Kubernetes' RBAC as one small table.
//!
//! `devs` edit in `default` and `dev`, `viewers` view everywhere, `system:masters` do everything, the proxy's identities
//! impersonate and nothing else.

use serde_json::{Value, json};

use super::{identity::Identity, route::Target};

/// What a role allows.
struct Rule {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
}

/// Whom a binding names.
enum Subject {
    Group(&'static str),
    User(&'static str),
}

/// A role given to a subject, in some namespaces or (`None`) everywhere.
struct Binding {
    subject: Subject,
    namespaces: Option<&'static [&'static str]>,
    rules: &'static [&'static [Rule]],
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
const ALL: &[&str] = &["*"];

const VIEW: &[Rule] = &[
    Rule {
        groups: &[""],
        resources: &["configmaps", "events", "namespaces", "pods", "pods/log", "pods/status", "services"],
        verbs: READ,
    },
    Rule { groups: &["apps"], resources: &["deployments", "deployments/status"], verbs: READ },
];
const EDIT: &[Rule] = &[
    Rule { groups: &[""], resources: &["configmaps", "events", "pods", "secrets", "services"], verbs: WRITE },
    Rule { groups: &[""], resources: &["pods/attach", "pods/exec", "pods/portforward"], verbs: &["create", "get"] },
    Rule { groups: &[""], resources: &["secrets"], verbs: READ },
    Rule { groups: &["apps"], resources: &["deployments"], verbs: WRITE },
];
const EVERYTHING: &[Rule] = &[Rule { groups: ALL, resources: ALL, verbs: ALL }];
const BASIC: &[Rule] = &[
    Rule {
        groups: &["authorization.k8s.io"],
        resources: &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        verbs: &["create"],
    },
    Rule { groups: &["authentication.k8s.io"], resources: &["selfsubjectreviews"], verbs: &["create"] },
];
const IMPERSONATE: &[Rule] = &[
    Rule { groups: &[""], resources: &["users", "groups", "serviceaccounts"], verbs: &["impersonate"] },
    Rule { groups: &[""], resources: &["pods"], verbs: &["get"] },
];

static BINDINGS: &[Binding] = &[
    Binding { subject: Subject::Group("system:masters"), namespaces: None, rules: &[EVERYTHING] },
    Binding { subject: Subject::Group("devs"), namespaces: Some(&["default", "dev"]), rules: &[VIEW, EDIT] },
    Binding { subject: Subject::Group("viewers"), namespaces: None, rules: &[VIEW] },
    Binding { subject: Subject::Group("system:authenticated"), namespaces: None, rules: &[BASIC] },
    Binding { subject: Subject::User(super::PROXY_USER), namespaces: None, rules: &[IMPERSONATE] },
    Binding { subject: Subject::User(super::PROXY_SERVICE_ACCOUNT), namespaces: None, rules: &[IMPERSONATE] },
];

/// Paths without resources that anyone may read, and those that need a name.
const PUBLIC: &[&str] = &["/version", "/healthz", "/livez", "/readyz"];
const DISCOVERY: &[&str] = &["/api", "/apis", "/openapi"];

/// Tells whether `identity` may do `verb` to `target`.
pub(super) fn allows(identity: &Identity, verb: &str, target: &Target) -> bool {
    let resource = target.resource_and_subresource();
    bindings_of(identity, target.namespace.as_deref())
        .flat_map(|binding| binding.rules.iter().copied().flatten())
        .any(|rule| has(rule.groups, &target.group) && has(rule.resources, &resource) && has(rule.verbs, verb))
}

/// Tells whether `identity` may do `verb` to a path that names no resource.
pub(super) fn allows_path(identity: &Identity, verb: &str, path: &str) -> bool {
    let member = |name: &str| identity.groups.iter().any(|group| group == name);
    let under = |roots: &[&str]| {
        roots.iter().any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    if member("system:masters") {
        return true;
    }
    if !matches!(verb, "get" | "head") {
        return false;
    }
    under(PUBLIC) || (member("system:authenticated") && under(DISCOVERY))
}

/// Lists what `identity` may do in a namespace, for `kubectl auth can-i --list`.
pub(super) fn rules(identity: &Identity, namespace: &str) -> Vec<Value> {
    bindings_of(identity, Some(namespace))
        .flat_map(|binding| binding.rules.iter().copied().flatten())
        .map(|rule| json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources}))
        .collect()
}

fn bindings_of<'a>(identity: &'a Identity, namespace: Option<&'a str>) -> impl Iterator<Item = &'static Binding> + 'a {
    BINDINGS.iter().filter(move |binding| {
        let named = match binding.subject {
            Subject::Group(name) => identity.groups.iter().any(|group| group == name),
            Subject::User(name) => identity.user == name,
        };
        let here = match (binding.namespaces, namespace) {
            (None, _) => true,
            (Some(namespaces), Some(namespace)) => namespaces.contains(&namespace),
            (Some(_), None) => false,
        };
        named && here
    })
}

fn has(list: &[&str], item: &str) -> bool {
    list.iter().any(|entry| *entry == "*" || *entry == item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubesim::route::{Route, parse};

    fn may(groups: &[&str], verb: &str, path: &str) -> bool {
        let identity = Identity::authenticated("alice", groups.iter().map(|group| (*group).to_owned()).collect());
        match parse(path) {
            Route::Resource(target) => allows(&identity, verb, &target),
            Route::Path(path) => allows_path(&identity, verb, &path),
        }
    }

    #[test]
    fn the_table_says_who_may_do_what() {
        for (group, verb, path, expected) in [
            ("devs", "list", "/api/v1/namespaces/default/pods", true),
            ("devs", "create", "/api/v1/namespaces/dev/pods/web-0/exec", true),
            ("devs", "list", "/api/v1/namespaces/production/pods", false),
            ("devs", "list", "/api/v1/pods", false),
            ("viewers", "list", "/api/v1/pods", true),
            ("viewers", "get", "/api/v1/namespaces/default/secrets/a", false),
            ("viewers", "create", "/api/v1/namespaces/default/pods/web-0/exec", false),
            ("system:masters", "delete", "/api/v1/namespaces/production", true),
            ("nobody", "get", "/apis/apps/v1", true),
            ("nobody", "get", "/metrics", false),
            ("nobody", "get", "/apisecret", false),
        ] {
            assert_eq!(may(&[group], verb, path), expected, "{group} {verb} {path}");
        }
    }
}
