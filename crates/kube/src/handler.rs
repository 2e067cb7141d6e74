//! The walk of one request, top to bottom: who, what, noted, may they, as whom, forwarded.

use std::sync::Arc;

use http::{Request, Response, header};
use hyper::body::{Body as _, Incoming};
use teleport_audit::event::SessionId;
use teleport_types::{
    kube_action::{KubeAction, RequestLine},
    kube_warning,
};

use crate::{
    body::{ClientBody, ResponseBody},
    forward,
    guard::{Granted, Guard},
    headers::{self, Passage},
    peer::Peer,
    record::{End, Record},
    refusal::Refusal,
    self_review::{self, Reviewed},
    server::Connection,
    upgrade,
    view::View,
};

/// Answers one request.
pub(crate) async fn handle(connection: &Connection, request: Request<Incoming>) -> Response<ResponseBody> {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let warns = kube_warning::is_needed(request.uri().path(), accept);
    match walk(connection, request).await {
        Ok(response) => response,
        Err(refusal) if warns => refusal.response_with_warning(),
        Err(refusal) => refusal.response(),
    }
}

async fn walk(connection: &Connection, mut request: Request<Incoming>) -> Result<Response<ResponseBody>, Refusal> {
    let peer = connection.peer()?;
    let epoch = peer.epoch_now();

    // Who asks, and do they still stand?
    let view = peer.shared.views.current();
    peer.check_standing(&view).inspect_err(|refusal| peer.report_refused(refusal))?;

    // What do they ask for?
    let (action, asked) = understand(peer, &request)?;
    let passage = if upgrade::is_asked(&request, &action) { Passage::Upgrade } else { Passage::Plain };

    // Nothing is done that is not written down first.
    let sid = SessionId::random();
    let mut record = Record::begin(peer, &action, request.method().as_str(), sid)?;

    // May they, and as whom?
    let granted = match Granted::decide(peer, &view, action, asked) {
        Ok(granted) => Arc::new(granted),
        Err(refusal) => return refuse(peer, record, refusal),
    };
    let acts = granted.acts_as();
    record.acts_as(&acts);
    headers::strip_request(request.headers_mut(), passage);
    let client = peer.addr.map(|addr| addr.ip());
    if let Err(error) = headers::set_identity(request.headers_mut(), acts.user, acts.groups.iter().copied(), client) {
        return refuse(peer, record, error.into());
    }

    // Forwarded, and watched over until its end.
    let guard = Guard::new(Arc::clone(&granted), epoch);
    match passage {
        Passage::Upgrade => switch(connection, guard, record, request, sid).await,
        Passage::Plain if self_review::is_asked(granted.permit.action(), &request) => {
            question(&view, guard, record, request).await
        }
        Passage::Plain => plain(guard, record, request.map(ClientBody::Stream)).await,
    }
}

/// Forwards a request that stays HTTP.
async fn plain(
    mut guard: Guard,
    mut record: Record,
    request: Request<ClientBody>,
) -> Result<Response<ResponseBody>, Refusal> {
    match forward::forward(&mut guard, request).await {
        Ok(response) => {
            record.answered(response.status().as_u16());
            Ok(forward::watched(response, guard, record))
        }
        Err(refusal) => refuse(&guard.granted().peer, record, refusal),
    }
}

/// Answers a user's question about their own rights, or forwards it.
async fn question(
    view: &View,
    guard: Guard,
    mut record: Record,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Refusal> {
    let peer = Arc::clone(&guard.granted().peer);
    match self_review::review(&peer, view, request).await {
        Ok(Reviewed::GoesOn(request)) => plain(guard, record, request).await,
        Ok(Reviewed::Answered(response)) => {
            record.answered(response.status().as_u16());
            record.ended(&peer, &End::Whole, (0, 0));
            Ok(response)
        }
        Err(refusal) => refuse(&peer, record, refusal),
    }
}

/// Forwards a request that asks for another protocol.
async fn switch(
    connection: &Connection,
    guard: Guard,
    record: Record,
    request: Request<Incoming>,
    sid: SessionId,
) -> Result<Response<ResponseBody>, Refusal> {
    let peer = Arc::clone(&guard.granted().peer);
    if !request.body().is_end_stream() {
        return refuse(&peer, record, Refusal::Protocol("a request for another protocol has no body"));
    }
    match upgrade::upgrade(guard, record, request, sid).await {
        Ok(upgrade) => {
            connection.continue_with(upgrade.switched);
            Ok(upgrade.response)
        }
        Err((record, refusal)) => refuse(&peer, record, refusal),
    }
}

/// Reads what is asked for; a request that has no meaning is written down with its reason.
fn understand(peer: &Peer, request: &Request<Incoming>) -> Result<(KubeAction, headers::Asked), Refusal> {
    let read = || {
        forward::check_host(peer, request)?;
        let asked = headers::asked(request.headers())?;
        let mut content_types = request.headers().get_all(header::CONTENT_TYPE).iter();
        let content_type = content_types.next().and_then(|value| value.to_str().ok());
        if content_types.next().is_some() {
            return Err(Refusal::Protocol("the header Content-Type is there twice"));
        }
        // HTTP/2 names scheme and host beside the path; over HTTP/1.1 they mean a client that takes us for a forward proxy.
        let absolute = request.version() < http::Version::HTTP_2 && request.uri().authority().is_some();
        let target = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str).filter(|_| !absolute);
        let target = target.ok_or(Refusal::Protocol("the request target must be a path"))?;
        let action = KubeAction::parse(RequestLine { method: request.method().as_str(), target, content_type })?;
        Ok((action, asked))
    };
    read().inspect_err(|refusal| Record::unreadable(peer, request.method().as_str(), request.uri().path(), refusal))
}

fn refuse(peer: &Peer, record: Record, refusal: Refusal) -> Result<Response<ResponseBody>, Refusal> {
    record.refused(peer, &refusal);
    Err(refusal)
}
