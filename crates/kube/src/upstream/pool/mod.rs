//! The connections to one cluster: shared HTTP/2 ones for requests without a body, HTTP/1.1 ones for the rest, and
//! separate ones for upgrades.
//!
//! Why not one HTTP/2 connection for all: its streams run out (every watch holds one), and a body that its server reads
//! slowly can stop the others. One short lock guards the lists; nothing is awaited under it.

mod connect;
mod http1;
mod http2;
mod tasks;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use teleport_net::Dialer;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Fault, Inner, Limits, credential::Material};
use connect::{Opened, Protocols};

pub(super) use http1::Http1Lane;
pub(super) use http2::{Http2Lane, StreamPermit};

/// Unused HTTP/1.1 connections kept; a burst's surplus is closed.
const HTTP1_KEPT: usize = 64;

/// The connections of one upstream.
pub(super) struct Pool {
    upstream: Weak<Inner>,
    dialer: Arc<dyn Dialer>,
    lists: Mutex<Lists>,
    /// A stream became free, a connection was opened or lost.
    changed: Arc<Notify>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Lists {
    /// Which [`Material::generation`] the connections were made with.
    generation: u64,
    http2: Vec<Arc<http2::Connection>>,
    http1: Vec<http1::Idle>,
    /// Set once the server has chosen HTTP/1.1 though it was offered both.
    http1_only: bool,
    opening: Option<Opening>,
}

/// The end of an opening under way: `None` until then.
type Opening = watch::Receiver<Option<Result<(), Fault>>>;

/// Which pooled connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Any.
    Any,
    /// One opened after the first attempt began: that one met a dead connection, and more may be dead.
    After(Instant),
}

/// A way to send one request without a body.
pub(super) enum Lane {
    Http1(Http1Lane),
    Http2(Http2Lane),
}

/// A failed exchange.
pub(super) struct Broken<R> {
    pub(super) fault: Fault,
    /// The request, when it certainly was not processed and is still whole.
    pub(super) unsent: Option<Box<R>>,
    /// It certainly was not processed.
    pub(super) unprocessed: bool,
}

impl<R> Broken<R> {
    fn late(limit: Duration) -> Self {
        let fault = Fault::Deadline { step: "waiting for the answer", limit };
        Self { fault, unsent: None, unprocessed: false }
    }

    /// Keeps the fault, and whether the request may be made anew.
    pub(super) fn forget(self) -> (Fault, bool) {
        (self.fault, self.unprocessed)
    }
}

/// What looking at the lists came to.
enum Claim {
    Stream(Http2Lane),
    Wait(Opening),
    Open(watch::Sender<Option<Result<(), Fault>>>, Opening),
    Full,
    Http1,
}

impl Pool {
    pub(super) fn new(upstream: Weak<Inner>, dialer: Arc<dyn Dialer>) -> Self {
        Self { upstream, dialer, lists: Mutex::default(), changed: Arc::default(), closed: AtomicBool::new(false) }
    }

