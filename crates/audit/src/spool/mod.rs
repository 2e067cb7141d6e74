//! The service's own part of the log: records wait here, safe from a crash, until the store has them.
//!
//! Only the emitter appends and only the shipping task reads. Synchronous `std::fs` on purpose: an append is one
//! `write(2)` into the page cache under a short lock, a few microseconds, and is done before the work it stands for. A
//! thread syncs the files to the disk within 100 ms, so a power cut loses at most that; `kill -9` loses nothing.
//!
//! In the folder (mode 0700): `writer` (the chain's id), `lock`, `<first seq>.ndjson` segments, `confirmed` (what the
//! store has), `open.json` (begun events whose segment is gone), `reserve` (space for essential events on a full disk)
//! and `torn-*` (what a crash left of a last line).

pub(crate) mod flush;
mod open;
mod read;
mod segment;
mod state;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::watch;
use uuid::Uuid;

use crate::{AuditError, WriterId, event::Priority};
use flush::Synced;
use read::Reader;
use state::State;

/// How much a spool may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes on the disk, the reserve included.
    pub spool_bytes: u64,
    /// The bytes kept back for [`Priority::Essential`] events.
    pub reserve_bytes: u64,
    /// A new segment begins when the current one is this long.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { spool_bytes: 512 << 20, reserve_bytes: 1 << 20, segment_bytes: 8 << 20 }
    }
}

/// What an appended record is, beside its JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Something that happened at once.
    Event,
    /// Something that begins; `failed` is the code it gets when a crash cuts it.
    Begin { uid: Uuid, failed: &'static str },
}

/// A spool folder that this process owns. Clones share it; the last one to go syncs and closes it.
#[derive(Clone, Debug)]
pub struct Spool {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
}

/// What the appending callers, the flusher and the reader share.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    writer: WriterId,
    state: Mutex<State>,
    /// Wakes the flusher.
    work: Condvar,
    synced: watch::Sender<Synced>,
    reader: Mutex<Reader>,
}

impl Spool {
    /// Opens the folder, repairs what a crash left and starts the flusher.
    pub(crate) fn open(dir: &Path, limits: Limits) -> Result<Self, AuditError> {
        let found = open::open(dir, limits)?;
        let last = found.state.last();
        let shared = Arc::new(Shared {
            dir: dir.to_path_buf(),
            writer: found.writer,
            state: Mutex::new(found.state),
            work: Condvar::new(),
            synced: watch::Sender::new(Synced { seq: last, trouble: None }),
            reader: Mutex::new(Reader::new(found.confirmed)),
        });
        let flusher = flush::start(Arc::clone(&shared)).map_err(AuditError::storage("start a thread for", dir))?;
        Ok(Self { handle: Arc::new(Handle { shared, flusher: Some(flusher) }) })
    }

    /// Appends a record; when this returns, a crash of the process cannot lose it.
    pub(crate) fn append(&self, kind: Kind, priority: Priority, json: &[u8]) -> Result<(), AuditError> {
        let mut state = self.shared().state();
        state.append(kind, priority, json)?;
        self.wake_flusher(state);
        Ok(())
    }

    /// Appends the close of a begun event; without room it is kept and written later.
    pub(crate) fn append_end(&self, uid: Uuid, json: &[u8]) {
        let mut state = self.shared().state();
        state.append_end(uid, json);
        self.wake_flusher(state);
    }

    /// Returns the begun events that are open, with the code each gets when it fails.
    pub(crate) fn open_events(&self) -> Vec<(Uuid, String)> {
        self.shared().state().open.iter().map(|(uid, open)| (*uid, open.failed.to_string())).collect()
    }

    /// Waits until everything appended so far is on the disk.
    pub(crate) async fn synced(&self) -> Result<(), AuditError> {
        let target = {
            let mut state = self.shared().state();
            state.hurry = true;
            self.shared().work.notify_all();
            state.last()
        };
        let mut synced = self.shared().synced.subscribe();
        let done = synced.wait_for(|synced| synced.seq >= target || synced.trouble.is_some()).await;
        match done.map(|synced| *synced) {
            Ok(Synced { trouble: Some(kind), seq }) if seq < target => {
                Err(AuditError::storage("sync", self.shared().dir.as_path())(kind.into()))
            }
            Ok(_) => Ok(()),
            Err(_) => Err(AuditError::Closed),
        }
    }

    /// Returns the id of this chain.
    pub fn writer(&self) -> WriterId {
        self.shared().writer
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Wakes the flusher for the first record after a sync only: the others are found by its timer.
    fn wake_flusher(&self, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.dirty, true) {
            drop(state);
            self.shared().work.notify_all();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.work.notify_all();
        if let Some(flusher) = self.flusher.take()
            && flusher.join().is_err()
        {
            tracing::error!("the audit flusher panicked");
        }
    }
}

/// Locks; a panic elsewhere does not stop the audit, whose state is consistent between its own steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
