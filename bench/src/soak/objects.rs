//! The objects that change: which change is due when is a function of the clock, so that nothing is kept anywhere.
//!
//! An upstream that is killed and started again goes on where it would have been, as an API server on its database does;
//! and a client knows from a change's number alone when it was made, which changes it has missed, and how late one came.

use std::time::Duration;

use bytes::Bytes;

/// Objects, each followed by the same share of the watches.
pub(super) const OBJECTS: u64 = 20;

/// The selector by which a watch names its object; any proxy lets one pass.
const SELECTOR: &str = "labelSelector=object%3D";
/// The selector of a watch that is sent bytes without end.
const BULK: &str = "labelSelector=bulk";
const VERSION: &str = "\"resourceVersion\":\"";

/// How often each object changes; both processes are told the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace(pub(super) Duration);

/// What a watch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Changes of an object after a number; `None` from now on.
    Changes { object: u64, after: Option<u64> },
    /// Bytes without end.
    Bulk,
}

impl Pace {
    /// Returns the number of the last change of an object that was due at a time, on the machine's steady clock.
    pub(super) fn number_at(self, object: u64, now: Duration) -> u64 {
        let every = self.0.as_nanos().max(1);
        u64::try_from(now.saturating_sub(self.offset(object)).as_nanos() / every).unwrap_or(u64::MAX)
    }

    /// Returns when a change of an object is due.
    pub(super) fn due(self, object: u64, number: u64) -> Duration {
        self.offset(object) + Duration::from_nanos(number * u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Objects change one after the other, since a burst would measure itself.
    fn offset(self, object: u64) -> Duration {
        self.0 * u32::try_from(object).unwrap_or(0) / OBJECTS as u32
    }
}

/// The machine's steady clock, the same in every process.
pub(super) fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Writes the path and query of a watch.
pub(super) fn path(asked: Asked) -> String {
    const PODS: &str = "/api/v1/namespaces/default/pods?watch=true";
    match asked {
        Asked::Changes { object, after: None } => format!("{PODS}&{SELECTOR}{object}"),
        Asked::Changes { object, after: Some(number) } => {
            format!("{PODS}&{SELECTOR}{object}&resourceVersion={number}")
        }
        Asked::Bulk => format!("{PODS}&{BULK}"),
    }
}

/// Reads the query of a watch.
pub(super) fn asked(query: &str) -> Option<Asked> {
    let value = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name));
    if value(BULK).is_some() {
        return Some(Asked::Bulk);
    }
    let object = value(SELECTOR)?.parse().ok()?;
    Some(Asked::Changes { object, after: value("resourceVersion=").and_then(|number| number.parse().ok()) })
}

/// Writes a change as one line of a watch.
pub(super) fn line(object: u64, number: u64) -> Bytes {
    Bytes::from(format!(
        "{{\"type\":\"MODIFIED\",\"object\":{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"object-{object}\",\
         \"namespace\":\"default\",{VERSION}{number}\",\"labels\":{{\"object\":\"{object}\"}}}},\"spec\":{{}},\"status\":{{}}}}}}\n"
    ))
}

/// Reads the number from a line; `None` when it is no change but the sentence with which a watch ends.
pub(super) fn number(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    text.split_once(VERSION)?.1.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace(Duration::from_secs(5));

    #[test]
    fn a_change_is_the_last_one_from_the_moment_it_is_due() {
        for object in [0, 7, OBJECTS - 1] {
            let due = PACE.due(object, 1234);
            assert_eq!(PACE.number_at(object, due), 1234);
            assert_eq!(PACE.number_at(object, due - Duration::from_nanos(1)), 1233);
        }
        assert_eq!(PACE.due(4, 1) - PACE.due(3, 1), Duration::from_millis(250));
    }

    #[test]
    fn what_is_asked_and_sent_is_read_as_it_was_written() {
        for wanted in
            [Asked::Bulk, Asked::Changes { object: 3, after: None }, Asked::Changes { object: 19, after: Some(77) }]
        {
            let path = path(wanted);
            assert_eq!(asked(path.split_once('?').unwrap().1), Some(wanted));
        }
        assert_eq!(number(&line(3, 4711)), Some(4711));
        assert_eq!(number(b"{\"type\":\"ERROR\"}\n"), None);
    }
}
