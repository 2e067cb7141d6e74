//! Bodies and responses: whole JSON documents, plain text and streams flushed piece by piece.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

/// A response of the simulator.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Makes a JSON response.
pub(super) fn json(code: StatusCode, document: &Value) -> Reply {
    whole(code, "application/json", format!("{document}\n"))
}

/// Makes a response of one piece.
pub(super) fn whole(code: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into()).boxed_unsync();
    headed(code, content_type, body)
}

/// Makes a response whose pieces go out as they come, until the sender is dropped.
pub(super) fn stream(content_type: &'static str, mut pieces: mpsc::Receiver<Bytes>) -> Reply {
    let frames = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
    let body = StreamBody::new(frames.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))).boxed_unsync();
    headed(StatusCode::OK, content_type, body)
}

/// Makes a response without body.
pub(super) fn empty(code: StatusCode) -> Reply {
    let mut reply = Response::new(Empty::new().boxed_unsync());
    *reply.status_mut() = code;
    reply
}

fn headed(code: StatusCode, content_type: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = code;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    reply
}
