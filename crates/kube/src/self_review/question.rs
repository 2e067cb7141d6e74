//! Reads a `SelfSubjectAccessReview`, in JSON or in Kubernetes' protobuf, which newer kubectls send.
//!
//! Source of the field numbers: `k8s.io/api/authorization/v1/generated.proto` and
//! `k8s.io/apimachinery/pkg/runtime/generated.proto` (the envelope behind the four bytes `k8s\0`).

use serde_json::Value;

/// What is asked about, the fields of `spec.resourceAttributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) namespace: String,
    pub(super) verb: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) name: String,
}

impl Attributes {
    /// Reads a body in JSON; `None` when it asks about something else, or cannot be read.
    pub(super) fn of_json(body: &[u8]) -> Option<Self> {
        let question: Value = serde_json::from_slice(body).ok()?;
        let attributes = question.pointer("/spec/resourceAttributes")?;
        let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self {
            namespace: text("namespace"),
            verb: text("verb"),
            group: text("group"),
            version: text("version"),
            resource: text("resource"),
            subresource: text("subresource"),
            name: text("name"),
        })
    }

    /// Reads a body in protobuf; `None` when it asks about something else, or cannot be read.
    pub(super) fn of_protobuf(body: &[u8]) -> Option<Self> {
        let envelope = body.strip_prefix(b"k8s\0")?;
        let review = field(envelope, 2)?;
        let spec = field(review, 2)?;
        let attributes = field(spec, 1)?;
        let text = |number| match field(attributes, number) {
            Some(bytes) => std::str::from_utf8(bytes).map(str::to_owned).ok(),
            None => Some(String::new()),
        };
        Some(Self {
            namespace: text(1)?,
            verb: text(2)?,
            group: text(3)?,
            version: text(4)?,
            resource: text(5)?,
            subresource: text(6)?,
            name: text(7)?,
        })
    }
}

/// Finds the last field with this number and a length, as protobuf readers do; `None` when there is none, or the message
/// is broken.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut found = None;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(length)?;
                if key >> 3 == wanted {
                    found = Some(value);
                }
                message = rest;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    found
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).expect("short");
        [&[number << 3 | 2, length], value].concat()
    }

    fn review(attributes: &[u8]) -> Vec<u8> {
        let spec = nested(2, &nested(1, attributes));
        let meta = nested(1, &nested(1, b"authorization.k8s.io/v1"));
        [b"k8s\0".as_slice(), &meta, &nested(2, &[nested(1, b""), spec].concat())].concat()
    }

    #[test]
    fn protobuf_reads_as_json_does() {
        let attributes =
            [nested(1, b"dev"), nested(2, b"delete"), nested(3, b""), nested(5, b"pods"), nested(7, b"web")];
        let json =
            r#"{"spec":{"resourceAttributes":{"namespace":"dev","verb":"delete","resource":"pods","name":"web"}}}"#;
        let read = Attributes::of_protobuf(&review(&attributes.concat())).expect("reads");
        assert_eq!(Some(read), Attributes::of_json(json.as_bytes()));
    }

    #[test]
    fn broken_messages_read_as_nothing() {
        let whole = review(&[nested(2, b"get"), nested(5, b"pods")].concat());
        for end in 0..whole.len() {
            assert_eq!(Attributes::of_protobuf(whole.get(..end).expect("in range")), None, "cut at {end}");
        }
        for broken in [
            &b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"k8s\0\x12\xff\xff\xff\xff\x0f",
            b"k8s\0\x13",
            b"{}",
        ] {
            assert_eq!(Attributes::of_protobuf(broken), None, "{broken:?}");
        }
    }
}
