//! Spans of time as roles and commands write them: `30h`, `12h30m`, `720 minutes`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A span of time, read and written in Go's notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// A text that is not a span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a span of time; write it like 12h, 1h30m or 90s")]
pub struct InvalidSpan(String);

/// No span is longer than this: a hundred years.
const MAX_SECONDS: u64 = 100 * 366 * 24 * 3600;

impl Span {
    /// Makes a span of `duration`.
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// Parses one or more numbers with units: `h`, `m`, `s`, `ms` or the words (`720 minutes`); parts add up.
    ///
    /// # Errors
    /// When a number or unit is missing or unknown, or the span is negative or longer than a hundred years.
    pub fn parse(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan(text.chars().take(64).collect());
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return Err(invalid());
        }
        while !rest.is_empty() {
            let (number, after) = split_at(rest, |c| !c.is_ascii_digit() && c != '.');
            let (unit, after) = split_at(after.trim_start(), |c| c.is_ascii_digit() || c.is_whitespace());
            let part = seconds(number, unit).ok_or_else(invalid)?;
            total = total.checked_add(part).filter(|t| t.as_secs() <= MAX_SECONDS).ok_or_else(invalid)?;
            rest = after.trim_start();
        }
        Ok(Self(total))
    }

    /// Returns the span.
    pub const fn get(self) -> Duration {
        self.0
    }
}

fn split_at(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

fn seconds(number: &str, unit: &str) -> Option<Duration> {
    let millis: f64 = match unit {
        "h" | "hour" | "hours" => 3_600_000.0,
        "m" | "min" | "minute" | "minutes" => 60_000.0,
        "s" | "second" | "seconds" => 1000.0,
        "ms" => 1.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    let seconds = number * millis / 1000.0;
    (seconds <= MAX_SECONDS as f64).then(|| Duration::from_secs_f64(seconds))
}

impl std::str::FromStr for Span {
    type Err = InvalidSpan;
    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        Self::parse(text)
    }
}

impl fmt::Display for Span {
    /// Writes the shortest form of whole units: `12h`, `1h30m`, `45s`, `1.5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if nanos > 0 {
            let fraction = format!("{nanos:09}");
            return write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'));
        }
        if seconds > 0 || (hours == 0 && minutes == 0) {
            write!(f, "{seconds}s")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;
    fn try_from(text: String) -> Result<Self, InvalidSpan> {
        Self::parse(&text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_in_every_notation_and_write_in_one() {
        for (text, seconds, written) in [
            ("30h", 108_000.0, "30h"),
            ("30h0m0s", 108_000.0, "30h"),
            ("12h30m", 45_000.0, "12h30m"),
            ("720 minutes", 43_200.0, "12h"),
            ("1 hour 1 second", 3601.0, "1h1s"),
            ("1.5h", 5400.0, "1h30m"),
            ("1500ms", 1.5, "1.5s"),
            ("0", 0.0, "0s"),
        ] {
            let span = Span::parse(text).expect(text);
            assert_eq!(span.get().as_secs_f64(), seconds, "{text}");
            assert_eq!(span.to_string(), written, "{text}");
            assert_eq!(Span::parse(written), Ok(span), "{written}");
        }
    }

    #[test]
    fn what_is_not_a_span_is_refused() {
        for text in ["", "12", "h", "-1h", "1d", "1h-5m", "1..5h", "99999999999h", "1e9h", "12hh", "NaNh", "١h"] {
            Span::parse(text).expect_err(text);
        }
    }
}
