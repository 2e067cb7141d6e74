//! Holds one resource rule against one request.

use crate::{
    Traits,
    access::{
        kube::words::Reason,
        scope::{KindScope, scope_of},
    },
    kube_action::{ApiVerb, KubeResource},
    labels::Pattern,
    role::{
        KubeVerb,
        policy::{KindMatcher, ResourceRule, VerbSet},
    },
};

/// A rule of a role, traits filled in.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    kind: KindMatcher,
    /// `None`: cluster-wide objects only.
    namespaces: Option<Vec<Pattern>>,
    names: Vec<Pattern>,
    verbs: VerbSet,
}

/// What a request asks for, as far as rules distinguish.
pub(super) struct Ask<'a> {
    group: &'a str,
    plural: &'a str,
    subresource: &'a str,
    /// `None`: a cluster-wide object, or all namespaces.
    namespace: Option<&'a str>,
    /// `None`: many objects, or one not made yet.
    name: Option<&'a str>,
    verb: ApiVerb,
    scope: KindScope,
}

/// How much of what is asked for a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cover {
    No,
    Part,
    Whole,
}

/// Whose rule it is: where a rule is not clear about a kind, allow reads it narrow and deny reads it wide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Allow,
    Deny,
}

impl Rule {
    pub(super) fn resolve(rule: &ResourceRule, traits: &Traits) -> Self {
        Self {
            kind: rule.kind.clone(),
            namespaces: rule.namespace.as_ref().map(|namespace| namespace.resolve(traits)),
            names: rule.name.resolve(traits),
            verbs: rule.verbs,
        }
    }
}

impl<'a> Ask<'a> {
    /// Refuses a path through a namespace to a kind that lives in none.
    pub(super) fn new(resource: &'a KubeResource, verb: ApiVerb) -> Result<Self, Reason> {
        let scope = scope_of(&resource.group, &resource.resource);
        let is_namespace = resource.group.is_empty() && resource.resource == "namespaces";
        let own = |text: &'a str| (!text.is_empty()).then_some(text);
        let namespace = if is_namespace { None } else { own(&resource.namespace) };
        if namespace.is_some() && scope == KindScope::ClusterWide {
            return Err(Reason::NotInNamespace);
        }
        Ok(Self {
            group: &resource.group,
            plural: &resource.resource,
            subresource: &resource.subresource,
            namespace,
            name: own(&resource.name),
            verb,
            scope,
        })
    }

    /// Returns how much the rules together are about: as much as the one that is about most.
    pub(super) fn covered_by(&self, rules: &[Rule], need: KubeVerb, side: Side) -> Cover {
        rules.iter().map(|rule| self.covered(rule, need, side)).max().unwrap_or(Cover::No)
    }

    /// Says why a rule about a part of what is asked for is not enough.
    pub(super) fn partial(&self) -> Reason {
        if self.verb.is_collection() { Reason::NeedsFilter } else { Reason::NeedsName }
    }

    fn covered(&self, rule: &Rule, need: KubeVerb, side: Side) -> Cover {
        if !self.verb_matches(rule, need, side) {
            return Cover::No;
        }
        let implied = if side == Side::Allow { self.implied(rule) } else { Cover::No };
        let cover = match &rule.kind {
            KindMatcher::Kind { plural, group } => {
                let same = plural.as_deref().is_none_or(|plural| plural == self.plural) && group.matches(self.group);
                if same { self.namespace_cover(rule, side).min(self.name_cover(rule, side)) } else { Cover::No }
            }
            KindMatcher::NamespaceAndContents => self.contents_cover(rule, side),
            KindMatcher::AllButPods if self.group.is_empty() && self.plural == "pods" => Cover::No,
            KindMatcher::AllButPods => self.namespace_cover(rule, side).min(self.name_cover(rule, side)),
        };
        cover.max(implied)
    }

    /// A kubelet behind the proxy runs commands and reads every pod's secrets, so `*` does not reach there.
    fn verb_matches(&self, rule: &Rule, need: KubeVerb, side: Side) -> bool {
        // Who must not delete one must not delete many.
        if side == Side::Deny && need == KubeVerb::DeleteCollection && rule.verbs.has(KubeVerb::Delete) {
            return true;
        }
        let kubelet = need == KubeVerb::Proxy && self.group.is_empty() && self.plural == "nodes";
        if kubelet && side == Side::Allow { rule.verbs.names(need) } else { rule.verbs.has(need) }
    }

