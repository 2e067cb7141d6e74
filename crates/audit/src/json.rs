//! How events become JSON: one object on one line, times in milliseconds, nothing that a terminal would obey,
//! and never longer than [`LONGEST`].

use std::io;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, ser::Formatter};

/// The longest event, in bytes of JSON. Longer ones are trimmed, never dropped: otherwise a long enough request would
/// leave no trace.
pub const LONGEST: usize = 32 * 1024;

/// A time as RFC 3339 in UTC with milliseconds.
pub(crate) struct Millis(pub(crate) Timestamp);

impl Millis {
    pub(crate) fn plain<S: Serializer>(time: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
        Self(*time).serialize(out)
    }

    pub(crate) fn option<S: Serializer>(time: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
        time.map(Self).serialize(out)
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// Appends `value` to `out` on one line.
pub(crate) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::with_formatter(out, Harmless);
    value.serialize(&mut serializer).expect("audit values have string keys, and a vector takes every byte");
}

/// Appends `value` to `out` on one line of at most [`LONGEST`] bytes.
pub(crate) fn write_trimmed(value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    write(value, out);
    if out.len() - start <= LONGEST {
        return;
    }
    let long = out.get(start..).unwrap_or_default();
    let mut value: Value = serde_json::from_slice(long).expect("what was just written is JSON");
    for limits in STEPS {
        limits.trim(&mut value, 0);
        out.truncate(start);
        write(&value, out);
        if out.len() - start <= LONGEST {
            return;
        }
    }
}

/// Escapes, beyond what JSON demands, what acts on a terminal or an editor: DEL, C1, line separators, bidi controls.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let plain = |byte: &u8| byte.is_ascii() && *byte != 0x7f;
        if fragment.as_bytes().iter().all(plain) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, sign)) = rest.char_indices().find(|(_, sign)| acts(*sign)) {
            let (before, after) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            let mut units = [0; 2];
            for unit in sign.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.get(sign.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }
}

fn acts(sign: char) -> bool {
    matches!(sign, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// How much of each value stays, in one step of the trimming.
struct Limits {
    bytes: usize,
    items: usize,
    depth: usize,
}

/// From mild to harsh. The last step leaves scalars only, so that a bounded number of fields fits for certain.
const STEPS: [Limits; 4] = [
    Limits { bytes: 8192, items: 256, depth: 8 },
    Limits { bytes: 2048, items: 64, depth: 6 },
    Limits { bytes: 512, items: 16, depth: 3 },
    Limits { bytes: 256, items: 0, depth: 1 },
];

impl Limits {
    fn trim(&self, value: &mut Value, depth: usize) {
        match value {
            Value::String(text) => self.cut(text),
            Value::Array(items) => {
                let whole = items.len();
                if depth >= self.depth || self.items == 0 {
                    *value = Value::String(format!("[cut: {whole} items]"));
                    return;
                }
                items.truncate(self.items);
                items.iter_mut().for_each(|item| self.trim(item, depth + 1));
                if whole > self.items {
                    items.push(Value::String(format!("[cut: {whole} items]")));
                }
            }
            // The fields of the event itself are ours, few, and all stay.
            Value::Object(fields) if depth == 0 => fields.values_mut().for_each(|field| self.trim(field, 1)),
            Value::Object(fields) => {
                let whole = fields.len();
                if depth >= self.depth {
                    *value = Value::String(format!("[cut: {whole} fields]"));
                    return;
                }
                let kept = std::mem::take(fields).into_iter().take(self.items);
                for (mut name, mut field) in kept {
                    self.cut(&mut name);
                    self.trim(&mut field, depth + 1);
                    fields.insert(name, field);
                }
                if whole > self.items {
                    fields.insert("[cut]".to_owned(), Value::String(format!("{whole} fields")));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn cut(&self, text: &mut String) {
        let whole = text.len();
        if whole > self.bytes {
            text.truncate(text.floor_char_boundary(self.bytes));
            text.push_str(&format!("… [cut: {whole} bytes]"));
        }
    }
}
