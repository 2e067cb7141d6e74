//! Where each chain is: kept in memory, rebuilt from the log, saved now and then so that rebuilding is short.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use serde::{Deserialize, Serialize};
use teleport_runtime::atomic_file;
use teleport_types::ServiceId;

use super::{
    day::{Days, Place},
    heads::Head,
};
use crate::{AuditError, Hash, Record, WriterId, record::Part};

/// The chains of the log.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// The index knows everything before this place.
    upto: Option<Place>,
    writers: BTreeMap<WriterId, Chain>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    /// The service that may continue it.
    pub(super) server: ServiceId,
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

#[derive(Deserialize)]
struct Owned {
    server_id: ServiceId,
}

/// Returns the service an event says it comes from; ends do not say.
pub(super) fn server_of(record: &Record) -> Option<ServiceId> {
    match record.part() {
        Part::Event(json) | Part::Begin(json) => serde_json::from_str::<Owned>(json).ok().map(|owned| owned.server_id),
        Part::End(_) => None,
    }
}

impl Index {
    /// Loads what was saved and reads the log from there; without a good save, the whole log.
    pub(super) fn load(dir: &Path, days: &Days) -> Result<Self, AuditError> {
        let files = days.files()?;
        let saved = fs::read(dir.join(NAME)).ok().and_then(|json| serde_json::from_slice::<Self>(&json).ok());
        let fits = |index: &Self| match &index.upto {
            Some(upto) => files.iter().any(|file| file.date == upto.date && file.len >= upto.offset),
            None => true,
        };
        let mut index = saved.filter(fits).unwrap_or_default();
        for file in &files {
            let offset = match &index.upto {
                Some(upto) if file.date < upto.date => continue,
                Some(upto) if file.date == upto.date => upto.offset,
                _ => 0,
            };
            let storage = |error| AuditError::storage("read", file.path.as_path())(error);
            let mut lines = BufReader::new(File::open(&file.path).map_err(storage)?);
            lines.seek(SeekFrom::Start(offset)).map_err(storage)?;
            let mut lines = lines.take(file.len.saturating_sub(offset));
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).map_err(storage)? > 0 {
                // Anything else is a note of the store, or damage that `verify` names.
                if let Some(record) = line.strip_suffix(b"\n").and_then(Record::parse) {
                    index.note(&record, server_of(&record));
                }
                line.clear();
            }
        }
        index.upto = days.end();
        Ok(index)
    }

    pub(super) fn save(&self, dir: &Path, days: &Days) -> Result<(), AuditError> {
        let saved = Self { upto: days.end(), writers: self.writers.clone() };
        let json = serde_json::to_vec(&saved).expect("the index has text keys");
        atomic_file::write(&dir.join(NAME), &json, 0o600).map_err(AuditError::storage("write", dir.join(NAME)))
    }

    pub(super) fn chain(&self, writer: WriterId) -> Option<&Chain> {
        self.writers.get(&writer)
    }

    /// Notes a record that is in the log now. A chain begins with an event, which says whose it is.
    pub(super) fn note(&mut self, record: &Record, server: Option<ServiceId>) {
        let (seq, hash) = (record.seq(), record.hash());
        match (self.writers.get_mut(&record.writer()), server) {
            (Some(chain), _) => (chain.seq, chain.hash) = (seq, hash),
            (None, Some(server)) => {
                self.writers.insert(record.writer(), Chain { server, seq, hash });
            }
            (None, None) => tracing::error!(writer = %record.writer(), seq, "an audit chain begins with a close"),
        }
    }

    pub(super) fn heads(&self) -> Vec<Head> {
        let head = |(writer, chain): (&WriterId, &Chain)| Head { writer: *writer, seq: chain.seq, hash: chain.hash };
        self.writers.iter().map(head).collect()
    }
}

const NAME: &str = "index.json";
