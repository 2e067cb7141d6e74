//! Decides requests to Kubernetes: `KubeAction` → [`Permit`] or [`Denied`].
//!
//! Labels choose the roles that count for a cluster; their resource rules choose those that count for a request; these
//! give the users and groups to act as. What any role denies, no role allows. Called by the Kubernetes service for each
//! request, from a [`KubeAccess`] that it keeps for as long as the roles stay as they are.

mod rule;
mod words;

use std::sync::Arc;

use crate::{
    KubeClusterName, Labels, Traits,
    access::{Denied, Subject},
    kube_action::{ApiVerb, KubeAction, KubeResource, KubeScope},
    labels::TextMatcher,
    role::KubeVerb,
};
use rule::{Ask, Cover, Rule, Side};
use words::Reason;

/// A Kubernetes cluster, as roles see it.
#[derive(Clone, Copy, Debug)]
pub struct KubeTarget<'a> {
    /// Its name.
    pub name: &'a KubeClusterName,
    /// Its labels.
    pub labels: &'a Labels,
}

/// The group of everyone that Kubernetes knows by name; all that pass are in it.
pub const AUTHENTICATED: &str = "system:authenticated";

/// What one user may do in one Kubernetes cluster, traits filled in.
#[derive(Clone, Debug)]
pub struct KubeAccess {
    user: String,
    cluster: KubeClusterName,
    grants: Vec<Grant>,
    deny: Vec<Rule>,
    /// Whether a role denies acting under the user's own name.
    own_denied: bool,
    /// What all grants together give; `None` when nobody is left to act as.
    all: Option<Arc<Allowed>>,
}

/// What one role gives in the cluster.
#[derive(Clone, Debug)]
struct Grant {
    role: String,
    rules: Vec<Rule>,
    users: Vec<String>,
    groups: Vec<String>,
    /// What the role alone gives; `None` when nobody is left to act as.
    alone: Option<Arc<Allowed>>,
}

/// Kubernetes users and groups that a request may act as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Users, sorted; never empty.
    pub users: Vec<String>,
    /// Groups, sorted, then [`AUTHENTICATED`], where the API server puts it for those that it knows itself.
    pub groups: Vec<String>,
}

/// What becomes of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponsePlan {
    /// It goes to the client as it is.
    AsIs,
}

/// Proof that an action is allowed, and as whom. Made by [`KubeAccess::authorize`] alone.
#[derive(Clone, Debug)]
#[must_use = "a permit is what forwarding needs"]
pub struct Permit {
    action: KubeAction,
    allowed: Arc<Allowed>,
    plan: ResponsePlan,
}

impl Permit {
    /// Returns what is allowed.
    pub fn action(&self) -> &KubeAction {
        &self.action
    }

    /// Returns whom the request may act as.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Returns what becomes of the response.
    pub fn plan(&self) -> ResponsePlan {
        self.plan
    }
}

/// Decides one action of a subject in a cluster.
///
/// # Errors
/// Says to the client and to the log why not.
pub fn authorize(subject: &Subject<'_>, target: &KubeTarget<'_>, action: KubeAction) -> Result<Permit, Denied> {
    KubeAccess::of(subject, target)?.authorize(action)
}

