//! Checking a log from the outside: every chain link by link, and against the signed heads.
//!
//! Reads the folder (or a copy of it) without opening it as a store, so an auditor can run it anywhere. The first finding
//! is the first place in the log that is not what was written. Records after the last signed head are checked by their
//! chain only: cutting those off cannot be seen, which is why the report says how many there are.

mod chain;
mod report;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use super::{
    day,
    heads::{self, SignedHeads},
    intake::{GapReason, Note},
};
use crate::{AuditError, Hash, Record, WriterId};
use chain::{Chain, Place, Vouched};

pub use report::{Finding, Problem, Report, WriterState};

/// Checks the log in `dir`; `check` gets the exact signed bytes and the signature, and tells whether it holds.
///
/// # Errors
/// When the folder cannot be read; what is wrong with its content is in the report.
pub fn verify(dir: &Path, check: impl Fn(&[u8], &[u8]) -> bool) -> Result<Report, AuditError> {
    let mut walk = Walk::default();
    walk.read_heads(&heads::path(dir), check)?;
    let files = day::files(dir)?;
    for (index, file) in files.iter().enumerate() {
        let end = if index + 1 == files.len() { FileEnd::Growing } else { FileEnd::Final };
        walk.read_day(&file.path, end)?;
    }
    Ok(walk.finish(dir))
}

/// Whether a file may end in half a line: the newest one may, while the store appends to it or after a crash. What was
/// acknowledged is whole, so a signed head tells a cut line from that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileEnd {
    Growing,
    Final,
}

/// The walk over all lines.
#[derive(Default)]
struct Walk {
    /// The hashes that signed heads give, by chain and number; several when the chain diverged.
    signed: HashMap<WriterId, BTreeMap<u64, Vec<Hash>>>,
    chains: BTreeMap<WriterId, Chain>,
    /// Lines that cannot be read and that no chain has missed yet.
    unreadable: VecDeque<Place>,
    report: Report,
}

impl Walk {
    fn read_heads(&mut self, path: &Path, check: impl Fn(&[u8], &[u8]) -> bool) -> Result<(), AuditError> {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(AuditError::storage("read", path)(error)),
        };
        let whole =
            content.iter().rposition(|byte| *byte == b'\n').and_then(|end| content.get(..end)).unwrap_or_default();
        let mut prev = Hash::NONE;
        for (line, text) in (1..).zip(whole.split(|byte| *byte == b'\n').filter(|text| !text.is_empty())) {
            let statement = serde_json::from_slice::<SignedHeads>(text).ok().and_then(|heads| {
                let holds = check(heads.signed.as_bytes(), &heads.signature()?);
                heads.statement().filter(|said| holds && said.prev == prev)
            });
            prev = Hash::of(text);
            let Some(statement) = statement else {
                let place = Place { file: path.to_path_buf(), line };
                self.report.findings.push(place.finding(None, None, Problem::BadHead));
                continue;
            };
            self.report.signed_heads += 1;
            for head in statement.heads {
                self.signed.entry(head.writer).or_default().entry(head.seq).or_default().push(head.hash);
            }
        }
        Ok(())
    }

    fn read_day(&mut self, path: &Path, end: FileEnd) -> Result<(), AuditError> {
        let storage = |error| AuditError::storage("read", path)(error);
        let mut lines = BufReader::new(File::open(path).map_err(storage)?);
        let mut place = Place { file: path.to_path_buf(), line: 0 };
        let mut text = Vec::new();
        while lines.read_until(b'\n', &mut text).map_err(storage)? > 0 {
            place.line += 1;
            let line = match text.strip_suffix(b"\n") {
                Some(line) => line,
                None if end == FileEnd::Growing => return Ok(()),
                None => &text,
            };
            if let Some(record) = Record::parse(line) {
                self.record(&record, &place);
            } else if let Ok(note) = serde_json::from_slice::<Note>(line) {
                self.note(&note, &place);
            } else {
                self.unreadable.push_back(place.clone());
            }
            text.clear();
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, place: &Place) {
        self.report.records += 1;
        let chain = self.chains.entry(record.writer()).or_insert_with(|| Chain::new(record.writer(), place));
        let expected = chain.next();
        let signed = self.signed.get(&record.writer()).and_then(|heads| heads.get(&record.seq()));
        let vouched = match signed {
            None => Vouched::Silent,
            Some(hashes) if hashes.contains(&record.hash()) => Vouched::Holds,
            Some(_) => Vouched::Contradicted,
        };
        if record.seq() > expected {
            // Lines that cannot be read, after the last one that could, are the likeliest place of what is missing.
            let mut missing = expected;
            while missing < record.seq()
                && let Some(line) = self.unreadable.pop_front_if(|line| *line > *chain.place())
            {
                let finding = line.finding(Some(record.writer()), Some(missing), Problem::Unreadable);
                self.report.findings.push(finding);
                missing += 1;
            }
            chain.hole(missing, record.seq(), place);
        }
        chain.record(record, vouched, place);
    }

    fn note(&mut self, note: &Note, place: &Place) {
        let gap = &note.gap;
        let problem = match gap.reason {
            GapReason::Missing => Problem::NotedGap,
            GapReason::Diverged => Problem::NotedDivergence,
        };
        self.report.findings.push(place.finding(Some(gap.writer), Some(gap.found), problem));
        self.chains.entry(gap.writer).or_insert_with(|| Chain::new(gap.writer, place)).go_on_at(gap.found, place);
    }

    fn finish(mut self, dir: &Path) -> Report {
        for line in self.unreadable {
            self.report.findings.push(line.finding(None, None, Problem::Unreadable));
        }
        for writer in self.signed.keys() {
            let nowhere = Place { file: PathBuf::from(dir), line: 0 };
            self.chains.entry(*writer).or_insert_with(|| Chain::new(*writer, &nowhere));
        }
        for (writer, chain) in self.chains {
            let heads = self.signed.get(&writer);
            let head = heads.and_then(|heads| heads.last_key_value()).map_or(0, |(seq, _)| *seq);
            let last = chain.next() - 1;
            self.report.writers.insert(writer, WriterState { last, signed: head.min(last) });
            let cut = chain.place().finding(Some(writer), Some(last + 1), Problem::Truncated { head });
            self.report.findings.extend(chain.finish());
            self.report.findings.extend((head > last).then_some(cut));
        }
        self.report.findings.sort_by(|a, b| (&a.file, a.line, a.seq).cmp(&(&b.file, b.line, b.seq)));
        self.report
    }
}