    fn namespace_cover(&self, rule: &Rule, side: Side) -> Cover {
        match (self.namespace, &rule.namespaces) {
            (Some(namespace), Some(patterns)) => whole_if(patterns.iter().any(|pattern| pattern.matches(namespace))),
            (_, None) if side == Side::Deny => Cover::Whole,
            (Some(_), None) => Cover::No,
            (None, Some(patterns)) if patterns.iter().any(Pattern::is_any) => Cover::Whole,
            (None, Some(patterns)) => match self.scope {
                _ if patterns.is_empty() => Cover::No,
                KindScope::ClusterWide => Cover::No,
                KindScope::Namespaced | KindScope::Unknown => Cover::Part,
            },
            (None, None) => match (self.scope, &rule.kind) {
                (KindScope::ClusterWide, _) => Cover::Whole,
                (KindScope::Namespaced, _) => Cover::No,
                (KindScope::Unknown, KindMatcher::Kind { plural: Some(_), .. }) => Cover::Whole,
                (KindScope::Unknown, _) => Cover::No,
            },
        }
    }

    fn name_cover(&self, rule: &Rule, side: Side) -> Cover {
        let named = |name| rule.names.iter().any(|pattern| pattern.matches(name));
        match self.name {
            Some(name) => whole_if(named(self.proxied(name)) || side == Side::Deny && named(name)),
            None if rule.names.iter().any(Pattern::is_any) => Cover::Whole,
            None if rule.names.is_empty() => Cover::No,
            None => Cover::Part,
        }
    }

    /// Returns the object that a proxied name is about: `https:web:8443` reaches the pod or service `web`, so what roles
    /// say of `web` holds (`SplitSchemeNamePort` in `k8s.io/apimachinery/pkg/util/net`).
    fn proxied(&self, name: &'a str) -> &'a str {
        if self.verb != ApiVerb::Proxy || !self.group.is_empty() {
            return name;
        }
        match name.split(':').collect::<Vec<_>>().as_slice() {
            [_, object, _] | [object, _] => object,
            _ => name,
        }
    }

    /// v7 `namespace`: the names of the rule are those of namespaces.
    fn contents_cover(&self, rule: &Rule, side: Side) -> Cover {
        if self.group.is_empty() && self.plural == "namespaces" {
            return self.name_cover(rule, side);
        }
        let every = rule.names.iter().any(Pattern::is_any);
        match (self.namespace, self.scope) {
            (Some(namespace), _) => whole_if(rule.names.iter().any(|pattern| pattern.matches(namespace))),
            (None, KindScope::ClusterWide) => Cover::No,
            (None, KindScope::Namespaced) if every => Cover::Whole,
            (None, KindScope::Unknown) if every && side == Side::Deny => Cover::Whole,
            (None, _) if rule.names.is_empty() => Cover::No,
            (None, _) => Cover::Part,
        }
    }

    /// Access to any object in a namespace is access to read the namespace itself.
    fn implied(&self, rule: &Rule) -> Cover {
        let reads = matches!(self.verb, ApiVerb::Get | ApiVerb::List | ApiVerb::Watch) && self.subresource.is_empty();
        let is_namespace = self.group.is_empty() && self.plural == "namespaces";
        match (self.name, &rule.namespaces) {
            (Some(name), Some(patterns)) if reads && is_namespace => {
                whole_if(patterns.iter().any(|pattern| pattern.matches(name)))
            }
            _ => Cover::No,
        }
    }
}

fn whole_if(yes: bool) -> Cover {
    if yes { Cover::Whole } else { Cover::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much a rule for pods of that name is about the proxy of a pod.
    fn proxy(pattern: &str, name: &str, side: Side) -> Cover {
        let resource = KubeResource {
            version: "v1".to_owned(),
            namespace: "dev".to_owned(),
            resource: "pods".to_owned(),
            subresource: "proxy".to_owned(),
            name: name.to_owned(),
            ..KubeResource::default()
        };
        let rule = Rule {
            kind: KindMatcher::Kind { plural: Some("pods".into()), group: Pattern::literal("") },
            namespaces: Some(vec![Pattern::Any]),
            names: vec![Pattern::parse(pattern).expect("a pattern")],
            verbs: [KubeVerb::Proxy].into_iter().collect(),
        };
        let Ok(ask) = Ask::new(&resource, ApiVerb::Proxy) else { return Cover::No };
        ask.covered_by(&[rule], KubeVerb::Proxy, side)
    }

    #[test]
    fn scheme_and_port_of_a_proxied_name_neither_hide_an_object_nor_pass_for_one() {
        for name in ["vault", "vault:8200", "vault:", "https:vault:8200", "http:vault:", ":vault:"] {
            assert_eq!(proxy("vault", name, Side::Deny), Cover::Whole, "{name}");
            assert_eq!(proxy("vault", name, Side::Allow), Cover::Whole, "{name}");
        }
        for (pattern, name) in [("*web", "vault:web"), ("https*", "https:vault:1"), ("web*", "x:web:1:2")] {
            assert_eq!(proxy(pattern, name, Side::Allow), Cover::No, "{pattern} {name}");
        }
        assert_eq!(proxy("vault:8200", "vault:8200", Side::Deny), Cover::Whole, "deny reads wide");
    }
}
