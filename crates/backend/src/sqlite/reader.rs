//! Reading: a few connections of their own, used from tokio's blocking threads.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params, types::Type};
use tokio::sync::Semaphore;

use super::{apply::revision, open};
use crate::{Error, Event, Item, Key, Page, Range, Revision};

/// Most reads at the same time.
const READERS: usize = 4;

/// The connections for reading.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    slots: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let slots = Arc::new(Semaphore::new(READERS));
        Self { inner: Arc::new(Inner { path, idle: Mutex::default(), slots, closed: AtomicBool::new(false) }) }
    }

    /// Runs `read` on one of the connections.
    pub(super) async fn read<T, F>(&self, doing: &'static str, read: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let slot = Arc::clone(&self.inner.slots).acquire_owned().await.map_err(|_| Error::Closed)?;
        let inner = Arc::clone(&self.inner);
        let work = move || {
            let _slot = slot;
            let answer = inner.with_connection(read);
            answer.map_err(|error| open::explain(&inner.path, doing, error))
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)?
    }

    /// Refuses further reads and lets go of the file.
    pub(super) fn close(&self) {
        self.inner.slots.close();
        self.inner.closed.store(true, Ordering::SeqCst);
        self.inner.idle().clear();
    }
}

impl Inner {
    fn with_connection<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        // A connection that met an error is not used again.
        let answer = read(&connection)?;
        if !self.closed.load(Ordering::SeqCst) {
            self.idle().push(connection);
        }
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn get(connection: &Connection, key: &Key, now: Timestamp) -> rusqlite::Result<Option<Item>> {
    connection
        .prepare_cached(
            "SELECT key, value, revision, expires FROM items WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
        )?
        .query_row(params![key.as_str(), micros(now)], item)
        .optional()
}

pub(super) fn range(connection: &Connection, range: &Range, now: Timestamp) -> rusqlite::Result<Page> {
    let snapshot = connection.unchecked_transaction()?;
    let revision = state(connection)?.0;
    let limit = range.limit.max(1);
    let after = range.after.as_ref().map_or("", Key::as_str);
    let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut items = snapshot
        .prepare_cached(
            "SELECT key, value, revision, expires FROM items
             WHERE key >= ?1 AND key < ?2 AND key > ?3 AND (expires IS NULL OR expires > ?4) ORDER BY key LIMIT ?5",
        )?
        .query_map(params![range.prefix.as_str(), range.prefix.end(), after, micros(now), rows], item)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| item.key.clone());
    Ok(Page { items, revision, next })
}

/// What a watcher read from the log.
#[derive(Debug)]
pub(super) enum Changes {
    /// The next changes, and how far the log has been looked through.
    Read(Vec<Event>, Revision),
    /// The log does not reach to where the watcher stands.
    Compacted,
}

pub(super) fn changes(
    connection: &Connection,
    prefix: &crate::Prefix,
    after: Revision,
    limit: usize,
) -> rusqlite::Result<Changes> {
    let snapshot = connection.unchecked_transaction()?;
    let (newest, compacted) = state(&snapshot)?;
    if after < compacted || after > newest {
        return Ok(Changes::Compacted);
    }
    let from = i64::try_from(after.number()).unwrap_or(i64::MAX);
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let events = snapshot
        .prepare_cached(
            "SELECT key, value, revision, expires FROM log
             WHERE revision > ?1 AND key >= ?2 AND key < ?3 ORDER BY revision LIMIT ?4",
        )?
        .query_map(params![from, prefix.as_str(), prefix.end(), limit_rows], event)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let looked = match events.last() {
        Some(last) if events.len() >= limit => last.revision(),
        _ => newest,
    };
    Ok(Changes::Read(events, looked))
}

fn state(connection: &Connection) -> rusqlite::Result<(Revision, Revision)> {
    connection
        .prepare_cached("SELECT revision, compacted FROM state")?
        .query_row([], |row| Ok((revision(row.get(0)?), revision(row.get(1)?))))
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        key: key_of(row, 0)?,
        value: row.get::<_, Vec<u8>>(1)?.into(),
        revision: revision(row.get(2)?),
        expires: row.get::<_, Option<i64>>(3)?.map(timestamp),
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    match row.get::<_, Option<Vec<u8>>>(1)? {
        Some(value) => Ok(Event::Put(Item {
            key: key_of(row, 0)?,
            value: value.into(),
            revision: revision(row.get(2)?),
            expires: row.get::<_, Option<i64>>(3)?.map(timestamp),
        })),
        None => Ok(Event::Delete { key: key_of(row, 0)?, revision: revision(row.get(2)?) }),
    }
}

pub(super) fn key_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Key> {
    let text: String = row.get(column)?;
    Key::parse(&text).map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn timestamp(micros: i64) -> Timestamp {
    let edge = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(edge)
}
