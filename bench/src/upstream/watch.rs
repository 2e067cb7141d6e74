//! Watches of the static upstream: one event at the start, then silence, or events at a rate.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Reply;

/// Asks for an event each so many milliseconds: a selector, because any proxy lets one pass.
const EVERY: &str = "labelSelector=every-ms%3D";

/// Begins a watch.
pub(super) fn reply(event: &Bytes, query: &str) -> Reply {
    let every = query.split('&').find_map(|part| part.strip_prefix(EVERY)?.parse().ok());
    let events = every.map(|every| {
        let mut ticks = interval(Duration::from_millis(every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    let mut reply = Response::new(Watch { event: event.clone(), begun: false, events }.boxed_unsync());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

struct Watch {
    event: Bytes,
    begun: bool,
    events: Option<Interval>,
}

impl Body for Watch {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let due = match &mut self.events {
            Some(ticks) => ticks.poll_tick(cx).is_ready(),
            None => !self.begun,
        };
        self.begun = true;
        if due { Poll::Ready(Some(Ok(Frame::data(self.event.clone())))) } else { Poll::Pending }
    }
}
