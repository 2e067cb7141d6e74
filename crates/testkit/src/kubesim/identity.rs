//! Who asks: credentials to an identity, then the identity that impersonation headers ask for.
//!
//! Step one and two of `server`'s walk.

use std::collections::HashMap;

use http::{HeaderMap, header};

use super::{route::Target, status::Status};

/// A user with groups, as the API server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User name.
    pub user: String,
    /// Groups, `system:authenticated` included.
    pub groups: Vec<String>,
    /// Extra fields of an impersonated user.
    pub extra: Vec<(String, String)>,
}

impl Identity {
    /// Makes the identity of a user that proved who they are.
    pub(super) fn authenticated(user: impl Into<String>, mut groups: Vec<String>) -> Self {
        if !groups.iter().any(|group| group == "system:authenticated") {
            groups.push("system:authenticated".into());
        }
        Self { user: user.into(), groups, extra: Vec::new() }
    }

    /// Makes the identity of a service account.
    pub(super) fn service_account(namespace: &str, name: &str) -> Self {
        let groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
        Self::authenticated(format!("system:serviceaccount:{namespace}:{name}"), groups)
    }

    fn anonymous() -> Self {
        let groups = vec!["system:unauthenticated".into()];
        Self { user: "system:anonymous".into(), groups, extra: Vec::new() }
    }
}

/// Decides who sent the request: a known bearer token first, then the client certificate, else anonymous.
///
/// # Errors
/// 401 for a token that is not known, as the API server does even when a certificate is there.
pub(super) fn authenticate(
    tokens: &HashMap<String, Identity>,
    headers: &HeaderMap,
    certificate: Option<&Identity>,
) -> Result<Identity, Status> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = token.and_then(|value| value.strip_prefix("Bearer ")) {
        return tokens.get(token.trim()).cloned().ok_or_else(Status::unauthorized);
    }
    Ok(certificate.cloned().unwrap_or_else(Identity::anonymous))
}

/// Becomes the user that `Impersonate-*` headers name, each part allowed on its own.
///
/// # Errors
/// 403 in Kubernetes' wording for the first part that is not allowed; 500 for groups without a user.
pub(super) fn impersonate(
    asking: Identity,
    headers: &HeaderMap,
    allowed: impl Fn(&Identity, &Target) -> bool,
) -> Result<Identity, Status> {
    let values = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let user = values("impersonate-user").into_iter().next().unwrap_or_default();
    let groups = values("impersonate-group");
    let uid = values("impersonate-uid").into_iter().next();
    let extra = extras(headers);
    if user.is_empty() {
        if groups.is_empty() && uid.is_none() && extra.is_empty() {
            return Ok(asking);
        }
        return Err(Status::internal("requested groups, uid or extra without impersonating a user"));
    }
    let mut wanted = vec![user_target(&user)];
    wanted.extend(groups.iter().map(|group| part("", "groups", "", group)));
    wanted.extend(uid.iter().map(|uid| part("authentication.k8s.io", "uids", "", uid)));
    wanted.extend(extra.iter().map(|(key, value)| part("authentication.k8s.io", "userextras", key, value)));
    if let Some(refused) = wanted.iter().find(|target| !allowed(&asking, target)) {
        return Err(Status::forbidden(&asking, "impersonate", refused));
    }
    let mut identity = match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        Some((namespace, name)) if groups.is_empty() => Identity::service_account(namespace, name),
        _ if user == "system:anonymous" => Identity { groups, ..Identity::anonymous() },
        _ => Identity::authenticated(user, groups),
    };
    identity.extra = extra;
    Ok(identity)
}

fn user_target(user: &str) -> Target {
    match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        Some((namespace, name)) => {
            Target { namespace: Some(namespace.to_owned()), ..part("", "serviceaccounts", "", name) }
        }
        None => part("", "users", "", user),
    }
}

fn part(group: &str, resource: &str, subresource: &str, name: &str) -> Target {
    Target {
        group: group.into(),
        version: "v1".into(),
        resource: resource.into(),
        subresource: subresource.into(),
        namespace: None,
        name: name.into(),
    }
}

fn extras(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let key = name.as_str().strip_prefix("impersonate-extra-")?;
        Some((key.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubesim::rbac;

    fn may_impersonate(asking: &Identity, target: &Target) -> bool {
        rbac::allows(asking, "impersonate", target)
    }

    fn proxy() -> Identity {
        Identity::service_account("teleport", "teleport")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn the_proxy_becomes_the_user_with_exactly_the_groups_it_names() {
        let asked = headers(&[("impersonate-user", "alice"), ("impersonate-group", "devs")]);
        let identity = impersonate(proxy(), &asked, may_impersonate).unwrap();
        assert_eq!(identity, Identity::authenticated("alice", vec!["devs".into()]));
    }

    #[test]
    fn a_user_without_the_right_is_refused_in_kubernetes_words() {
        let asking = Identity::authenticated("bob", vec!["devs".into()]);
        let refused = impersonate(asking, &headers(&[("impersonate-user", "alice")]), may_impersonate).unwrap_err();
        let expected = r#"users "alice" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope"#;
        assert_eq!(refused.document()["message"], expected);
    }

    #[test]
    fn groups_without_a_user_are_refused() {
        assert!(impersonate(proxy(), &headers(&[("impersonate-group", "devs")]), may_impersonate).is_err());
    }

    #[test]
    fn an_unknown_token_is_401_and_none_is_anonymous() {
        let refused = authenticate(&HashMap::new(), &headers(&[("authorization", "Bearer x")]), None).unwrap_err();
        assert_eq!(refused.code, 401);
        assert_eq!(authenticate(&HashMap::new(), &HeaderMap::new(), None).unwrap().user, "system:anonymous");
    }
}
