//! Auth's own store: the log of the whole cluster as files of exact record lines, one file per UTC day.
//!
//! Auth takes batches in here ([`Store::intake`]), answers queries from it and signs its heads; `tctl audit verify` reads
//! the folder by itself ([`verify`]). Everything is synchronous file work that may take milliseconds: call it from
//! `spawn_blocking`. Queries read beside the intake and never hold it up.
//!
//! In the folder (mode 0700): `YYYY-MM-DD.ndjson` (day of arrival, so each chain runs on in order from file to file),
//! `heads.ndjson` (signed heads), `index.json` (where each chain was, so that opening need not read everything).

mod day;
mod heads;
mod index;
mod intake;
mod lines;
mod logged;
mod outlet;
mod query;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use teleport_runtime::{Clock, atomic_file};
use teleport_types::ServiceId;

use crate::{AuditError, Batch, Refused, Sink, SinkError};

pub use heads::{Head, SignedHeads};
pub use logged::Logged;
pub use outlet::Outlet;
pub use query::Filter;
pub use verify::{Finding, Problem, Report, WriterState, verify};

use day::Days;
use heads::HeadFile;
use index::Index;

/// The cluster's log. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    clock: Clock,
    writing: Mutex<Writing>,
    heads: Mutex<HeadFile>,
}

/// What one intake at a time changes.
#[derive(Debug)]
struct Writing {
    days: Days,
    index: Index,
    outlets: Vec<Outlet>,
    /// Records taken in since the index was saved.
    unsaved: usize,
}

impl Store {
    /// Opens the log in `dir`, made when it is missing; `outlets` get a copy of every line.
    ///
    /// # Errors
    /// When the folder cannot be used or is in use. Damage in old files does not keep it shut: [`verify`] names that.
    pub fn open(dir: &Path, clock: Clock, outlets: Vec<Outlet>) -> Result<Self, AuditError> {
        atomic_file::private_folder(dir).map_err(AuditError::storage("make", dir))?;
        let days = Days::open(dir)?;
        let index = Index::load(dir, &days)?;
        let heads = HeadFile::open(dir)?;
        let writing = Mutex::new(Writing { days, index, outlets, unsaved: 0 });
        Ok(Self { shared: Arc::new(Shared { dir: dir.to_path_buf(), clock, writing, heads: Mutex::new(heads) }) })
    }

    /// Takes in a batch that the service `from` delivers, and returns when it is on the disk. What is already here is
    /// skipped, so a batch may be delivered any number of times.
    ///
    /// # Errors
    /// Tells the sender where to go on, or what is wrong with the batch, or that the store cannot write.
    pub fn intake(&self, from: &ServiceId, batch: &Batch) -> Result<(), Refused> {
        self.shared.writing().intake(from, batch, self.shared.clock.now())
    }

    /// Returns the last record of each chain.
    pub fn heads(&self) -> Vec<Head> {
        self.shared.writing().index.heads()
    }

    /// Signs the heads that moved since the last time, keeps the result in the store and copies it to the outlets.
    /// `sign` gets the exact bytes and returns a signature. `None` when nothing moved.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn sign_heads(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Option<SignedHeads>, AuditError> {
        let heads = self.heads();
        let mut file = lock(&self.shared.heads);
        let Some(signed) = file.append(heads, self.shared.clock.now(), sign)? else { return Ok(None) };
        let line = serde_json::to_string(&signed).expect("two texts serialize");
        self.shared.writing().copy_out(&format!("{line}\n"))?;
        Ok(Some(signed))
    }
}

impl Shared {
    fn writing(&self) -> MutexGuard<'_, Writing> {
        lock(&self.writing)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let writing = self.writing();
        if let Err(error) = writing.index.save(&self.dir, &writing.days) {
            tracing::warn!(%error, "the audit index was not saved; the next start reads the log instead");
        }
    }
}

/// The way from a service's spool to a store in the same process.
#[derive(Clone, Debug)]
pub struct LocalSink {
    store: Store,
    service: ServiceId,
}

impl LocalSink {
    /// Makes a sink that delivers for `service`.
    pub fn new(store: Store, service: ServiceId) -> Self {
        Self { store, service }
    }
}

impl Sink for LocalSink {
    async fn deliver(&self, batch: &Batch) -> Result<(), SinkError> {
        let (sink, batch) = (self.clone(), batch.clone());
        let taken = tokio::task::spawn_blocking(move || sink.store.intake(&sink.service, &batch)).await;
        match taken {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refused::Expected { expected, .. })) => Err(SinkError::Rewind { expected }),
            Ok(Err(refused)) => Err(SinkError::Unavailable(Box::new(refused))),
            Err(error) => Err(SinkError::Unavailable(Box::new(error))),
        }
    }
}

/// Locks; a panic elsewhere does not stop the audit, whose state is consistent between its own steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
