//! What a request to a Kubernetes API asks for: read once from its method and target, the same way the API server reads it.
//!
//! The walk: `KubeAction::parse` → [`crate::access::kube`] → forward. Every path is an action; what has more than one
//! spelling or reading is refused, and what is forwarded is written anew from what was understood.
//!
//! Source: `RequestInfoFactory.NewRequestInfo` in `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`, and
//! `Convert_Slice_string_To_bool` in `k8s.io/apimachinery/pkg/runtime/converter.go`.

mod path;
mod query;

use std::fmt;

use path::Segments;
use query::Query;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeAction {
    /// Which object, objects or path.
    pub scope: KubeScope,
    /// What to do with it.
    pub verb: ApiVerb,
    /// Whether objects that do not exist are made: server-side apply.
    pub may_create: bool,
    target: String,
}

/// Which object, objects or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeScope {
    /// Objects of a kind.
    Resource(KubeResource),
    /// A path outside the resource tree: discovery, health, metrics.
    NonResource {
        /// The path, decoded.
        path: String,
    },
}

/// Objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeResource {
    /// The API group, empty for the core group.
    pub group: String,
    /// The version of the group.
    pub version: String,
    /// The namespace; empty for cluster-wide objects and for all namespaces together.
    pub namespace: String,
    /// The plural name of the kind.
    pub resource: String,
    /// The subresource, empty for the object itself.
    pub subresource: String,
    /// The object's name; empty for many objects and for creation.
    pub name: String,
}

/// What is done, in the API server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiVerb {
    /// Read one.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// Make one.
    Create,
    /// Replace one.
    Update,
    /// Change one.
    Patch,
    /// Delete one.
    Delete,
    /// Delete many.
    DeleteCollection,
    /// Run or attach to a command, by whatever method.
    Exec,
    /// Forward ports, by whatever method.
    PortForward,
    /// Speak through the API server to a pod, service or node, by whatever method.
    Proxy,
}

impl ApiVerb {
    /// Returns the verb as Kubernetes and roles write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Exec => "exec",
            Self::PortForward => "portforward",
            Self::Proxy => "proxy",
        }
    }

    /// Finds a verb by the name that Kubernetes and roles use.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Get,
            Self::List,
            Self::Watch,
            Self::Create,
            Self::Update,
            Self::Patch,
            Self::Delete,
            Self::DeleteCollection,
            Self::Exec,
            Self::PortForward,
            Self::Proxy,
        ]
        .into_iter()
        .find(|verb| verb.as_str() == text)
    }

    /// Tells whether the answer may hold many objects.
    pub fn is_collection(self) -> bool {
        matches!(self, Self::List | Self::Watch | Self::DeleteCollection)
    }
}

impl fmt::Display for ApiVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request has no meaning here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The path or query has more than one spelling or reading. 400
    #[error("{0}")]
    NotCanonical(&'static str),
    /// The method means nothing on this path. 405
    #[error("the method {method:?} is not served on this path")]
    Method {
        /// The method, cut to 32 characters.
        method: String,
    },
}

/// The parts of a request that decide what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// Path and query in origin form, as sent.
    pub target: &'a str,
    /// The `Content-Type` header, when there is one.
    pub content_type: Option<&'a str>,
}

impl KubeAction {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// [`ActionError::NotCanonical`] for a path or query in any but its one canonical form (percent-encoded unreserved
    /// characters, encoded slashes, dot segments, empty segments, `;`, `\`, control characters), and for a parameter that
    /// decides and is there twice; [`ActionError::Method`] for a method Kubernetes gives no meaning.
    pub fn parse(request: RequestLine<'_>) -> Result<Self, ActionError> {
        let (path, raw_query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target, None),
        };
        let segments = Segments::parse(path)?;
        let query = Query::parse(raw_query.unwrap_or_default())?;
        let method = Method::parse(request.method)?;
        let (scope, verb) = read(&segments, &query, method)?;
        if verb != ApiVerb::Proxy {
            query.check_unambiguous()?;
        }
        let may_create = verb == ApiVerb::Patch && request.content_type.is_some_and(is_apply);
        let mut target = segments.encode();
        if let Some(query) = raw_query {
            target.push('?');
            target.push_str(query);
        }
        Ok(Self { scope, verb, may_create, target })
    }

    /// Makes an action that nobody sends, for questions about what would be allowed.
    pub(crate) fn hypothetical(resource: KubeResource, verb: ApiVerb) -> Self {
        Self { scope: KubeScope::Resource(resource), verb, may_create: false, target: String::new() }
    }

    /// Returns the path and query to forward, written anew.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the path to forward, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// Returns the values of a query parameter, decoded, in order.
    pub fn parameters(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        Query::parse(query).map(|query| query.all(name)).unwrap_or_default()
    }

    /// Reads a boolean query parameter as the API server does.
    pub fn flag(&self, name: &str) -> bool {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        Query::parse(query).is_ok_and(|query| query.boolean(name))
    }

    /// Returns the objects asked for, none when the path is outside the resource tree.
    pub fn resource(&self) -> Option<&KubeResource> {
        match &self.scope {
            KubeScope::Resource(resource) => Some(resource),
            KubeScope::NonResource { .. } => None,
        }
    }
}

