//! Sends a permitted request to the API server and its answer back, both as they come.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use serde_json::json;
use teleport_types::{access::kube::Permit, kube_action::ApiVerb};

use crate::{
    body::{BodyError, ClientBody, ResponseBody},
    guard::{Cut, Granted, Guard},
    headers,
    peer::Peer,
    record::{End, Record},
    refusal::Refusal,
    upstream::UpstreamBody,
};

/// Sends what the permit allows. The headers already say as whom.
pub(crate) async fn forward(
    guard: &mut Guard,
    mut request: Request<ClientBody>,
) -> Result<Response<UpstreamBody>, Refusal> {
    let granted = Arc::clone(guard.granted());
    *request.uri_mut() = target(&granted.permit)?;
    let upstream = &granted.peer.cluster.upstream;
    let mut response = guard.watch(Box::pin(upstream.send(request))).await??;
    check_answer(&granted, &mut response)?;
    headers::strip_response(response.headers_mut());
    Ok(response)
}

/// Returns the path and query that the permit was given for, never those the client wrote.
pub(crate) fn target(permit: &Permit) -> Result<Uri, Refusal> {
    permit.action().target().parse().map_err(|_| Refusal::Protocol("the path is too long"))
}

/// Refuses answers that must not pass: ones about our own credential, and ones that send the client elsewhere.
pub(crate) fn check_answer<B>(granted: &Granted, response: &mut Response<B>) -> Result<(), Refusal> {
    // Behind the API server's proxy, a 401 is the application's.
    if response.status() == StatusCode::UNAUTHORIZED && granted.permit.action().verb != ApiVerb::Proxy {
        tracing::error!(kube_cluster = %granted.peer.cluster_name(), "the API server refused our credential");
        return Err(Refusal::Credential);
    }
    let Some(location) = response.headers().get(header::LOCATION) else { return Ok(()) };
    let inside = location.to_str().ok().filter(|text| text.starts_with('/') && !text.starts_with("//"));
    match inside {
        Some(path) if !path.contains('\\') => Ok(()),
        // A resource that was created may name itself by its whole address; only a redirect sends the client there.
        _ if !response.status().is_redirection() => {
            response.headers_mut().remove(header::LOCATION);
            Ok(())
        }
        _ => Err(Refusal::Redirect(String::from_utf8_lossy(location.as_bytes()).chars().take(256).collect())),
    }
}

/// Wraps an answer's body so that it is watched over and its end written down.
pub(crate) fn watched(response: Response<UpstreamBody>, guard: Guard, record: Record) -> Response<ResponseBody> {
    let (mut parts, body) = response.into_parts();
    let framing = Framing::of(&guard, &parts.headers);
    if framing == Framing::JsonWatch {
        // A refusal may be added to the end.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let body = ForwardedBody { body, guard, record: Some(record), framing, at_frame_end: true, ended: false };
    Response::from_parts(parts, ResponseBody::Forwarded(Box::new(body)))
}

/// Whether a sentence can be added to a stream that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// A watch in JSON: one object a line.
    JsonWatch,
    /// Anything else.
    Opaque,
}

impl Framing {
    fn of(guard: &Guard, headers: &http::HeaderMap<HeaderValue>) -> Self {
        let json = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/json"));
        let watch = guard.granted().permit.action().verb == ApiVerb::Watch;
        if json && watch && !headers.contains_key(header::CONTENT_ENCODING) { Self::JsonWatch } else { Self::Opaque }
    }
}

/// An answer on its way to the client: passed on frame by frame, cut when access ends, written down at its end.
pub(crate) struct ForwardedBody {
    body: UpstreamBody,
    guard: Guard,
    record: Option<Record>,
    framing: Framing,
    /// Whether what was passed on so far ends where an object ends.
    at_frame_end: bool,
    ended: bool,
}

impl ForwardedBody {
    fn end(&mut self, end: &End) {
        self.ended = true;
        if let Some(record) = self.record.take() {
            record.ended(&self.guard.granted().peer, end, (0, 0));
        }
    }

    /// Ends a stream that must not go on: with a last sentence where the client can read one, else by breaking it off.
    fn cut(&mut self, cut: Cut) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.guard.granted().report(&cut);
        self.end(&End::Cut(cut.clone()));
        if self.framing == Framing::JsonWatch && self.at_frame_end {
            return Poll::Ready(Some(Ok(Frame::data(last_words(&cut)))));
        }
        Poll::Ready(Some(Err(BodyError::Cut(cut))))
    }
}

/// Writes the event that tells a watcher why its watch ends. Kubernetes sends such ones too, and kubectl prints them.
fn last_words(cut: &Cut) -> Bytes {
    let (code, reason) = match cut {
        Cut::Standing(_) => (401, "Unauthorized"),
        Cut::Policy(_) => (403, "Forbidden"),
        Cut::Stopping => (503, "ServiceUnavailable"),
    };
    let object = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": cut.client_text(), "reason": reason, "code": code,
    });
    let mut line = BytesMut::from(json!({"type": "ERROR", "object": object}).to_string().as_bytes());
    line.extend_from_slice(b"\n");
    line.freeze()
}

impl Body for ForwardedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(cut) = this.guard.poll_cut(cx) {
            return this.cut(cut);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                this.end(&End::Whole);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    this.at_frame_end = data.last().map_or(this.at_frame_end, |byte| *byte == b'\n');
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                // Trailers say nothing that a client of Kubernetes reads.
                Err(_trailers) => {
                    this.end(&End::Whole);
                    Poll::Ready(None)
                }
            },
            Poll::Ready(Some(Err(error))) => {
                this.end(&End::Broken(format!("the answer broke: {error}")));
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.framing == Framing::Opaque && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::JsonWatch => SizeHint::default(),
            Framing::Opaque => self.body.size_hint(),
        }
    }
}

impl Drop for ForwardedBody {
    fn drop(&mut self) {
        // hyper does not ask for the end of a body whose length it knows.
        let end = if self.body.is_end_stream() { End::Whole } else { End::ClientGone };
        self.end(&end);
    }
}

/// Checks that the host a request names is not another internal one than the connection's.
pub(crate) fn check_host(peer: &Peer, request: &Request<Incoming>) -> Result<(), Refusal> {
    use teleport_types::sni::InternalName;
    let header = request.headers().get(header::HOST).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let names = [request.uri().host().map(std::borrow::Cow::Borrowed), header];
    for name in names.into_iter().flatten() {
        let host = name
            .rsplit_once(':')
            .map_or(&*name, |(host, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { &*name });
        let host = host.trim_end_matches('.');
        if InternalName::is_internal(host) && !host.eq_ignore_ascii_case(&peer.cluster.host) {
            return Err(Refusal::Misdirected(host.chars().take(253).collect()));
        }
    }
    Ok(())
}
