//! `kubectl auth can-i`: the API server knows only what the impersonated groups may do, so a question that roles already
//! answer with no is answered here. Any other question goes on, body and all.
//!
//! Source: `SelfSubjectAccessReview` in <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use teleport_types::{
    access::kube::KubeAccess,
    kube_action::{ApiVerb, KubeAction, KubeResource},
};

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
    let json = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    review && action.verb == ApiVerb::Create && json.is_some_and(|value| value.starts_with("application/json"))
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
    if let Ok(question) = serde_json::from_slice::<Value>(&body)
        && let Some(reason) = peer.with_access(view, |access| Ok(denied(access, &question))).unwrap_or(None)
    {
        return Ok(Reviewed::Answered(no(question, &reason)));
    }
    Ok(Reviewed::GoesOn(Request::from_parts(parts, ClientBody::Whole(Full::new(body)))))
}

/// Returns why roles say no; `None` when they do not, or have no word for what is asked.
fn denied(access: &KubeAccess, question: &Value) -> Option<String> {
    let attributes = question.pointer("/spec/resourceAttributes")?;
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let subresource = text("subresource");
    let verb = match (subresource.as_str(), text("verb").as_str()) {
        ("exec" | "attach", _) => ApiVerb::Exec,
        ("portforward", _) => ApiVerb::PortForward,
        ("proxy", _) => ApiVerb::Proxy,
        (_, verb) => ApiVerb::parse(verb)?,
    };
    let resource = KubeResource {
        group: text("group"),
        version: text("version"),
        namespace: text("namespace"),
        resource: text("resource"),
        subresource,
        name: text("name"),
    };
    if resource.resource == "*" || resource.group == "*" || resource.resource.is_empty() {
        return None;
    }
    access.would_allow(resource, verb).err().map(|denied| denied.client)
}

fn no(mut question: Value, reason: &str) -> Response<ResponseBody> {
    if let Some(fields) = question.as_object_mut() {
        fields.insert("status".to_owned(), json!({ "allowed": false, "denied": true, "reason": reason }));
    }
    let mut response = Response::new(ResponseBody::Whole(Full::new(Bytes::from(question.to_string()))));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
