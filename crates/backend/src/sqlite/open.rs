//! Opens the file: permissions, the lock against a second process, the check for damage, the schema.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::{Options, apply::Log};
use crate::{Error, Revision};

/// The format this version writes, kept in `user_version`.
const FORMAT: i64 = 1;
/// Marks the file as ours, kept in `application_id`: "TPst".
const APPLICATION: i64 = 0x5450_7374;

const SCHEMA: &str = "
    CREATE TABLE items (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, revision INTEGER NOT NULL, expires INTEGER);
    CREATE INDEX items_expires ON items (expires) WHERE expires IS NOT NULL;
    CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, expires INTEGER);
    CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL);
    INSERT INTO state VALUES (1, 0, 0);
";

/// An opened database, ready for the writer.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    pub(super) log: Log,
    /// Held as long as the writer lives.
    pub(super) lock: File,
}

impl Opened {
    pub(super) fn revision(&self) -> Revision {
        Revision::new(u64::try_from(self.log.revision).unwrap_or_default())
    }
}

pub(super) fn open(options: &Options) -> Result<Opened, Error> {
    let path = &options.path;
    let lock = prepare_files(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| explain(path, "open", e))?;
    check(path, &connection)?;
    let log = set_up(options, &connection).map_err(|e| explain(path, "set up", e))?;
    Ok(Opened { path: path.clone(), connection, log, lock })
}

/// Opens a connection with what every one of them needs.
pub(super) fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Makes the folder and the file for the owner only, and takes the lock.
fn prepare_files(path: &Path) -> Result<File, Error> {
    let failed = |doing, source: io::Error| Error::Engine { doing, path: path.to_path_buf(), source: source.into() };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        teleport_runtime::atomic_file::private_folder(folder).map_err(|e| failed("make the folder", e))?;
    }
    let private = |path: &Path| -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(file)
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = private(Path::new(&beside)).map_err(|e| failed("make the lock file", e))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => return Err(failed("take the lock file", error)),
    }
    // SQLite gives its two side files the mode of this one.
    private(path).map_err(|e| failed("make the file", e))?;
    Ok(lock)
}

/// Refuses a file that is not ours, is from a newer version, or does not hang together.
fn check(path: &Path, connection: &Connection) -> Result<(), Error> {
    let broken = |e| explain(path, "check", e);
    let damaged = |what: &str| Error::Damaged { path: path.to_path_buf(), what: what.to_owned() };
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(broken);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let application = number("PRAGMA application_id")?;
    if tables == 0 && application == 0 {
        return Ok(());
    }
    if application != APPLICATION {
        return Err(damaged("it was not written by this program"));
    }
    let format = number("PRAGMA user_version")?;
    if format > FORMAT {
        return Err(Error::Newer { path: path.to_path_buf(), found: format, known: FORMAT });
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(broken)?;
    if verdict != "ok" {
        let line: String = verdict.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        return Err(damaged(&line));
    }
    Ok(())
}

fn set_up(options: &Options, connection: &Connection) -> rusqlite::Result<Log> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format == 0 {
        let begin = format!(
            "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
        );
        connection.execute_batch(&begin)?;
    }
    if let Some(most) = options.max_bytes {
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let pages = i64::try_from(most).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    let (revision, compacted) =
        connection.query_row("SELECT revision, compacted FROM state", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (events, bytes) = connection
        .query_row("SELECT count(*), sum(length(value)) FROM log", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0)))
        })
        .optional()?
        .unwrap_or_default();
    Ok(Log {
        revision,
        compacted,
        events,
        bytes,
        most_events: i64::try_from(options.log_events.max(1)).unwrap_or(i64::MAX),
        most_bytes: i64::try_from(options.log_bytes).unwrap_or(i64::MAX),
    })
}

/// Turns what SQLite says into what the caller can act on.
pub(super) fn explain(path: &Path, doing: &'static str, error: rusqlite::Error) -> Error {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged { path, what: error.to_string() },
        _ if matches!(
            error,
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..)
        ) =>
        {
            Error::Damaged { path, what: error.to_string() }
        }
        _ => Error::Engine { doing, path, source: Box::new(error) },
    }
}
