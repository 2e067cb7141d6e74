//! A shared HTTP/2 connection and the count of its streams.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use teleport_net::{Io, NetError};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{
    Broken,
    tasks::{Ran, Tasks},
};
use crate::upstream::{Fault, Inner, UpstreamBody};

/// What one answer may have under way before its reader takes it.
const STREAM_WINDOW: u32 = 1 << 20;
/// More than all streams together may have under way, so that readers who stand still never stop another one.
const CONNECTION_WINDOW: u32 = 1 << 28;
/// Longest list of headers in an answer.
const HEADERS: u32 = 1 << 18;
/// How often a connection is probed, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

type Sender = http2::SendRequest<Empty<Bytes>>;

/// One connection.
pub(super) struct Connection {
    sender: Sender,
    opened: Instant,
    /// Streams the server allows now, never more than our own limit.
    allowed: Arc<AtomicUsize>,
    active: AtomicUsize,
    unused_since: Mutex<Instant>,
    changed: Arc<Notify>,
}

impl Connection {
    /// Speaks HTTP/2 over `io`; returns once the server's settings are here.
    pub(super) async fn start(upstream: &Arc<Inner>, io: impl Io) -> Result<Arc<Self>, Fault> {
        let tasks = Tasks::new(Arc::downgrade(upstream));
        let ran = tasks.ran();
        let (sender, connection) = http2::Builder::new(tasks)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .keep_alive_while_idle(true)
            // Zero until the settings come: they always replace it, so they can be waited for.
            .initial_max_send_streams(0)
            .handshake(TokioIo::new(io))
            .await
            .map_err(Fault::protocol)?;
        let allowed = Arc::new(AtomicUsize::new(0));
        let (known, settings) = oneshot::channel();
        let watched = Watched { allowed: Arc::clone(&allowed), most: upstream.limits.streams, ran };
        upstream.tasks.spawn("http2-connection", watched.drive(connection, known));
        settings.await.map_err(|_| Fault::Dial(Arc::new(NetError::Closed)))?;
        let opened = Instant::now();
        Ok(Arc::new(Self {
            sender,
            opened,
            allowed,
            active: AtomicUsize::new(0),
            unused_since: Mutex::new(opened),
            changed: Arc::clone(&upstream.pool.changed),
        }))
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn is_unused_for(&self, span: Duration) -> bool {
        self.active.load(Ordering::Acquire) == 0 && self.unused_since().elapsed() >= span
    }

    fn unused_since(&self) -> MutexGuard<'_, Instant> {
        self.unused_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the number of allowed streams as the server says it.
struct Watched {
    allowed: Arc<AtomicUsize>,
    most: usize,
    ran: Arc<Ran>,
}

impl Watched {
    async fn drive<T>(self, connection: http2::Connection<T, Empty<Bytes>, Tasks>, known: oneshot::Sender<()>)
    where
        T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let mut connection = connection;
        let mut known = Some(known);
        loop {
            let ran = self.ran.notify.notified();
            let polled = std::future::poll_fn(|cx| {
                let polled = Pin::new(&mut connection).poll(cx);
                let allowed = connection.current_max_send_streams().min(self.most);
                self.allowed.store(allowed, Ordering::Relaxed);
                if allowed > 0
                    && let Some(known) = known.take()
                {
                    self.ran.settled.store(true, Ordering::Relaxed);
                    let _ = known.send(());
                }
                polled
            });
            tokio::select! {
                ended = polled => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an HTTP/2 connection to a Kubernetes API broke");
                    }
                    return;
                }
                () = ran => {}
            }
        }
    }
}

/// A place for one stream on a connection.
pub(in crate::upstream) struct Http2Lane {
    permit: StreamPermit,
}

impl Http2Lane {
    /// Takes a place when there is one; called under the pool's lock only.
    pub(super) fn claim(connection: &Arc<Connection>) -> Option<Self> {
        let allowed = connection.allowed.load(Ordering::Relaxed);
        let taken = connection
            .active
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |active| (active < allowed).then_some(active + 1));
        taken.is_ok().then(|| Self { permit: StreamPermit(Arc::clone(connection)) })
    }

    /// Sends the request and waits for the head of the answer.
    pub(in crate::upstream) async fn send(
        self,
        request: Request<Empty<Bytes>>,
        limit: Duration,
    ) -> Result<Response<UpstreamBody>, Broken<Request<Empty<Bytes>>>> {
        let sent = self.permit.0.sender.clone().try_send_request(request);
        match tokio::time::timeout(limit, sent).await {
            Ok(Ok(answer)) => Ok(answer.map(|body| UpstreamBody::new(body, Some(self.permit)))),
            Ok(Err(mut failed)) => {
                let unsent = failed.take_message().map(Box::new);
                let error = failed.into_error();
                let unprocessed = unsent.is_some() || is_unprocessed(&error);
                Err(Broken { fault: Fault::protocol(error), unsent, unprocessed })
            }
            Err(_) => Err(Broken::late(limit)),
        }
    }
}

/// Tells whether the server said that it did nothing for the request (RFC 9113 section 8.7). API servers send GOAWAY
/// now and then on purpose, and whatever was on the way just then must go to another connection.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<h2::Error>() {
            let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
            let left_behind = cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR);
            return cause.is_remote() && (refused || left_behind);
        }
        source = cause.source();
    }
    false
}

/// One stream in use; dropping it makes its place free.
pub(in crate::upstream) struct StreamPermit(Arc<Connection>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let connection = &self.0;
        // The time first: the connection must not look unused for long at the moment its last stream ends.
        *connection.unused_since() = Instant::now();
        connection.active.fetch_sub(1, Ordering::AcqRel);
        connection.changed.notify_waiters();
    }
}

impl std::fmt::Debug for StreamPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamPermit")
    }
}
