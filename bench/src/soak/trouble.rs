//! Clients that behave badly: readers who stand still, handshakes left half open, requests that come byte by byte.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use hyper::body::Incoming;
use teleport_net::{Conn, Dialer as _, TcpDialer};
use teleport_runtime::TaskGroup;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    clients::Targets,
    objects::{self, Asked},
    tally::User,
};
use crate::target::{Protocol, Sender};

/// Readers who stand still, and how many share a connection.
const STALLED: usize = 60;
const STALLED_STREAMS: usize = 6;
/// Handshakes left half open: below what one address may hold.
const HALF_OPEN: usize = 300;
/// Clients that send a request byte by byte.
const SLOW: usize = 60;
const PATIENCE: Duration = Duration::from_secs(10);

/// Readers who stand still, until they are dropped.
pub(super) struct Stalled {
    _open: Vec<(Sender, Incoming)>,
}

impl Stalled {
    /// Opens watches that are sent bytes without end, and reads none of them.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(super) async fn start(targets: &Targets) -> Result<Self> {
        let mut open = Vec::new();
        for _ in 0..STALLED / STALLED_STREAMS {
            let sender = targets.of(User::Steady).connect(Protocol::Http2).await?;
            for mut shared in (0..STALLED_STREAMS).map_while(|_| sender.share()) {
                let body = shared.open(&objects::path(Asked::Bulk)).await?.into_body();
                open.push((shared, body));
            }
        }
        Ok(Self { _open: open })
    }

    /// Returns how many stand still.
    pub(super) fn len(&self) -> usize {
        self._open.len()
    }
}

/// Handshakes left half open.
pub(super) struct HalfOpen(Vec<Conn>);

impl HalfOpen {
    /// Opens them, each at another point of its beginning.
    ///
    /// # Errors
    /// When nobody answers.
    pub(super) async fn start(proxy: &str) -> Result<Self> {
        let dialer = TcpDialer::new(proxy, PATIENCE);
        let mut open = Vec::new();
        let beginnings: [&[u8]; 3] = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"];
        for said in beginnings.into_iter().cycle().take(HALF_OPEN) {
            let mut conn = dialer.dial().await?;
            conn.write_all(said).await?;
            open.push(conn);
        }
        Ok(Self(open))
    }

    /// Waits until the proxy has given up every one.
    ///
    /// # Errors
    /// When it holds on to one for longer than `patience`.
    pub(super) async fn closed(self, patience: Duration) -> Result<()> {
        let waiting = join_all(self.0.into_iter().map(|mut conn| async move {
            let mut rest = Vec::new();
            tokio::time::timeout(patience, conn.read_to_end(&mut rest)).await.is_ok()
        }));
        let held = waiting.await.into_iter().filter(|closed| !closed).count();
        ensure!(held == 0, "{held} half-open handshakes were still held after {} s", patience.as_secs());
        Ok(())
    }
}

/// Clients that send a request byte by byte, until they are dropped.
pub(super) struct Slow {
    _tasks: TaskGroup,
}

impl Slow {
    /// Begins.
    ///
    /// # Errors
    /// When nobody answers.
    pub(super) async fn start(targets: &Arc<Targets>) -> Result<Self> {
        let tasks = TaskGroup::new("slow clients");
        for _ in 0..SLOW {
            let mut conn = targets.of(User::Steady).dial(Protocol::Http1).await?;
            tasks.spawn("slow", async move {
                let head = b"GET /version HTTP/1.1\r\nHost: kubernetes\r\n".iter().chain(b"X".iter().cycle());
                for byte in head {
                    if conn.write_all(&[*byte]).await.is_err() || conn.flush().await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
        }
        Ok(Self { _tasks: tasks })
    }
}
