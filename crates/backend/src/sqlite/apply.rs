//! What one write does inside the writer's transaction: the item, its line in the log, the revision.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::{key_of, micros};
use crate::{Error, Key, Prefix, Revision, Write};

/// Expired items deleted in one go.
const SWEEP: i64 = 500;

/// A write that waits for the writer.
#[derive(Debug)]
pub(super) enum Operation {
    Create(Write),
    Put(Write),
    Swap(Write, Revision),
    Delete(Key, Option<Revision>),
    DeleteRange(Prefix),
    Sweep,
}

/// What a write came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) revision: Revision,
    pub(super) deleted: u64,
}

/// Where the log stands. The writer works on a copy and keeps it once the transaction is committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    pub(super) revision: i64,
    pub(super) compacted: i64,
    pub(super) events: i64,
    pub(super) bytes: i64,
    pub(super) most_events: i64,
    pub(super) most_bytes: i64,
}

/// The inner result is the caller's and leaves the transaction as it was; the outer one spoils the whole transaction.
pub(super) type Applied = rusqlite::Result<Result<Done, Error>>;

/// Does one write. Every refusal comes before the first change.
pub(super) fn apply(connection: &Connection, log: &mut Log, operation: &Operation, now: Timestamp) -> Applied {
    match operation {
        Operation::Create(write) => match current(connection, &write.key, now)? {
            Some(_) => Ok(Err(Error::Exists(write.key.clone()))),
            None => put(connection, log, write),
        },
        Operation::Put(write) => put(connection, log, write),
        Operation::Swap(write, expected) => match current(connection, &write.key, now)? {
            None => Ok(Err(Error::NotFound(write.key.clone()))),
            Some(found) if found != *expected => Ok(Err(changed(&write.key, *expected, found))),
            Some(_) => put(connection, log, write),
        },
        Operation::Delete(key, expected) => match (current(connection, key, now)?, expected) {
            (None, _) => Ok(Err(Error::NotFound(key.clone()))),
            (Some(found), Some(expected)) if found != *expected => Ok(Err(changed(key, *expected, found))),
            (Some(_), _) => delete(connection, log, std::slice::from_ref(key)),
        },
        Operation::DeleteRange(prefix) => {
            let mut below =
                connection.prepare_cached("SELECT key FROM items WHERE key >= ?1 AND key < ?2 ORDER BY key")?;
            let keys = below.query_map([prefix.as_str(), &prefix.end()], |row| key_of(row, 0))?;
            let keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
            delete(connection, log, &keys)
        }
        Operation::Sweep => {
            let mut over =
                connection.prepare_cached("SELECT key FROM items WHERE expires <= ?1 ORDER BY expires LIMIT ?2")?;
            let keys = over.query_map([micros(now), SWEEP], |row| key_of(row, 0))?;
            let keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
            delete(connection, log, &keys)
        }
    }
}

/// Ends a transaction: the log back within its bounds, the revision written.
pub(super) fn seal(connection: &Connection, log: &mut Log) -> rusqlite::Result<()> {
    let mut keep_after = log.compacted;
    if log.events > log.most_events || log.bytes > log.most_bytes {
        let mut oldest = connection.prepare_cached("SELECT revision, length(value) FROM log ORDER BY revision")?;
        let mut rows = oldest.query([])?;
        while (log.events > log.most_events || log.bytes > log.most_bytes) && log.events > 0 {
            let Some(row) = rows.next()? else { break };
            keep_after = row.get(0)?;
            log.events -= 1;
            log.bytes -= row.get::<_, Option<i64>>(1)?.unwrap_or(0);
        }
    }
    if keep_after > log.compacted {
        connection.prepare_cached("DELETE FROM log WHERE revision <= ?1")?.execute([keep_after])?;
        log.compacted = keep_after;
    }
    connection
        .prepare_cached("UPDATE state SET revision = ?1, compacted = ?2")?
        .execute([log.revision, log.compacted])?;
    Ok(())
}

/// Returns the revision of an item that is there and whose time is not over.
fn current(connection: &Connection, key: &Key, now: Timestamp) -> rusqlite::Result<Option<Revision>> {
    connection
        .prepare_cached("SELECT revision FROM items WHERE key = ?1 AND (expires IS NULL OR expires > ?2)")?
        .query_row(params![key.as_str(), micros(now)], |row| row.get::<_, i64>(0))
        .optional()
        .map(|found| found.map(revision))
}

fn put(connection: &Connection, log: &mut Log, write: &Write) -> Applied {
    log.revision += 1;
    log.events += 1;
    log.bytes += i64::try_from(write.value.len()).unwrap_or(i64::MAX);
    let expires = write.expires.map(micros);
    let row = params![write.key.as_str(), &*write.value, log.revision, expires];
    connection
        .prepare_cached(
            "INSERT INTO items (key, value, revision, expires) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, expires = ?4",
        )?
        .execute(row)?;
    connection
        .prepare_cached("INSERT INTO log (key, value, revision, expires) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![write.key.as_str(), &*write.value, log.revision, expires])?;
    Ok(Ok(Done { revision: revision(log.revision), deleted: 0 }))
}

fn delete(connection: &Connection, log: &mut Log, keys: &[Key]) -> Applied {
    let mut gone = connection.prepare_cached("DELETE FROM items WHERE key = ?1")?;
    let mut noted = connection.prepare_cached("INSERT INTO log (revision, key) VALUES (?1, ?2)")?;
    let mut deleted = 0;
    for key in keys {
        log.revision += 1;
        log.events += 1;
        gone.execute([key.as_str()])?;
        noted.execute(params![log.revision, key.as_str()])?;
        deleted += 1;
    }
    Ok(Ok(Done { revision: revision(log.revision), deleted }))
}

fn changed(key: &Key, expected: Revision, current: Revision) -> Error {
    Error::Changed { key: key.clone(), expected, current }
}

pub(super) fn revision(number: i64) -> Revision {
    Revision::new(u64::try_from(number).unwrap_or_default())
}
