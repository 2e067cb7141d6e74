//! A role in the form that decides: patterns and templates parsed, kinds known, verbs as a set.

use crate::{
    InvalidResource, Labels, RoleName, Span, Traits,
    access::scope::{KindScope, scope_of},
    labels::{LabelSelector, Pattern, TextMatcher},
    role::{
        Conditions, KubeVerb, KubernetesResource, LabelMap, Role, Rule, RuleResource, RuleVerb, kinds, version::Version,
    },
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
    /// Whether a role that names nobody to act as gives access under the holder's own name. Not so before v7.
    pub own_name_suffices: bool,
}

/// One side of a role.
#[derive(Clone, Debug)]
pub struct Side {
    /// Which Kubernetes clusters.
    pub kubernetes_labels: LabelSelector,
    /// Which SSH hosts; no service asks yet.
    pub node_labels: LabelSelector,
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
    /// Before v7: every kind that rules cannot name.
    AllButPods,
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
        let version = Version::parse(&role.version)?;
        let spec = &role.spec;
        spec.options.check()?;
        let mut allow = Side::parse(&version.complete(&spec.allow)?, version, "spec.allow")?;
        if version.is_about_pods() {
            allow.resources.push(ResourceRule::all_but_pods());
        }
        Ok(Self {
            name: RoleName::parse(&role.metadata.name)?,
            max_session_ttl: spec.options.max_session_ttl,
            allow,
            deny: Side::parse(&spec.deny, version, "spec.deny")?,
            principals: Principals::parse(&spec.allow, "spec.allow", Principal::parse)?,
            denied_principals: Principals::parse(&spec.deny, "spec.deny", TextMatcher::parse)?,
            own_name_suffices: !version.is_about_pods(),
        })
    }

    /// Tells whether the role is for a Kubernetes cluster with these labels, and names somebody to act as where it must.
    pub fn opens(&self, labels: &Labels, traits: &Traits) -> bool {
        let names = |principals: &[Principal]| principals.iter().any(|p| !p.expand(traits).is_empty());
        self.allow.kubernetes_labels.all(labels, traits)
            && (self.own_name_suffices || names(&self.principals.users) || names(&self.principals.groups))
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

impl Side {
    fn parse(conditions: &Conditions, version: Version, field: &str) -> Result<Self, InvalidResource> {
        let labels = |labels: &Option<LabelMap>, of: &str| match labels {
            Some(labels) => LabelSelector::parse(labels, &format!("{field}.{of}")),
            None => Ok(LabelSelector::default()),
        };
        let resources = conditions.kubernetes_resources.as_deref().unwrap_or_default();
        let rule = |(i, resource): (usize, &KubernetesResource)| {
            ResourceRule::parse(resource, version, &format!("{field}.kubernetes_resources[{i}]"))
        };
        Ok(Self {
            kubernetes_labels: labels(&conditions.kubernetes_labels, "kubernetes_labels")?,
            node_labels: labels(&conditions.node_labels, "node_labels")?,
            resources: resources.iter().enumerate().map(rule).collect::<Result<_, _>>()?,
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
        let kind = match version {
            Version::V3 | Version::V4 | Version::V5 | Version::V6 => pod_kind(resource, version, field)?,
            Version::V7 => v7_kind(resource, field)?,
            Version::V8 => v8_kind(resource, field)?,
        };
        let verbs = verbs(resource, version, &at("verbs"))?;
        let namespace = match resource.namespace.as_str() {
            "" => None,
            pattern => Some(TextMatcher::parse(pattern, &at("namespace"))?),
        };
        check_scope(&kind, namespace.as_ref(), &at("namespace"))?;
        if resource.name.is_empty() {
            return Err(InvalidResource::field(at("name"), "name the objects, or write \"*\""));
        }
        let name = TextMatcher::parse(&resource.name, &at("name"))?;
        Ok(Self { kind, namespace, name, verbs })
    }

    fn all_but_pods() -> Self {
        let any = || TextMatcher::Pattern(Pattern::Any);
        Self {
            kind: KindMatcher::AllButPods,
            namespace: Some(any()),
            name: any(),
            verbs: VerbSet::from_iter([KubeVerb::Any]),
        }
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

fn verbs(resource: &KubernetesResource, version: Version, field: &str) -> Result<VerbSet, InvalidResource> {
    let every = VerbSet::from_iter([KubeVerb::Any]);
    match resource.verbs.as_slice() {
        [] if version.is_about_pods() => Ok(every),
        [] => Err(InvalidResource::field(field, "name at least one verb, or \"*\"")),
        [KubeVerb::Any] => Ok(every),
        _ if version.is_about_pods() => {
            let reason =
                format!("a {} role is about every verb: write \"*\", or write the role as v7", version.as_str());
            Err(InvalidResource::field(field, reason))
        }
        some => Ok(some.iter().copied().collect()),
    }
}

fn pod_kind(resource: &KubernetesResource, version: Version, field: &str) -> Result<KindMatcher, InvalidResource> {
    let version = version.as_str();
    if resource.api_group.is_some() {
        let reason = format!("a {version} role has none; write the role as v8");
        return Err(InvalidResource::field(format!("{field}.api_group"), reason));
    }
    if resource.kind != "pod" {
        let reason = format!(
            "a {version} role names pods (\"pod\") alone and lets other kinds pass; write the role as v7, which allows what it \
             lists and nothing else"
        );
        return Err(InvalidResource::field(format!("{field}.kind"), reason));
    }
    Ok(KindMatcher::Kind { plural: Some("pods".into()), group: Pattern::literal("") })
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
