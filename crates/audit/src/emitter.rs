//! The writing end: `emit` for what happened at once, `begin → Entry → complete` for work that takes time.
//!
//! Every service calls this before it does anything that must be known. It is synchronous on purpose: a record is one
//! `write(2)` into the page cache, a few microseconds, which survives `kill -9`; handing it to a blocking pool would cost
//! more than the write. The sync to disk runs on a thread of its own, see [`crate::spool`].

use std::{
    cell::RefCell,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use jiff::Timestamp;
use serde::Serialize;
use teleport_runtime::{Clock, random};
use teleport_types::{ClusterName, ServiceId};
use uuid::Uuid;

use crate::{
    AuditError, Event, Patch, WriterId,
    event::{Body, Codes, Common},
    json::{self, Millis},
    spool::{Kind, Limits, Spool},
};

/// Who writes: stands in every event.
#[derive(Clone, Debug)]
pub struct WriterInfo {
    /// The cluster of the service.
    pub cluster: ClusterName,
    /// The service.
    pub server: ServiceId,
}

/// A handle on the service's spool. Cheap to clone; the last one to go syncs and closes the spool.
#[derive(Clone, Debug)]
pub struct Emitter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    spool: Spool,
    clock: Clock,
    info: WriterInfo,
    uids: Uids,
}

impl Emitter {
    /// Opens the spool in `dir`, made when it is missing, repairs what a crash left, and continues its chain.
    ///
    /// # Errors
    /// When the folder cannot be used, is in use, or holds a damaged spool.
    pub fn open(dir: &Path, clock: Clock, info: WriterInfo) -> Result<Self, AuditError> {
        Self::open_with(dir, clock, info, Limits::default())
    }

    /// As [`Emitter::open`], with other limits.
    ///
    /// # Errors
    /// As [`Emitter::open`].
    pub fn open_with(dir: &Path, clock: Clock, info: WriterInfo, limits: Limits) -> Result<Self, AuditError> {
        let spool = Spool::open(dir, limits)?;
        let emitter = Self { inner: Arc::new(Inner { spool, clock, info, uids: Uids::new() }) };
        emitter.close_orphans();
        Ok(emitter)
    }

    /// Writes an event that happened at once.
    ///
    /// # Errors
    /// When it could not be written; what it stands for must then not be done.
    pub fn emit(&self, event: Event) -> Result<(), AuditError> {
        let (uid, now) = self.stamp();
        let priority = event.priority();
        with_buffer(|json| {
            self.write_event(&event, uid, now, json);
            self.inner.spool.append(Kind::Event, priority, json)
        })
    }

    /// Writes an event before the work it stands for; the entry closes it.
    ///
    /// # Errors
    /// When it could not be written; the work must then not be done.
    pub fn begin(&self, event: Event) -> Result<Entry, AuditError> {
        let (uid, now) = self.stamp();
        let (priority, codes) = (event.priority(), event.codes());
        with_buffer(|json| {
            self.write_event(&event, uid, now, json);
            self.inner.spool.append(Kind::Begin { uid, failed: codes.of(Some(false)) }, priority, json)
        })?;
        Ok(Entry { emitter: self.clone(), uid, codes, patch: Patch::default(), open: true })
    }

    /// Waits until everything written so far is on the disk, at most about 100 ms on a healthy one.
    ///
    /// # Errors
    /// When the disk refuses to sync, or the spool was closed.
    pub async fn synced(&self) -> Result<(), AuditError> {
        self.inner.spool.synced().await
    }

    /// Returns the id of this chain.
    pub fn writer(&self) -> WriterId {
        self.inner.spool.writer()
    }

    /// Returns the spool, for the shipping task.
    pub fn spool(&self) -> &Spool {
        &self.inner.spool
    }

    fn stamp(&self) -> (Uuid, Timestamp) {
        let now = self.inner.clock.now();
        (self.inner.uids.next(now), now)
    }

    fn write_event(&self, event: &Event, uid: Uuid, now: Timestamp, out: &mut Vec<u8>) {
        let line = EventLine {
            body: &event.body,
            code: event.code(),
            time: Millis(now),
            uid,
            cluster_name: &self.inner.info.cluster,
            server_id: &self.inner.info.server,
            server_version: env!("CARGO_PKG_VERSION"),
            common: &event.common,
        };
        json::write_trimmed(&line, out);
    }

    fn write_end(&self, uid: Uuid, code: &str, patch: &Patch) {
        let end = EndLine { uid, code, ended: Millis(self.inner.clock.now()), patch };
        with_buffer(|json| {
            json::write_trimmed(&end, json);
            self.inner.spool.append_end(uid, json);
        });
    }

    /// Closes what a crash left open, so that nothing stays in progress for ever.
    fn close_orphans(&self) {
        let patch = Patch::interrupted("interrupted by a crash of the service");
        for (uid, failed) in self.inner.spool.open_events() {
            self.write_end(uid, &failed, &patch);
        }
    }
}

/// An event as it is written: type first, then what the emitter adds, then what the caller knows.
#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(flatten)]
    body: &'a Body,
    code: &'static str,
    time: Millis,
    uid: Uuid,
    cluster_name: &'a ClusterName,
    server_id: &'a ServiceId,
    server_version: &'static str,
    #[serde(flatten)]
    common: &'a Common,
}

#[derive(Serialize)]
struct EndLine<'a> {
    uid: Uuid,
    code: &'a str,
    ended: Millis,
    #[serde(flatten)]
    patch: &'a Patch,
}

/// An event whose work goes on. Closing it is owed: dropped without [`Entry::complete`], it counts as interrupted.
#[derive(Debug)]
#[must_use = "dropping the entry at once writes the event as interrupted"]
pub struct Entry {
    emitter: Emitter,
    uid: Uuid,
    codes: Codes,
    patch: Patch,
    open: bool,
}

impl Entry {
    /// Returns the id of the event.
    pub fn uid(&self) -> Uuid {
        self.uid
    }

    /// Keeps fields that are known by now; they are written with the close, however it comes.
    pub fn amend(&mut self, patch: Patch) {
        self.patch.merge(patch);
    }

    /// Closes the event.
    ///
    /// The work is done, so there is nothing to refuse any more: a close that finds no room is kept and written as soon
    /// as there is some.
    pub fn complete(mut self, patch: Patch) {
        self.patch.merge(patch);
        self.close();
    }

    fn close(&mut self) {
        if std::mem::replace(&mut self.open, false) {
            self.emitter.write_end(self.uid, self.codes.of(self.patch.success), &self.patch);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.open {
            // What was amended so far stays, but for a success that never came.
            self.patch.merge(Patch::interrupted("interrupted before its end"));
            self.close();
        }
    }
}

/// Makes ids of events: version 7, so they sort by time; a counter and the random part of this run keep them apart.
///
/// They name, they do not authorize, so they may be guessed; asking the system for randomness costs more than the record.
#[derive(Debug)]
struct Uids {
    run: [u8; 6],
    count: AtomicU32,
}

impl Uids {
    fn new() -> Self {
        Self { run: random::bytes(), count: AtomicU32::new(0) }
    }

    fn next(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let [a, b, c, d] = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [e, f, g, h, i, j] = self.run;
        // Version and variant overwrite the upper bits of the first and the third byte, so no counter stands there.
        uuid::Builder::from_unix_timestamp_millis(millis, &[e, a, f, b, c, d, g, h, i, j]).into_uuid()
    }
}

/// Lends a buffer that keeps its memory from record to record.
fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        work(buffer)
    })
}
