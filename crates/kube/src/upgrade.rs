//! Requests that become another protocol: exec, attach, port-forward, WebSockets behind the API server's proxy.
//!
//! The API server is asked first, over a connection of its own, and the client gets the answer it gave. Nothing that
//! the client sends after its request goes on before both have switched; an answer other than 101 ends the connection.

use std::{pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use teleport_audit::event::SessionId;
use teleport_net::{RelayEnd, relay};
use teleport_types::kube_action::{ApiVerb, KubeAction};

use crate::{
    body::ResponseBody,
    forward,
    guard::{Cut, Guard},
    headers,
    record::{End, Record, Session},
    refusal::Refusal,
};

/// What goes on after a connection has switched; the connection's own task runs it.
pub(crate) type Switched = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells whether a request asks to switch, in a way and on a path where that means something.
///
/// Elsewhere the wish is dropped with the other headers about the connection, as RFC 9110 §7.8 allows.
pub(crate) fn is_asked(request: &Request<Incoming>, action: &KubeAction) -> bool {
    let streams = match action.verb {
        ApiVerb::Exec | ApiVerb::PortForward | ApiVerb::Proxy | ApiVerb::Watch => true,
        ApiVerb::Get => action.resource().is_some_and(|resource| resource.subresource == "log"),
        _ => false,
    };
    streams && request.version() == http::Version::HTTP_11 && names_protocol(request.headers())
}

fn names_protocol(headers: &HeaderMap) -> bool {
    let text = |name| headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let wishes = text(header::CONNECTION)
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = text(header::UPGRADE)
        .any(|value| value.eq_ignore_ascii_case("websocket") || value.eq_ignore_ascii_case("spdy/3.1"));
    wishes && protocol
}

/// Where a permitted upgrade came to.
pub(crate) struct Upgrade {
    /// The answer for the client.
    pub(crate) response: Response<ResponseBody>,
    /// What goes on after it, when both sides have switched.
    pub(crate) switched: Option<Switched>,
}

/// Asks the API server to switch and prepares the relay. The headers already say as whom.
pub(crate) async fn upgrade(
    mut guard: Guard,
    mut record: Record,
    mut request: Request<Incoming>,
    sid: SessionId,
) -> Result<Upgrade, (Record, Refusal)> {
    let granted = Arc::clone(guard.granted());
    let (peer, action) = (&granted.peer, granted.permit.action());
    let client = hyper::upgrade::on(&mut request);
    let mut response = match ask(&mut guard, request).await {
        Ok(response) => response,
        Err(refusal) => return Err((record, refusal)),
    };
    record.answered(response.status().as_u16());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if response.status().is_redirection() {
            return Err((record, Refusal::Redirect("another place, for an upgrade".to_owned())));
        }
        if let Err(refusal) = forward::check_answer(&granted, &mut response) {
            return Err((record, refusal));
        }
        headers::strip_response(response.headers_mut());
        let mut response = forward::watched(response, guard, record);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Ok(Upgrade { response, switched: None });
    }
    let session = match Session::start(peer, action, &granted.acts_as(), sid) {
        Ok(session) => session,
        Err(refusal) => return Err((record, refusal)),
    };
    let upstream = hyper::upgrade::on(&mut response);
    let mut answer = Response::new(ResponseBody::Whole(Full::default()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = response.headers().get(header::UPGRADE).cloned();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    headers::strip_response(answer.headers_mut());
    if let Some(upgrade) = upgrade {
        answer.headers_mut().insert(header::UPGRADE, upgrade);
    }
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let relay = Relay { guard, record, session };
    Ok(Upgrade { response: answer, switched: Some(Box::pin(relay.run(client, upstream))) })
}

async fn ask(
    guard: &mut Guard,
    mut request: Request<Incoming>,
) -> Result<Response<crate::upstream::UpstreamBody>, Refusal> {
    let granted = Arc::clone(guard.granted());
    *request.uri_mut() = forward::target(&granted.permit)?;
    Ok(guard.watch(Box::pin(granted.peer.cluster.upstream.upgrade(request))).await??)
}

/// Both sides have switched.
struct Relay {
    guard: Guard,
    record: Record,
    session: Option<Session>,
}

/// How long the client may take to be told that the connection has switched.
const SWITCH: std::time::Duration = std::time::Duration::from_secs(30);

impl Relay {
    async fn run(mut self, client: OnUpgrade, upstream: OnUpgrade) {
        let both = async { tokio::try_join!(client, upstream) };
        let (end, carried) = match tokio::time::timeout(SWITCH, both).await {
            Ok(Ok((client, upstream))) => self.carry(client, upstream).await,
            Ok(Err(error)) => (End::Broken(format!("the switch failed: {error}")), (0, 0)),
            Err(_) => (End::Broken("the switch took too long".to_owned()), (0, 0)),
        };
        let granted = Arc::clone(self.guard.granted());
        if let End::Cut(cut) = &end {
            granted.report(cut);
        }
        if let Some(session) = self.session.take() {
            session.end(&granted.peer);
        }
        self.record.ended(&granted.peer, &end, carried);
    }

    /// Carries bytes until an end closes or the guard cuts. Returns how it ended, and the bytes to and from the client.
    async fn carry(&mut self, client: Upgraded, upstream: Upgraded) -> (End, (u64, u64)) {
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        let mut cut: Option<Cut> = None;
        let relayed = relay(&mut client, &mut upstream, async { cut = Some(self.guard.cut().await) }).await;
        let end = match (relayed.end, cut) {
            (RelayEnd::Stopped, Some(cut)) => End::Cut(cut),
            (RelayEnd::Broken(error), _) => End::Broken(error.to_string()),
            _ => End::Whole,
        };
        (end, (relayed.from_second, relayed.from_first))
    }
}
