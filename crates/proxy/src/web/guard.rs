//! What holds for every page: a host that fits the session, and headers that leave a browser no room.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use teleport_api::{ApiError, ErrorKind};
use teleport_types::sni::InternalName;

use super::AskedFor;
use crate::certificate::host;

/// Refuses a request whose host is an internal name other than the one the session was made for.
///
/// Any other host carries no meaning: kubectl and load balancers send what they like.
pub(super) async fn check_host(request: Request, next: Next) -> Response {
    let asked_for = request.extensions().get::<AskedFor>().and_then(|AskedFor(name)| name.as_deref());
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let named = request.headers().get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or_default());
    let foreign = |name: &str| {
        let name = host(name).trim_end_matches('.');
        InternalName::is_internal(name) && !asked_for.is_some_and(|asked_for| asked_for.eq_ignore_ascii_case(name))
    };
    if authority.into_iter().chain(named).any(foreign) {
        let error = ApiError::new(ErrorKind::BadRequest, "this connection was made for another name")
            .hint("connect to that name itself");
        let mut answer = error.into_response();
        *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        return answer;
    }
    next.run(request).await
}

/// Whether browsers are told to come back over HTTPS only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Strict,
    /// The public host is an address or this machine, which other programs serve too: a browser's memory of one port
    /// holds for all of them.
    Shared,
}

impl Transport {
    pub(super) fn for_host(host: &str) -> Self {
        let shared = host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok();
        if shared { Self::Shared } else { Self::Strict }
    }
}

const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// Adds the security headers.
pub(super) async fn secure(State(transport): State<Transport>, mut answer: Response) -> Response {
    let fixed: [(HeaderName, &'static str); 7] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if transport == Transport::Strict {
        let year = HeaderValue::from_static("max-age=31536000");
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    answer
}
