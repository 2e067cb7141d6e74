//! What a check of a log found.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use crate::WriterId;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many records were read.
    pub records: u64,
    /// How many lines of signed heads hold.
    pub signed_heads: u64,
    /// Each chain.
    pub writers: BTreeMap<WriterId, WriterState>,
    /// What is wrong, first place first.
    pub findings: Vec<Finding>,
}

/// How far one chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterState {
    /// The last record of the chain.
    pub last: u64,
    /// The last record that a signed head covers, 0 when none does.
    pub signed: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The chain; unknown when the line cannot be read.
    pub writer: Option<WriterId>,
    /// The record, the first of several.
    pub seq: Option<u64>,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; for what is missing, the line after the hole.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The record is not the one that was written: a byte was changed.
    Changed,
    /// The line is no record at all: a byte was changed.
    Unreadable,
    /// Records up to this number are not here.
    Missing {
        /// The last one that is missing.
        through: u64,
    },
    /// The record stands in another place than it was written to.
    Reordered,
    /// The record is here a second time.
    Repeated,
    /// The log ends before a signed head: its tail, from this record through the head, was cut off.
    Truncated {
        /// The record the signed head stands for.
        head: u64,
    },
    /// The signature does not hold, or the line of signed heads was changed, moved or removed.
    BadHead,
    /// The store noted that the writer had lost records before they were delivered.
    NotedGap,
    /// The store noted that the writer's records contradict earlier ones.
    NotedDivergence,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("was changed after it was written"),
            Self::Unreadable => f.write_str("cannot be read: it was changed after it was written"),
            Self::Missing { .. } => f.write_str("is missing"),
            Self::Reordered => f.write_str("is not in its place"),
            Self::Repeated => f.write_str("is here a second time"),
            Self::Truncated { head } => write!(f, "is missing: the log was cut off before the signed record {head}"),
            Self::BadHead => f.write_str("is no valid signed head"),
            Self::NotedGap => f.write_str("follows a gap: the service lost records before they were delivered"),
            Self::NotedDivergence => f.write_str("contradicts records that were delivered before"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        match (self.writer, self.seq) {
            (Some(writer), Some(seq)) => write!(f, "record {seq} of writer {writer} ")?,
            _ => f.write_str("the line ")?,
        }
        self.problem.fmt(f)?;
        match self.problem {
            Problem::Missing { through } if self.seq != Some(through) => {
                write!(f, ", and so are those through {through}")
            }
            _ => Ok(()),
        }
    }
}

impl Report {
    /// Tells whether the log is what was written, as far as the signed heads reach.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns how many records at the ends of the chains no signed head covers yet.
    pub fn unsigned(&self) -> u64 {
        self.writers.values().map(|writer| writer.last.saturating_sub(writer.signed)).sum()
    }
}
