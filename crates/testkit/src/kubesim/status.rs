//! `metav1.Status` answers in Kubernetes' own wording.
//!
//! Every refusal of the simulator is a [`Status`]; `server` turns it into a response.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    body::{self, Reply},
    identity::Identity,
    route::Target,
};

/// A refusal, as the API server words it.
#[derive(Debug, Clone)]
pub(super) struct Status {
    /// HTTP code, repeated in the document.
    pub(super) code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Value>,
}

impl Status {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn about(mut self, target: &Target, name: &str) -> Self {
        let mut details = json!({});
        if let Value::Object(map) = &mut details {
            if !name.is_empty() {
                map.insert("name".into(), name.into());
            }
            if !target.group.is_empty() {
                map.insert("group".into(), target.group.clone().into());
            }
            map.insert("kind".into(), target.resource.clone().into());
        }
        self.details = Some(details);
        self
    }

    /// No or wrong credentials.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// The authorizer said no to a request for resources.
    pub(super) fn forbidden(identity: &Identity, verb: &str, target: &Target) -> Self {
        let scope = match &target.namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{} is forbidden: User \"{}\" cannot {verb} resource \"{}\" in API group \"{}\" {scope}",
            subject(target, &target.name),
            identity.user,
            target.resource_and_subresource(),
            target.group,
        );
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(target, &target.name)
    }

    /// The authorizer said no to a path that names no resource.
    pub(super) fn forbidden_path(identity: &Identity, verb: &str, path: &str) -> Self {
        let message = format!("forbidden: User \"{}\" cannot {verb} path \"{path}\"", identity.user);
        let mut status = Self::new(StatusCode::FORBIDDEN, "Forbidden", message);
        status.details = Some(json!({}));
        status
    }

    /// The object does not exist.
    pub(super) fn not_found(target: &Target, name: &str) -> Self {
        let message = format!("{} not found", subject(target, name));
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(target, name)
    }

    /// The path names nothing that is served.
    pub(super) fn unknown_resource() -> Self {
        let mut status =
            Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
        status.details = Some(json!({}));
        status
    }

    /// An object of that name is there already.
    pub(super) fn already_exists(target: &Target, name: &str) -> Self {
        let message = format!("{} already exists", subject(target, name));
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(target, name)
    }

    /// The update was made from an older version.
    pub(super) fn conflict(target: &Target, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {}: the object has been modified; please apply your changes to the latest version and try again",
            subject(target, name)
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(target, name)
    }

    /// The method does not go with the resource.
    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// The request cannot be understood.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The object breaks a rule.
    pub(super) fn invalid(target: &Target, name: &str, message: &str) -> Self {
        let kind = target.kind().map_or("Object", |kind| kind.kind);
        let text = format!("{kind} \"{name}\" is invalid: {message}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text).about(target, name)
    }

    /// The watch asks for history that is gone.
    pub(super) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(StatusCode::GONE, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// No media type that the client accepts is served.
    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json, application/yaml";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// The body's media type is not read here.
    pub(super) fn unsupported_media_type(accepted: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// Something failed on the server's side.
    pub(super) fn internal(message: impl std::fmt::Display) -> Self {
        let text = format!("Internal error occurred: {message}");
        let mut status = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", text);
        status.details = Some(json!({"causes": [{"message": message.to_string()}]}));
        status
    }

    /// Returns the document.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason,
        });
        if let Value::Object(map) = &mut document {
            if let Some(details) = &self.details {
                map.insert("details".into(), details.clone());
            }
            map.insert("code".into(), self.code.as_u16().into());
        }
        document
    }

    /// Returns the response.
    pub(super) fn reply(&self) -> Reply {
        body::json(self.code, &self.document())
    }
}

/// Names the object of a sentence: `pods "web-0"`, `deployments.apps "x"`, or only `pods`.
fn subject(target: &Target, name: &str) -> String {
    let resource = match target.group.as_str() {
        "" => target.resource.clone(),
        group => format!("{}.{group}", target.resource),
    };
    if name.is_empty() { resource } else { format!("{resource} \"{name}\"") }
}
