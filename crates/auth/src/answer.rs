//! What a kubectl gets whose Kubernetes cluster nobody serves: a sentence in Kubernetes' own form, not a TLS alert.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request};
use http_body_util::Full;
use serde_json::json;
use teleport_api::{ApiError, ErrorKind};
use teleport_types::{KubeClusterName, kube_warning, sni::KubeLabel};

use crate::{
    auth::Core,
    kube,
    server::{Connection, peer},
};

/// A Kubernetes name that was asked for, and by whom.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) label: KubeLabel,
    pub(crate) connection: Connection,
}

/// Answers one request: 401 to strangers and expired logins, else 404 or 503.
pub(crate) async fn answer(core: &Core, asked: &Asked, head: &request::Parts) -> Response<Full<Bytes>> {
    let refusal = match find(core, asked).await {
        Ok(Some(name)) => ApiError::unavailable(format!(
            "Kubernetes cluster {name} is known, but no service for it is connected; try again, or ask an administrator"
        )),
        Ok(None) => ApiError::not_found(
            "there is no such Kubernetes cluster in this Teleport cluster, or your roles do not allow it; see tsh kube ls",
        ),
        Err(refusal) => refusal,
    };
    let mut response = status(&refusal);
    let accept = head.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kube_warning::is_needed(head.uri.path(), accept)
        && let Ok(warning) = HeaderValue::from_str(&kube_warning::value(&refusal.to_string()))
    {
        response.headers_mut().insert(header::WARNING, warning);
    }
    response
}

/// Finds the name behind a label among the clusters that the caller may see.
async fn find(core: &Core, asked: &Asked) -> Result<Option<KubeClusterName>, ApiError> {
    let user = peer::user(core, &asked.connection).await?;
    if user.identity.kube_cluster.as_ref().is_some_and(|pinned| KubeLabel::of(pinned) != asked.label) {
        return Ok(None);
    }
    let visible = kube::visible(core, &user.identity).await?;
    Ok(visible.into_iter().map(|row| row.name).find(|name| KubeLabel::of(name) == asked.label))
}

/// Puts a refusal into the form that kubectl prints (`metav1.Status`).
fn status(refusal: &ApiError) -> Response<Full<Bytes>> {
    let (code, reason) = match refusal.kind {
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "NotFound"),
        ErrorKind::Denied => (StatusCode::FORBIDDEN, "Forbidden"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": refusal.to_string(), "reason": reason, "code": code.as_u16(),
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
