//! Points in time and spans as people read them.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// Formats a time in the zone of this machine: `2025-11-24 09:30:00 +0100 CET`.
pub fn local(at: Timestamp) -> String {
    in_zone(at, TimeZone::system())
}

fn in_zone(at: Timestamp, zone: TimeZone) -> String {
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// Says how long a login is still good: `valid for 11h52m0s`, `valid for <1m`, `EXPIRED`.
pub fn validity(until: Timestamp, now: Timestamp) -> String {
    let left = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
    if left.is_zero() {
        return "EXPIRED".into();
    }
    let minutes = left.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "valid for <1m".into(),
        (0, minutes) => format!("valid for {minutes}m0s"),
        (hours, minutes) => format!("valid for {hours}h{minutes}m0s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_cut_to_minutes() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, want) in [
            (-1, "EXPIRED"),
            (0, "EXPIRED"),
            (59, "valid for <1m"),
            (60, "valid for 1m0s"),
            (42_759, "valid for 11h52m0s"),
        ] {
            let until = Timestamp::from_second(seconds).expect("in range");
            assert_eq!(validity(until, now), want);
        }
    }

    #[test]
    fn times_name_their_zone() {
        assert_eq!(in_zone(Timestamp::UNIX_EPOCH, TimeZone::UTC), "1970-01-01 00:00:00 +0000 UTC");
    }
}
