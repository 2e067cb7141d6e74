//! Refusals in Kubernetes' own form: a `metav1.Status` that kubectl prints as its own errors.
//!
//! Every answer this service makes itself is built here, so that code, reason and wording agree.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

/// Why a request was not served, in the words of the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The request breaks a rule of the protocol. 400
    BadRequest,
    /// The certificate has expired or the login has ended. 401
    Unauthorized,
    /// The connection is for another host. 421
    Misdirected,
    /// Roles, locks or the kind of request forbid it. 403
    Forbidden,
    /// Nobody serves this cluster, or no such path. 404
    NotFound,
    /// The path does not take this method. 405
    MethodNotAllowed,
    /// Too large to be looked at. 413
    RequestEntityTooLarge,
    /// A fault of ours. 500
    InternalError,
    /// The API server answered something that must not be passed on. 502
    BadGateway,
    /// The API server, the audit store or this service cannot serve now. 503
    ServiceUnavailable,
    /// The API server took too long. 504
    Timeout,
}

impl Reason {
    /// Returns the HTTP code.
    pub fn code(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestEntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the `reason` field; Kubernetes has no word for some codes.
    fn text(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::InternalError => "InternalError",
            Self::BadGateway | Self::Misdirected => "",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
        }
    }
}

/// One refusal, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    reason: Reason,
    message: String,
    details: Option<Details>,
}

/// What a refusal is about; kubectl puts it in front of some messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its resource, in the plural.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
    code: u16,
}

#[derive(Serialize)]
struct Empty {}

impl Status {
    /// Makes a refusal; `message` is what kubectl shows.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: None }
    }

    /// Makes the refusal of a request that names another host than its connection.
    pub(crate) fn misdirected() -> Self {
        Self::new(Reason::Misdirected, "the request names another host than its connection")
    }

    /// Says which object it is about.
    #[must_use]
    pub fn about(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// Returns the HTTP code.
    pub fn code(&self) -> StatusCode {
        self.reason.code()
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the JSON of the answer.
    pub fn json(&self) -> Bytes {
        let body = Body {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message: &self.message,
            reason: self.reason.text(),
            details: self.details.as_ref(),
            code: self.code().as_u16(),
        };
        serde_json::to_vec(&body).expect("the fields are texts and a number").into()
    }

    /// Returns the answer.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.json()));
        *response.status_mut() = self.code();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_what_kubectl_reads() {
        let about = Details { name: "web".into(), kind: "pods".into(), ..Details::default() };
        let status = Status::new(Reason::Forbidden, "pods \"web\" is forbidden: no").about(about);
        let expected = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"web\" is forbidden: no","reason":"Forbidden","details":{"name":"web","kind":"pods"},"code":403}"#;
        assert_eq!(String::from_utf8_lossy(&status.json()), expected);
    }

    #[test]
    fn a_reason_that_kubernetes_does_not_know_is_left_out() {
        let json = Status::new(Reason::BadGateway, "x").json();
        assert!(!String::from_utf8_lossy(&json).contains("reason"));
    }
}
