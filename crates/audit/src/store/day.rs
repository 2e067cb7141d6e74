//! The files of the log, one per UTC day of arrival, and appending to the newest.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::lines::Lines;
use crate::{AuditError, error::no_room};

const ENDING: &str = ".ndjson";

/// The log's files, and the newest one open for appending.
#[derive(Debug)]
pub(super) struct Days {
    dir: PathBuf,
    active: Option<Active>,
    _lock: File,
}

#[derive(Debug)]
struct Active {
    date: Date,
    file: File,
    /// How many bytes are whole lines on the disk.
    len: u64,
    /// A failed write left bytes after them that could not be cut off yet.
    torn: bool,
}

/// A place in the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    pub(super) date: Date,
    pub(super) offset: u64,
}

impl Days {
    /// Opens the folder and cuts off what a crash left of a last line.
    pub(super) fn open(dir: &Path) -> Result<Self, AuditError> {
        let lock = take(dir)?;
        let mut days = Self { dir: dir.to_path_buf(), active: None, _lock: lock };
        if let Some(newest) = list(dir)?.pop() {
            let path = path(dir, newest);
            let whole = whole_lines(&path)?;
            days.active = Some(days.append_to(newest, whole)?);
        }
        Ok(days)
    }

    fn append_to(&self, date: Date, len: u64) -> Result<Active, AuditError> {
        let path = path(&self.dir, date);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(refusal("open", &path))?;
        let mut active = Active { date, file, len, torn: true };
        active.mend().map_err(refusal("repair", &path))?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(refusal("sync", &self.dir))?;
        Ok(active)
    }

    /// Moves on to the file of `now`'s day. When the clock went back, the newest file goes on. Tells whether it moved.
    pub(super) fn turn(&mut self, now: Timestamp) -> Result<bool, AuditError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        if self.active.as_ref().is_some_and(|active| active.date >= today) {
            return Ok(false);
        }
        self.active = Some(self.append_to(today, 0)?);
        Ok(true)
    }

    /// Appends whole lines and syncs them; when that fails, the file is as before.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let Some(active) = &mut self.active else { return Err(AuditError::Closed) };
        let path = path(&self.dir, active.date);
        active.mend().map_err(refusal("repair", &path))?;
        if let Err(error) = active.file.write_all(lines).and_then(|()| active.file.sync_data()) {
            active.torn = true;
            // When this fails too, the next append tries again before it writes.
            let _ = active.mend();
            return Err(refusal("append to", &path)(error));
        }
        active.len += lines.len() as u64;
        Ok(())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns where the next line goes; `None` in an empty log.
    pub(super) fn end(&self) -> Option<Place> {
        self.active.as_ref().map(|active| Place { date: active.date, offset: active.len })
    }

    /// Returns the files with the bytes of whole lines in each, oldest first, as they are now.
    pub(super) fn files(&self) -> Result<Vec<DayFile>, AuditError> {
        let mut files = files(&self.dir)?;
        if let (Some(active), Some(newest)) = (&self.active, files.last_mut()) {
            newest.len = active.len;
        }
        Ok(files)
    }
}

impl Active {
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.torn = false;
        }
        Ok(())
    }
}

/// One file of the log.
#[derive(Clone, Debug)]
pub(super) struct DayFile {
    pub(super) date: Date,
    pub(super) path: PathBuf,
    pub(super) len: u64,
}

/// Returns the files of a log that nobody need have open, oldest first.
pub(super) fn files(dir: &Path) -> Result<Vec<DayFile>, AuditError> {
    let with_length = |date| {
        let path = path(dir, date);
        let len = fs::metadata(&path).map_err(AuditError::storage("read", path.as_path()))?.len();
        Ok(DayFile { date, path, len })
    };
    list(dir)?.into_iter().map(with_length).collect()
}

fn path(dir: &Path, date: Date) -> PathBuf {
    dir.join(format!("{date}{ENDING}"))
}

fn list(dir: &Path) -> Result<Vec<Date>, AuditError> {
    let mut dates: Vec<Date> = Vec::new();
    for entry in fs::read_dir(dir).map_err(AuditError::storage("list", dir))? {
        let name = entry.map_err(AuditError::storage("list", dir))?.file_name();
        dates.extend(name.to_str().and_then(|name| name.strip_suffix(ENDING)?.parse::<Date>().ok()));
    }
    dates.sort_unstable();
    Ok(dates)
}

fn take(dir: &Path) -> Result<File, AuditError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(AuditError::storage("open", path.as_path()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::InUse { path: dir.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(AuditError::storage("lock", path)(error)),
    }
}

/// Returns how many bytes of the file end with a line feed. Only a crash leaves more: every append is whole lines.
fn whole_lines(path: &Path) -> Result<u64, AuditError> {
    let len = fs::metadata(path).map_err(AuditError::storage("read", path))?.len();
    let mut lines = Lines::backward(path, len)?;
    let Some(last) = lines.previous_raw()? else { return Ok(0) };
    Ok(if last.ended { len } else { last.offset })
}

fn refusal(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    move |error| if no_room(&error) { AuditError::Full } else { AuditError::storage(doing, path)(error) }
}
