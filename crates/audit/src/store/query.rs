//! Reading the log: the newest events that match, or all of them as a stream.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{
    Store,
    day::{self, DayFile},
    lines::Lines,
    logged::Logged,
};
use crate::{AuditError, Record, record::Part};

/// Which events; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only these event types; all when empty.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Only of this user.
    pub user: Option<String>,
}

/// What a filter looks at, without reading the rest.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
    time: Timestamp,
    uid: uuid::Uuid,
    #[serde(borrow, default)]
    user: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct EndGlance {
    uid: uuid::Uuid,
}

impl Filter {
    fn takes(&self, glance: &Glance<'_>) -> bool {
        self.from.is_none_or(|from| glance.time >= from)
            && self.to.is_none_or(|to| glance.time < to)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| *kind == glance.event))
            && self.user.as_deref().is_none_or(|user| glance.user.as_deref() == Some(user))
    }

    /// Tells whether a file may hold matches. It is named after the day of arrival: an event never lies in an earlier
    /// file than its own day, but for clocks that differ, hence a day more.
    fn reads(&self, file: &DayFile) -> bool {
        let Some(from) = self.from else { return true };
        let day = from.to_zoned(TimeZone::UTC).date();
        file.date >= day.checked_sub(Span::new().days(1)).unwrap_or(day)
    }
}

impl Store {
    /// Returns at most `limit` matching events, newest first. Begin and end of the same work are one event; without an
    /// end it is marked as in progress.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn query(&self, filter: &Filter, limit: usize) -> Result<Vec<Logged>, AuditError> {
        let files = day::files(&self.shared.dir)?;
        // An end comes after its begin, so on the way back it is met first. Only pairs around the current place wait.
        let mut ends: HashMap<uuid::Uuid, Record> = HashMap::new();
        let mut found = Vec::new();
        for file in files.iter().rev().filter(|file| filter.reads(file)) {
            let mut lines = Lines::backward(&file.path, file.len)?;
            while found.len() < limit
                && let Some(line) = lines.previous()?
            {
                let Some(record) = Record::parse(&line) else { continue };
                if let Part::End(json) = record.part() {
                    if let Ok(end) = serde_json::from_str::<EndGlance>(json) {
                        ends.insert(end.uid, record);
                    }
                    continue;
                }
                let (begins, json) = (matches!(record.part(), Part::Begin(_)), record.part().json());
                let Ok(glance) = serde_json::from_str::<Glance<'_>>(json) else { continue };
                let end = begins.then(|| ends.remove(&glance.uid));
                if filter.takes(&glance) {
                    found.extend(joined(json, end.as_ref().map(Option::as_ref)));
                }
            }
        }
        found.sort_by_key(|event| std::cmp::Reverse(event.time()));
        Ok(found)
    }

    /// Passes every matching event to `each`, oldest first by when it ended, those without an end last. Needs no more
    /// memory than what was in progress at one time. An error of `each` ends the walk and is returned inside.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn export<E>(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Logged) -> Result<(), E>,
    ) -> Result<Result<(), E>, AuditError> {
        let files = day::files(&self.shared.dir)?;
        let mut open: HashMap<uuid::Uuid, (u64, Record)> = HashMap::new();
        let mut begun = 0;
        for file in files.iter().filter(|file| filter.reads(file)) {
            let storage = |error| AuditError::storage("read", file.path.as_path())(error);
            let mut lines = BufReader::new(File::open(&file.path).map_err(storage)?).take(file.len);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).map_err(storage)? > 0 {
                let record = line.strip_suffix(b"\n").and_then(Record::parse);
                line.clear();
                let Some(record) = record else { continue };
                let event = match record.part() {
                    Part::Event(json) => filtered(filter, json).and_then(|_| joined(json, None)),
                    Part::Begin(json) => {
                        if let Some(uid) = filtered(filter, json) {
                            begun += 1;
                            open.insert(uid, (begun, record));
                        }
                        None
                    }
                    Part::End(json) => serde_json::from_str::<EndGlance>(json)
                        .ok()
                        .and_then(|end| open.remove(&end.uid))
                        .and_then(|(_, begin)| joined(begin.part().json(), Some(Some(&record)))),
                };
                if let Some(event) = event
                    && let Err(error) = each(event)
                {
                    return Ok(Err(error));
                }
            }
        }
        let mut open: Vec<(u64, Record)> = open.into_values().collect();
        open.sort_by_key(|(begun, _)| *begun);
        let rest = open.iter().filter_map(|(_, begin)| joined(begin.part().json(), Some(None)));
        Ok(rest.into_iter().try_for_each(each))
    }
}

fn filtered(filter: &Filter, json: &str) -> Option<uuid::Uuid> {
    let glance = serde_json::from_str::<Glance<'_>>(json).ok()?;
    filter.takes(&glance).then_some(glance.uid)
}

/// Makes one event of its parts: `end` is `None` for what has none, `Some(None)` for what still goes on.
fn joined(json: &str, end: Option<Option<&Record>>) -> Option<Logged> {
    let mut event = Logged::parse(json)?;
    match end {
        None => {}
        Some(None) => event.still_open(),
        Some(Some(end)) => event.closed_by(end.part().json()),
    }
    Some(event)
}
