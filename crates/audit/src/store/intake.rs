//! Taking in a batch: does it continue the chain, repeat it, leave a hole, or contradict what is here?
//!
//! A hole that the sender can fill is refused; one that nobody can fill, and a chain that contradicts itself, are taken
//! in behind a note, because refusing for ever would lose what follows. `verify` never calls such a log clean.

use std::{collections::HashMap, fmt::Write as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_types::ServiceId;

use super::{Writing, index, lines::Lines};
use crate::{AuditError, Batch, Hash, Record, Refused, WriterId, json::Millis};

/// The index is saved after this many records, so that opening never reads more than about as many.
const SAVE_EVERY: usize = 20_000;

/// A note of the store between the records: here a chain does not simply go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) gap: Gap,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gap {
    pub(super) writer: WriterId,
    /// The record that should come.
    pub(super) expected: u64,
    /// The record that comes instead.
    pub(super) found: u64,
    pub(super) reason: GapReason,
    #[serde(serialize_with = "Millis::plain")]
    pub(super) time: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GapReason {
    /// The writer does not have the records in between any more.
    Missing,
    /// The writer's records are not those that came before under the same numbers.
    Diverged,
}

/// How a batch meets what is in the log.
struct Meeting {
    /// How many records of the batch are here already.
    skip: usize,
    gap: Option<(u64, GapReason)>,
}

impl Writing {
    pub(super) fn intake(&mut self, from: &ServiceId, batch: &Batch, now: Timestamp) -> Result<(), Refused> {
        let Some(first) = batch.records.first() else { return Ok(()) };
        self.check(from, batch)?;
        let meeting = self.meet(batch)?;
        let Some(new) = batch.records.get(meeting.skip..).filter(|new| !new.is_empty()) else { return Ok(()) };
        let mut lines = String::with_capacity(new.iter().map(|record| record.line().len() + 1).sum());
        if let (Some((expected, reason)), Some(found)) = (meeting.gap, new.first()) {
            let gap = Gap { writer: first.writer(), expected, found: found.seq(), reason, time: now };
            tracing::error!(writer = %gap.writer, expected, found = gap.found, ?reason, "an audit chain does not go on");
            let note = serde_json::to_string(&Note { gap }).expect("a note has text keys");
            let _ = writeln!(lines, "{note}");
        }
        for record in new {
            let _ = writeln!(lines, "{}", record.line());
        }
        // Outlets first: after a failure here or below, the batch comes again and they get it twice rather than never.
        self.copy_out(&lines)?;
        let turned = self.days.turn(now)?;
        self.days.append(lines.as_bytes())?;
        // They are one chain, and the index knows its end.
        if let Some(last) = new.last() {
            self.index.note(last, Some(from.clone()));
        }
        self.unsaved += new.len();
        if turned || self.unsaved >= SAVE_EVERY {
            self.unsaved = 0;
            self.save_index();
        }
        Ok(())
    }

    /// Copies whole lines to every outlet.
    pub(super) fn copy_out(&mut self, lines: &str) -> Result<(), AuditError> {
        self.outlets.iter_mut().try_for_each(|outlet| outlet.write(lines.as_bytes()))
    }

    fn save_index(&self) {
        if let Err(error) = self.index.save(self.days.dir(), &self.days) {
            tracing::warn!(%error, "the audit index was not saved");
        }
    }

    /// Checks the batch by itself: one chain without holes, and every word of it the sender's own.
    fn check(&self, from: &ServiceId, batch: &Batch) -> Result<(), Refused> {
        let mut before: Option<&Record> = None;
        for record in &batch.records {
            if let Some(before) = before {
                let follows = record.writer() == before.writer()
                    && record.seq() == before.seq() + 1
                    && record.prev() == before.hash();
                if !follows {
                    return Err(Refused::Broken { seq: record.seq() });
                }
            }
            // A service that was taken over must not put words into another's mouth.
            let foreign_chain = self.index.chain(record.writer()).is_some_and(|chain| chain.server != *from);
            let is_end = matches!(record.part(), crate::record::Part::End(_));
            let foreign_event = !is_end && index::server_of(record).as_ref() != Some(from);
            if foreign_chain || foreign_event {
                return Err(Refused::NotYours { seq: record.seq() });
            }
            before = Some(record);
        }
        Ok(())
    }

    fn meet(&self, batch: &Batch) -> Result<Meeting, Refused> {
        let Some(first) = batch.records.first() else { return Ok(Meeting { skip: 0, gap: None }) };
        let (seq, hash) = match self.index.chain(first.writer()) {
            Some(chain) => (chain.seq, chain.hash),
            None => (0, Hash::NONE),
        };
        let expected = seq + 1;
        if first.seq() > expected {
            // Only what the sender does not have any more counts as lost.
            if batch.oldest < first.seq() {
                let expected = expected.max(batch.oldest);
                return Err(Refused::Expected { writer: first.writer(), expected });
            }
            return Ok(Meeting { skip: 0, gap: Some((expected, GapReason::Missing)) });
        }
        if first.seq() == expected {
            let gap = (first.prev() != hash).then_some((expected, GapReason::Diverged));
            return Ok(Meeting { skip: 0, gap });
        }
        let here = self.hashes(first.writer(), first.seq())?;
        let repeated = |record: &&Record| here.get(&record.seq()) == Some(&record.hash());
        let skip = batch.records.iter().take_while(repeated).count();
        let goes_on = match batch.records.get(skip) {
            None => true,
            Some(next) => next.seq() == expected && next.prev() == hash,
        };
        Ok(Meeting { skip, gap: (!goes_on).then_some((expected, GapReason::Diverged)) })
    }

    /// Returns the hashes of a writer's newest records down to `from`, as they lie in the log.
    fn hashes(&self, writer: WriterId, from: u64) -> Result<HashMap<u64, Hash>, AuditError> {
        let mut hashes = HashMap::new();
        for file in self.days.files()?.into_iter().rev() {
            let mut lines = Lines::backward(&file.path, file.len)?;
            while let Some(line) = lines.previous()? {
                let Some(record) = Record::parse(&line).filter(|record| record.writer() == writer) else { continue };
                if record.seq() < from {
                    return Ok(hashes);
                }
                hashes.entry(record.seq()).or_insert_with(|| record.hash());
            }
        }
        Ok(hashes)
    }
}