    /// Finds or opens a connection for a request without a body.
    pub(super) async fn any(&self, material: &Material, freshness: Freshness) -> Result<Lane, Fault> {
        let limits = self.limits()?;
        let deadline = Instant::now() + limits.connect;
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let opening = match self.claim(material, freshness, &limits) {
                Claim::Stream(lane) => return Ok(Lane::Http2(lane)),
                Claim::Http1 => match self.http1_or_better(material, freshness).await? {
                    Some(lane) => return Ok(Lane::Http1(lane)),
                    None => continue,
                },
                Claim::Full => {
                    if tokio::time::timeout_at(deadline, changed).await.is_err() {
                        return Err(Fault::Busy { streams: limits.streams * limits.connections });
                    }
                    continue;
                }
                Claim::Open(opened, opening) => {
                    self.open(opened)?;
                    opening
                }
                Claim::Wait(opening) => opening,
            };
            wait_for(opening, deadline, limits.connect).await?;
            if Instant::now() > deadline {
                return Err(Fault::Deadline { step: "connecting", limit: limits.connect });
            }
        }
    }

    /// Finds or opens an HTTP/1.1 connection.
    pub(super) async fn http1(&self, material: &Material, freshness: Freshness) -> Result<Http1Lane, Fault> {
        if freshness == Freshness::Any
            && let Some(idle) = self.take_http1(material)
        {
            return Ok(idle);
        }
        match connect::open(self.upstream()?, &*self.dialer, material, Protocols::Http1).await? {
            Opened::Http1(lane) => Ok(lane),
            Opened::Http2(_) => Err(Fault::Request("the server chose a protocol that it was not offered")),
        }
    }

    /// Opens an HTTP/1.1 connection that serves one request and may be upgraded.
    pub(super) async fn separate(&self, material: &Material) -> Result<Http1Lane, Fault> {
        connect::open_upgradable(self.upstream()?, &*self.dialer, material).await
    }

    /// Opens nothing any more; what runs may end.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let mut lists = self.lists();
        lists.http1.clear();
        lists.http2.clear();
    }

    fn claim(&self, material: &Material, freshness: Freshness, limits: &Limits) -> Claim {
        let mut lists = self.lists();
        lists.use_generation(material.generation);
        lists.http2.retain(|connection| !connection.is_closed());
        let free = lists.http2.iter().find_map(|connection| {
            let fresh = match freshness {
                Freshness::Any => true,
                Freshness::After(first_attempt) => connection.opened() > first_attempt,
            };
            fresh.then(|| Http2Lane::claim(connection)).flatten()
        });
        if let Some(lane) = free {
            return Claim::Stream(lane);
        }
        // An opening whose task was cut has no end to wait for.
        if let Some(opening) = lists.opening.as_ref().filter(|opening| opening.has_changed().is_ok()) {
            return Claim::Wait(opening.clone());
        }
        if lists.http1_only {
            return Claim::Http1;
        }
        if lists.http2.len() >= limits.connections {
            return Claim::Full;
        }
        let (opened, opening) = watch::channel(None);
        lists.opening = Some(opening.clone());
        Claim::Open(opened, opening)
    }

    /// Opens a connection in a task of its own: the request that asked for it may go away, others wait for it too.
    fn open(&self, opened: watch::Sender<Option<Result<(), Fault>>>) -> Result<(), Fault> {
        let upstream = self.upstream()?;
        let weak = Weak::clone(&self.upstream);
        upstream.tasks.spawn("open", async move {
            let Some(upstream) = weak.upgrade() else { return };
            let result = Self::open_shared(&upstream).await;
            upstream.pool.lists().opening = None;
            opened.send_replace(Some(result));
        });
        Ok(())
    }

    /// Opens with what is valid now, which may be newer than what the request began with.
    async fn open_shared(upstream: &Arc<Inner>) -> Result<(), Fault> {
        let material = upstream.credential.current().await.map_err(Fault::Credential)?;
        let pool = &upstream.pool;
        let opened = connect::open(Arc::clone(upstream), &*pool.dialer, &material, Protocols::Either).await?;
        pool.add(opened, material.generation);
        Ok(())
    }

    /// Where the server was seen to speak HTTP/1.1 only; `None` when it has learned HTTP/2 since.
    async fn http1_or_better(&self, material: &Material, freshness: Freshness) -> Result<Option<Http1Lane>, Fault> {
        if freshness == Freshness::Any
            && let Some(idle) = self.take_http1(material)
        {
            return Ok(Some(idle));
        }
        match connect::open(self.upstream()?, &*self.dialer, material, Protocols::Either).await? {
            Opened::Http1(lane) => Ok(Some(lane)),
            http2 @ Opened::Http2(_) => {
                self.add(http2, material.generation);
                Ok(None)
            }
        }
    }

    /// Puts a new connection into its list, unless it was made with what is no longer right.
    fn add(&self, opened: Opened, generation: u64) {
        let mut lists = self.lists();
        lists.use_generation(generation);
        if lists.generation != generation || self.closed.load(Ordering::Relaxed) {
            return;
        }
        match opened {
            Opened::Http2(connection) => {
                lists.http1_only = false;
                lists.http2.push(connection);
            }
            Opened::Http1(lane) => {
                lists.http1_only = true;
                lists.http1.push(http1::Idle::new(lane));
            }
        }
        drop(lists);
        self.changed.notify_waiters();
    }

    fn take_http1(&self, material: &Material) -> Option<Http1Lane> {
        let mut lists = self.lists();
        lists.use_generation(material.generation);
        while let Some(idle) = lists.http1.pop() {
            if idle.is_usable() {
                return Some(idle.into_lane());
            }
        }
        None
    }

    /// Takes back an HTTP/1.1 connection whose exchange is over.
    fn keep_http1(&self, lane: Http1Lane) {
        let mut lists = self.lists();
        let wanted = lists.generation == lane.generation() && lists.http1.len() < HTTP1_KEPT;
        if wanted && !self.closed.load(Ordering::Relaxed) {
            lists.http1.push(http1::Idle::new(lane));
        }
    }

    fn close_unused(&self, limits: &Limits) {
        let mut lists = self.lists();
        lists.http2.retain(|connection| !connection.is_closed() && !connection.is_unused_for(limits.http2_idle));
        lists.http1.retain(|idle| idle.is_usable() && !idle.is_unused_for(limits.http1_idle));
    }

    fn upstream(&self) -> Result<Arc<Inner>, Fault> {
        match self.upstream.upgrade() {
            Some(upstream) if !self.closed.load(Ordering::Relaxed) => Ok(upstream),
            _ => Err(Fault::Stopped),
        }
    }

    fn limits(&self) -> Result<Limits, Fault> {
        Ok(self.upstream()?.limits)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    /// Lets go of connections made with an earlier certificate or trust; their exchanges run to their end.
    fn use_generation(&mut self, generation: u64) {
        if generation > self.generation {
            *self = Self { generation, opening: self.opening.take(), ..Self::default() };
        }
    }
}

async fn wait_for(mut opening: Opening, deadline: Instant, limit: Duration) -> Result<(), Fault> {
    // The connection's own deadline is about this long; the margin lets its better message win.
    let deadline = deadline + Duration::from_secs(1);
    match tokio::time::timeout_at(deadline, opening.wait_for(Option::is_some)).await {
        Ok(Ok(ended)) => ended.clone().unwrap_or(Err(Fault::Stopped)),
        Ok(Err(_)) => Err(Fault::Stopped),
        Err(_) => Err(Fault::Deadline { step: "connecting", limit }),
    }
}

/// Starts the task that closes connections nobody has used for a while.
pub(super) fn start_reaper(upstream: &Arc<Inner>) {
    let (weak, limits) = (Arc::downgrade(upstream), upstream.limits);
    let stop = upstream.tasks.stop_signal();
    let every = (limits.http2_idle.min(limits.http1_idle) / 4).max(Duration::from_millis(10));
    upstream.tasks.spawn("reaper", async move {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(every) => {}
            }
            let Some(upstream) = weak.upgrade() else { return };
            upstream.pool.close_unused(&limits);
        }
    });
}
