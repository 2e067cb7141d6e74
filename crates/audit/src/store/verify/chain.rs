//! One chain in a check: does each record follow the one before, and if not, which of the two was changed?

use std::path::PathBuf;

use super::report::{Finding, Problem};
use crate::{Hash, Record, WriterId};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: u64,
}

impl Place {
    pub(super) fn finding(&self, writer: Option<WriterId>, seq: Option<u64>, problem: Problem) -> Finding {
        Finding { writer, seq, file: self.file.clone(), line: self.line, problem }
    }
}

/// A chain as far as it was read.
pub(super) struct Chain {
    writer: WriterId,
    /// The record with the highest number so far.
    last: Link,
    /// The last two records do not fit, and only the next one can tell which of them was changed. This is the first.
    suspect: Option<Link>,
    /// Numbers that were skipped: first, the one after the last, and where.
    holes: Vec<(u64, u64, Place)>,
    findings: Vec<Finding>,
}

/// What a signed head says about a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Vouched {
    /// None covers it directly.
    Silent,
    /// It is exactly what was signed.
    Holds,
    /// It is not what was signed.
    Contradicted,
}

#[derive(Clone)]
struct Link {
    seq: u64,
    /// `None` when the record is not here, so nothing can be compared with it.
    hash: Option<Hash>,
    vouched: Vouched,
    place: Place,
}

impl Chain {
    pub(super) fn new(writer: WriterId, place: &Place) -> Self {
        let last = Link { seq: 0, hash: Some(Hash::NONE), vouched: Vouched::Holds, place: place.clone() };
        Self { writer, last, suspect: None, holes: Vec::new(), findings: Vec::new() }
    }

    /// Returns the number that should come next.
    pub(super) fn next(&self) -> u64 {
        self.last.seq + 1
    }

    /// Returns where the record with the highest number is.
    pub(super) fn place(&self) -> &Place {
        &self.last.place
    }

    /// Notes that the records from `from` up to but without `to` do not come where they should.
    pub(super) fn hole(&mut self, from: u64, to: u64, place: &Place) {
        self.settle(None);
        if from < to {
            self.holes.push((from, to, place.clone()));
        }
        self.last = Link { seq: to - 1, hash: None, vouched: Vouched::Silent, place: place.clone() };
    }

    /// Goes on at `seq` whatever came before, as a note of the store says.
    pub(super) fn go_on_at(&mut self, seq: u64, place: &Place) {
        self.settle(None);
        self.last = Link { seq: seq - 1, hash: None, vouched: Vouched::Silent, place: place.clone() };
    }

    pub(super) fn record(&mut self, record: &Record, vouched: Vouched, place: &Place) {
        if vouched == Vouched::Contradicted {
            self.changed(record.seq(), place);
        }
        if record.seq() <= self.last.seq {
            return self.misplaced(record.seq(), place);
        }
        let link = Link { seq: record.seq(), hash: Some(record.hash()), vouched, place: place.clone() };
        let fits = self.last.hash.is_none_or(|hash| hash == record.prev());
        let known = self.suspect.is_some();
        self.settle(Some(fits));
        let before = std::mem::replace(&mut self.last, link);
        // With a suspect before, this misfit is explained by the change that was just found.
        if !fits && !known {
            self.suspect = Some(before);
        }
    }

    /// Notes that a record is not what a signed head, or the records around it, say.
    fn changed(&mut self, seq: u64, place: &Place) {
        let finding = place.finding(Some(self.writer), Some(seq), Problem::Changed);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.settle(None);
        for (from, to, place) in &self.holes {
            let problem = Problem::Missing { through: to - 1 };
            self.findings.push(place.finding(Some(self.writer), Some(*from), problem));
        }
        self.findings
    }

    /// Decides which record of a misfit was changed; `next_fits` tells whether the record after both fits the second.
    fn settle(&mut self, next_fits: Option<bool>) {
        let Some(first) = self.suspect.take() else { return };
        let contradicted = next_fits == Some(false) || self.last.vouched == Vouched::Contradicted;
        let second_changed = first.vouched == Vouched::Holds || contradicted;
        let changed = if second_changed { self.last.clone() } else { first };
        self.changed(changed.seq, &changed.place);
    }

    fn misplaced(&mut self, seq: u64, place: &Place) {
        let hole = self.holes.iter().position(|(from, to, _)| (*from..*to).contains(&seq));
        let problem = if let Some(at) = hole {
            let (from, to, before) = self.holes.remove(at);
            let left = [(from, seq, before.clone()), (seq + 1, to, before)];
            self.holes.extend(left.into_iter().filter(|(from, to, _)| from < to));
            Problem::Reordered
        } else {
            Problem::Repeated
        };
        self.findings.push(place.finding(Some(self.writer), Some(seq), problem));
    }
}
