//! The body of an answer: what came, and the stream it occupies on a shared connection until it ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::StreamPermit;

/// The body of an upstream's answer. Dropping it before its end cancels the rest.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    permit: Option<StreamPermit>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, permit: Option<StreamPermit>) -> Self {
        let permit = permit.filter(|_| !incoming.is_end_stream());
        Self { incoming, permit }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.permit = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