/// A method with a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Read,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    fn parse(text: &str) -> Result<Self, ActionError> {
        match text {
            "GET" | "HEAD" => Ok(Self::Read),
            "POST" => Ok(Self::Post),
            "PUT" => Ok(Self::Put),
            "PATCH" => Ok(Self::Patch),
            "DELETE" => Ok(Self::Delete),
            _ => Err(ActionError::Method { method: text.chars().take(32).collect() }),
        }
    }

    fn verb(self) -> ApiVerb {
        match self {
            Self::Read => ApiVerb::Get,
            Self::Post => ApiVerb::Create,
            Self::Put => ApiVerb::Update,
            Self::Patch => ApiVerb::Patch,
            Self::Delete => ApiVerb::Delete,
        }
    }
}

/// Server-side apply, in each encoding: `application/apply-patch+yaml`, `+cbor`.
fn is_apply(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("application/apply-patch")
}

fn read(segments: &Segments, query: &Query, method: Method) -> Result<(KubeScope, ApiVerb), ActionError> {
    let parts: Vec<&str> = segments.iter().collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok((KubeScope::NonResource { path: segments.decoded() }, method.verb())),
    };
    let (rest, watched) = match rest {
        ["watch", rest @ ..] if method == Method::Read && !rest.is_empty() => (rest, true),
        ["watch" | "proxy", ..] => {
            return Err(ActionError::NotCanonical("paths that begin with watch or proxy this way are not served"));
        }
        rest => (rest, false),
    };
    let mut resource = KubeResource { group: group.to_owned(), version: version.to_owned(), ..KubeResource::default() };
    let own = |text: &str| text.to_owned();
    let below = match rest {
        ["namespaces", namespace, "status" | "finalize"] | ["namespaces", namespace] => {
            resource.namespace = own(namespace);
            rest
        }
        // The API server takes this for the namespace itself, a reader of the path for something inside it.
        ["namespaces", _, "status" | "finalize", ..] => {
            return Err(ActionError::NotCanonical("nothing lies below a namespace's status or finalize"));
        }
        ["namespaces", namespace, below @ ..] => {
            resource.namespace = own(namespace);
            below
        }
        _ => rest,
    };
    let tail = match below {
        [kind] => {
            resource.resource = own(kind);
            &[][..]
        }
        [kind, name] => {
            (resource.resource, resource.name) = (own(kind), own(name));
            &[][..]
        }
        [kind, name, subresource, tail @ ..] => {
            (resource.resource, resource.name, resource.subresource) = (own(kind), own(name), own(subresource));
            tail
        }
        [] => &[][..],
    };
    let verb = verb(&mut resource, query, method, watched)?;
    if verb != ApiVerb::Proxy && (segments.has_trailing_slash() || !tail.is_empty()) {
        return Err(ActionError::NotCanonical("the path goes on after the subresource, or ends in a slash"));
    }
    Ok((KubeScope::Resource(resource), verb))
}

/// Finds the verb: streams and proxies by their subresource whatever the method, the rest by method, name and query.
fn verb(resource: &mut KubeResource, query: &Query, method: Method, watched: bool) -> Result<ApiVerb, ActionError> {
    let stream = match resource.subresource.as_str() {
        "exec" | "attach" => Some(ApiVerb::Exec),
        "portforward" => Some(ApiVerb::PortForward),
        "proxy" => Some(ApiVerb::Proxy),
        _ => None,
    };
    if watched {
        // The old prefix watches a collection or one object; on a subresource it means nothing.
        return if resource.subresource.is_empty() {
            Ok(ApiVerb::Watch)
        } else {
            Err(ActionError::NotCanonical("a subresource cannot be watched"))
        };
    }
    if let Some(verb) = stream {
        return Ok(verb);
    }
    let watch = query.boolean("watch");
    match (method.verb(), resource.name.is_empty()) {
        (ApiVerb::Get, false) if watch && resource.subresource.is_empty() => {
            Err(ActionError::NotCanonical("watch one object by fieldSelector=metadata.name=NAME on the collection"))
        }
        (ApiVerb::Get, true) => {
            if let Some(name) = query.selected_name() {
                resource.name = name;
            }
            Ok(if watch { ApiVerb::Watch } else { ApiVerb::List })
        }
        (ApiVerb::Delete, true) => Ok(ApiVerb::DeleteCollection),
        (ApiVerb::Update | ApiVerb::Patch, true) => {
            Err(ActionError::NotCanonical("this method needs the name of an object"))
        }
        (ApiVerb::Create, false) if resource.subresource.is_empty() => {
            Err(ActionError::NotCanonical("POST goes to the collection, not to an object"))
        }
        (verb, _) => Ok(verb),
    }
}

#[cfg(test)]
#[path = "kube_action/tests.rs"]
mod tests;
