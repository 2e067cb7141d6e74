//! The SQLite engine: one file, one writer thread, readers on connections of their own.
//!
//! Writes go through a channel to the writer, which commits those that wait together in one durable transaction. The event
//! log is a table of the same transaction, so a watcher reads what was committed, in order, and nothing else.

mod apply;
mod open;
mod reader;
mod sweep;
mod watch;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use teleport_runtime::{Clock, TaskGroup};
use tokio::sync::{mpsc, oneshot, watch as latest};

use self::{
    apply::{Done, Operation},
    reader::Readers,
    writer::{Command, Writer},
};
use crate::{Answer, Backend, Error, Item, Key, Page, Prefix, Range, Revision, VALUE_MAX, Watcher, Write};

/// Writes that may wait for the writer before a caller waits for a place.
const QUEUE: usize = 1024;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; it and its missing folders are made, for the owner only.
    pub path: PathBuf,
    /// Decides what has expired.
    pub clock: Clock,
    /// How many changes the log keeps for watchers.
    pub log_events: u64,
    /// How many bytes of values the log keeps.
    pub log_bytes: u64,
    /// The size the file may not outgrow, in bytes; `None` is the disk's.
    pub max_bytes: Option<u64>,
}

impl Options {
    /// Returns the usual set-up: a log of 10 000 changes or 64 MiB.
    pub fn new(path: impl Into<PathBuf>, clock: Clock) -> Self {
        Self { path: path.into(), clock, log_events: 10_000, log_bytes: 64 << 20, max_bytes: None }
    }
}

/// A store in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    clock: Clock,
    readers: Readers,
    commands: mpsc::Sender<Command>,
    committed: latest::Receiver<Revision>,
    thread: Mutex<Option<JoinHandle<()>>>,
    tasks: TaskGroup,
}

impl Sqlite {
    /// Opens a store and makes it when it is not there. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::InUse`], [`Error::Newer`], [`Error::Full`], or what the file system says.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { path, clock, .. } = options.clone();
        let opened = tokio::task::spawn_blocking(move || open::open(&options)).await.map_err(|_| Error::Closed)??;
        let (commands, queue) = mpsc::channel(QUEUE);
        let (revision, committed) = latest::channel(opened.revision());
        let (next_expiry, expiries) = latest::channel(None::<Timestamp>);
        let writer = Writer::new(opened, clock.clone(), revision, next_expiry);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|source| Error::Engine { doing: "start the writer", path: path.clone(), source: source.into() })?;
        let tasks = TaskGroup::new("store");
        tasks.spawn("sweep", sweep::run(clock.clone(), expiries, commands.downgrade(), tasks.stop_signal()));
        let readers = Readers::new(path.clone());
        Ok(Self { path, clock, readers, commands, committed, thread: Mutex::new(Some(thread)), tasks })
    }

    /// Returns the path of the database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn write(&self, operation: Operation) -> Result<Done, Error> {
        if let Operation::Create(write) | Operation::Put(write) | Operation::Swap(write, _) = &operation
            && write.value.len() > VALUE_MAX
        {
            return Err(Error::TooLarge { key: write.key.clone(), size: write.value.len() });
        }
        submit(&self.commands, operation).await
    }
}

/// Hands an operation to the writer and waits until it is durable.
async fn submit(commands: &mpsc::Sender<Command>, operation: Operation) -> Result<Done, Error> {
    let (reply, answer) = oneshot::channel();
    commands.send(Command::Write { operation, reply }).await.map_err(|_| Error::Closed)?;
    answer.await.map_err(|_| Error::Closed)?
}

impl Backend for Sqlite {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(async move {
            let (key, now) = (key.clone(), self.clock.now());
            self.readers.read("read an item", move |connection| reader::get(connection, &key, now)).await
        })
    }

    fn range(&self, range: Range) -> Answer<'_, Page> {
        Box::pin(async move {
            let now = self.clock.now();
            self.readers.read("list items", move |connection| reader::range(connection, &range, now)).await
        })
    }

    fn create(&self, write: Write) -> Answer<'_, Revision> {
        Box::pin(async move { Ok(self.write(Operation::Create(write)).await?.revision) })
    }

    fn put(&self, write: Write) -> Answer<'_, Revision> {
        Box::pin(async move { Ok(self.write(Operation::Put(write)).await?.revision) })
    }

    fn compare_and_swap(&self, write: Write, expected: Revision) -> Answer<'_, Revision> {
        Box::pin(async move { Ok(self.write(Operation::Swap(write, expected)).await?.revision) })
    }

    fn delete<'a>(&'a self, key: &'a Key, expected: Option<Revision>) -> Answer<'a, Revision> {
        Box::pin(async move { Ok(self.write(Operation::Delete(key.clone(), expected)).await?.revision) })
    }

    fn delete_range<'a>(&'a self, prefix: &'a Prefix) -> Answer<'a, u64> {
        Box::pin(async move { Ok(self.write(Operation::DeleteRange(prefix.clone())).await?.deleted) })
    }

    fn watch<'a>(&'a self, prefix: &'a Prefix, after: Revision) -> Answer<'a, Box<dyn Watcher>> {
        Box::pin(async move {
            let watcher = watch::start(self.readers.clone(), self.committed.clone(), prefix.clone(), after).await?;
            Ok(Box::new(watcher) as Box<dyn Watcher>)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.tasks.drain(Duration::from_secs(5)).await;
            // The readers first: the last connection to go folds the write-ahead log into the file, and must be allowed to.
            self.readers.close();
            // An error means that the writer is gone already.
            let _ = self.commands.send(Command::Close).await;
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                tokio::task::spawn_blocking(move || thread.join())
                    .await
                    .map_err(|_| Error::Closed)?
                    .map_err(|_| Error::Closed)?;
            }
            Ok(())
        })
    }
}
