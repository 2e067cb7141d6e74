//! One line of the log as it is written, shipped and stored: an event in its place in a chain.
//!
//! ```text
//! {"writer":"<uuid>","seq":7,"prev":"<64 hex>","event":{…}}     something that happened at once
//! {"writer":"<uuid>","seq":8,"prev":"<64 hex>","begin":{…}}     something that is about to happen
//! {"writer":"<uuid>","seq":9,"prev":"<64 hex>","end":{"uid":…}} how it ended: the fields that are now known
//! ```
//!
//! `seq` counts from 1 without holes; `prev` is the SHA-256 of the previous line of the same writer, without its line
//! feed; zeros before the first. The line never changes on its way, so the chain can be checked wherever it lies.

use std::{fmt, ops::Range};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The id of one chain: one spool folder, for as long as the folder lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriterId(uuid::Uuid);

impl WriterId {
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// Parses the 36-character form.
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36).map(Self)
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The SHA-256 of one line, 64 lowercase hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What stands before the first record of a chain.
    pub const NONE: Self = Self([0; 32]);

    /// Hashes a line, given without its line feed.
    pub fn of(line: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, line);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Parses 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// Appends the 64 hex digits to `out`.
    pub(crate) fn push_hex(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + 64, b'0');
        HEXLOWER.encode_mut(&self.0, out.get_mut(start..).expect("the place was just made"));
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a SHA-256 in hex"))
    }
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A whole event, as JSON.
    Event(&'a str),
    /// An event that is about to happen, as JSON.
    Begin(&'a str),
    /// How a begun event ended, as JSON with its `uid`.
    End(&'a str),
}

impl<'a> Part<'a> {
    fn kind(self) -> PartKind {
        match self {
            Self::Event(_) => PartKind::Event,
            Self::Begin(_) => PartKind::Begin,
            Self::End(_) => PartKind::End,
        }
    }

    /// Returns the JSON inside.
    pub fn json(self) -> &'a str {
        match self {
            Self::Event(json) | Self::Begin(json) | Self::End(json) => json,
        }
    }
}

/// A line that was read and understood; only its exact bytes are ever passed on.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    line: Box<str>,
    writer: WriterId,
    seq: u64,
    prev: Hash,
    kind: PartKind,
    /// Where in the line the part's JSON lies; looked for once, since a line is read often on its way.
    json: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Event,
    Begin,
    End,
}

/// The envelope of a record, borrowed from its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    writer: WriterId,
    seq: u64,
    prev: Hash,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    begin: Option<&'a RawValue>,
    #[serde(borrow, default)]
    end: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn part(&self) -> Option<Part<'a>> {
        match (self.event, self.begin, self.end) {
            (Some(json), None, None) => Some(Part::Event(json.get())),
            (None, Some(json), None) => Some(Part::Begin(json.get())),
            (None, None, Some(json)) => Some(Part::End(json.get())),
            _ => None,
        }
    }
}

impl Record {
    /// Reads a line, given without its line feed; `None` when it is not a whole record.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok().filter(|line| !line.contains('\n'))?;
        let envelope: Envelope<'_> = serde_json::from_str(line).ok()?;
        let part = envelope.part()?;
        let object = part.json().starts_with('{');
        // The JSON was borrowed from the line.
        let start = (part.json().as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        (object && envelope.seq > 0).then(|| Self {
            writer: envelope.writer,
            seq: envelope.seq,
            prev: envelope.prev,
            kind: part.kind(),
            json: start..start + part.json().len(),
            line: line.into(),
        })
    }

    /// Returns the exact line, without its line feed.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Returns the chain it belongs to.
    pub fn writer(&self) -> WriterId {
        self.writer
    }

    /// Returns its place in the chain, from 1.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns the hash of the record before it.
    pub fn prev(&self) -> Hash {
        self.prev
    }

    /// Returns the hash of this record.
    pub fn hash(&self) -> Hash {
        Hash::of(self.line.as_bytes())
    }

    /// Returns what the record says.
    pub fn part(&self) -> Part<'_> {
        let json = self.line.get(self.json.clone()).expect("the place was found in this line");
        match self.kind {
            PartKind::Event => Part::Event(json),
            PartKind::Begin => Part::Begin(json),
            PartKind::End => Part::End(json),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.line)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let line = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(line.as_bytes()).ok_or_else(|| serde::de::Error::custom("not an audit record"))
    }
}

/// Records of one writer on their way to the store, in the order of their chain.
///
/// As JSON: `{"oldest":5,"records":["<line>",…]}`, each line a string, so that its exact bytes arrive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The oldest sequence number the writer still has: what is older and unknown to the store is lost for good.
    pub oldest: u64,
    /// The records, at least one.
    pub records: Vec<Record>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(part: &str) -> String {
        let writer = "6f9a5a2c-0a3b-4c55-9d5e-9a0a0b6f1a11";
        format!(r#"{{"writer":"{writer}","seq":1,"prev":"{}","{part}":{{"uid":"x"}}}}"#, Hash::NONE)
    }

    #[test]
    fn a_record_keeps_its_exact_bytes_on_the_way() {
        let record = Record::parse(line("begin").as_bytes()).expect("a record");
        assert_eq!(record.part(), Part::Begin(r#"{"uid":"x"}"#));
        let batch = Batch { oldest: 1, records: vec![record.clone()] };
        let sent = serde_json::to_string(&batch).expect("serializes");
        let arrived: Batch = serde_json::from_str(&sent).expect("deserializes");
        assert_eq!(arrived.records, [record]);
    }

    #[test]
    fn the_part_is_found_wherever_it_stands_in_the_line() {
        let writer = "6f9a5a2c-0a3b-4c55-9d5e-9a0a0b6f1a11";
        for (name, json) in [("event", "{}"), ("begin", r#"{"uid":"ä {"}"#), ("end", r#"{"uid":"x"}"#)] {
            let line = format!(r#"{{"{name}":{json},"prev":"{}", "seq":9, "writer":"{writer}"}}"#, Hash::NONE);
            let record = Record::parse(line.as_bytes()).expect("a record");
            assert_eq!(record.part().json(), json);
            assert_eq!(matches!(record.part(), Part::End(_)), name == "end");
            let sent = serde_json::to_string(&record).expect("serializes");
            let arrived: Record = serde_json::from_str(&sent).expect("deserializes");
            assert_eq!(arrived.part(), record.part());
        }
    }

    #[test]
    fn what_is_not_a_whole_record_is_none() {
        let good = line("event");
        for bad in [
            "",
            "{}",
            "null",
            &good[..good.len() - 1],
            &good.replace("event", "other"),
            &good.replace("\"seq\":1", "\"seq\":0"),
        ] {
            assert!(Record::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Record::parse(b"\xff").is_none());
    }
}
