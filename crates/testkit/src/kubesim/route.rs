//! From a path to what it names: the API server's `RequestInfo`, as far as the simulator needs it.

use http::Method;

use super::{
    kinds::{self, Kind},
    query::Query,
};

/// What a request is about.
#[derive(Debug, Clone)]
pub(super) enum Route {
    /// Objects of a resource.
    Resource(Target),
    /// A path such as `/version` or `/api`.
    Path(String),
}

/// Objects of one resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// API group, empty for core.
    pub(super) group: String,
    pub(super) version: String,
    /// Plural resource name.
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) namespace: Option<String>,
    /// Object name, empty when the request is about a collection.
    pub(super) name: String,
}

impl Target {
    /// Returns `pods` or `pods/exec`.
    pub(super) fn resource_and_subresource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            sub => format!("{}/{sub}", self.resource),
        }
    }

    /// Returns the kind that is served under this name.
    pub(super) fn kind(&self) -> Option<&'static Kind> {
        kinds::find(&self.group, &self.version, &self.resource)
    }
}

/// Reads a path.
pub(super) fn parse(path: &str) -> Route {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let target = match parts.as_slice() {
        ["api", version, rest @ ..] => target("", version, rest),
        ["apis", group, version, rest @ ..] => target(group, version, rest),
        _ => None,
    };
    target.map_or_else(|| Route::Path(path.to_owned()), Route::Resource)
}

fn target(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
    let base = Target { group: group.to_owned(), version: version.to_owned(), ..Target::default() };
    let (namespace, resource, tail) = match rest {
        // Sub-resources of a namespace look like resources in it.
        ["namespaces", name, sub @ ("status" | "finalize")] => {
            let found = Target { resource: "namespaces".into(), name: (*name).into(), ..base };
            return Some(Target { subresource: (*sub).into(), namespace: Some((*name).into()), ..found });
        }
        // A namespace is in itself, as far as the authorizer is concerned.
        ["namespaces", name] => (Some(*name), "namespaces", vec![*name]),
        ["namespaces", namespace, resource, tail @ ..] => (Some(*namespace), *resource, tail.to_vec()),
        [resource, tail @ ..] => (None, *resource, tail.to_vec()),
        [] => return None,
    };
    let (name, subresource) = match tail.as_slice() {
        [] => ("", String::new()),
        [name, sub @ ..] => (*name, sub.join("/")),
    };
    Some(Target {
        resource: resource.to_owned(),
        subresource,
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        ..base
    })
}

/// Returns the verb that the authorizer sees. A list narrowed to one name by a field selector takes that name.
pub(super) fn verb(method: &Method, target: &mut Target, query: &Query) -> &'static str {
    let collection = target.name.is_empty();
    match *method {
        Method::GET | Method::HEAD if !collection => "get",
        Method::GET | Method::HEAD => {
            if let Some(name) = query.first("fieldSelector").and_then(|text| text.strip_prefix("metadata.name=")) {
                target.name = name.to_owned();
            }
            if query.flag("watch") { "watch" } else { "list" }
        }
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        match parse(path) {
            Route::Path(path) => format!("path {path}"),
            Route::Resource(target) => format!(
                "{}|{}|{}|{}|{}",
                target.group,
                target.version,
                target.namespace.as_deref().unwrap_or("-"),
                target.resource_and_subresource(),
                target.name
            ),
        }
    }

    #[test]
    fn paths_name_what_the_api_server_says() {
        for (path, expected) in [
            ("/api", "path /api"),
            ("/apis/apps/v1", "path /apis/apps/v1"),
            ("/api/v1/pods", "|v1|-|pods|"),
            ("/api/v1/namespaces", "|v1|-|namespaces|"),
            ("/api/v1/namespaces/dev", "|v1|dev|namespaces|dev"),
            ("/api/v1/namespaces/dev/pods", "|v1|dev|pods|"),
            ("/api/v1/namespaces/dev/pods/a/exec", "|v1|dev|pods/exec|a"),
            ("/apis/apps/v1/namespaces/dev/deployments/a", "apps|v1|dev|deployments|a"),
            ("/api/v1/namespaces/dev/status", "|v1|dev|namespaces/status|dev"),
        ] {
            assert_eq!(read(path), expected, "{path}");
        }
    }
}
