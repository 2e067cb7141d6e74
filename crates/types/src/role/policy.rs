//! A role in the form that decides: patterns and templates parsed, kinds known, verbs as a set.

use crate::{
    InvalidResource, RoleName, Span, Traits,
    access::scope::{KindScope, scope_of},
    labels::{LabelSelector, Pattern, TextMatcher},
    role::{Conditions, KubeVerb, KubernetesResource, Role, Rule, RuleResource, RuleVerb, kinds},
    template::{Template, is_clean},
};

/// A role, ready to decide.
#[derive(Clone, Debug)]
pub struct RolePolicy {
    /// The role's name.
    pub name: RoleName,
    /// The longest login of a holder.
    pub max_session_ttl: Option<Span>,
    /// What is allowed.
    pub allow: Side,
    /// What is denied.
    pub deny: Side,
    /// Whom holders may act as.
    pub principals: Principals<Principal>,
    /// Whom no role lets a holder act as.
    pub denied_principals: Principals<TextMatcher>,
}

/// One side of a role.
#[derive(Clone, Debug)]
pub struct Side {
    /// Which Kubernetes clusters.
    pub kubernetes_labels: LabelSelector,
    /// Objects in Kubernetes.
    pub resources: Vec<ResourceRule>,
    rules: Vec<Rule>,
}

/// Kubernetes users and groups, and OS logins.
#[derive(Clone, Debug)]
pub struct Principals<T> {
    /// Kubernetes users.
    pub users: Vec<T>,
    /// Kubernetes groups.
    pub groups: Vec<T>,
    /// OS logins.
    pub logins: Vec<T>,
}

/// A user, group or login that a role names.
#[derive(Clone, Debug)]
pub enum Principal {
    /// By its name. Only such a one may be under `system:`.
    Literal(String),
    /// By traits. What comes out under `system:` is dropped.
    Template(Template),
}

/// A set of objects in Kubernetes and what may be done with them.
#[derive(Clone, Debug)]
pub struct ResourceRule {
    /// Which kinds.
    pub kind: KindMatcher,
    /// Which namespaces; none: cluster-wide objects only.
    pub namespace: Option<TextMatcher>,
    /// Which names.
    pub name: TextMatcher,
    /// What may be done.
    pub verbs: VerbSet,
}

/// Which kinds of objects a rule is about.
#[derive(Clone, Debug)]
pub enum KindMatcher {
    /// Kinds by plural name and group.
    Kind {
        /// The plural name, or all of them.
        plural: Option<Box<str>>,
        /// The group.
        group: Pattern,
    },
    /// v7 `namespace`: namespaces, the names of which match, and everything inside.
    NamespaceAndContents,
}

/// A set of [`KubeVerb`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerbSet(u16);

impl VerbSet {
    /// Tells whether a verb is in the set, by itself or through `*`.
    pub fn has(self, verb: KubeVerb) -> bool {
        self.names(verb) || self.names(KubeVerb::Any)
    }

    /// Tells whether a verb is in the set by its own name.
    pub fn names(self, verb: KubeVerb) -> bool {
        self.0 & (1 << verb as u16) != 0
    }
}

impl FromIterator<KubeVerb> for VerbSet {
    fn from_iter<I: IntoIterator<Item = KubeVerb>>(verbs: I) -> Self {
        Self(verbs.into_iter().fold(0, |set, verb| set | (1 << verb as u16)))
    }
}

impl Principal {
    fn parse(text: &str, field: &str) -> Result<Self, InvalidResource> {
        if Template::is_in(text) {
            let template = Template::parse(text).map_err(|error| InvalidResource::field(field, error.to_string()))?;
            if text.starts_with("system:") {
                return Err(InvalidResource::field(
                    field,
                    "a name under system: is granted literally, never from a trait",
                ));
            }
            return Ok(Self::Template(template));
        }
        if !is_clean(text) || text.contains('*') {
            let reason =
                format!("{text:?} is not a name: empty, a pattern, or with a space at an end or a control character");
            return Err(InvalidResource::field(field, reason));
        }
        Ok(Self::Literal(text.to_owned()))
    }

