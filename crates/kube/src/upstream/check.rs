//! The self check at start: may we impersonate there, and which cluster is it.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use serde_json::{Value, json};

use super::{Upstream, UpstreamError};

/// Longest answer read.
const ANSWER: usize = 1 << 20;
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const WHO_AM_I: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// What the self check came to.
#[derive(Clone, Debug)]
pub enum SelfCheck {
    /// Everything needed is allowed.
    Ok,
    /// Something is not.
    Missing(MissingRights),
    /// The cluster cannot be asked.
    Unreachable(UpstreamError),
    /// The cluster answered with something unexpected, in words; a 401 means that the credential is not accepted.
    Refused {
        /// The status.
        status: StatusCode,
        /// What it says.
        message: String,
    },
}

/// Something that must be allowed to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, plural.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

/// All that we need; the order is that of the manifest.
const NEEDED: [Right; 4] = [
    Right { group: "", resource: "users", verb: "impersonate" },
    Right { group: "", resource: "groups", verb: "impersonate" },
    Right { group: "", resource: "serviceaccounts", verb: "impersonate" },
    Right { group: "", resource: "pods", verb: "get" },
];
const ASKING: Right = Right { group: "authorization.k8s.io", resource: "selfsubjectaccessreviews", verb: "create" };

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// Rights that are missing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRights {
    /// Which.
    pub rights: Vec<Right>,
    /// The user that the cluster takes us for, when it says.
    pub user: Option<String>,
}

impl MissingRights {
    /// Returns the ClusterRole and ClusterRoleBinding to apply, as YAML.
    pub fn manifest(&self) -> String {
        let subject = match self.user.as_deref() {
            Some(user) => subject(user),
            None => "# put the user of this kubeconfig here\n  - kind: User\n    apiGroup: rbac.authorization.k8s.io\n    name: \"\"\n".to_owned(),
        };
        format!("{ROLE}{subject}")
    }
}

impl std::fmt::Display for MissingRights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rights: Vec<_> = self.rights.iter().map(Right::to_string).collect();
        write!(f, "not allowed to {}", rights.join(", "))
    }
}

/// The whole of what we need, and the head of its binding.
const ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: teleport
rules:
  - apiGroups: [\"\"]
    resources: [users, groups, serviceaccounts]
    verbs: [impersonate]
  - apiGroups: [\"\"]
    resources: [pods]
    verbs: [get]
  - apiGroups: [authorization.k8s.io]
    resources: [selfsubjectaccessreviews]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: teleport
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: teleport
subjects:
";

fn subject(user: &str) -> String {
    let mut yaml = String::new();
    // JSON strings are YAML strings, whatever is in the name.
    let quoted = |text: &str| json!(text).to_string();
    let service_account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let _ = match service_account {
        Some((namespace, name)) => {
            write!(yaml, "  - kind: ServiceAccount\n    namespace: {}\n    name: {}\n", quoted(namespace), quoted(name))
        }
        None => write!(yaml, "  - kind: User\n    apiGroup: rbac.authorization.k8s.io\n    name: {}\n", quoted(user)),
    };
    yaml
}

/// What tells a cluster from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// UID of the `kube-system` namespace, when we may read it.
    pub kube_system_uid: Option<String>,
    /// SHA-256 over the certificates of its API's authority, hexadecimal; `None` when public roots are used or none.
    pub api_authority: Option<String>,
}

/// Asks one review for each right.
pub(super) async fn check(upstream: &Upstream) -> SelfCheck {
    let mut missing = Vec::new();
    for right in NEEDED {
        let attributes = json!({ "group": right.group, "resource": right.resource, "verb": right.verb });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let (status, answer) = match call(upstream, Method::POST, REVIEWS, Some(&review)).await {
            Ok(answered) => answered,
            Err(error) => return SelfCheck::Unreachable(error),
        };
        match (status, answer.pointer("/status/allowed").and_then(Value::as_bool)) {
            (StatusCode::CREATED | StatusCode::OK, Some(true)) => {}
            (StatusCode::CREATED | StatusCode::OK, Some(false)) => missing.push(right),
            (StatusCode::FORBIDDEN, _) => {
                missing.push(ASKING);
                break;
            }
            _ => return SelfCheck::Refused { status, message: message(&answer) },
        }
    }
    if missing.is_empty() {
        return SelfCheck::Ok;
    }
    SelfCheck::Missing(MissingRights { rights: missing, user: user(upstream).await })
}

/// Reads what tells this cluster from every other.
pub(super) async fn identity(upstream: &Upstream) -> Result<ClusterIdentity, UpstreamError> {
    let (status, answer) = call(upstream, Method::GET, "/api/v1/namespaces/kube-system", None).await?;
    let uid = answer.pointer("/metadata/uid").and_then(Value::as_str);
    let kube_system_uid = uid.filter(|_| status == StatusCode::OK).map(str::to_owned);
    Ok(ClusterIdentity { kube_system_uid, api_authority: upstream.inner.credential.authority().await })
}

/// Asks who we are; clusters before 1.28 do not say.
async fn user(upstream: &Upstream) -> Option<String> {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let (_, answer) = call(upstream, Method::POST, WHO_AM_I, Some(&review)).await.ok()?;
    answer.pointer("/status/userInfo/username").and_then(Value::as_str).map(str::to_owned)
}

async fn call(
    upstream: &Upstream,
    method: Method,
    path: &'static str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), UpstreamError> {
    let request = Request::builder().method(method).uri(path);
    let unreadable = |_| upstream.inner.error(super::Fault::Request("its body cannot be made"));
    let answer = match body {
        Some(body) => {
            let body = Full::new(Bytes::from(body.to_string()));
            let request = request.header(CONTENT_TYPE, "application/json").body(body).map_err(unreadable)?;
            upstream.send(request).await?
        }
        None => upstream.send(request.body(Empty::new()).map_err(unreadable)?).await?,
    };
    let status = answer.status();
    // An answer that cannot be read to its end has no content; its status says enough.
    let limit = upstream.inner.limits.connect;
    let read = tokio::time::timeout(limit, Limited::new(answer.into_body(), ANSWER).collect()).await;
    let content = read.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    let content = content.and_then(|content| serde_json::from_slice(&content).ok());
    Ok((status, content.unwrap_or_default()))
}

fn message(answer: &Value) -> String {
    let message = answer.get("message").and_then(Value::as_str).unwrap_or("it gave no reason");
    message.chars().take(400).collect()
}