impl KubeAccess {
    /// Finds what a subject may do in a cluster.
    ///
    /// # Errors
    /// When no role's labels match the cluster, when those that match are of a version before v7 and name nobody to act as, or
    /// when a role's deny labels match.
    pub fn of(subject: &Subject<'_>, target: &KubeTarget<'_>) -> Result<Self, Denied> {
        let (user, traits) = (subject.user, &subject.user.traits);
        if let Some(role) = subject.roles().iter().find(|role| role.deny.kubernetes_labels.any(target.labels, traits)) {
            return Err(words::no_cluster(user.user.as_str(), target.name, &format!("role {} denies it", role.name)));
        }
        let holds = |matchers: &[TextMatcher], name: &str| matchers.iter().any(|m| m.matches(name, traits));
        let denied_user = |name: &str| subject.roles().iter().any(|r| holds(&r.denied_principals.users, name));
        let denied_group = |name: &str| subject.roles().iter().any(|r| holds(&r.denied_principals.groups, name));
        let own = user.user.as_str();
        let own_denied = denied_user(own);
        let mut grants = Vec::new();
        for role in subject.roles().iter().filter(|r| r.allow.kubernetes_labels.all(target.labels, traits)) {
            let mut users: Vec<_> = role.principals.users.iter().flat_map(|p| p.expand(traits)).collect();
            let mut groups: Vec<_> = role.principals.groups.iter().flat_map(|p| p.expand(traits)).collect();
            users.retain(|name| !denied_user(name));
            groups.retain(|name| !denied_group(name));
            if users.is_empty() && groups.is_empty() && !role.own_name_suffices {
                continue;
            }
            let alone = Allowed::new(users.clone(), groups.clone(), own, own_denied);
            let rules = resolve(&role.allow.resources, traits);
            grants.push(Grant { role: role.name.to_string(), rules, users, groups, alone });
        }
        if grants.is_empty() {
            return Err(words::no_cluster(
                own,
                target.name,
                "no role's kubernetes_labels match it, or those that do name nobody to act as",
            ));
        }
        let deny = subject.roles().iter().flat_map(|role| resolve(&role.deny.resources, traits)).collect();
        let all = Allowed::union(&grants.iter().collect::<Vec<_>>(), own, own_denied);
        Ok(Self { user: own.to_owned(), cluster: target.name.clone(), grants, deny, own_denied, all })
    }

    /// Decides one action.
    ///
    /// # Errors
    /// Says to the client, in Kubernetes' words, and to the log why not.
    pub fn authorize(&self, action: KubeAction) -> Result<Permit, Denied> {
        let allowed = match &action.scope {
            KubeScope::NonResource { path } if is_open_path(path) && action.verb == ApiVerb::Get => self.of_all(),
            KubeScope::NonResource { .. } => Err(Reason::Path),
            KubeScope::Resource(resource) if is_self_review(resource, action.verb) => self.of_all(),
            KubeScope::Resource(resource) => self.of_rules(resource, &action),
        };
        match allowed {
            Ok(allowed) => Ok(Permit { action, allowed, plan: ResponsePlan::AsIs }),
            Err(reason) => {
                let roles = self.grants.iter().map(|grant| grant.role.as_str()).collect::<Vec<_>>().join(", ");
                Err(words::forbidden(&self.user, &self.cluster, &action, reason, &roles))
            }
        }
    }

    /// Tells whether a request of this kind would be allowed; gives no permit.
    ///
    /// # Errors
    /// As [`KubeAccess::authorize`].
    pub fn would_allow(&self, resource: KubeResource, verb: ApiVerb) -> Result<(), Denied> {
        self.authorize(KubeAction::hypothetical(resource, verb)).map(drop)
    }

    fn of_all(&self) -> Result<Arc<Allowed>, Reason> {
        self.all.clone().ok_or(Reason::NoUser)
    }

    fn of_rules(&self, resource: &KubeResource, action: &KubeAction) -> Result<Arc<Allowed>, Reason> {
        let ask = Ask::new(resource, action.verb)?;
        let needs = needs(resource, action);
        for need in &needs {
            match ask.covered_by(&self.deny, *need, Side::Deny) {
                Cover::No => {}
                Cover::Part => return Err(ask.partial()),
                Cover::Whole => return Err(Reason::DenyRule),
            }
        }
        let mut best = Cover::No;
        let mut matching = Vec::new();
        for grant in &self.grants {
            let worst = needs.iter().map(|need| ask.covered_by(&grant.rules, *need, Side::Allow)).min();
            let cover = worst.unwrap_or(Cover::No);
            best = best.max(cover);
            if cover == Cover::Whole {
                matching.push(grant);
            }
        }
        match (matching.as_slice(), best) {
            ([], Cover::Part) => Err(ask.partial()),
            ([], _) => Err(Reason::NoRule),
            ([one], _) => one.alone.clone().ok_or(Reason::NoUser),
            (many, _) if many.len() == self.grants.len() => self.of_all(),
            (many, _) => Allowed::union(many, &self.user, self.own_denied).ok_or(Reason::NoUser),
        }
    }
}

