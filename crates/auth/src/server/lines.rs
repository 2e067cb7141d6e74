//! Answers that are lines for as long as they last (NDJSON), with back-pressure and an end for readers that do not read.

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use tokio::sync::mpsc;

/// Lines that may wait for the reader.
const WAITING: usize = 256;
/// How long a reader may let a line wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// The writing end of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    to: mpsc::Sender<Bytes>,
}

/// The reader is gone or does not read.
#[derive(Debug)]
pub(crate) struct Gone;

/// Makes an answer and the end that writes it; dropping that ends the answer.
pub(crate) fn channel() -> (Lines, Response) {
    let (to, from) = mpsc::channel(WAITING);
    let lines = stream::unfold(from, |mut from: mpsc::Receiver<Bytes>| async move {
        let line = from.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), from))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    (Lines { to }, response)
}

impl Lines {
    /// Writes a line, given without its end.
    pub(crate) async fn send(&self, line: String) -> Result<(), Gone> {
        match tokio::time::timeout(PATIENCE, self.to.send(ended(line))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// The same from a blocking thread. A reader that never reads is cut by the connection's keep-alive.
    pub(crate) fn send_blocking(&self, line: String) -> Result<(), Gone> {
        self.to.blocking_send(ended(line)).map_err(|_| Gone)
    }

    /// Waits until the reader is gone. Cancel safe.
    pub(crate) async fn gone(&self) {
        self.to.closed().await;
    }
}

fn ended(mut line: String) -> Bytes {
    line.push('\n');
    line.into()
}
