//! Bodies on their way through: frame by frame, never gathered.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{forward::ForwardedBody, guard::Cut};

/// A client's body on its way to an API server. Trailers do not pass: they could carry identity headers.
pub(crate) enum ClientBody {
    /// As it comes.
    Stream(Incoming),
    /// A short one that was read to decide.
    Whole(Full<Bytes>),
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Stream(body) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
                polled => polled,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// Why a body to the client ended early; hyper then breaks off the stream, so that no client takes a part for the whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The API server's answer broke.
    #[error("the answer of the API server broke")]
    Upstream(#[from] hyper::Error),
    /// The guard cut it.
    #[error("{}", .0.client_text())]
    Cut(Cut),
}

/// An answer's body on its way to the client.
pub(crate) enum ResponseBody {
    /// Ours.
    Whole(Full<Bytes>),
    /// The API server's.
    Forwarded(Box<ForwardedBody>),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Forwarded(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Forwarded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Forwarded(body) => body.size_hint(),
        }
    }
}
