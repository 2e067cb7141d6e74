//! Opening a spool: take the folder, read the chain through, cut what a crash tore, find what it left open.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use serde::Deserialize;
use teleport_runtime::atomic_file;
use uuid::Uuid;

use super::{
    Limits, flush, read,
    segment::{self, Segment},
    state::{Open, Reserve, State},
};
use crate::{AuditError, Hash, Record, WriterId, event::failed_code, record::Part};

/// A spool as it was found, repaired.
pub(super) struct Found {
    pub(super) writer: WriterId,
    pub(super) state: State,
    pub(super) confirmed: u64,
}

pub(super) fn open(dir: &Path, limits: Limits) -> Result<Found, AuditError> {
    atomic_file::private_folder(dir).map_err(AuditError::storage("make", dir))?;
    let lock = take(dir)?;
    let firsts = segment::list(dir).map_err(AuditError::storage("list", dir))?;
    // Without records there is no chain to continue, and its numbers must not be used twice.
    let writer = if firsts.is_empty() { new_writer(dir)? } else { known_writer(dir)? };
    let mut walk = Walk { dir, writer, next: 0, tail: Hash::NONE, orphans: read::load_open(dir)? };
    let mut segments = VecDeque::new();
    for (index, first) in firsts.iter().enumerate() {
        segments.push_back(walk.segment(*first, index + 1 == firsts.len())?);
    }
    let next = walk.next.max(1);
    if segments.is_empty() {
        segments.push_back(Segment { first: next, len: 0 });
    }
    let active = segments.back().map_or(next, |active| active.first);
    let path = segment::path(dir, active);
    let file = segment::append_to(&path).map_err(AuditError::storage("open", path))?;
    file.sync_all().and_then(|()| segment::sync_dir(dir)).map_err(AuditError::storage("sync", dir))?;
    let held = flush::hold_reserve(dir, limits.reserve_bytes);
    if let Err(error) = &held {
        tracing::error!(%error, spool = %dir.display(), "no room for the audit reserve; only essential events are written");
    }
    let state = State {
        dir: dir.to_path_buf(),
        limits,
        writer,
        next,
        tail: walk.tail,
        segments,
        file: Arc::new(file),
        left: Vec::new(),
        open: walk.orphans.into_iter().map(|(uid, failed)| (uid, Open { seq: 0, failed: failed.into() })).collect(),
        owed: VecDeque::new(),
        reserve: if held.is_ok() { Reserve::Held } else { Reserve::Released },
        torn: false,
        dirty: false,
        hurry: false,
        trouble: None,
        closed: false,
        _lock: lock,
        line: Vec::new(),
    };
    let confirmed = read::load_confirmed(dir)?.min(next - 1);
    Ok(Found { writer, state, confirmed })
}

/// Holds the folder until the file is dropped, so that two processes never write one chain.
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

fn new_writer(dir: &Path) -> Result<WriterId, AuditError> {
    let writer = WriterId::random();
    for stale in ["confirmed", "open.json"] {
        match fs::remove_file(dir.join(stale)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AuditError::storage("remove", dir.join(stale))(error));
            }
            _ => {}
        }
    }
    let path = dir.join("writer");
    atomic_file::write(&path, writer.to_string().as_bytes(), 0o600).map_err(AuditError::storage("write", path))?;
    Ok(writer)
}

fn known_writer(dir: &Path) -> Result<WriterId, AuditError> {
    let path = dir.join("writer");
    let text = fs::read_to_string(&path).map_err(AuditError::storage("read", path.as_path()))?;
    WriterId::parse(text.trim()).ok_or(AuditError::Damaged { path, line: 1, what: "not the id of a writer" })
}

/// The walk through the chain.
struct Walk<'a> {
    dir: &'a Path,
    writer: WriterId,
    /// The next sequence number; 0 before the first record.
    next: u64,
    tail: Hash,
    orphans: HashMap<Uuid, String>,
}

impl Walk<'_> {
    fn segment(&mut self, first: u64, last: bool) -> Result<Segment, AuditError> {
        let path = segment::path(self.dir, first);
        let file = File::open(&path).map_err(AuditError::storage("open", path.as_path()))?;
        let mut lines = BufReader::new(file);
        let (mut line, mut len, mut number) = (Vec::new(), 0, 0);
        if self.next == 0 {
            self.next = first;
        }
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line).map_err(AuditError::storage("read", path.as_path()))?;
            if read == 0 {
                return Ok(Segment { first, len });
            }
            number += 1;
            let whole = line.strip_suffix(b"\n").and_then(Record::parse).filter(|record| self.follows(record));
            match whole {
                Some(record) => self.step(&record),
                // Only a crash tears lines, and only at the end.
                None if last => {
                    set_aside(self.dir, &path, len, self.next)?;
                    return Ok(Segment { first, len });
                }
                None => return Err(AuditError::Damaged { path, line: number, what: "not the next record" }),
            }
            len += read as u64;
        }
    }

    fn follows(&self, record: &Record) -> bool {
        // What came before the oldest segment is gone, so its first record starts the walk.
        let begins = self.tail == Hash::NONE;
        record.writer() == self.writer && record.seq() == self.next && (begins || record.prev() == self.tail)
    }

    fn step(&mut self, record: &Record) {
        match record.part() {
            Part::Event(_) => {}
            Part::Begin(json) => {
                if let Ok(begun) = serde_json::from_str::<Begun>(json) {
                    self.orphans.insert(begun.uid, failed_code(&begun.code).to_owned());
                }
            }
            Part::End(json) => {
                if let Ok(ended) = serde_json::from_str::<Ended>(json) {
                    self.orphans.remove(&ended.uid);
                }
            }
        }
        self.tail = record.hash();
        self.next = record.seq() + 1;
    }
}

#[derive(Deserialize)]
struct Begun {
    uid: Uuid,
    code: String,
}

#[derive(Deserialize)]
struct Ended {
    uid: Uuid,
}

/// Moves everything after the last whole record to a file of its own: nobody was told that it was written, but it may
/// still help to understand the crash.
fn set_aside(dir: &Path, path: &Path, good: u64, next: u64) -> Result<(), AuditError> {
    let storage = |error| AuditError::storage("repair", path)(error);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(storage)?;
    let mut torn = Vec::new();
    file.seek(SeekFrom::Start(good)).map_err(storage)?;
    file.read_to_end(&mut torn).map_err(storage)?;
    let aside = dir.join(format!("torn-{next:020}"));
    if let Err(error) = atomic_file::write(&aside, &torn, 0o600) {
        tracing::warn!(%error, "what a crash tore cannot be kept aside");
    }
    file.set_len(good).and_then(|()| file.sync_all()).map_err(storage)?;
    tracing::warn!(bytes = torn.len(), kept = %aside.display(), "cut the torn end of the audit spool");
    Ok(())
}