    /// Returns the names; traits never give one under `system:`.
    pub fn expand(&self, traits: &Traits) -> Vec<String> {
        match self {
            Self::Literal(name) => vec![name.clone()],
            Self::Template(template) => {
                template.expand(traits).into_iter().filter(|name| !name.starts_with("system:")).collect()
            }
        }
    }
}

impl RolePolicy {
    /// Parses a role.
    ///
    /// # Errors
    /// Names the field that cannot be honoured, and why.
    pub fn new(role: &Role) -> Result<Self, InvalidResource> {
        let version = match role.version.as_str() {
            "v7" => Version::V7,
            _ => Version::V8,
        };
        let spec = &role.spec;
        if spec.options.max_session_ttl.is_some_and(|ttl| ttl.get().is_zero()) {
            return Err(InvalidResource::field("spec.options.max_session_ttl", "it must be longer than zero"));
        }
        let everything = KubernetesResource {
            kind: "*".to_owned(),
            api_group: matches!(version, Version::V8).then(|| "*".to_owned()),
            namespace: "*".to_owned(),
            name: "*".to_owned(),
            verbs: vec![KubeVerb::Any],
        };
        let allowed = spec.allow.kubernetes_resources.clone().unwrap_or_else(|| vec![everything]);
        let denied = spec.deny.kubernetes_resources.clone().unwrap_or_default();
        if allowed.is_empty() {
            let reason = "an empty list is not clear; leave the field out for all objects, or list some";
            return Err(InvalidResource::field("spec.allow.kubernetes_resources", reason));
        }
        Ok(Self {
            name: RoleName::parse(&role.metadata.name)?,
            max_session_ttl: spec.options.max_session_ttl,
            allow: Side::parse(&spec.allow, &allowed, version, "spec.allow")?,
            deny: Side::parse(&spec.deny, &denied, version, "spec.deny")?,
            principals: Principals::parse(&spec.allow, "spec.allow", Principal::parse)?,
            denied_principals: Principals::parse(&spec.deny, "spec.deny", TextMatcher::parse)?,
        })
    }
}

impl<T> Principals<T> {
    fn parse(
        conditions: &Conditions,
        field: &str,
        parse: impl Fn(&str, &str) -> Result<T, InvalidResource>,
    ) -> Result<Self, InvalidResource> {
        let all = |names: &[String], of: &str| {
            names.iter().map(|name| parse(name, &format!("{field}.{of}"))).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            users: all(&conditions.kubernetes_users, "kubernetes_users")?,
            groups: all(&conditions.kubernetes_groups, "kubernetes_groups")?,
            logins: all(&conditions.logins, "logins")?,
        })
    }
}

#[derive(Clone, Copy)]
enum Version {
    V7,
    V8,
}

impl Side {
    fn parse(
        conditions: &Conditions,
        resources: &[KubernetesResource],
        version: Version,
        field: &str,
    ) -> Result<Self, InvalidResource> {
        LabelSelector::parse(&conditions.node_labels, &format!("{field}.node_labels"))?;
        Ok(Self {
            kubernetes_labels: LabelSelector::parse(
                &conditions.kubernetes_labels,
                &format!("{field}.kubernetes_labels"),
            )?,
            resources: resources
                .iter()
                .enumerate()
                .map(|(i, resource)| {
                    ResourceRule::parse(resource, version, &format!("{field}.kubernetes_resources[{i}]"))
                })
                .collect::<Result<_, _>>()?,
            rules: conditions.rules.clone(),
        })
    }

    /// Tells whether the side names this verb on this kind of Teleport's own objects.
    pub fn has_rule(&self, resource: RuleResource, verb: RuleVerb) -> bool {
        self.rules.iter().any(|rule| {
            rule.resources.iter().any(|r| matches!(r, RuleResource::Any) || *r == resource)
                && rule.verbs.iter().any(|v| matches!(v, RuleVerb::Any) || *v == verb)
        })
    }
}