impl Allowed {
    /// Puts names in order; without a user, the subject's own name serves, unless a role denies that too.
    fn new(mut users: Vec<String>, mut groups: Vec<String>, own: &str, own_denied: bool) -> Option<Arc<Self>> {
        if users.is_empty() {
            if own_denied {
                return None;
            }
            users.push(own.to_owned());
        }
        groups.retain(|name| name != AUTHENTICATED);
        for names in [&mut users, &mut groups] {
            names.sort();
            names.dedup();
        }
        groups.push(AUTHENTICATED.to_owned());
        Some(Arc::new(Self { users, groups }))
    }

    fn union(grants: &[&Grant], own: &str, own_denied: bool) -> Option<Arc<Self>> {
        let users = grants.iter().flat_map(|grant| grant.users.iter().cloned()).collect();
        let groups = grants.iter().flat_map(|grant| grant.groups.iter().cloned()).collect();
        Self::new(users, groups, own, own_denied)
    }
}

fn resolve(rules: &[crate::role::policy::ResourceRule], traits: &Traits) -> Vec<Rule> {
    rules.iter().map(|rule| Rule::resolve(rule, traits)).collect()
}

/// Discovery and health: open to whoever may use the cluster.
fn is_open_path(path: &str) -> bool {
    let under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/version", "/api", "/apis", "/openapi", "/healthz", "/livez", "/readyz"].into_iter().any(under)
}

/// Questions about oneself: open to whoever may use the cluster.
fn is_self_review(resource: &KubeResource, verb: ApiVerb) -> bool {
    let of = (resource.group.as_str(), resource.resource.as_str());
    let review = matches!(
        of,
        ("authorization.k8s.io", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
            | ("authentication.k8s.io", "selfsubjectreviews")
    );
    review && verb == ApiVerb::Create && resource.subresource.is_empty() && resource.namespace.is_empty()
}

/// Kinds that the API server creates when a `PUT` names an object that is not there (`AllowCreateOnUpdate`).
const MADE_BY_PUT: [(&str, &str); 11] = [
    ("", "endpoints"),
    ("", "events"),
    ("", "limitranges"),
    ("", "services"),
    ("events.k8s.io", "events"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("coordination.k8s.io", "leases"),
    ("node.k8s.io", "runtimeclasses"),
];

/// The verbs a role must allow for an action; the API server checks its own again.
///
/// A write to a subresource acts on an object that exists, so `create` alone is not enough for it: eviction also needs
/// `delete`, an ephemeral container `exec`, any other creation `update`. Server-side apply, and `PUT` of some kinds, may make what they change.
fn needs(resource: &KubeResource, action: &KubeAction) -> Vec<KubeVerb> {
    let verb = match action.verb {
        ApiVerb::Get => KubeVerb::Get,
        ApiVerb::List => KubeVerb::List,
        ApiVerb::Watch => KubeVerb::Watch,
        ApiVerb::Create => KubeVerb::Create,
        ApiVerb::Update => KubeVerb::Update,
        ApiVerb::Patch => KubeVerb::Patch,
        ApiVerb::Delete => KubeVerb::Delete,
        ApiVerb::DeleteCollection => KubeVerb::DeleteCollection,
        ApiVerb::Exec => KubeVerb::Exec,
        ApiVerb::PortForward => KubeVerb::PortForward,
        ApiVerb::Proxy => KubeVerb::Proxy,
    };
    let also = match (resource.subresource.as_str(), action.verb) {
        ("eviction", ApiVerb::Create) => Some(KubeVerb::Delete),
        ("ephemeralcontainers", ApiVerb::Update | ApiVerb::Patch) => Some(KubeVerb::Exec),
        (subresource, ApiVerb::Create) if !subresource.is_empty() => Some(KubeVerb::Update),
        ("", ApiVerb::Update) if MADE_BY_PUT.contains(&(resource.group.as_str(), resource.resource.as_str())) => {
            Some(KubeVerb::Create)
        }
        _ if action.may_create => Some(KubeVerb::Create),
        _ => None,
    };
    std::iter::once(verb).chain(also).collect()
}

#[cfg(test)]
#[path = "kube/tests.rs"]
mod tests;
