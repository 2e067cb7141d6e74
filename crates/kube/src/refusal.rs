//! Why a request is not served: who is told what. The one place where our errors become a Kubernetes `Status`.

use http::{HeaderValue, Response, header};
use jiff::Timestamp;
use teleport_audit::AuditError;
use teleport_types::{access::Denied, kube_action::ActionError, kube_warning};

use crate::{
    body::ResponseBody,
    headers::HeaderError,
    status::{Details, Reason, Status},
    upstream::{Fault, UpstreamError},
    view::STALE,
};

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The certificate has ended.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    /// The authority that signed the certificate is trusted no more.
    #[error("the authority that signed the certificate is not trusted any more")]
    Authority,
    /// The login was ended; another is welcome.
    #[error("the login was ended: {0}")]
    LoginEnded(String),
    /// Locked, until someone lifts it.
    #[error("locked: {0}")]
    Locked(String),
    /// The locks are older than the cluster allows.
    #[error("locks have not been heard of for {} s, and the locking mode is strict", STALE.as_secs())]
    StaleLocks,
    /// The certificate is no user's.
    #[error("the certificate is not a user's")]
    NotUser,
    /// The certificate is good for another Kubernetes cluster only.
    #[error("the certificate is pinned to Kubernetes cluster {0:?}")]
    Pinned(String),
    /// The request names another internal host than the connection.
    #[error("the request names host {0:?}, the connection another")]
    Misdirected(String),
    /// Roles do not allow it.
    #[error("{}", .0.log)]
    Denied(Denied),
    /// The method, path or query cannot be understood.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// A header cannot be understood.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Something else breaks a rule of the protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// The audit log does not take it, so it is not done.
    #[error("the audit log does not take the request")]
    Audit(#[source] AuditError),
    /// The API server did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The API server refused our credential.
    #[error("the API server refused the service's credential")]
    Credential,
    /// The API server sent the client elsewhere.
    #[error("the API server answered with a redirect to {0:?}")]
    Redirect(String),
    /// Policy changed while the request waited.
    #[error("cut: {0}")]
    Cut(String),
}

impl Refusal {
    /// Returns what the client is told.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Expired(_) => Status::new(Reason::Unauthorized, "the login has expired; log in again with tsh login"),
            Self::Authority => {
                Status::new(Reason::Unauthorized, "the login is not valid any more; log in again with tsh login")
            }
            Self::LoginEnded(text) => Status::new(Reason::Unauthorized, text.as_str()),
            Self::Locked(text) => Status::new(Reason::Forbidden, text.as_str()),
            Self::StaleLocks => Status::new(
                Reason::ServiceUnavailable,
                "the Kubernetes service has not heard from the auth service for too long to know who is locked; try again later",
            ),
            Self::NotUser => {
                Status::new(Reason::Forbidden, "this certificate is a service's; only users may use Kubernetes")
            }
            Self::Pinned(cluster) => Status::new(
                Reason::Forbidden,
                format!("this certificate is good for Kubernetes cluster {cluster:?} only; use its context"),
            ),
            Self::Misdirected(_) => Status::misdirected(),
            Self::Denied(denied) => {
                let status = Status::new(Reason::Forbidden, denied.client.as_str());
                match &denied.object {
                    Some(object) => status.about(Details {
                        name: object.name.clone(),
                        group: object.group.clone(),
                        kind: object.kind.clone(),
                    }),
                    None => status,
                }
            }
            Self::Action(ActionError::NotCanonical(reason)) => Status::new(Reason::BadRequest, *reason),
            Self::Action(error @ ActionError::Method { .. }) => {
                Status::new(Reason::MethodNotAllowed, error.to_string())
            }
            Self::Header(error) => Status::new(Reason::BadRequest, error.to_string()),
            Self::Protocol(reason) => Status::new(Reason::BadRequest, *reason),
            Self::Audit(error) if error.is_full() => Status::new(
                Reason::ServiceUnavailable,
                "audit storage full; an administrator must make room before requests are served again",
            ),
            Self::Audit(_) => Status::new(
                Reason::ServiceUnavailable,
                "the audit log cannot be written, so nothing is served; ask an administrator",
            ),
            Self::Upstream(error) => {
                let reason = match error.fault() {
                    Fault::Deadline { .. } => Reason::Timeout,
                    Fault::Request(_) => Reason::BadRequest,
                    _ => Reason::ServiceUnavailable,
                };
                Status::new(reason, error.client_text())
            }
            Self::Credential => Status::new(
                Reason::BadGateway,
                "the Kubernetes API server refused the credential of the Kubernetes service; ask an administrator",
            ),
            Self::Redirect(_) => Status::new(
                Reason::BadGateway,
                "the Kubernetes API server answered with a redirect, which is not followed",
            ),
            Self::Cut(text) => Status::new(Reason::Unauthorized, text.as_str()),
        }
    }

    /// Returns the answer.
    pub(crate) fn response(&self) -> Response<ResponseBody> {
        self.status().response().map(ResponseBody::Whole)
    }

    /// Returns the answer to a client that will not read its body.
    pub(crate) fn response_with_warning(&self) -> Response<ResponseBody> {
        let mut response = self.response();
        if let Ok(warning) = HeaderValue::from_str(&kube_warning::value(self.status().message())) {
            response.headers_mut().insert(header::WARNING, warning);
        }
        response
    }

    /// Returns the whole chain of causes, for the audit log.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}