impl ResourceRule {
    fn parse(resource: &KubernetesResource, version: Version, field: &str) -> Result<Self, InvalidResource> {
        let at = |name: &str| format!("{field}.{name}");
        if resource.verbs.is_empty() {
            return Err(InvalidResource::field(at("verbs"), "name at least one verb, or \"*\""));
        }
        let kind = match version {
            Version::V7 => v7_kind(resource, field)?,
            Version::V8 => v8_kind(resource, field)?,
        };
        let namespace = match resource.namespace.as_str() {
            "" => None,
            pattern => Some(TextMatcher::parse(pattern, &at("namespace"))?),
        };
        check_scope(&kind, namespace.as_ref(), &at("namespace"))?;
        if resource.name.is_empty() {
            return Err(InvalidResource::field(at("name"), "name the objects, or write \"*\""));
        }
        let name = TextMatcher::parse(&resource.name, &at("name"))?;
        Ok(Self { kind, namespace, name, verbs: resource.verbs.iter().copied().collect() })
    }
}

/// Refuses a namespace where the kind has none, and the lack of one where it must have one: such a rule matches nothing,
/// which in `deny` is the opposite of what it says.
fn check_scope(kind: &KindMatcher, namespace: Option<&TextMatcher>, field: &str) -> Result<(), InvalidResource> {
    let KindMatcher::Kind { plural: Some(plural), group: Pattern::Literal(group) } = kind else { return Ok(()) };
    let any = matches!(namespace, Some(TextMatcher::Pattern(pattern)) if pattern.is_any());
    match (scope_of(group, plural), namespace) {
        (KindScope::Namespaced, None) => {
            Err(InvalidResource::field(field, format!("{plural} are in namespaces: name them, or write \"*\" for all")))
        }
        (KindScope::ClusterWide, Some(_)) if !any => {
            Err(InvalidResource::field(field, format!("{plural} are in no namespace: leave it out, or write \"*\"")))
        }
        _ => Ok(()),
    }
}

fn v7_kind(resource: &KubernetesResource, field: &str) -> Result<KindMatcher, InvalidResource> {
    if resource.api_group.is_some() {
        return Err(InvalidResource::field(format!("{field}.api_group"), "a v7 role has none; write the role as v8"));
    }
    if resource.kind == "*" {
        return Ok(KindMatcher::Kind { plural: None, group: Pattern::Any });
    }
    if resource.kind == "namespace" {
        return Ok(KindMatcher::NamespaceAndContents);
    }
    let Some(kind) = kinds::find(&resource.kind) else {
        let names: Vec<&str> = kinds::V7.iter().map(|kind| kind.name).chain(["*"]).collect();
        let reason = format!("{}; a v8 role can name any kind", crate::yaml::unknown("kind", &resource.kind, &names));
        return Err(InvalidResource::field(format!("{field}.kind"), reason));
    };
    Ok(KindMatcher::Kind { plural: Some(kind.plural.into()), group: Pattern::literal(kind.group) })
}

fn v8_kind(resource: &KubernetesResource, field: &str) -> Result<KindMatcher, InvalidResource> {
    let Some(group) = &resource.api_group else {
        let reason = "a v8 role names the API group: \"\" for the core group, \"apps\", or \"*\" for every group";
        return Err(InvalidResource::field(format!("{field}.api_group"), reason));
    };
    if resource.kind != "*" {
        if let Some(kind) = kinds::find(&resource.kind) {
            let reason = format!("a v8 role names kinds by their plural: write {:?}", kind.plural);
            return Err(InvalidResource::field(format!("{field}.kind"), reason));
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if resource.kind.is_empty() || !resource.kind.bytes().all(plain) {
            let reason = "write the plural name as in kubectl api-resources, without a subresource, or \"*\"";
            return Err(InvalidResource::field(format!("{field}.kind"), reason));
        }
    }
    let group = Pattern::parse(group)
        .map_err(|error| InvalidResource::field(format!("{field}.api_group"), error.to_string()))?;
    let plural = (resource.kind != "*").then(|| resource.kind.as_str().into());
    Ok(KindMatcher::Kind { plural, group })
}
