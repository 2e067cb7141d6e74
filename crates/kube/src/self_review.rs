//! `kubectl auth can-i`: the API server knows only what the impersonated groups may do, so a question that roles already
//! answer with no is answered here. Any other question goes on, body and all.
//!
//! Source: `SelfSubjectAccessReview` in <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>.

mod question;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use teleport_types::{
    access::{
        kube::KubeAccess,
        scope::{KindScope, scope_of},
    },
    kube_action::{ApiVerb, KubeAction, KubeResource},
};

use question::Attributes;

use crate::{
    body::{ClientBody, ResponseBody},
    peer::Peer,
    refusal::Refusal,
    view::View,
};

/// Longest question that is read.
const MAX_BYTES: usize = 64 * 1024;
/// How long it may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// What becomes of a request.
pub(crate) enum Reviewed {
    /// Roles say no.
    Answered(Response<ResponseBody>),
    /// It goes on.
    GoesOn(Request<ClientBody>),
}

/// Tells whether a request is such a question, in a form that is read here.
pub(crate) fn is_asked(action: &KubeAction, request: &Request<Incoming>) -> bool {
    let review = action.resource().is_some_and(|resource| {
        resource.group == "authorization.k8s.io" && resource.resource == "selfsubjectaccessreviews"
    });
    review && action.verb == ApiVerb::Create && Encoding::of(request.headers()).is_some()
}

/// How a question is written.
#[derive(Clone, Copy)]
enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match value.split(';').next().unwrap_or_default().trim() {
            "application/json" => Some(Self::Json),
            "application/vnd.kubernetes.protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }
}

/// Reads the question and answers it when roles say no.
pub(crate) async fn review(peer: &Peer, view: &View, request: Request<Incoming>) -> Result<Reviewed, Refusal> {
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(DEADLINE, Limited::new(body, MAX_BYTES).collect()).await;
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::Protocol("the review is too long")),
        Ok(Err(_)) => return Err(Refusal::Protocol("the review broke off")),
        Err(_) => return Err(Refusal::Protocol("the review took too long to arrive")),
    };
    let question = match Encoding::of(&parts.headers) {
        Some(Encoding::Json) => Attributes::of_json(&body),
        Some(Encoding::Protobuf) => Attributes::of_protobuf(&body),
        None => None,
    };
    if let Some(question) = question
        && let Some(reason) = peer.with_access(view, |access| Ok(denied(access, &question))).unwrap_or(None)
    {
        return Ok(Reviewed::Answered(no(&question, &reason)));
    }
    Ok(Reviewed::GoesOn(Request::from_parts(parts, ClientBody::Whole(Full::new(body)))))
}

/// Returns why roles say no; `None` when they do not, or have no word for what is asked.
fn denied(access: &KubeAccess, question: &Attributes) -> Option<String> {
    let verb = match (question.subresource.as_str(), question.verb.as_str()) {
        ("exec" | "attach", _) => ApiVerb::Exec,
        ("portforward", _) => ApiVerb::PortForward,
        ("proxy", _) => ApiVerb::Proxy,
        (_, verb) => ApiVerb::parse(verb)?,
    };
    if question.resource == "*" || question.group == "*" || question.resource.is_empty() {
        return None;
    }
    // kubectl names its current namespace also for kinds that have none.
    let cluster_wide = scope_of(&question.group, &question.resource) == KindScope::ClusterWide;
    let resource = KubeResource {
        group: question.group.clone(),
        version: question.version.clone(),
        namespace: if cluster_wide { String::new() } else { question.namespace.clone() },
        resource: question.resource.clone(),
        subresource: question.subresource.clone(),
        name: question.name.clone(),
    };
    access.would_allow(resource, verb).err().map(|denied| denied.client)
}

/// Answers in JSON, which every client of Kubernetes reads.
fn no(question: &Attributes, reason: &str) -> Response<ResponseBody> {
    let answer = json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": { "resourceAttributes": {
            "namespace": question.namespace,
            "verb": question.verb,
            "group": question.group,
            "version": question.version,
            "resource": question.resource,
            "subresource": question.subresource,
            "name": question.name,
        }},
        "status": { "allowed": false, "denied": true, "reason": reason },
    });
    let mut response = Response::new(ResponseBody::Whole(Full::new(Bytes::from(answer.to_string()))));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
