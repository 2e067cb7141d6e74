//! The reading end: what the store does not have yet, and what may be forgotten because it has.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use teleport_runtime::atomic_file;
use uuid::Uuid;

use super::{
    Spool, lock,
    segment::{self, Segment},
};
use crate::{AuditError, Batch, Record};

/// The most bytes of lines in one batch, but for a single longer one.
const BATCH_BYTES: u64 = 1024 * 1024;

/// Where the store is, as far as we know.
#[derive(Debug)]
pub(super) struct Reader {
    confirmed: u64,
    /// Where the records of the last batch end, so that the next read does not search: number, segment, offset.
    ends: Vec<(u64, u64, u64)>,
}

impl Reader {
    pub(super) fn new(confirmed: u64) -> Self {
        Self { confirmed, ends: Vec::new() }
    }
}

impl Spool {
    /// Returns the next records that the store does not have, at most `max`; `None` when it has all that is on the disk.
    ///
    /// What is not synced is left out: after a power cut its numbers are used again for other records.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn unshipped(&self, max: usize) -> Result<Option<Batch>, AuditError> {
        let synced = self.shared().synced.borrow().seq;
        let segments = self.shared().state().segments.clone();
        let mut reader = lock(&self.shared().reader);
        let start = reader.confirmed + 1;
        let oldest = segments.front().map_or(start, |segment| segment.first);
        let known = reader.ends.iter().find(|end| end.0 == reader.confirmed).copied();
        let mut ends = Vec::from_iter(known);
        let (mut records, mut bytes) = (Vec::new(), 0);
        let holds_start = segments.iter().rposition(|segment| segment.first <= start).unwrap_or(0);
        for segment in segments.iter().skip(holds_start) {
            let offset = known.filter(|known| known.1 == segment.first).map_or(0, |known| known.2);
            let mut lines = Lines::open(&self.shared().dir, *segment, offset)?;
            while let Some((record, end)) = lines.next()? {
                if record.seq() < start {
                    continue;
                }
                bytes += record.line().len() as u64;
                let full = records.len() >= max || (bytes > BATCH_BYTES && !records.is_empty());
                if record.seq() > synced || full {
                    break;
                }
                ends.push((record.seq(), segment.first, end));
                records.push(record);
            }
            if records.len() >= max || bytes > BATCH_BYTES {
                break;
            }
        }
        reader.ends = ends;
        Ok((!records.is_empty()).then_some(Batch { oldest, records }))
    }

    /// Notes that the store has everything up to `seq`, and removes segments that nobody needs any more.
    ///
    /// # Errors
    /// When that cannot be written; the records are then shipped again, which does no harm.
    pub fn confirm(&self, seq: u64) -> Result<(), AuditError> {
        let dir = &self.shared().dir;
        lock(&self.shared().reader).confirmed = seq;
        save(dir, "confirmed", &seq)?;
        let (done, open) = {
            let state = self.shared().state();
            // The last record stays: the chain continues from it.
            let last = state.segments.iter().rposition(|segment| segment.len > 0).unwrap_or(0);
            let firsts: Vec<u64> = state.segments.iter().map(|segment| segment.first).collect();
            let done = firsts.windows(2).take(last).take_while(|pair| pair.last().is_some_and(|next| *next <= seq + 1));
            let done = done.count();
            let kept_from = firsts.get(done).copied().unwrap_or(0);
            let open: HashMap<Uuid, String> = state
                .open
                .iter()
                .filter(|(_, open)| open.seq < kept_from)
                .map(|(uid, open)| (*uid, open.failed.to_string()))
                .collect();
            (done, open)
        };
        if done == 0 {
            return Ok(());
        }
        // Before their begins are gone, the open events are noted: a crash must still close them.
        save(dir, "open.json", &open)?;
        for _ in 0..done {
            // The reader is the only one that removes, so the front is still the one seen above.
            let Some(segment) = self.shared().state().segments.front().copied() else { break };
            let path = segment::path(dir, segment.first);
            fs::remove_file(&path).map_err(AuditError::storage("remove", path))?;
            self.shared().state().segments.pop_front();
        }
        Ok(())
    }

    /// Goes back, or forward, to `seq` as the next record to ship, because the store says so.
    pub fn rewind(&self, seq: u64) {
        let last = self.shared().state().last();
        let mut reader = lock(&self.shared().reader);
        reader.confirmed = seq.saturating_sub(1).min(last);
        reader.ends.clear();
    }

    /// Returns the last record that the store has confirmed.
    pub fn confirmed(&self) -> u64 {
        lock(&self.shared().reader).confirmed
    }

    /// Returns a receiver that changes whenever more records are on the disk.
    pub(crate) fn progress(&self) -> tokio::sync::watch::Receiver<super::flush::Synced> {
        self.shared().synced.subscribe()
    }
}

/// The whole records of a segment, each with the offset after it.
struct Lines<'a> {
    file: io::Take<BufReader<File>>,
    dir: &'a Path,
    segment: Segment,
    offset: u64,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn open(dir: &'a Path, segment: Segment, offset: u64) -> Result<Self, AuditError> {
        let path = segment::path(dir, segment.first);
        let mut file = File::open(&path).map_err(AuditError::storage("open", path.as_path()))?;
        file.seek(SeekFrom::Start(offset)).map_err(AuditError::storage("read", path))?;
        let file = BufReader::new(file).take(segment.len.saturating_sub(offset));
        Ok(Self { file, dir, segment, offset, line: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<(Record, u64)>, AuditError> {
        let path = || segment::path(self.dir, self.segment.first);
        self.line.clear();
        let read = self.file.read_until(b'\n', &mut self.line).map_err(|e| AuditError::storage("read", path())(e))?;
        if read == 0 {
            return Ok(None);
        }
        self.offset += read as u64;
        let record = self.line.strip_suffix(b"\n").and_then(Record::parse);
        let damaged = || AuditError::Damaged { path: path(), line: 0, what: "a record changed under our hands" };
        record.map(|record| Some((record, self.offset))).ok_or_else(damaged)
    }
}

fn save(dir: &Path, name: &str, value: &impl serde::Serialize) -> Result<(), AuditError> {
    let json = serde_json::to_vec(value).expect("numbers and maps of texts serialize");
    atomic_file::write(&dir.join(name), &json, 0o600).map_err(AuditError::storage("write", dir.join(name)))
}

fn load<T: serde::de::DeserializeOwned + Default>(dir: &Path, name: &str) -> Result<T, AuditError> {
    match fs::read(dir.join(name)) {
        Ok(json) => serde_json::from_slice(&json).map_err(|_| AuditError::Damaged {
            path: dir.join(name),
            line: 1,
            what: "not what was saved",
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(AuditError::storage("read", dir.join(name))(error)),
    }
}

pub(super) fn load_confirmed(dir: &Path) -> Result<u64, AuditError> {
    load(dir, "confirmed")
}

/// Begun events whose segments are gone, as they were when those were removed. Some may have been closed since.
pub(super) fn load_open(dir: &Path) -> Result<HashMap<Uuid, String>, AuditError> {
    load(dir, "open.json")
}
