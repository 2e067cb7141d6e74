//! An HTTP/1.1 connection: one exchange at a time, then back to the pool when its answer was read to the end.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use teleport_net::Io;
use tokio::{sync::mpsc, time::Instant};

use super::Broken;
use crate::upstream::{Fault, Inner, UpstreamBody, request::SentBody};

/// Most headers in an answer.
const HEADERS: usize = 512;
/// Longest head of an answer.
const HEAD: usize = 1 << 19;

/// A connection that is free for one request.
pub(in crate::upstream) struct Http1Lane {
    sender: http1::SendRequest<SentBody>,
    /// The ways back after the exchange; `None` when it serves one only.
    back: Option<Back>,
    generation: u64,
}

/// Where a connection goes after an exchange.
#[derive(Clone)]
struct Back {
    /// To its task, which waits for the end of the answer.
    task: mpsc::Sender<Http1Lane>,
    /// To the pool, when the answer has ended already.
    upstream: Weak<Inner>,
}

impl Http1Lane {
    /// Speaks HTTP/1.1 over `io`, for one request after another.
    pub(super) async fn start(upstream: &Arc<Inner>, io: impl Io, generation: u64) -> Result<Self, Fault> {
        let (sender, connection) = builder().handshake(TokioIo::new(io)).await.map_err(Fault::protocol)?;
        let (task, returned) = mpsc::channel(1);
        let back = Back { task, upstream: Arc::downgrade(upstream) };
        upstream.tasks.spawn("http1", drive(connection, returned, Arc::downgrade(upstream)));
        Ok(Self { sender, back: Some(back), generation })
    }

    /// Speaks HTTP/1.1 over `io` for one request, the answer to which may be a 101.
    pub(super) async fn start_upgradable(upstream: &Arc<Inner>, io: impl Io, generation: u64) -> Result<Self, Fault> {
        let (sender, connection) = builder().handshake(TokioIo::new(io)).await.map_err(Fault::protocol)?;
        upstream.tasks.spawn("upgrade", async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a separate connection to a Kubernetes API broke");
            }
        });
        Ok(Self { sender, back: None, generation })
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Sends the request and waits for the head of the answer.
    pub(in crate::upstream) async fn send(
        mut self,
        request: Request<SentBody>,
        limit: Duration,
    ) -> Result<Response<UpstreamBody>, Broken<Request<SentBody>>> {
        match tokio::time::timeout(limit, self.sender.try_send_request(request)).await {
            Ok(Ok(answer)) => {
                self.go_back();
                Ok(answer.map(|body| UpstreamBody::new(body, None)))
            }
            Ok(Err(mut failed)) => {
                let unsent = failed.take_message().map(Box::new);
                let unprocessed = unsent.is_some();
                Err(Broken { fault: Fault::protocol(failed.into_error()), unsent, unprocessed })
            }
            Err(_) => Err(Broken::late(limit)),
        }
    }

    /// Without a way back, or when it is closed, the connection is of no more use and ends here.
    fn go_back(self) {
        let Some(back) = self.back.clone() else { return };
        if !self.sender.is_ready() {
            let _ = back.task.try_send(self);
        } else if let Some(upstream) = back.upstream.upgrade() {
            upstream.pool.keep_http1(self);
        }
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_headers(HEADERS).max_header_size(HEAD).max_buf_size(HEAD);
    builder
}

/// Runs a connection, and puts it back into the pool after each exchange.
async fn drive<T>(
    connection: http1::Connection<T, SentBody>,
    mut returned: mpsc::Receiver<Http1Lane>,
    upstream: Weak<Inner>,
) where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let mut connection = std::pin::pin!(connection);
    let mut exchanging: Option<Http1Lane> = None;
    loop {
        tokio::select! {
            // In this order a connection whose answer has just ended is back in the pool before its reader goes on.
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTP/1.1 connection to a Kubernetes API broke");
                }
                return;
            }
            Some(lane) = returned.recv(), if exchanging.is_none() => exchanging = Some(lane),
            ready = ready(&mut exchanging) => {
                let lane = exchanging.take().filter(|_| ready);
                if let (Some(lane), Some(upstream)) = (lane, upstream.upgrade()) {
                    upstream.pool.keep_http1(lane);
                }
            }
        }
    }
}

/// Waits for the end of the exchange; for ever when there is none.
async fn ready(exchanging: &mut Option<Http1Lane>) -> bool {
    match exchanging {
        Some(lane) => lane.sender.ready().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// A connection in the pool.
pub(super) struct Idle {
    lane: Http1Lane,
    since: Instant,
}

impl Idle {
    pub(super) fn new(lane: Http1Lane) -> Self {
        Self { lane, since: Instant::now() }
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.lane.sender.is_closed()
    }

    pub(super) fn is_unused_for(&self, span: Duration) -> bool {
        self.since.elapsed() >= span
    }

    pub(super) fn into_lane(self) -> Http1Lane {
        self.lane
    }
}
