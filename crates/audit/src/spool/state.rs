//! Appending: admission by room, one write per record, and never a half line before the next one.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    Kind, Limits,
    segment::{self, Segment},
};
use crate::{AuditError, Hash, WriterId, error::no_room, event::Priority};

/// Room that each begun event keeps for its close, in bytes.
const END_ROOM: u64 = 1024;

/// A begun event that is not closed.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) seq: u64,
    /// The code it gets when a crash cuts it.
    pub(super) failed: Cow<'static, str>,
}

/// Whether the file that keeps space back is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserve {
    Held,
    Released,
}

/// The appending end of a spool, behind one lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) limits: Limits,
    pub(super) writer: WriterId,
    pub(super) next: u64,
    pub(super) tail: Hash,
    /// All segments, oldest first; the last one is `file`.
    pub(super) segments: VecDeque<Segment>,
    pub(super) file: Arc<File>,
    /// Files that were left for a new segment since the last sync.
    pub(super) left: Vec<Arc<File>>,
    pub(super) open: HashMap<Uuid, Open>,
    /// Closes that found no room.
    pub(super) owed: VecDeque<(Uuid, Vec<u8>)>,
    pub(super) reserve: Reserve,
    /// A failed write left bytes after the last whole record that could not be cut off yet.
    pub(super) torn: bool,
    /// Something was appended since the last sync began.
    pub(super) dirty: bool,
    /// Somebody waits for the next sync.
    pub(super) hurry: bool,
    /// The disk does not sync; nothing is admitted until it does.
    pub(super) trouble: Option<io::ErrorKind>,
    pub(super) closed: bool,
    /// Holds the folder for this process.
    pub(super) _lock: File,
    pub(super) line: Vec<u8>,
}

impl State {
    /// Returns the sequence number of the last record, 0 when there is none.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    pub(super) fn append(&mut self, kind: Kind, priority: Priority, json: &[u8]) -> Result<(), AuditError> {
        if self.closed {
            return Err(AuditError::Closed);
        }
        if let Some(kind) = self.trouble {
            return Err(AuditError::storage("sync", self.dir.as_path())(kind.into()));
        }
        if let Err(error) = self.settle()
            && priority == Priority::Normal
        {
            return Err(error);
        }
        let begin = matches!(kind, Kind::Begin { .. });
        self.admit(json.len() as u64 + if begin { END_ROOM } else { 0 }, priority)?;
        let name = if begin { "begin" } else { "event" };
        let seq = match (self.write(name, json), priority) {
            (Err(AuditError::Full), Priority::Essential) if self.reserve == Reserve::Held => {
                self.release_reserve();
                self.write(name, json)?
            }
            (written, _) => written?,
        };
        if let Kind::Begin { uid, failed } = kind {
            self.open.insert(uid, Open { seq, failed: Cow::Borrowed(failed) });
        }
        Ok(())
    }

    pub(super) fn append_end(&mut self, uid: Uuid, json: &[u8]) {
        let written = self.settle().and_then(|()| self.write("end", json));
        if written.is_ok() {
            self.open.remove(&uid);
        }
        if let Err(error) = written {
            self.owed.push_back((uid, json.to_vec()));
            tracing::error!(%error, owed = self.owed.len(), "the close of an audit event waits for room");
        }
    }

    /// Writes the closes that are owed, oldest first. They were admitted with their begin, so no limit holds them up.
    pub(super) fn settle(&mut self) -> Result<(), AuditError> {
        while let Some((uid, json)) = self.owed.pop_front() {
            if let Err(error) = self.write("end", &json) {
                self.owed.push_front((uid, json));
                return Err(error);
            }
            self.open.remove(&uid);
        }
        Ok(())
    }

    /// Tells whether the limits leave room for the reserve to be kept back again.
    pub(super) fn reserve_fits(&self) -> bool {
        self.used() + self.limits.reserve_bytes <= self.limits.spool_bytes
    }

    fn used(&self) -> u64 {
        let written: u64 = self.segments.iter().map(|segment| segment.len).sum();
        written + self.open.len() as u64 * END_ROOM
    }

    fn admit(&mut self, size: u64, priority: Priority) -> Result<(), AuditError> {
        // The envelope around the JSON.
        let size = size + 160;
        let ordinary = self.used() + size + self.limits.reserve_bytes <= self.limits.spool_bytes;
        match (priority, self.reserve) {
            (_, Reserve::Held) if ordinary => Ok(()),
            // Whatever room there is now is the reserve's.
            (Priority::Normal, _) => Err(AuditError::Full),
            (Priority::Essential, _) if self.used() + size > self.limits.spool_bytes => Err(AuditError::Full),
            (Priority::Essential, Reserve::Released) => Ok(()),
            (Priority::Essential, Reserve::Held) => {
                self.release_reserve();
                Ok(())
            }
        }
    }

    fn release_reserve(&mut self) {
        tracing::error!(spool = %self.dir.display(), "audit storage full; the reserve is released for essential events");
        self.reserve = Reserve::Released;
        if let Err(error) = std::fs::remove_file(reserve_path(&self.dir)) {
            tracing::error!(%error, "the audit reserve cannot be removed");
        }
    }

    /// Writes one record with one `write(2)`, and leaves the file as it was when that fails. Returns its number.
    fn write(&mut self, name: &str, json: &[u8]) -> Result<u64, AuditError> {
        self.mend()?;
        self.rotate()?;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        // A vector takes every byte.
        let _ = write!(line, r#"{{"writer":"{}","seq":{},"prev":""#, self.writer, self.next);
        self.tail.push_hex(&mut line);
        line.extend_from_slice(b"\",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        line.extend_from_slice(json);
        line.push(b'}');
        let hash = Hash::of(&line);
        line.push(b'\n');
        let written = (&*self.file).write_all(&line);
        let len = line.len() as u64;
        self.line = line;
        if let Err(error) = written {
            self.torn = true;
            // When this fails too, the next append tries again before it writes.
            let _ = self.mend();
            return Err(self.refusal("append to")(error));
        }
        if let Some(active) = self.segments.back_mut() {
            active.len += len;
        }
        self.tail = hash;
        self.next += 1;
        Ok(self.last())
    }

    /// Cuts off what a failed write left.
    fn mend(&mut self) -> Result<(), AuditError> {
        if self.torn {
            let good = self.segments.back().map_or(0, |active| active.len);
            self.file.set_len(good).map_err(self.refusal("repair"))?;
            self.torn = false;
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), AuditError> {
        if self.segments.back().is_some_and(|active| active.len < self.limits.segment_bytes) {
            return Ok(());
        }
        let file = segment::append_to(&segment::path(&self.dir, self.next)).map_err(self.refusal("start a file in"))?;
        self.left.push(std::mem::replace(&mut self.file, Arc::new(file)));
        self.segments.push_back(Segment { first: self.next, len: 0 });
        Ok(())
    }

    fn refusal(&self, doing: &'static str) -> impl FnOnce(io::Error) -> AuditError {
        let dir = self.dir.clone();
        move |error| if no_room(&error) { AuditError::Full } else { AuditError::storage(doing, dir)(error) }
    }
}

pub(super) fn reserve_path(dir: &Path) -> PathBuf {
    dir.join("reserve")
}
